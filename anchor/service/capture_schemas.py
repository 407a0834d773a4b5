"""The documents of captures that tenants order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias, get_args

from fastapi import Path
from pydantic import Field, ValidationError

from anchor.evidence.statement_text import MAX_CHARACTERS
from anchor.service.problems import ANSWER_LANGUAGE
from anchor.service.schemas import DIGEST_PATTERN, Document
from anchor.store.captures import OrderedCapture

Viewports: TypeAlias = Literal["1280x800", "1920x1080", "820x1180", "390x844"]
VIEWPORTS: Final[tuple[Viewports, ...]] = get_args(Viewports)
MAX_URL: Final = 1_000
MAX_DEPTH: Final = 2

_CAPTURE = "7d2c0a5b1e7f4d3e9a8b6c5d4e3f2a1b"

CaptureId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="As the order returns.")]


class CaptureRequest(Document):
    """An order to capture a page, as a stranger sees it who is signed in nowhere."""

    url: Annotated[str, Field(min_length=1, max_length=MAX_URL, examples=["https://example.org/"])]
    depth: Annotated[
        int,
        Field(ge=0, le=MAX_DEPTH, description="How often links within the site are followed."),
    ] = 0
    viewports: Annotated[
        list[Viewports],
        Field(
            default_factory=lambda: [VIEWPORTS[0]],
            min_length=1,
            max_length=len(VIEWPORTS),
            description="Sizes of windows, for a picture each.",
        ),
    ]
    note: Annotated[
        str | None,
        Field(max_length=MAX_CHARACTERS, description="Goes into the record, as your statement."),
    ] = None


def read_capture_form(members: Mapping[str, object]) -> CaptureRequest | set[str]:
    """Return the order of a form, whose numbers are text; or the names of its wrong fields."""
    try:
        return CaptureRequest.model_validate(dict(members), strict=False)
    except ValidationError as error:
        return {str(fault["loc"][0]) for fault in error.errors()}


class MissingDocument(Document):
    """Something that the capture does not hold, and why."""

    subject: str
    reason: str


class CaptureDocument(Document):
    """A capture that was ordered; all but its times is null once its evidence is erased."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", examples=[_CAPTURE])]
    state: Literal["waiting", "running", "recorded", "refused"]
    url: str | None
    depth: int | None
    viewports: list[str] | None
    note: str | None
    ordered_at: str
    settled_at: str | None
    evidence: Annotated[
        str | None, Field(pattern=DIGEST_PATTERN, description="The id of the evidence.")
    ]
    robots: Annotated[
        Literal["allowed", "disallowed", "none", "unread"] | None,
        Field(description="What robots.txt says of the URL; it is recorded, never enforced."),
    ]
    not_captured: Annotated[
        list[MissingDocument], Field(description="The first hundred things that it lacks.")
    ]
    refusal: Annotated[str | None, Field(description="Why the page was not captured.")]


class CaptureList(Document):
    """A page of captures, the newest first; ``next`` is the ``before`` of the following one."""

    captures: list[CaptureDocument]
    next: str | None


def describe_ordered(capture: OrderedCapture) -> CaptureDocument:
    """Return the document of a capture, in the language of the request."""
    language = ANSWER_LANGUAGE.get()
    options = capture.options or {}
    account = capture.account or {}
    is_recorded = capture.state == "recorded" and capture.identity is not None
    identity = capture.identity if is_recorded else None
    return CaptureDocument(
        id=capture.id,
        state=capture.state,
        url=capture.url,
        depth=options.get("depth"),
        viewports=options.get("viewports"),
        note=options.get("note"),
        ordered_at=capture.ordered_at,
        settled_at=capture.settled_at,
        evidence=None if identity is None else identity.hex(),
        robots=account.get("robots"),
        not_captured=[
            MissingDocument(subject=each["subject"], reason=each["reason"][language])
            for each in account.get("missing", [])
        ],
        refusal=None if capture.refusal is None else capture.refusal[language],
    )
