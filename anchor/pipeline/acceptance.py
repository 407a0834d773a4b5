"""Accepting evidence: a record, a leaf and a durable row for each piece, once."""

from __future__ import annotations

import hashlib
import mimetypes
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from anchor.digest import Digests
from anchor.merkle import hash_leaf
from anchor.pipeline.project import Project
from anchor.record import SALT_BYTES, build_record, format_time
from anchor.store.evidence import NewEvidence, insert_evidence, known_identities

# In one transaction: so many that the index over random identities pays its pages off, and so few
# that their rows take little memory and others may write in between.
_BATCH = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One piece of evidence, digested.

    ``source`` says where it came from on this machine (an absolute path, or a label); together with
    the digests it decides whether this is the same evidence as before.  It stays in the store:
    only ``name`` goes into the record.
    """

    source: str
    name: str
    digests: Digests


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """How many pieces a call accepted, and how many it had already."""

    new: int
    known: int


def accept(
    project: Project,
    submissions: Sequence[Submission],
    *,
    again: bool = False,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> Acceptance:
    """Accept ``submissions`` in order; when this returns they are durable.

    The same file with the same digests is the same evidence and accepted once, unless ``again``.
    A long list takes several transactions; after a crash between them, the same call does the rest.
    """
    new = 0
    for start in range(0, len(submissions), _BATCH):
        new += _accept_batch(project, submissions[start : start + _BATCH], again, random_bytes)
    return Acceptance(new=new, known=len(submissions) - new)


def _accept_batch(
    project: Project,
    submissions: Sequence[Submission],
    again: bool,
    random_bytes: Callable[[int], bytes],
) -> int:
    wanted: dict[bytes, Submission] = {}
    for submission in submissions:
        unique = random_bytes(SALT_BYTES) if again else b""
        wanted.setdefault(identify(submission, unique), submission)
    with project.database.write() as connection:
        known = known_identities(connection, list(wanted))
        now = datetime.now(UTC)
        accepted_at = format_time(now)
        fresh = [
            _prepare(submission, identity, random_bytes(SALT_BYTES), now, accepted_at)
            for identity, submission in wanted.items()
            if identity not in known
        ]
        insert_evidence(connection, fresh)
    return len(fresh)


def _prepare(
    submission: Submission, identity: bytes, salt: bytes, now: datetime, accepted_at: str
) -> NewEvidence:
    media_type, _ = mimetypes.guess_type(submission.name)
    record = build_record(
        digests=submission.digests,
        name=submission.name,
        media_type=media_type,
        salt=salt,
        recorded_at=now,
    )
    return NewEvidence(
        identity=identity,
        source=submission.source,
        digests=submission.digests,
        record=record.encoded,
        leaf=hash_leaf(record.encoded),
        accepted_at=accepted_at,
    )


def identify(submission: Submission, unique: bytes = b"") -> bytes:
    """Return what makes a repeated submission the same evidence, or with ``unique`` another."""
    digests = submission.digests
    parts = (
        submission.source.encode("utf-8", "surrogateescape"),
        digests.sha256 or b"",
        digests.sm3 or b"",
        unique,
    )
    # Length-prefixed, so that no two different tuples are the same bytes.
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()
