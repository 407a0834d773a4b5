"""``/conformance``: rules on electronic evidence, point by point, and what of each is met here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from fastapi import APIRouter
from fastapi.responses import Response

from anchor.base.messages.message import Message
from anchor.service.pages.language import CurrentReader
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.rendering import answer_page

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_STATES: Final = {
    "done": Message("conformance-by-software"),
    "court": Message("conformance-by-court"),
    "material": Message("conformance-material"),
    "half": Message("conformance-by-operator"),
    "open": Message("conformance-open"),
}


@dataclass(frozen=True, slots=True)
class ConformancePoint:
    """One point of a rule: where it stands, what it asks, by whom it is met, and how.

    ``state`` is ``done`` if the software does it, ``court`` or ``material`` if it is an act of a
    court for which the software verifies or gives material only, ``half`` if it rests on what the
    operator states or arranges, and ``open`` if it is not met or was not assessed.
    """

    place: Message
    demand: Message
    state: Literal["done", "court", "material", "half", "open"]
    answer: Message

    @property
    def label(self) -> Message:
        """Return the state in words."""
        return _STATES[self.state]


@dataclass(frozen=True, slots=True)
class ConformanceRule:
    """A rule or standard, with the points that concern a preservation platform."""

    name: str
    title: Message
    note: Message
    points: tuple[ConformancePoint, ...]


RULES: Final = (
    ConformanceRule(
        "litigation",
        Message("conformance-litigation"),
        Message("conformance-litigation-note"),
        (
            ConformancePoint(
                Message("conformance-rules-16"),
                Message("conformance-unchanged"),
                "court",
                Message("conformance-unchanged-answer"),
            ),
            ConformancePoint(
                Message("conformance-rules-17-1"),
                Message("conformance-service-rules"),
                "half",
                Message("conformance-service-rules-answer"),
            ),
            ConformancePoint(
                Message("conformance-rules-17-2"),
                Message("conformance-interest"),
                "half",
                Message("conformance-interest-answer"),
            ),
            ConformancePoint(
                Message("conformance-rules-17-3"),
                Message("conformance-system"),
                "open",
                Message("conformance-system-answer"),
            ),
            ConformancePoint(
                Message("conformance-rules-17-4"),
                Message("conformance-technology"),
                "open",
                Message("conformance-technology-answer"),
            ),
            ConformancePoint(
                Message("conformance-rules-18"),
                Message("conformance-before"),
                "material",
                Message("conformance-before-answer"),
            ),
            ConformancePoint(
                Message("conformance-rules-19"),
                Message("conformance-expert"),
                "material",
                Message("conformance-expert-answer"),
            ),
        ),
    ),
    ConformanceRule(
        "specification",
        Message("conformance-specification"),
        Message("conformance-specification-note"),
        (
            ConformancePoint(
                Message("group-provider"),
                Message("conformance-provider"),
                "material",
                Message("conformance-provider-answer"),
            ),
            ConformancePoint(
                Message("group-platform"),
                Message("conformance-platform"),
                "material",
                Message("conformance-platform-answer"),
            ),
            ConformancePoint(
                Message("group-process"),
                Message("conformance-process"),
                "material",
                Message("conformance-process-answer"),
            ),
        ),
    ),
    ConformanceRule(
        "ledger",
        Message("conformance-ledger"),
        Message("conformance-ledger-note"),
        (
            ConformancePoint(
                Message("conformance-eidas-45l-a"),
                Message("conformance-qualified"),
                "open",
                Message("conformance-qualified-answer"),
            ),
            ConformancePoint(
                Message("conformance-eidas-45l-b"),
                Message("conformance-origin"),
                "half",
                Message("conformance-origin-answer"),
            ),
            ConformancePoint(
                Message("conformance-eidas-45l-c"),
                Message("conformance-order"),
                "half",
                Message("conformance-order-answer"),
            ),
            ConformancePoint(
                Message("conformance-eidas-45l-d"),
                Message("conformance-detectable"),
                "done",
                Message("conformance-detectable-answer"),
            ),
            ConformancePoint(
                Message("conformance-eidas-41-2"),
                Message("conformance-timestamp"),
                "half",
                Message("conformance-timestamp-answer"),
            ),
        ),
    ),
)


@router.get("/conformance")
async def conformance_page(reader: CurrentReader) -> Response:
    """Show the rules, and what of each is met."""
    return answer_page("conformance.html", {"here": "about", "rules": RULES}, reader)
