"""Each tenant's audit trail as evidence: a record a day, over the day's canonical lines.

A day is recorded some minutes after it ended (UTC), when none of its events can still be on its way
into the store.  Recording it again changes nothing: the same lines are the same evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from anchor.base.digests import SHA256, SM3, digest_bytes
from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message
from anchor.operate.acceptance import EvidenceInput, accept_each, identify
from anchor.operate.events import Event
from anchor.operate.recent_block import NameBlock, choose_block, name_no_block
from anchor.project.project import OpenProject
from anchor.store.erasures import is_erased
from anchor.store.evidence import known_identities
from anchor.store.tenant_events import (
    TenantEvent,
    find_last_day,
    list_active_tenants,
    load_day,
)

# Seconds after the end of a day until it is recorded: longer than any transaction takes.
_MARGIN = 600.0
# Whatever the configuration says: with other digests, recorded days would be other evidence.
_ALGORITHMS = (SHA256, SM3)
# Seconds between two looks for days to record.
_POLL = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDay:
    """A day of a tenant's audit trail that was recorded, and the number of its events."""

    tenant: str
    day: str
    events: int


def describe_day(
    tenant: str, day: str, events: Sequence[TenantEvent]
) -> tuple[EvidenceInput, bytes]:
    """Return a day of a tenant's audit trail as a submission, with the bytes of its lines."""
    data = b"".join(event.line() for event in events)
    name = f"audit-trail-{day}.jsonl"
    submission = EvidenceInput(
        source=f"tenant:{tenant}/{name}",
        name=name,
        digests=digest_bytes(data, _ALGORITHMS),
        media_type="application/x-ndjson",
    )
    return submission, data


def record_due_days(
    project: OpenProject, at: float, name_block: NameBlock = name_no_block
) -> list[RecordedDay]:
    """Record every day that ended and is not recorded yet; ``at`` is in Unix seconds.

    Days are recorded in order, so that a crash leaves only the later ones.

    Raises:
        CannotCheckError: Records have to name a block, and no node tells the final one.
    """
    end = (datetime.fromtimestamp(at, UTC) - timedelta(seconds=_MARGIN)).date().isoformat()
    recorded: list[RecordedDay] = []
    with project.database.read() as connection:
        tenants = list_active_tenants(connection)
    for tenant in tenants:
        for day, submission, events in _list_due(project, tenant, end):
            accept_each(project, [submission], not_before=name_block())
            recorded.append(RecordedDay(tenant=tenant, day=day, events=events))
    return recorded


def _list_due(project: OpenProject, tenant: str, end: str) -> list[tuple[str, EvidenceInput, int]]:
    """Return the days before ``end`` after the newest one that is recorded, oldest first."""
    due: list[tuple[str, EvidenceInput, int]] = []
    with project.database.read() as connection:
        while (day := find_last_day(connection, tenant, end)) is not None:
            events = load_day(connection, tenant, day)
            submission, _ = describe_day(tenant, day, events)
            identity = identify(submission)
            if known_identities(connection, [identity]) or is_erased(connection, tenant, identity):
                break
            due.append((day, submission, len(events)))
            end = day
    return due[::-1]


class AuditTrailRecorder:
    """Records the days that are due; ``poll`` has to be called regularly."""

    def __init__(
        self,
        project: OpenProject,
        *,
        wall: Callable[[], float],
        steady: Callable[[], float],
        emit: Callable[[Event], None],
    ) -> None:
        """Create the recorder; ``wall`` is in Unix seconds, ``steady`` in seconds."""
        self._project = project
        self._wall = wall
        self._steady = steady
        self._emit = emit
        self._next_look = steady()
        self._name_block = choose_block(
            project, None, lambda text: emit(Event(event="warning", text=text))
        )

    def poll(self) -> None:
        """Record what is due, now and then; a failure is reported, and delays nothing."""
        if self._steady() < self._next_look:
            return
        self._next_look = self._steady() + _POLL
        try:
            recorded = record_due_days(self._project, self._wall(), self._name_block)
        except AnchorError as error:
            text = Message("audit-trail-not-recorded", reason=error.message)
            self._emit(Event(event="warning", text=text))
            return
        for each in recorded:
            self._emit(recorded_event(each))


def recorded_event(recorded: RecordedDay) -> Event:
    """Return the event of a day that was recorded."""
    text = Message(
        "audit-trail-recorded", day=recorded.day, tenant=recorded.tenant, count=recorded.events
    )
    figures: dict[str, int | str] = {"tenant": recorded.tenant, "day": recorded.day}
    return Event(event="audit-trail", text=text, figures=figures)
