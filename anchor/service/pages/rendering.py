"""Pages rendered from templates with everything escaped, and the static files they refer to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache, partial
from importlib import resources
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from anchor.base.errors import AnchorError
from anchor.base.messages.catalogue import Language, load_catalogue
from anchor.base.messages.message import Message, translate
from anchor.base.units import (
    format_age,
    format_duration,
    format_gas_price,
    format_in_gwei,
    format_leaves,
    format_stored_day,
    format_stored_time,
    format_timestamp,
    format_wei,
)
from anchor.monitor.overview_json import build_log_json
from anchor.monitor.timeline import HeadState, head_state_message
from anchor.page import load_page
from anchor.project.config import Config
from anchor.service.pages.language import Reader
from anchor.service.problems import Problem, explain

router = APIRouter(include_in_schema=False)

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""A content security policy: no scripts, nothing from other sites, no inline styles."""

SCRIPT_POLICY = (
    f"{POLICY}; script-src 'self'; connect-src 'self'; worker-src 'self'; "
    "require-trusted-types-for 'script'; trusted-types worker"
)
"""The policy of a page with a script of this site, which asks this site only and has workers."""

ASKING_SCRIPT_POLICY = (
    f"{POLICY}; script-src 'self'; require-trusted-types-for 'script'; connect-src 'self'"
)
"""The policy of a page whose script asks this site only."""

_WORKER_POLICY = "default-src 'none'; script-src 'wasm-unsafe-eval'; frame-ancestors 'none'"
_VERIFIER_POLICY = re.compile(
    r"<meta\s+http-equiv=\"?Content-Security-Policy\"?\s+content=\"([^\"]+)\"", re.IGNORECASE
)
# What stands before the second time in Chinese, of the messages moment-in-utc and day-in-utc.
_BRACKET = "\N{FULLWIDTH LEFT PARENTHESIS}"
_STATES = {
    HeadState.SEALED: "open",
    HeadState.SUBMITTED: "open",
    HeadState.INCLUDED: "half",
    HeadState.COVERED: "half",
    HeadState.ANCHORED: "done",
    HeadState.COVERED_FINALLY: "done",
}


def answer_page(
    template: str,
    values: Mapping[str, object],
    reader: Reader,
    *,
    status: int = 200,
    policy: str = POLICY,
) -> Response:
    """Return a page in the reader's language, which loads nothing from other sites."""
    is_by_depth = reader.site.finality is not None
    environment = _load_environment(reader.language, is_by_depth=is_by_depth)
    text = environment.get_template(template).render(
        values, reader=reader, style=static_path("pages.css")
    )
    return Response(
        text.encode("utf-8"),
        status_code=status,
        media_type="text/html; charset=utf-8",
        headers={
            "Content-Security-Policy": policy,
            # Addresses hold tokens, names and questions, which a log of referrers would keep.  With
            # ``no-referrer``, browsers would also omit the origin of a submitted form.
            "Referrer-Policy": "strict-origin",
            "Vary": "Accept-Language",
        },
    )


def answer_error(error: AnchorError, here: str, reader: Reader) -> Response:
    """Return an error as a page, without details meant for the operator."""
    problem = explain(error)
    values = {
        "here": here,
        "title": Message("page-not-available"),
        "text": problem.detail,
        "hint": None,
    }
    page = answer_page("message.html", values, reader, status=problem.status)
    page.headers.update(problem.headers)
    return page


@router.get("/pages-{digest}.css")
async def style(digest: str) -> Response:
    """Return the style sheet."""
    return _answer_static("pages.css", digest, "text/css")


@router.get("/submit-{digest}.js")
async def submit_script(digest: str) -> Response:
    """Return the script of the page for submitting, which may use WebAssembly as a worker."""
    script = _answer_static("submit.js", digest, "text/javascript")
    # A worker has the policy of its own script, not that of the page.
    script.headers["Content-Security-Policy"] = _WORKER_POLICY
    return script


@router.get("/upload-{digest}.js")
async def upload_script(digest: str) -> Response:
    """Return the script that sends copies from the page for submitting."""
    return _answer_static("upload.js", digest, "text/javascript")


