"""Checks of this machine's clock against the chain's time as seen last.

A block's time is a lower bound of the current time; on a chain whose block times advance with real
time, the newest block's is also an upper bound.  One node's answer about a clock that is behind
raises an alarm and stops nothing: records are refused only if the block times are those of earlier
final anchors, or enough nodes agree, or this process's own monotonic clock shows that the wall
clock jumped.

Pure, except for the small file beside the configuration in which daemon and service save what they
saw, so that intake seldom asks a node.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from anchor.base.errors import ClockError
from anchor.base.messages.message import Message
from anchor.base.system.clock import format_unix_time
from anchor.base.units import format_duration, format_timestamp
from anchor.project.config import Config
from anchor.project.project import OpenProject
from anchor.project.sightings import load_sighting, save_sighting
from anchor.store.evidence import HeldBack, find_held_back
from anchor.store.heads import newest_final_anchor

TOLERANCE = 300.0
"""Tolerated error of the clock in seconds: slots, sequencers and clock drift stay below it."""

FRESH = 300.0
"""Age in seconds at which another process's sighting no longer gives an upper bound."""

# Seconds by which block times may deviate from a monotonic clock between two checks.
_SLACK = 30.0
_FORMAT = "anchor-chain-time/1"
_SUBJECT = Message("clock-chain-time-subject")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainTime:
    """The chain's time as seen at ``seen_at`` by this machine's clock; all in Unix seconds.

    ``final`` is the newest final block's time, None if it is not known.  ``in_step``: since the
    check before, block times advanced with real time.  ``is_certain``: not one node's word alone.
    """

    seen_at: int
    number: int
    newest: int
    final: int | None
    in_step: bool
    is_certain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFault:
    """The least number of seconds by which the clock is off; negative if it is slow."""

    wall_time: float
    seconds: float
    is_certain: bool

    def describe(self) -> Message:
        """Return what the clock says, and how far at least it is from the chain's time."""
        side = Message("clock-side-ahead") if self.seconds > 0 else Message("clock-side-behind")
        return Message(
            "clock-off-at-least",
            wall_time=format_timestamp(self.wall_time),
            offset=format_duration(abs(self.seconds)),
            side=side,
        )


def judge_clock(
    wall_time: float, chain: ChainTime | None, anchored: int | None, *, elapsed: float | None = None
) -> ClockFault | None:
    """Return by how much the clock is off, or None if it may be right.

    ``anchored`` is the time of the newest final anchor in the store; ``elapsed`` is the number of
    seconds since ``chain`` was seen, by a monotonic clock; None if another process saw it.
    """
    if anchored is not None and wall_time < anchored - TOLERANCE:
        return ClockFault(wall_time=wall_time, seconds=wall_time - anchored, is_certain=True)
    if chain is None:
        return None
    if chain.final is not None and wall_time < chain.final - TOLERANCE:
        return ClockFault(
            wall_time=wall_time, seconds=wall_time - chain.final, is_certain=chain.is_certain
        )
    since = wall_time - chain.seen_at if elapsed is None else elapsed
    if not chain.in_step or not 0 <= since <= FRESH:
        return None
    ahead = wall_time - (chain.newest + since)
    if ahead <= TOLERANCE:
        return None
    # Two looks at a steady chain are more than a node's word on one block, and what is recorded
    # while the clock is ahead could never be verified.
    return ClockFault(wall_time=wall_time, seconds=ahead, is_certain=True)


def is_in_step(before: ChainTime | None, number: int, newest: int, elapsed: float) -> bool:
    """Return whether block times advanced by about ``elapsed`` seconds since ``before``.

    Only then is the newest block's time an upper bound for a clock: a chain may halt, skip time or
    catch up.
    """
    if before is None or number <= before.number:
        return False
    return abs(newest - before.newest - elapsed) <= _SLACK


def has_jumped(right: tuple[float, float] | None, wall_time: float, steady: float) -> bool:
    """Return whether the wall clock was set since ``right``, by more than ``TOLERANCE`` seconds.

    ``right`` is a pair of wall and monotonic seconds read together; None if there is no such pair.
    """
    return right is not None and abs((wall_time - right[0]) - (steady - right[1])) > TOLERANCE


def clock_error(fault: ClockFault) -> ClockError:
    """Return the error for making a record while the clock is off."""
    return ClockError(
        Message("clock-off-nothing-accepted", fault=fault.describe()),
        hint=Message("clock-set-right-hint"),
    )


def find_clock_fault(
    project: OpenProject, wall_time: float, chain: ChainTime | None = None
) -> ClockFault | None:
    """Compare the clock with the store, and with ``chain`` or what another process saw last."""
    anchored = project.read(newest_final_anchor)
    return judge_clock(
        wall_time,
        load_chain_time(project.config) if chain is None else chain,
        None if anchored is None else anchored.timestamp,
    )


def find_latest_time(project: OpenProject, wall_time: float, newest: int | None = None) -> float:
    """Return the latest time of a record that may be sealed: that of the clock or of a block.

    Without the ``newest`` block's time, that of the block that daemon or service saw last counts.
    """
    seen = load_chain_time(project.config)
    block = newest or (0 if seen is None else seen.newest)
    fault = find_clock_fault(project, wall_time)
    is_ahead = fault is not None and fault.is_certain and fault.seconds > 0
    return TOLERANCE + (block if is_ahead else max(block, wall_time))


def find_held(project: OpenProject, wall_time: float) -> HeldBack | None:
    """Return the evidence that is dated too late to be sealed, without asking a node."""
    latest = format_unix_time(find_latest_time(project, wall_time))
    with project.database.read() as connection:
        return find_held_back(connection, latest)


def describe_held(held: HeldBack) -> Message:
    """Return the sentence about evidence that is dated too late to be sealed."""
    return Message(
        "evidence-held-back",
        leaf=held.leaf.hex(),
        recorded_at=held.recorded_at,
        count=held.waiting,
    )


def chain_time_path(config: Config) -> Path:
    """Return the path of the file with the chain's time that daemon and service saw last."""
    return config.file.with_name("chain-time.json")


def save_chain_time(config: Config, seen: ChainTime) -> None:
    """Save the chain's time for other processes; it is rewritten within a minute."""
    members: dict[str, Any] = {"format": _FORMAT, **asdict(seen)}
    save_sighting(chain_time_path(config), members, subject=_SUBJECT)


def load_chain_time(config: Config) -> ChainTime | None:
    """Return the chain's time as last saved; None if this release cannot read the file."""
    members = load_sighting(chain_time_path(config), form=_FORMAT, subject=_SUBJECT)
    return None if members is None else _parse(members)


def _parse(members: dict[str, Any]) -> ChainTime | None:
    kinds = {name: type(value) for name, value in members.items()}
    numbers = dict.fromkeys(("seen_at", "number", "newest"), int)
    known = {**numbers, "in_step": bool, "is_certain": bool}
    is_whole = kinds in (known | {"final": int}, known | {"final": type(None)})
    return ChainTime(**members) if is_whole else None
