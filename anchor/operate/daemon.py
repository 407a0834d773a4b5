"""The daemon of ``anchor run``: seals and anchors new evidence until it is told to stop.

Crash only: an unexpected error ends the process, and starting it again is the recovery.  Temporary
failures (an unreachable node, fees above the cap) are reported and tried again; an error after
which going on could do harm (another chain, a store older than the chain) ends it, with its exit
code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from anchor.base.errors import (
    CannotCheckError,
    CopyMissingError,
    FundsError,
    IncidentError,
    NodeUnreachableError,
    NotFinalError,
    QuorumError,
    StoreBusyError,
)
from anchor.base.messages.message import Message
from anchor.base.system.clock import StoppableClock, Stopped, format_unix_time, parse_time
from anchor.chain.node import Node
from anchor.chain.signer import Signer
from anchor.operate.anchor_watch import ChainWatch, Clocks
from anchor.operate.anchoring import record_anchors
from anchor.operate.audit_trail_evidence import AuditTrailRecorder
from anchor.operate.backoff import Backoff
from anchor.operate.erasure_keeper import ErasureKeeper
from anchor.operate.events import (
    Event,
    anchoring_event,
    clock_event,
    failure_event,
    finality_event,
    held_event,
    late_event,
    reorganisation_event,
    unwatched_event,
)
from anchor.operate.finality import refresh_anchors
from anchor.operate.funds import low_funds_warning
from anchor.operate.head_size import LEAST, choose_head_size
from anchor.operate.preconditions import check_chain
from anchor.operate.publisher import Publisher
from anchor.operate.retention_keeper import RetentionKeeper
from anchor.operate.single_run import anchor_round
from anchor.operate.state_proofs import StateProofs
from anchor.operate.timestamper import Timestamper
from anchor.project.project import OpenProject
from anchor.store.evidence import (
    HeldBack,
    count_waiting,
    count_waiting_before,
    measure_waiting,
)
from anchor.store.heads import (
    AnchoredHead,
    find_anchored,
    load_reversible_anchors,
    newest_anchored,
    newest_final_anchor,
    newest_head,
)
from anchor.store.name_index import enter_names
from anchor.store.record_index import enter_records
from anchor.store.retentions import enter_retentions
from anchor.store.statistics import find_oldest_waiting

# Seconds between two checks for waiting evidence, and between two checks for finality.
_POLL = 1.0
_FINALITY_POLL = 4.0

# An anchor that is not final after this many seconds is reported: two epochs take 13 minutes, and
# the longest outage of Ethereum's finality so far took an hour.
LATE = 1800.0
# A lasting condition is reported again after this many seconds.
_REMIND = 3600.0

# A log is busy while a round follows the one before it within this many times ``Pace.seconds``.
_BUSY = 2

# Errors that end by themselves, or after the operator acted elsewhere.  An incident is withdrawn if
# one node's wrong answer caused it; until then nothing is sealed or sent.
_PASSING = (
    CannotCheckError,
    CopyMissingError,
    FundsError,
    IncidentError,
    NotFinalError,
    StoreBusyError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When to seal: ``seconds`` after the oldest waiting evidence was accepted, or the last seal.

    It seals earlier once enough evidence is waiting: ``leaves`` pieces, or records of ``size``
    bytes in total.
    """

    seconds: float
    leaves: int
    size: int | None = None

    def describe(self) -> Message:
        """Return when it seals."""
        text = Message("daemon-pace", seconds=self.seconds, leaves=self.leaves)
        return (
            text
            if self.size is None
            else Message("daemon-pace-with-size", detail=text, size=self.size)
        )


class _Round(NamedTuple):
    """A round that sealed something: when it ended, its duration (seconds), and its leaves."""

    ended: float
    seconds: float
    leaves: int


