"""The anchor watch: compares the newest final anchor with the chain at least once a minute.

The daemon runs it, and so does each worker of the service if no other process did.  A contradiction
by the chain is stored as an incident, or raised; an unreachable node proves nothing and stops
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from anchor.base.errors import (
    AnchorError,
    CannotCheckError,
    ChainGuardError,
    ContradictedError,
    FinalityViolatedError,
    IncidentError,
    NodeFaultError,
)
from anchor.base.messages.message import Message
from anchor.base.system.clock import SystemClock, format_unix_time, unix_now
from anchor.base.types import Block
from anchor.chain.node import BlockId, Node
from anchor.chain.node_agreement import reached_by_enough
from anchor.operate.clock_check import (
    FRESH,
    TOLERANCE,
    ChainTime,
    ClockFault,
    clock_error,
    find_clock_fault,
    find_latest_time,
    has_jumped,
    is_in_step,
    judge_clock,
    load_chain_time,
    save_chain_time,
)
from anchor.operate.incident_handling import check_no_incident, fetch_final, note_contradictions
from anchor.operate.preconditions import check_chain_and_incidents, read_chain_state
from anchor.project.config import Config
from anchor.project.nodes import open_chain
from anchor.project.project import OpenProject
from anchor.store.evidence import HeldBack, find_held_back
from anchor.store.heads import newest_final_anchor

PERIOD = 50.0
"""Seconds between two checks: each takes some time, and one per minute is promised."""

# While the clock seems to be ahead, seconds between checks, and seconds without another block after
# which the chain is not known to be steady; of Ethereum's slots one in a hundred has no block.
_AGAIN = 5.0
_STEADY = 30.0

LASTING = 300.0
"""Seconds without any answer after which an alarm is raised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """The wall clock (Unix seconds), and a monotonic clock."""

    wall: Callable[[], float]
    steady: Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """State of the anchor watch: for how many seconds the chain could not be checked, and why."""

    unknown_for: float = 0.0
    trouble: Message | None = None
    clock: ClockFault | None = None

    @property
    def is_lasting(self) -> bool:
        """Whether the chain could not be checked for so long that an operator has to act."""
        return self.unknown_for >= LASTING


def look_at_chain(project: OpenProject, node: Node) -> tuple[Block, Block | None]:
    """Compare the log with the chain; return the newest block and the newest final one.

    As many nodes as have to agree read the newest final anchor in a final block.  Without a final
    anchor this reading is skipped, and the final block may be None.

    Raises:
        IncidentError: A final anchor has moved or is gone; an incident is stored.
    """
    check_chain_and_incidents(project, node)
    anchored = project.read(newest_final_anchor)
    final: Block | None = None
    trouble: CannotCheckError | None = None
    try:
        final = fetch_final(project, node)
        if anchored is not None and note_contradictions(project, node, final):
            check_no_incident(project)
    except CannotCheckError as error:
        trouble = error
    # A log that is closed, or has a successor, is reported without regard to finality.
    read_chain_state(project, node)
    if trouble is not None and anchored is not None:
        raise trouble
    return node.fetch_latest(), final


def judge_clock_at(
    project: OpenProject, node: Node, wall: float, newest: Block, final: Block | None
) -> ClockFault | None:
    """Judge the clock by one check and by the chain time that daemon or service saved last.

    Raises:
        CannotCheckError: One node suggests a wrong clock, and too few others answer.
    """
    seen = ChainTime(
        seen_at=round(wall),
        number=newest.number,
        newest=newest.timestamp,
        final=None if final is None else final.timestamp,
        in_step=False,
        is_certain=node.needed > 1,
    )
    if judge_clock(wall, seen, None) is not None and node.needed > 1:
        seen = _ask_others(node, seen, final)
    return find_clock_fault(project, wall, seen) or find_clock_fault(project, wall)


def check_clock(project: OpenProject) -> None:
    """Check that records may be made now.

    A node is asked only if this clock says that nobody looked lately, which may be its own error.
    """
    wall, seen = unix_now(), load_chain_time(project.config)
    fault = find_clock_fault(project, wall)
    if fault is None and seen is not None and seen.in_step and wall - seen.seen_at > FRESH:
        fault = _ask_for_blocks(project.config, seen)
    if fault is not None and fault.is_certain:
        raise clock_error(fault)


