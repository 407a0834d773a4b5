"""``/log``: the public pages of the log: hashes, sizes and positions, but no names or sources."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from fastapi.responses import Response
from markupsafe import Markup

from anchor.base.errors import AnchorError, UsageError
from anchor.base.messages.message import Message, translate
from anchor.base.types import MAX_LOG_SIZE
from anchor.certificate.model import encode_step
from anchor.certificate.path_svg import draw_path
from anchor.monitor.log_lookup import (
    HeadConsistency,
    LeafPosition,
    locate_leaf,
    parse_index,
    parse_leaf,
    prove_consistency,
    search_leaf,
)
from anchor.monitor.timeline import load_head_lines
from anchor.project.project import OpenProject
from anchor.service.pages.language import CurrentReader, Reader
from anchor.service.pages.rendering import answer_error, answer_page, describe_log
from anchor.service.worker import CurrentService, Service

router = APIRouter(include_in_schema=False)

_HEADS = 50
_NOTHING_ASKED = {"of": "", "old": "", "new": ""}


@router.get("/log")
async def log(service: CurrentService, reader: CurrentReader, before: str = "") -> Response:
    """Show a page of heads, the newest first or those below ``before``."""
    below = parse_index(before)
    if before and below is None:
        error = UsageError(Message("head-page-not-named"))
        return await _answer_log(service, reader, problem=error)
    return await _answer_log(service, reader, below=below)


@router.get("/log/leaf")
async def leaf(service: CurrentService, reader: CurrentReader, of: str = "") -> Response:
    """Show the position of a leaf, found by its index or by its hash."""
    text = of.strip()
    try:
        place = await service.proof_queue.run(lambda: _find_place(service.project, text))
    except UsageError as error:
        return await _answer_log(service, reader, problem=error, of=text)
    except AnchorError as error:
        return answer_error(error, "log", reader)
    values = {"here": "log", "place": place, "drawing": _draw(place, reader)}
    return answer_page("leaf.html", values, reader)


@router.get("/log/consistency")
async def consistency(
    service: CurrentService, reader: CurrentReader, old: str = "", new: str = ""
) -> Response:
    """Show the proof that one head continues another."""

    def prove() -> HeadConsistency:
        sizes = [parse_index(text.strip()) for text in (old, new)]
        if sizes[0] is None or sizes[1] is None:
            raise UsageError(Message("head-pair-not-named"))
        return prove_consistency(service.project, sizes[0], sizes[1])

    try:
        extension = await service.proof_queue.run(prove)
    except UsageError as error:
        return await _answer_log(service, reader, problem=error, old=old, new=new)
    except AnchorError as error:
        return answer_error(error, "log", reader)
    return answer_page("consistency.html", {"here": "log", "extension": extension}, reader)


def _find_place(project: OpenProject, text: str) -> LeafPosition:
    index = parse_index(text)
    if index is None:
        leaf_hash = parse_leaf(text)
        if leaf_hash is None:
            raise UsageError(Message("leaf-not-named"))
        index = search_leaf(project, leaf_hash)
    return locate_leaf(project, index)


def _draw(place: LeafPosition, reader: Reader) -> Markup:
    steps = [encode_step(step) for step in place.steps]
    title = Message("path-to-head", steps=len(steps), index=place.index, size=place.head.size)
    say = partial(translate, language=reader.language)
    return Markup(draw_path(place.leaf.hex(), steps, digits=4, title=say(title), say=say))


async def _answer_log(
    service: Service,
    reader: Reader,
    *,
    below: int | None = None,
    problem: UsageError | None = None,
    **asked: str,
) -> Response:
    limit = MAX_LOG_SIZE + 1 if below is None else min(below, MAX_LOG_SIZE + 1)
    chain_id = service.project.config.chain_id
    try:
        heads = await service.query(load_head_lines, chain_id, _HEADS + 1, below=limit)
    except AnchorError as error:
        return answer_error(error, "log", reader)
    values = {
        "here": "log",
        "log": describe_log(service.project.config),
        "heads": heads[:_HEADS],
        "before": below is not None,
        "next_before": heads[_HEADS - 1].head.size if len(heads) > _HEADS else None,
        "problem": None if problem is None else problem.message,
        "hint": None if problem is None else problem.hint,
        "asked": _NOTHING_ASKED | {name: text[:64] for name, text in asked.items()},
    }
    return answer_page("log.html", values, reader, status=200 if problem is None else 404)
