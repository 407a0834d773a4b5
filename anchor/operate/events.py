"""What a daemon tells the operator's log: one thing it did or met at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

from anchor.errors import AnchorError
from anchor.operate.anchor_watch import Watched
from anchor.operate.clock_check import ClockFault
from anchor.operate.publishing import Publication
from anchor.operate.single_run import Round
from anchor.store.heads import AnchoredHead
from anchor.units import spell_leaves


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One thing a daemon did or met: ``text`` and its figures."""

    event: str
    text: str
    figures: dict[str, int | str] = field(default_factory=dict)


def describe_round(done: Round, anchored: AnchoredHead) -> Happened:
    """Tell of a round that anchored something new."""
    return Happened(
        event="anchored" if anchored.final else "included",
        text=f"sealed {spell_leaves(done.sealed)}; anchor {anchored.sequence} of "
        f"{spell_leaves(anchored.head.size)} in block {anchored.block_number}: {done.state.value}",
        figures={
            "sealed": done.sealed,
            "size": anchored.head.size,
            "root": anchored.head.root.hex(),
            "sequence": anchored.sequence,
            "block_number": anchored.block_number,
        },
    )


def describe_final(anchored: AnchoredHead) -> Happened:
    """Tell of an anchor that has become final."""
    return Happened(
        event="final",
        text=f"anchor {anchored.sequence} is final: {spell_leaves(anchored.head.size)}",
        figures={"sequence": anchored.sequence, "size": anchored.head.size},
    )


def describe_reorganised(anchored: AnchoredHead, fate: str) -> Happened:
    """Tell of an included anchor that a reorganisation moved or took back."""
    return Happened(
        event="reorganised",
        text=f"anchor {anchored.sequence}, which was included in block {anchored.block_number}, "
        f"{fate}",
        figures={"sequence": anchored.sequence, "block_number": anchored.block_number},
    )


def describe_late(anchored: AnchoredHead, age: float) -> Happened:
    """Tell of an anchor that has been reversible for ``age`` seconds."""
    return Happened(
        event="late",
        text=f"anchor {anchored.sequence} in block {anchored.block_number} is not final after "
        f"{age / 60:.0f} minutes; it stays included, and nothing is sent again",
        figures={"sequence": anchored.sequence, "seconds": round(age)},
    )


def describe_unwatched(watched: Watched) -> Happened:
    """Tell that the newest final anchor could not be compared with the chain for long."""
    return Happened(
        event="warning",
        text="whether the newest final anchor is where it was cannot be told for "
        f"{watched.unknown_for / 60:.0f} minutes: {watched.trouble}",
        figures={"seconds": round(watched.unknown_for)},
    )


def describe_clock(fault: ClockFault) -> Happened:
    """Tell that this machine's clock is far from the chain's."""
    effect = "no record is made meanwhile" if fault.is_certain else "one node's word: set it right"
    return Happened(
        event="warning",
        text=f"{fault}; {effect}",
        figures={"alarm": "clock-off", "seconds": round(fault.seconds)},
    )


def describe_failure(error: AnchorError, wait: float) -> Happened:
    """Tell of a failure that is met by trying again after ``wait`` seconds."""
    return Happened(
        event="failed",
        text=f"{error.message}; trying again in {wait:.0f} seconds",
        figures={"exit_code": int(error.exit_code), "hint": error.hint or ""},
    )


def describe_publication(published: Publication, place: str) -> Happened:
    """Tell what is published in ``place`` now."""
    return Happened(
        event="published",
        text=f"published {published.head.size:,} leaves in {place}; wrote "
        f"{published.tiles_written:,} tiles",
        figures={
            "size": published.head.size,
            "root": published.head.root.hex(),
            "tiles_written": published.tiles_written,
        },
    )


def describe_unpublished(error: AnchorError, wait: float) -> Happened:
    """Tell of a publication that failed and is tried again after ``wait`` seconds."""
    return Happened(
        event="unpublished",
        text=f"the log was not published: {error.message}; trying again in {wait:.0f} seconds, "
        "anchoring goes on",
        figures={"exit_code": int(error.exit_code), "hint": error.hint or ""},
    )


def describe_long_publication(place: str, seconds: float) -> Happened:
    """Tell of a publication that has not ended after ``seconds``."""
    return Happened(
        event="warning",
        text=f"publishing the log in {place} has taken {seconds / 60:.0f} minutes so far; "
        "anchoring goes on",
    )