@lru_cache(maxsize=1)
def _ask_for_blocks(config: Config, seen: ChainTime) -> ClockFault | None:
    """Compare the clock with two blocks of a chain that was in step; asked once in a process."""
    clock = SystemClock()
    try:
        node = open_chain(config, lambda _: None)
        first = node.fetch_latest()
        # A chain without another block since may have halted, as a devnet does.
        if first.number <= seen.number or unix_now() <= first.timestamp + TOLERANCE:
            return None
        before = replace(seen, number=first.number, newest=first.timestamp, final=None)
        began = clock.monotonic()
        while (elapsed := clock.monotonic() - began) < _STEADY:
            clock.sleep(1.0)
            block = node.fetch_latest()
            if block.number > first.number:
                in_step = is_in_step(before, block.number, block.timestamp, elapsed)
                latest = replace(before, newest=block.timestamp, in_step=in_step)
                return judge_clock(unix_now(), latest, None, elapsed=0.0)
    except (CannotCheckError, ChainGuardError):
        pass  # without a node, as ever: the seal checks the times again
    return None


def find_seal_limit(
    project: OpenProject, node: Node, wall: float, doubts: Callable[[], bool]
) -> tuple[str, HeldBack | None]:
    """Return the latest time (RFC 3339) of a record to seal now, and the first one dated later.

    A record dated later than clock and newest block could be anchored, but never verified.  If
    the clock is ahead, only the block counts; ``doubts`` tells whether that is still to be found
    out.  The node is asked only about a record that is later than any block known here.
    """
    seen, anchored = load_chain_time(project.config), project.read(newest_final_anchor)
    known = max(seen.newest if seen else 0, anchored.timestamp if anchored else 0)
    latest = known + TOLERANCE
    with project.database.read() as connection:
        held = find_held_back(connection, format_unix_time(latest))
    if held is not None:
        newest = node.fetch_latest().timestamp
        latest = newest + TOLERANCE
        with project.database.read() as connection:
            held = find_held_back(connection, format_unix_time(latest))
        if held is not None and not doubts():
            latest = find_latest_time(project, wall, newest)
            with project.database.read() as connection:
                held = find_held_back(connection, format_unix_time(latest))
    return format_unix_time(latest), held


