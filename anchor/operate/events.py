"""Events that the daemon writes to the operator's log."""

from __future__ import annotations

from dataclasses import dataclass, field

from anchor.errors import AnchorError
from anchor.operate.anchor_watch import Watched
from anchor.operate.clock_check import ClockFault
from anchor.operate.publishing import Publication
from anchor.operate.single_run import RunResult
from anchor.store.heads import AnchoredHead
from anchor.units import format_leaves


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One action or observation of the daemon: a sentence and its figures."""

    event: str
    text: str
    figures: dict[str, int | str] = field(default_factory=dict)


def anchoring_event(result: RunResult, anchored: AnchoredHead) -> Event:
    """Return the event of a run that anchored something new."""
    return Event(
        event="anchored" if anchored.final else "included",
        text=f"sealed {format_leaves(result.sealed)}; anchor {anchored.sequence} of "
        f"{format_leaves(anchored.head.size)} in block {anchored.block_number}: "
        f"{result.state.value}",
        figures={
            "sealed": result.sealed,
            "size": anchored.head.size,
            "root": anchored.head.root.hex(),
            "sequence": anchored.sequence,
            "block_number": anchored.block_number,
        },
    )


def finality_event(anchored: AnchoredHead) -> Event:
    """Return the event of an anchor that has become final."""
    return Event(
        event="final",
        text=f"anchor {anchored.sequence} is final: {format_leaves(anchored.head.size)}",
        figures={"sequence": anchored.sequence, "size": anchored.head.size},
    )


def reorganisation_event(anchored: AnchoredHead, fate: str) -> Event:
    """Return the event of an included anchor that a reorganisation moved or removed."""
    return Event(
        event="reorganised",
        text=f"anchor {anchored.sequence}, which was included in block {anchored.block_number}, "
        f"{fate}",
        figures={"sequence": anchored.sequence, "block_number": anchored.block_number},
    )


def late_event(anchored: AnchoredHead, age: float) -> Event:
    """Return the event of an anchor that has been reversible for ``age`` seconds."""
    return Event(
        event="late",
        text=f"anchor {anchored.sequence} in block {anchored.block_number} is not final after "
        f"{age / 60:.0f} minutes; it stays included, and nothing is sent again",
        figures={"sequence": anchored.sequence, "seconds": round(age)},
    )


def unwatched_event(watched: Watched) -> Event:
    """Return the warning that the newest final anchor could not be compared with the chain."""
    return Event(
        event="warning",
        text="whether the newest final anchor is where it was cannot be told for "
        f"{watched.unknown_for / 60:.0f} minutes: {watched.trouble}",
        figures={"seconds": round(watched.unknown_for)},
    )


def clock_event(fault: ClockFault) -> Event:
    """Return the warning that this machine's clock is far from the chain's."""
    effect = "no record is made meanwhile" if fault.is_certain else "one node's word: set it right"
    return Event(
        event="warning",
        text=f"{fault}; {effect}",
        figures={"alarm": "clock-off", "seconds": round(fault.seconds)},
    )


def failure_event(error: AnchorError, wait: float) -> Event:
    """Return the event of a failure after which the daemon tries again in ``wait`` seconds."""
    return Event(
        event="failed",
        text=f"{error.message}; trying again in {wait:.0f} seconds",
        figures={"exit_code": int(error.exit_code), "hint": error.hint or ""},
    )


def publication_event(published: Publication, target: str) -> Event:
    """Return the event of a publication of the log in ``target``."""
    return Event(
        event="published",
        text=f"published {published.head.size:,} leaves in {target}; wrote "
        f"{published.tiles_written:,} tiles",
        figures={
            "size": published.head.size,
            "root": published.head.root.hex(),
            "tiles_written": published.tiles_written,
        },
    )


def unpublished_event(error: AnchorError, wait: float) -> Event:
    """Return the event of a publication that failed and is tried again in ``wait`` seconds."""
    return Event(
        event="unpublished",
        text=f"the log was not published: {error.message}; trying again in {wait:.0f} seconds, "
        "anchoring goes on",
        figures={"exit_code": int(error.exit_code), "hint": error.hint or ""},
    )


def long_publication_event(target: str, seconds: float) -> Event:
    """Return the warning that a publication has not ended after ``seconds``."""
    return Event(
        event="warning",
        text=f"publishing the log in {target} has taken {seconds / 60:.0f} minutes so far; "
        "anchoring goes on",
    )
