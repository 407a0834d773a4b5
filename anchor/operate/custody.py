"""Custody events: finding their subject in the log, and appending one to its chain."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anchor.base.errors import MismatchError, UsageError
from anchor.base.messages.message import Message, join
from anchor.base.system.clock import utc_now
from anchor.evidence.custody_event import EVENTS, KIND, ORIGIN, CustodyEvent, name_event
from anchor.evidence.file_hashing import digest_file
from anchor.evidence.group_reading import parse_groups, read_custody_event
from anchor.evidence.record import parse_record
from anchor.operate.acceptance import AcceptedEvidence, EvidenceInput, accept_once, hash_key
from anchor.operate.key_audit_trail import find_user
from anchor.operate.named_evidence import find_named, names_file
from anchor.operate.proving import open_prover
from anchor.operate.receipt_files import ReceiptFolder
from anchor.project.nodes import open_chain
from anchor.project.project import OpenProject
from anchor.store.evidence import StoredEvidence, find_by_key
from anchor.verification.custody_chain import (
    CustodyLink,
    CustodySubject,
    check_digests,
    order_chain,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyChain:
    """A record in the log and the events about it, in order, each with its stored evidence."""

    subject: CustodySubject
    evidence: StoredEvidence
    links: list[CustodyLink]
    stored: dict[bytes, StoredEvidence]

    def followed_by(self, event: CustodyEvent) -> CustodyChain:
        """Return the chain with one more event, whose record is not stored with it."""
        link = CustodyLink(record=b"", event=event, index=None)
        return replace(self, links=[*self.links, link])

    def find_mismatch(self) -> MismatchError | None:
        """Return how an event found or left the evidence with another digest, if one did."""
        try:
            check_digests(self.subject, self.links)
        except MismatchError as error:
            return error
        return None


def describe_event(
    named: str, stated: Mapping[str, str | None], *, before: Path | None, after: Path | None
) -> dict[str, str | None]:
    """Return an event's members: those stated, and the SHA-256 of the files before and after it.

    The file that names the subject is the one after the event, unless ``after`` is; the actor is
    this user, unless one is stated.
    """
    event = stated["event"] or ""
    if event not in EVENTS:
        raise UsageError(Message("custody-event-unknown", actual=event[:80], expected=join(EVENTS)))
    if after is None and names_file(named):
        after = Path(named)
    return {
        **stated,
        "actor": stated["actor"] or find_user(),
        "digest_before": _digest(before),
        "digest_after": _digest(after),
    }


def _digest(file: Path | None) -> str | None:
    digest = None if file is None else digest_file(file).sha256
    return None if digest is None else digest.hex()


def load_chain(project: OpenProject, named: str) -> CustodyChain:
    """Return the subject that ``named`` names, and the events about it.

    ``named`` is a file, a receipt, a digest (``sha256:HEX``, ``sm3:HEX``) or an id.

    Raises:
        UsageError: The log holds no such record, or several, or its record was erased.
    """
    evidence = find_named(project, named)
    record = evidence.record
    assert record is not None, "erased records were refused"
    subject = CustodySubject(
        record=hashlib.sha256(record).digest(),
        index=evidence.leaf_index,
        digest=parse_record(record).digests.sha256,
    )
    stored = {hashlib.sha256(row.record or b"").digest(): row for row in _load(project, subject)}
    links = [
        CustodyLink(record=key, event=event, index=row.leaf_index)
        for key, row in stored.items()
        if (event := read_custody_event(row.record or b"")) is not None
    ]
    return CustodyChain(
        subject=subject, evidence=evidence, links=order_chain(subject, links), stored=stored
    )


def _load(project: OpenProject, subject: CustodySubject) -> Iterator[StoredEvidence]:
    """Yield the records of the subject's events, each found by the key of the one before."""
    previous: bytes | None = None
    with project.database.read() as connection:
        while (row := find_by_key(connection, event_key(subject.record, previous))) is not None:
            if row.record is None:
                raise UsageError(
                    Message("custody-event-erased", subject=subject.record.hex()),
                    hint=Message("custody-event-erased-hint"),
                )
            yield row
            previous = hashlib.sha256(row.record).digest()


def event_key(subject: bytes, previous: bytes | None) -> bytes:
    """Return the hash of the idempotency key of the event after ``previous``.

    It belongs to one event alone, and the event is found by it; ``subject`` and ``previous`` are
    the SHA-256 of records.
    """
    return hash_key(_spell_key(subject, previous))


def _spell_key(subject: bytes, previous: bytes | None) -> str:
    return f"custody:{subject.hex()}:{'' if previous is None else previous.hex()}"


def add_event(
    project: OpenProject, named: str, members: Mapping[str, Any]
) -> tuple[CustodyChain, CustodyEvent, AcceptedEvidence]:
    """Append an event to a record's chain; on return it is durable.

    ``members`` are those of the event but its subject and previous event; ``at`` None is now.

    Raises:
        UsageError: The log holds no such record, a member is malformed, or another process has
            just added an event.
    """
    chain = load_chain(project, named)
    last = chain.links[-1] if chain.links else None
    known = {
        "subject": chain.subject.record.hex(),
        "previous_event": None if last is None else last.record.hex(),
        "at": utc_now(),
    }
    given = known | {name: value for name, value in members.items() if value is not None}
    given = {name: value for name, value in given.items() if value is not None}
    groups = parse_groups({"kind": KIND, "custody": given})
    event = groups.custody
    assert event is not None, "the groups hold an event"
    name = name_event(chain.subject.record)
    submission = EvidenceInput(
        source=f"{ORIGIN}{name}",
        name=name,
        digests=event.digests().select(project.config.digests),
        media_type="application/json",
        groups=groups,
    )
    key = _spell_key(chain.subject.record, None if last is None else last.record)
    try:
        return chain, event, accept_once(project, submission, key=key)
    except UsageError as error:
        if error.message.id != "idempotency-key-taken":
            raise
        raise UsageError(
            Message("custody-event-added-meanwhile"), hint=Message("command-run-again-hint")
        ) from error


def save_receipts(
    project: OpenProject, chain: CustodyChain, folder: Path, report: Callable[[Message], None]
) -> list[Path]:
    """Write the receipt of each event into a folder; return their paths, in the chain's order."""
    prover = open_prover(project, lambda: open_chain(project.config, report), report)
    receipts = [prover.prove(chain.stored[link.record]) for link in chain.links]
    target = ReceiptFolder(folder)
    return [target.save(receipt)[0] for receipt in receipts]
