"""Events that the daemon writes to the operator's log."""

from __future__ import annotations

from dataclasses import dataclass, field

from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message
from anchor.base.units import format_leaves
from anchor.operate.anchor_watch import Watched
from anchor.operate.clock_check import ClockFault, describe_held
from anchor.operate.finality import build_finality_json
from anchor.operate.publishing import Publication
from anchor.operate.single_run import RunResult, run_state_message
from anchor.operate.timestamping import StampingOutcome
from anchor.project.config import Config
from anchor.store.evidence import HeldBack
from anchor.store.heads import AnchoredHead


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One action or observation of the daemon: a sentence and its figures."""

    event: str
    text: Message
    figures: dict[str, int | str] = field(default_factory=dict)


def anchoring_event(result: RunResult, anchored: AnchoredHead, config: Config) -> Event:
    """Return the event of a run that anchored something new."""
    is_by_depth = config.final_after is not None
    return Event(
        event="anchored" if anchored.final else "included",
        text=Message(
            "event-anchored",
            sealed=format_leaves(result.sealed),
            sequence=anchored.sequence,
            size=format_leaves(anchored.head.size),
            block=anchored.block_number,
            state=run_state_message(result.state, is_by_depth=is_by_depth),
        ),
        figures={
            "sealed": result.sealed,
            "size": anchored.head.size,
            "root": anchored.head.root.hex(),
            "sequence": anchored.sequence,
            "block_number": anchored.block_number,
            **build_finality_json(config),
        },
    )


def finality_event(anchored: AnchoredHead, config: Config) -> Event:
    """Return the event of an anchor that has become final."""
    sequence, size = anchored.sequence, format_leaves(anchored.head.size)
    return Event(
        event="final",
        text=Message("event-anchor-final", sequence=sequence, size=size)
        if config.final_after is None
        else Message("event-anchor-final-by-depth", sequence=sequence, size=size),
        figures={
            "sequence": sequence,
            "size": anchored.head.size,
            **build_finality_json(config),
        },
    )


def reorganisation_event(anchored: AnchoredHead, fate: Message) -> Event:
    """Return the event of an included anchor that a reorganisation moved or removed."""
    return Event(
        event="reorganised",
        text=Message(
            "event-anchor-reorganised",
            sequence=anchored.sequence,
            block=anchored.block_number,
            fate=fate,
        ),
        figures={"sequence": anchored.sequence, "block_number": anchored.block_number},
    )


def late_event(anchored: AnchoredHead, age: float) -> Event:
    """Return the event of an anchor that has been reversible for ``age`` seconds."""
    return Event(
        event="late",
        text=Message(
            "event-anchor-late",
            sequence=anchored.sequence,
            block=anchored.block_number,
            minutes=age / 60,
        ),
        figures={"sequence": anchored.sequence, "seconds": round(age)},
    )


def unwatched_event(watched: Watched) -> Event:
    """Return the warning that the newest final anchor could not be compared with the chain."""
    return Event(
        event="warning",
        text=Message(
            "event-final-anchor-unwatched", minutes=watched.unknown_for / 60, reason=watched.trouble
        ),
        figures={"seconds": round(watched.unknown_for)},
    )


def clock_event(fault: ClockFault) -> Event:
    """Return the warning that this machine's clock is far from the chain's."""
    effect = (
        Message("clock-off-no-records") if fault.is_certain else Message("clock-off-by-one-node")
    )
    return Event(
        event="warning",
        text=Message("clock-off-event", fault=fault.describe(), effect=effect),
        figures={"alarm": "clock-off", "seconds": round(fault.seconds)},
    )


def held_event(held: HeldBack) -> Event:
    """Return the warning that evidence waits because it is dated too late to be sealed."""
    return Event(
        event="warning",
        text=describe_held(held),
        figures={
            "alarm": "held-back",
            "leaf": held.leaf.hex(),
            "recorded_at": held.recorded_at,
            "waiting": held.waiting,
            "hint": Message("evidence-held-back-hint"),
        },
    )


def failure_event(error: AnchorError, wait: float) -> Event:
    """Return the event of a failure after which the daemon tries again in ``wait`` seconds."""
    return Event(
        event="failed",
        text=Message("event-round-failed", reason=error.message, seconds=wait),
        figures={"exit_code": int(error.exit_code), "hint": error.hint or ""},
    )


def publication_event(published: Publication, target: str) -> Event:
    """Return the event of a publication of the log in ``target``."""
    return Event(
        event="published",
        text=Message(
            "event-log-published",
            size=published.head.size,
            target=target,
            tiles=published.tiles_written,
        ),
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
        text=Message("event-log-unpublished", reason=error.message, seconds=wait),
        figures={"exit_code": int(error.exit_code), "hint": error.hint or ""},
    )


def long_publication_event(target: str, seconds: float) -> Event:
    """Return the warning that a publication has not ended after ``seconds``."""
    return Event(
        event="warning",
        text=Message("event-publication-long", target=target, minutes=seconds / 60),
    )


def timestamp_event(outcome: StampingOutcome) -> Event:
    """Return the event of a checkpoint that was stamped."""
    return Event(
        event="timestamped",
        text=describe_stamping(outcome),
        figures={
            "size": outcome.head.size,
            "root": outcome.head.root.hex(),
            "tsa": outcome.tsa,
            "file": str(outcome.path),
        },
    )


def describe_stamping(outcome: StampingOutcome) -> Message:
    """Return the sentence about a token that is kept, and whether it was verified."""
    tsa, size, path = outcome.tsa, outcome.head.size, outcome.path
    if outcome.is_verified:
        return Message("timestamp-kept", tsa=tsa, size=size, path=path)
    return Message("timestamp-kept-unverified", tsa=tsa, size=size, path=path)


def unstamped_event(tsa: str | None, error: AnchorError, wait: float) -> Event:
    """Return the event of a timestamp that failed and is tried again in ``wait`` seconds."""
    reason = error.message if tsa is None else Message("tsa-failed", tsa=tsa, reason=error)
    return Event(
        event="unstamped",
        text=Message("event-not-stamped", reason=reason, seconds=wait),
        figures={"exit_code": int(error.exit_code), "hint": error.hint or ""},
    )