class ChainWatch:
    """Checks the chain periodically, and records since when the nodes have not answered."""

    def __init__(self, project: OpenProject, clocks: Clocks) -> None:
        """Prepare; the first check is due after ``PERIOD``, unless ``look`` is called before."""
        self._project = project
        self._clocks = clocks
        self._due = clocks.steady() + PERIOD
        self._unknown_since: float | None = None
        self._trouble: Message | None = None
        self._seen: ChainTime | None = load_chain_time(project.config)
        self._seen_steady: float | None = None
        self._saved: ChainTime | None = None
        self._right: tuple[float, float] | None = None
        # When this process looked first, and the number of the newest block then.
        self._first: tuple[float, int] | None = None

    @property
    def is_due(self) -> bool:
        """Whether the next check is due."""
        return self._clocks.steady() >= self._due

    def look(self, node: Node) -> bool:
        """Check the chain now; return whether the nodes answered.  The next is due in ``PERIOD``.

        A CannotCheckError is only recorded.
        """
        began = self._clocks.steady()
        self._due = began + PERIOD
        try:
            newest, final = look_at_chain(self._project, node)
            self._note_time(node, newest, final)
        except (IncidentError, ContradictedError, FinalityViolatedError):
            self._unknown_since = self._trouble = None
            raise
        except (CannotCheckError, ChainGuardError) as error:
            self._trouble = error.message
            if self._unknown_since is None:
                self._unknown_since = began
            if isinstance(error, ChainGuardError):
                raise
            return False
        self._unknown_since = self._trouble = None
        return True

    def adopt(self, period: float) -> float | None:
        """Adopt another process's check that found no problem; return its validity in seconds.

        None if there is none within ``period`` seconds, or if the last check here found a problem.
        """
        seen, wall = load_chain_time(self._project.config), self._clocks.wall()
        if seen is None or seen == self._saved or self._trouble is not None:
            return None
        age = wall - seen.seen_at
        if not 0 <= age < period:
            return None
        steady = self._clocks.steady()
        self._seen, self._seen_steady = seen, steady - age
        if judge_clock(wall, seen, None, elapsed=age) is None:
            self._right = wall, steady
        return period - age

    def judge(self, anchored: int | None) -> ClockFault | None:
        """Judge the clock by the chain time seen last and the time of the newest final anchor."""
        wall, steady = self._clocks.wall(), self._clocks.steady()
        seen = self._seen
        if seen is not None and not seen.is_certain and has_jumped(self._right, wall, steady):
            seen = replace(seen, is_certain=True)
        elapsed = None if self._seen_steady is None else steady - self._seen_steady
        return judge_clock(wall, seen, anchored, elapsed=elapsed)

    def doubts_clock(self, node: Node) -> bool:
        """Return whether the clock is ahead of the chain's time, or this is not known yet."""
        if self._first is None:
            self.look(node)
        if not self._is_decided:
            return True
        fault = self.judge(None)
        return fault is not None and fault.seconds > 0

    @property
    def _is_decided(self) -> bool:
        """Whether this process has seen a block follow another one, or waited in vain."""
        if self._first is None or self._seen is None or self._seen_steady is None:
            return False
        since, number = self._first
        return self._seen.number > number or self._seen_steady - since >= _STEADY

    def tell(self, anchored: int | None) -> Watched:
        """Return the state of the watch; without a final anchor, no outage is reported."""
        since = None if anchored is None else self._unknown_since
        return Watched(
            unknown_for=0.0 if since is None else self._clocks.steady() - since,
            trouble=self._trouble,
            clock=self.judge(anchored),
        )

    def _note_time(self, node: Node, newest: Block, final: Block | None) -> None:
        """Record the chain's time, and save it for processes that ask no node."""
        wall, steady = self._clocks.wall(), self._clocks.steady()
        before = None if self._seen_steady is None else self._seen
        since = 0.0 if self._seen_steady is None else steady - self._seen_steady
        seen = ChainTime(
            seen_at=round(wall),
            number=newest.number,
            newest=newest.timestamp,
            final=None if final is None else final.timestamp,
            in_step=is_in_step(before, newest.number, newest.timestamp, since),
            is_certain=node.needed > 1,
        )
        if judge_clock(wall, seen, None, elapsed=0.0) is None:
            self._right = wall, steady
        elif node.needed > 1:
            seen = _ask_others(node, seen, final)
        else:
            seen = replace(seen, is_certain=has_jumped(self._right, wall, steady))
        self._seen, self._seen_steady, self._saved = seen, steady, seen
        self._first = self._first or (steady, newest.number)
        if not self._is_decided and wall > newest.timestamp + TOLERANCE:
            self._due = steady + _AGAIN
        try:
            save_chain_time(self._project.config, seen)
        except AnchorError:
            return  # other processes then use the time of the store's newest anchor


def _ask_others(node: Node, seen: ChainTime, final: Block | None) -> ChainTime:
    """Return the block times that enough nodes confirm, after one node suggests a wrong clock.

    For the final block this is the highest time that enough nodes have reached, for the newest the
    highest of all nodes, so that a lagging or lying node cannot make the clock appear fast.
    """
    newest = max(node.ask_each(lambda one: _time_of(one, "latest")))
    reached = None
    if final is not None:
        times = node.ask_all(lambda one: _time_of(one, final.hash))
        reached = reached_by_enough(times, node.needed)
    return replace(seen, newest=max(newest, seen.newest), final=reached)


def _time_of(node: Node, block: BlockId) -> int:
    answer = node.fetch_block(block)
    if answer is None:
        raise NodeFaultError(Message("node-block-unknown", name=node.name))
    return answer.timestamp
