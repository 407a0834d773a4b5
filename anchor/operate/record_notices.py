"""Notices in the store: finding those about a record, and recording one."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection

from anchor.base.canonical import JsonValue
from anchor.base.errors import CannotCheckError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.evidence.group_reading import parse_groups
from anchor.evidence.record_notice import (
    ORIGIN,
    SUPERSEDES,
    WITHDRAWS,
    RecordNotice,
    name_notice,
    read_notice,
)
from anchor.operate.acceptance import AcceptedEvidence, EvidenceInput, accept_once, hash_key
from anchor.operate.named_evidence import find_named
from anchor.project.project import OpenProject
from anchor.store.announcements import announce
from anchor.store.evidence import StoredEvidence, find_by_key
from anchor.store.file_origins import tenant_of
from anchor.verification.record_status import check_new_notice


def find_notice(
    connection: Connection, record: bytes
) -> tuple[StoredEvidence, RecordNotice] | None:
    """Return the notice about the record with this SHA-256, or None.

    Raises:
        CannotCheckError: There was one, which was erased or lost.
    """
    row = find_by_key(connection, notice_key(record))
    if row is not None and row.record is None:
        raise CannotCheckError(Message("notice-erased", record=record.hex()))
    notice = None if row is None or row.record is None else read_notice(row.record)
    return None if row is None or notice is None else (row, notice)


def list_notices(
    connection: Connection, record: bytes
) -> list[tuple[StoredEvidence, RecordNotice]]:
    """Return the notice about a record, then the one about its replacement, and so on.

    Raises:
        CannotCheckError: One of them was erased or lost.
    """
    notices: list[tuple[StoredEvidence, RecordNotice]] = []
    following: bytes | None = record
    while following is not None and all(each.subject != following for _, each in notices):
        pair = find_notice(connection, following)
        if pair is None:
            break
        notices.append(pair)
        following = pair[1].replacement
    return notices


def record_notice(
    project: OpenProject,
    subject: str,
    replacement: str | None,
    *,
    reason: str,
    actor: str,
    at: str | None = None,
) -> tuple[RecordNotice, AcceptedEvidence]:
    """Record that a record is superseded or withdrawn; on return the notice is durable.

    ``subject`` and ``replacement`` name evidence as ``find_named`` takes it; without a replacement
    the subject is withdrawn.  ``at`` None is now.

    Raises:
        UsageError: The log holds no such record, a text is malformed, or one of the two records
            has a notice already.
        CannotCheckError: One of them had a notice, which was erased or lost.
    """
    about = find_named(project, subject)
    old = _hash_record(about)
    new = None if replacement is None else _hash_record(find_named(project, replacement))
    members = {"subject": old.hex(), "reason": reason, "at": at or utc_now(), "actor": actor}
    if new is not None:
        members["replacement"] = new.hex()
    kind = WITHDRAWS if new is None else SUPERSEDES
    groups = parse_groups({"kind": kind, "notice": members})
    assert groups.notice is not None, "the groups hold a notice"

    def check(connection: Connection) -> None:
        records = (old,) if new is None else (old, new)
        known = (find_notice(connection, record) for record in records)
        check_new_notice(old, new, [pair[1] for pair in known if pair is not None])
        tenant = tenant_of(about.source)
        if tenant is not None:
            data: dict[str, JsonValue] = {
                "evidence": about.identity.hex(),
                "record": old.hex(),
                "kind": kind,
            }
            # If this notice is not inserted after all, neither is this.
            announce(connection, tenant, "notice.recorded", data, at=utc_now())

    name = name_notice(old)
    submission = EvidenceInput(
        source=f"{ORIGIN}{name}",
        name=name,
        digests=groups.notice.digests().select(project.config.digests),
        media_type="application/json",
        groups=groups,
    )
    accepted = accept_once(project, submission, key=_spell_key(old), check=check)
    assert accepted.record is not None, "it was just recorded"
    notice = read_notice(accepted.record)
    assert notice is not None, "it was recorded as one"
    return notice, accepted


def _hash_record(stored: StoredEvidence) -> bytes:
    return hashlib.sha256(stored.record or b"").digest()


def notice_key(record: bytes) -> bytes:
    """Return the hash of the idempotency key of the notice about the record with this SHA-256.

    It belongs to one notice alone, which is found by it.
    """
    return hash_key(_spell_key(record))


def _spell_key(record: bytes) -> str:
    return f"notice:{record.hex()}"
