"""Whose a tenant's evidence is: the account, who submitted it for the account, and their name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anchor.evidence.record_submitter import RecordSubmitter, read_submitter
from anchor.people.actors import Actor
from anchor.store.captures import find_capture_of
from anchor.store.evidence import StoredEvidence
from anchor.store.file_origins import tenant_of
from anchor.store.persons import find_persons


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceParty:
    """The account of evidence, and who submitted it.

    ``recorded`` is what the record names; without it the statements in the record may be anybody's.
    ``actor`` is also who ordered a capture.  ``name`` is a person's as registered now, None for a
    key and once the person is erased.
    """

    account: str | None
    recorded: RecordSubmitter | None
    actor: str | None
    name: str | None


def find_party(connection: Any, stored: StoredEvidence) -> EvidenceParty:
    """Return whose this evidence is, as far as it is known."""
    recorded = None if stored.record is None else read_submitter(stored.record)
    actor = None if recorded is None else recorded.actor
    if actor is None:
        capture = find_capture_of(connection, stored.identity)
        actor = None if capture is None else capture.ordered_by
    name = None
    if actor is not None and Actor.decode(actor).kind == "person":
        id = Actor.decode(actor).id
        person = find_persons(connection, [id]).get(id)
        name = None if person is None else person.name
    return EvidenceParty(
        account=tenant_of(stored.source), recorded=recorded, actor=actor, name=name
    )