class Daemon:
    """The only process that seals and sends for a project; the caller holds the store's lease."""

    def __init__(
        self,
        project: OpenProject,
        node: Node,
        signer: Signer,
        clock: StoppableClock,
        pace: Pace,
        *,
        tell: Callable[[Event], None],
        jitter: Callable[[], float],
        wall: Callable[[], float],
        publisher: Publisher | None = None,
        timestamper: Timestamper | None = None,
    ) -> None:
        """Prepare; ``jitter`` draws numbers from 0 to 1, which spread the retries after failures.

        ``wall`` returns this machine's time in Unix seconds, which is compared with the chain's.
        """
        self._project = project
        self._node = node
        self._signer = signer
        self._clock = clock
        self._pace = pace
        self._tell = tell
        self._backoff = Backoff(jitter)
        self._publisher = publisher
        self._timestamper = timestamper
        self._wall = wall
        self._trails = AuditTrailRecorder(project, wall=wall, steady=clock.monotonic, emit=tell)
        self._erasures = ErasureKeeper(project, steady=clock.monotonic, emit=tell)
        self._retentions = RetentionKeeper(
            project, node, wall=wall, steady=clock.monotonic, emit=tell
        )
        self._last_round: _Round | None = None
        # Evidence that states too late a time to be sealed yet.
        self._held: HeldBack | None = None
        self._watch = ChainWatch(project, Clocks(wall=wall, steady=clock.monotonic))
        # An incident is open: nothing is published meanwhile, and each attempt checks it again.
        self._is_contradicted = False
        # When each lasting condition is reported next, and since when an anchor is reversible.
        self._reminders: dict[str, float] = {}
        self._reversible_since: dict[int, float] = {}

    def run(self) -> None:
        """Work until the clock is told to stop."""
        self._look_at_finality()
        time = self._clock.monotonic()
        # The first round starts at once: an earlier process may have left work unfinished.
        next_round = next_look = time
        is_first = True
        try:
            while not self._clock.stopping.is_set():
                time = self._clock.monotonic()
                try:
                    if self._watch.is_due or self._is_contradicted:
                        self._watch_chain()
                    if self._should_seal(time >= next_round, is_first=is_first):
                        has_sealed = self._work()
                        is_first = False
                        pause = self._find_pause() if has_sealed or self._held else 0.0
                        next_round = self._clock.monotonic() + pause
                    enter_records(self._project.database)
                    enter_names(self._project.database)
                    enter_retentions(self._project.database)
                    if time >= next_look:
                        next_look = time + _FINALITY_POLL
                        self._watch_copies()
                        if self._look_for_final():
                            next_round = time  # a reorganisation removed an anchor
                    self._backoff.reset()
                except _PASSING as error:
                    self._is_contradicted = isinstance(error, IncidentError)
                    wait = self._backoff.next_wait(getattr(error, "retry_after", None))
                    self._tell(failure_event(error, wait))
                    self._wait(wait)
                    next_round = next_look = self._clock.monotonic()
                else:
                    self._wait(_POLL)
        except Stopped:
            self._tell(
                Event(event="cut off", text=Message("daemon-stopped-with-tx"))
            )  # fmt: skip

    def _watch_chain(self) -> None:
        """Compare the newest final anchor with the chain, and the clock with block times."""
        self._watch.look(self._node)
        self._is_contradicted = False
        anchored = self._project.read(newest_final_anchor)
        watched = self._watch.tell(None if anchored is None else anchored.timestamp)
        self._remind_while("unwatched", unwatched_event(watched) if watched.is_lasting else None)
        fault = watched.clock
        self._remind_while("clock", None if fault is None else clock_event(fault))

    def _look_at_finality(self) -> None:
        """Warn if the chain's finality cannot be known as configured; anchoring goes on."""
        try:
            self._node.select_primary()
            self._node.fetch_final_block(self._project.config.finality)
        except (NodeUnreachableError, QuorumError):
            pass  # the first round, or the first check of an anchor, reports it and tries again
        except CannotCheckError as error:
            self._tell(
                Event(
                    event="warning",
                    text=Message("daemon-nothing-becomes-final", reason=error.message),
                    figures={"hint": error.hint or ""},
                )
            )

    def _should_seal(self, is_time: bool, *, is_first: bool) -> bool:
        with self._project.database.read() as connection:
            newest = newest_head(connection)
            anchored = newest_anchored(connection, self._project.config.chain_id)
            # After a failure or a reorganisation, whichever process noticed it.
            is_behind = newest is not None and (anchored is None or anchored.head != newest.head)
            if is_first or is_behind:
                return is_time
            waiting = count_waiting(connection)
            if not waiting or is_time or self._held is not None:
                return waiting > 0 and is_time
            if waiting >= self._pace.leaves:
                return True
            size = self._pace.size
            return size is not None and measure_waiting(connection) >= size

    def _find_pause(self) -> float:
        """Return the seconds until the oldest waiting evidence has waited for ``Pace.seconds``."""
        with self._project.database.read() as connection:
            oldest = find_oldest_waiting(connection)
        # A clock that was set back may show a time before the acceptance.
        waited = 0.0 if oldest is None else max(0.0, self._wall() - parse_time(oldest))
        return max(0.0, self._pace.seconds - waited)

    def _choose_count(self) -> int | None:
        """Return how many leaves to seal to reach a size that saves gas; None to seal all.

        Leaves are held back only while the log is busy, so that a next round follows soon, and only
        if they were accepted so late that the next round does not exceed ``Pace.seconds``.
        """
        last, pace = self._last_round, self._pace.seconds
        if (
            last is None
            or last.leaves < LEAST
            or self._clock.monotonic() - last.ended > _BUSY * pace
        ):
            return None
        latest = format_unix_time(self._wall() + last.seconds - pace)
        with self._project.database.read() as connection:
            newest = newest_head(connection)
            waits, due = count_waiting(connection), count_waiting_before(connection, latest)
        size = newest.head.size if newest else 0
        return choose_head_size(size, waits, due) - size

    def _work(self) -> bool:
        """Do one round; return whether it sealed anything."""
        before = self._project.read(newest_anchored)
        count, began = self._choose_count(), self._clock.monotonic()
        done = anchor_round(
            self._project,
            self._node,
            lambda: self._signer,
            self._clock,
            wait_for="included",
            report=lambda text: self._tell(Event(event="progress", text=text)),
            proofs=StateProofs(self._project.config, self._node, self._warn),
            most=count,
            doubts=lambda: self._watch.doubts_clock(self._node),
            wall=self._wall,
        )
        self._held = done.held
        self._remind_while("held", None if done.held is None else held_event(done.held))
        ended = self._clock.monotonic()
        if done.sealed:
            self._last_round = _Round(ended=ended, seconds=ended - began, leaves=done.sealed)
        if done.anchored is not None and (before is None or done.anchored.head != before.head):
            self._tell(anchoring_event(done, done.anchored, self._project.config))
        self._watch_funds()
        return done.sealed > 0

    def _watch_funds(self) -> None:
        """Warn in time that the balance or the budget is running out."""
        try:
            shortage = low_funds_warning(self._project, self._node, self._signer.address)
        except CannotCheckError:
            return
        warning = None if shortage is None else Event(event="warning", text=shortage)
        self._remind_while("funds", warning)

    def _watch_copies(self) -> None:
        """Emit a warning while fewer servers hold the store than are configured."""
        copies = self._project.database.read_copies()
        warning = None
        if copies is not None and not copies.is_enough:
            count = Message("store-copies-counted", count=copies.count, required=copies.rule.copies)
            text = Message("daemon-second-copy-missing", count=count)
            hint = Message("daemon-second-copy-hint", detail=copies.format_standbys())
            warning = Event(event="warning", text=text, figures={"hint": hint})
        self._remind_while("copies", warning)

    def _look_for_final(self) -> bool:
        """Check the reversible anchors; return whether one is gone and has to be sent again."""
        before = self._project.read(load_reversible_anchors)
        if not before:
            return False  # no query to the node is needed
        try:
            proofs = StateProofs(self._project.config, self._node, self._warn)
            now_final = refresh_anchors(self._project, self._node, proofs)
        except QuorumError as error:
            # Sealing and anchoring continue meanwhile: they do not depend on a final block.
            self._remind("quorum", failure_event(error, _FINALITY_POLL))
            now_final = []
        else:
            self._reminders.pop("quorum", None)
        is_gone = self._tell_reorganised(before)
        self._watch_age()
        for anchored in now_final:
            self._tell(finality_event(anchored, self._project.config))
        return is_gone

    def _warn(self, text: Message) -> None:
        self._tell(Event(event="warning", text=text))

    def _tell_reorganised(self, before: list[AnchoredHead]) -> bool:
        """Report anchors that a reorganisation moved or removed; return whether some are gone."""
        with self._project.database.read() as connection:
            chain_id = self._project.config.chain_id
            after = [find_anchored(connection, chain_id, anchored.head) for anchored in before]
        for old, new in zip(before, after, strict=True):
            if new is None:
                self._tell(reorganisation_event(old, Message("anchor-removed-resending")))
            elif new.block_number != old.block_number:
                self._tell(
                    reorganisation_event(
                        old, Message("anchor-moved-to-block", block=new.block_number)
                    )
                )
        return None in after

    def _watch_age(self) -> None:
        """Report which anchors have been reversible for long; no action follows."""
        time = self._clock.monotonic()
        reversible = self._project.read(load_reversible_anchors)
        since = self._reversible_since
        self._reversible_since = {
            anchored.head.size: since.get(anchored.head.size, time) for anchored in reversible
        }
        for anchored in reversible:
            age = time - self._reversible_since[anchored.head.size]
            if age >= LATE:
                self._remind(f"late {anchored.head.size}", late_event(anchored, age))

    def _remind_while(self, about: str, happened: Event | None) -> None:
        """Emit the event of a lasting condition once an hour; None resets the condition."""
        if happened is None:
            self._reminders.pop(about, None)
        else:
            self._remind(about, happened)

    def _remind(self, about: str, happened: Event) -> None:
        """Emit the event, at most once in ``_REMIND`` seconds for each ``about``."""
        time = self._clock.monotonic()
        if time >= self._reminders.get(about, time):
            self._reminders[about] = time + _REMIND
            self._tell(happened)

    def _note_missing_anchors(self) -> None:
        """Record the anchors that a crash kept from being stored."""
        check_chain(self._project.config, self._node)
        record_anchors(self._project, self._node)

    def _wait(self, seconds: float) -> None:
        """Wait ``seconds``; meanwhile check the chain, publish and stamp whenever that is due."""
        end = self._clock.monotonic() + seconds
        while not self._clock.stopping.is_set():
            if self._publisher is not None and not self._is_contradicted:
                self._publisher.poll(self._note_missing_anchors)
            if self._timestamper is not None and not self._is_contradicted:
                self._timestamper.poll()
            if not self._is_contradicted:
                self._trails.poll()
                self._retentions.poll()
            self._erasures.poll()
            left = end - self._clock.monotonic()
            if left <= 0:
                break
            self._clock.sleep(min(left, _POLL))
            if self._watch.is_due and left > _POLL and self._has_turned():
                break

    def _has_turned(self) -> bool:
        """Check the chain; return whether an incident was opened or withdrawn since before."""
        before = self._is_contradicted
        try:
            self._watch_chain()
        except IncidentError:
            self._is_contradicted = True
        except _PASSING:
            pass  # the next attempt reports it
        return self._is_contradicted != before
