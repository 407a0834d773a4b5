"""``/number``: what has a number that is printed anywhere, for everybody."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.evidence.printed_number import is_certificate_number
from anchor.service.number_lookup import limit_guesses, look_up
from anchor.service.pages.forms import Form
from anchor.service.pages.language import CurrentReader, Reader
from anchor.service.pages.number_facts import NumberCard, describe_match
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.rendering import answer_page, describe_log
from anchor.service.problems import Problem
from anchor.service.worker import CurrentService, Service
from anchor.store.number_search import NumberedItem, find_named_block

router = APIRouter(include_in_schema=False, route_class=PageRoute)

# A page with more would not be read.
_MOST = 20
# As many characters as the API takes.
_MOST_CHARACTERS = 200
_UNKNOWN = Message("number-remark-unknown")
_CERTIFICATE = Message("certificate-number-unknown")


@router.get("/number", dependencies=[Depends(limit_guesses)])
async def number_page(service: CurrentService, reader: CurrentReader, of: str = "") -> Response:
    """Show the field, and what has the number that was entered."""
    text = of.strip()
    form = Form({"of": (text[:_MOST_CHARACTERS],)})
    if not text:
        return _answer(service, reader, form)
    try:
        if len(text) > _MOST_CHARACTERS:
            raise MalformedError(
                Message("number-unreadable"), hint=Message("number-unreadable-hint")
            )
        matches, more = await look_up(service, text, _MOST)
    except MalformedError as error:
        return _answer(service, reader, form.refuse(of=error.message), hint=error.hint, status=422)
    except Problem as problem:
        if problem.status != 404:
            raise
        why = _CERTIFICATE if is_certificate_number(text) else _UNKNOWN
        return _answer(service, reader, form, unknown=why, status=404)
    return _answer(service, reader, form, await _describe(service, matches), more=more)


async def _describe(service: Service, matches: list[NumberedItem]) -> list[NumberCard]:
    config = service.project.config
    blocks = [
        await service.query(find_named_block, config.chain_id, match)
        if match.not_before is not None
        else None
        for match in matches
    ]
    return [
        describe_match(match, config, named) for match, named in zip(matches, blocks, strict=True)
    ]


def _answer(
    service: Service,
    reader: Reader,
    form: Form,
    cards: Sequence[NumberCard] = (),
    *,
    more: bool = False,
    unknown: Message | None = None,
    hint: Message | None = None,
    status: int = 200,
) -> Response:
    values = {
        "here": "number",
        "form": form,
        "cards": cards,
        "most": _MOST if more else None,
        "unknown": unknown,
        "hint": hint,
        "question": next((card.question for card in cards if card.question is not None), None),
        "log": describe_log(service.project.config),
    }
    return answer_page("number.html", values, reader, status=status)
