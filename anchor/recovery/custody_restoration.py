"""The keys by which custody events are found, made again from the events' records in the log.

With them the next event follows the last one, whatever was lost beside the records.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from anchor.evidence.custody_event import CustodyEvent
from anchor.evidence.group_reading import read_custody_event
from anchor.operate.custody import event_key
from anchor.store.idempotency_keys import insert_keys
from anchor.store.runs import load_kept_records
from anchor.store.staging import Writable

_MEMBER = b'"custody":{'


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEvent:
    """An event in the store: its record's SHA-256, and the identity of its evidence."""

    record: bytes
    event: CustodyEvent
    identity: bytes


def restore_custody_keys(database: Writable) -> None:
    """Insert the keys of all custody events whose records a rebuilt store holds."""
    with database.write() as connection:
        # Only the operator's records have this member.
        kept = [
            KeptEvent(
                record=hashlib.sha256(record).digest(), event=event, identity=run.identity(at)
            )
            for run, at, record in load_kept_records(connection, _MEMBER)
            if (event := read_custody_event(record)) is not None
        ]
        insert_keys(connection, list(list_keys(kept)))


def list_keys(kept: Iterable[KeptEvent]) -> Iterator[tuple[bytes, bytes]]:
    """Yield each event's key and identity, in the order of ``kept``.

    Where the record of an event is lost, the first event after the gap also gets the key of the
    lost one, so that the chain is found with its gap and nobody continues it before the gap.
    """
    by_subject: dict[str, list[KeptEvent]] = {}
    for each in kept:
        by_subject.setdefault(each.event.subject, []).append(each)
    for subject, events in by_subject.items():
        following: dict[str | None, KeptEvent] = {}
        for each in events:
            following.setdefault(each.event.previous_event, each)
        reached: set[bytes] = set()
        last: str | None = None
        while (link := following.get(last)) is not None and link.record not in reached:
            reached.add(link.record)
            last = link.record.hex()
        rest = [each for each in events if each.record not in reached]
        named = bytes.fromhex(subject)
        for each in events:
            yield event_key(named, _parse(each.event.previous_event)), each.identity
        if rest:
            yield event_key(named, _parse(last)), rest[0].identity


def _parse(digest: str | None) -> bytes | None:
    return None if digest is None else bytes.fromhex(digest)