@router.get("/passkey-{digest}.js")
async def passkey_script(digest: str) -> Response:
    """Return the script by which a browser makes and uses passkeys."""
    return _answer_static("passkey.js", digest, "text/javascript")


@router.get("/favicon.svg")
async def icon() -> Response:
    """Return the icon."""
    headers = {"Cache-Control": "public, max-age=86400"}
    return Response(_load_static("favicon.svg"), media_type="image/svg+xml", headers=headers)


@router.get("/verify.html")
async def verifier_page() -> Response:
    """Return the verifier page, with the content security policy that it contains."""
    page = load_page()
    policy = _VERIFIER_POLICY.search(page.decode("utf-8"))
    assert policy is not None, "the page of this release names its policy"
    headers = {
        "Cache-Control": "no-cache",
        # A page cannot forbid in its own markup to be shown in a frame.
        "Content-Security-Policy": f"{policy[1]}; frame-ancestors 'none'",
    }
    return Response(page, media_type="text/html; charset=utf-8", headers=headers)


def describe_log(config: Config) -> dict[str, Any]:
    """Return the values by which pages identify the log."""
    return {"id": f"0x{config.log.hex()}", **build_log_json(config)}


def mark_code(text: str) -> Markup:
    """Escape a text and mark up text between backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)  # a backtick has no counterpart
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )


def mark_units(text: str) -> Markup:
    """Escape a figure and mark up its units as small text: ``12 min 52 s``."""
    return Markup(" ").join(
        Markup("<small>{}</small>").format(word) if word[:1].isalpha() else escape(word)
        for word in text.split(" ")
    )


def break_time(text: str) -> Markup:
    """Escape a time and put what is in brackets, the same time in UTC, on a line of its own."""
    return (Markup("<br>") + _BRACKET).join(escape(part) for part in text.split(_BRACKET))


@cache
def _load_static(name: str) -> bytes:
    """Return a static file of the package."""
    return resources.files("anchor.service.pages").joinpath("static", name).read_bytes()


@cache
def static_path(name: str) -> str:
    """Return a static file's path, which changes with its content: browsers may cache it."""
    stem, _, ending = name.rpartition(".")
    return f"/{stem}-{hashlib.sha256(_load_static(name)).hexdigest()[:16]}.{ending}"


def _answer_static(name: str, digest: str, media_type: str) -> Response:
    """Return a static file whose path contains a digest of its content."""
    stem, _, ending = name.rpartition(".")
    if f"/{stem}-{digest}.{ending}" != static_path(name):
        raise Problem(404, Message("page-style-outdated"))
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(_load_static(name), media_type=media_type, headers=headers)


def _show_moment(time: float | str) -> str:
    return format_stored_time(time) if isinstance(time, str) else format_timestamp(time)


@cache
def _load_environment(language: Language, *, is_by_depth: bool) -> Environment:
    """Return the environment of the pages in a language, into which it translates all messages.

    ``is_by_depth`` is whether the service, and not the nodes, decides what is final.
    """

    def say(value: Any) -> Any:
        return translate(value, language) if isinstance(value, Message) else value

    def write_message(id: str, /, **operands: object) -> Markup:
        """Return a message as HTML; its operands are escaped unless they are HTML already."""
        said = {name: say(value) for name, value in operands.items()}
        return escape(load_catalogue(language)[id]).format_map(said)

    environment = Environment(
        loader=PackageLoader("anchor.service.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=say,
    )
    environment.globals |= {"message": write_message, "age": format_age}
    environment.filters |= {
        "duration": format_duration,
        "moment": _show_moment,
        "day": format_stored_day,
        "wei": format_wei,
        "gas_price": format_gas_price,
        "gwei": format_in_gwei,
        "leaves": format_leaves,
        "code": lambda text: mark_code(say(text)),
        "lines": lambda text: break_time(say(text)),
        "figure": lambda text: mark_units(say(text)),
        "state": partial(head_state_message, is_by_depth=is_by_depth),
        "state_class": lambda state: _STATES[state],
    }
    return environment
