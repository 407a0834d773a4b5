"""Acceptance of evidence: one record, one leaf and one durable row for each piece."""

from __future__ import annotations

import hashlib
import mimetypes
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from anchor.base.canonical import encode_canonical
from anchor.base.digests import SHA256, SM3, Digests
from anchor.base.errors import MalformedError, StoreBusyError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.base.types import Hash32, LogId
from anchor.evidence.not_before import NotBefore
from anchor.evidence.record import SALT_BYTES, Record, encode_record
from anchor.evidence.record_groups import RecordGroups
from anchor.evidence.record_submitter import MEMBER as SUBMITTER
from anchor.evidence.record_submitter import RecordSubmitter
from anchor.log.merkle import hash_leaf
from anchor.operate.anchor_watch import check_clock
from anchor.project.project import OpenProject
from anchor.store.columns import (
    HALF,
    MOST_PIECES,
    NewEvidence,
    Run,
    hash_distinction,
    join_texts,
    make_run,
)
from anchor.store.evidence import (
    StoredEvidence,
    known_identities,
    load_by_identity,
)
from anchor.store.evidence_insertion import (
    InsertCheck,
    claim_rows,
    insert_evidence,
    insert_once,
    insert_reporting,
)
from anchor.store.evidence_kinds import MADE, Kind
from anchor.store.file_origins import tenant_of
from anchor.store.record_parts import name_by_digest

# Pieces in one transaction: enough that few runs of fingerprints have to be merged, and few enough
# that the pieces take little memory.
_BATCH = 100_000
# With more kinds, pieces of a run share little.
_MOST_KINDS = 128
# Approximate size of a record without its name.
_RECORD_BYTES = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceInput:
    """One piece of evidence whose digests are known.

    ``source`` is its origin on this machine (an absolute path, or a label); source and digests
    together decide whether it is the same evidence as an earlier submission.  ``source`` stays in
    the store; only ``name`` goes into the record.  ``media_type`` None is guessed from the name.
    ``groups`` document the collection; the same evidence with other groups is other evidence.
    ``submitter`` goes into the record and does not: who submits it again is not recorded.
    """

    source: str
    name: str
    digests: Digests
    media_type: str | None = None
    groups: RecordGroups | None = None
    submitter: RecordSubmitter | None = None


def digest_input(digests: Digests, name: str | None = None) -> EvidenceInput:
    """Return the submission of a bare digest; without a ``name``, the digest is its name."""
    algorithm, digest = (SHA256, digests.sha256) if digests.sha256 else (SM3, digests.sm3)
    assert digest is not None, "there is one at least"
    name = name or f"{algorithm}:{digest.hex()}"
    return EvidenceInput(source=f"digest:{name}", name=name, digests=digests)


def receipt_input(digests: Digests, name: str) -> EvidenceInput:
    """Return the submission of a record that came back from a receipt alone.

    Where its file was is not known; of a bare digest, everything is.
    """
    if digests.size is None:
        return digest_input(digests, name)
    return EvidenceInput(source=f"receipt:{name}", name=name, digests=digests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """How many pieces of evidence a call accepted, and how many were known already.

    ``copies`` is the number of servers that hold all of them; None if one server is enough.
    """

    new: int
    known: int
    copies: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedEvidence:
    """The result of one submission; a repeated submission gets the same one except for ``is_new``.

    ``identity`` is its key in the store.  ``record`` is None if it was erased or lost. ``copies``
    is the number of servers that hold it; None if one server is enough.
    """

    identity: bytes
    leaf: Hash32
    record: bytes | None
    is_new: bool
    copies: int | None = None


def accept(
    project: OpenProject,
    submissions: Sequence[EvidenceInput],
    *,
    again: bool = False,
    not_before: NotBefore | None = None,
) -> Acceptance:
    """Accept ``submissions`` in order; when this returns they are durable.

    The same file with the same digests is the same evidence and is accepted once, unless ``again``.
    New records name the block ``not_before``, if there is one.
    A long list takes several transactions; after a crash, repeating the call accepts the rest.
    """
    check_clock(project)
    database = project.database
    new = 0
    copies: int | None = None
    for start in range(0, len(submissions), _BATCH):
        batch = submissions[start : start + _BATCH]
        database.check_room(sum(_RECORD_BYTES + len(submission.name) for submission in batch))
        items = list(_prepare_runs(project, batch, again, not_before))
        # If another process accepts the same evidence, one of the two waits or starts again.
        written = database.write_counted(partial(insert_evidence, items=items))
        new += written.result
        copies = fewest(copies, written.copies)
    return Acceptance(new=new, known=len(submissions) - new, copies=copies)


def claim_restored(project: OpenProject, submissions: Sequence[EvidenceInput]) -> None:
    """Give records that came back from receipts to the submissions with their name and digests.

    These are then known, as before the restore.  A tenant's submission claims nothing, because
    nobody knows whose such a record was.
    """
    claims = {
        identify(receipt_input(each.digests, each.name)): each
        for each in submissions
        if tenant_of(each.source) is None
    }
    with project.database.read() as connection:
        restored = known_identities(connection, list(claims))
    restored_claims = [
        (old, identify(each), each.source) for old, each in claims.items() if old in restored
    ]
    if restored_claims:
        project.database.write_with_retry(partial(claim_rows, claims=restored_claims))


def accept_each(
    project: OpenProject,
    submissions: Sequence[EvidenceInput],
    *,
    again: bool = False,
    not_before: NotBefore | None = None,
) -> list[AcceptedEvidence]:
    """Accept up to 10,000 ``submissions`` as ``accept`` does; return one result for each.

    Raises:
        StoreBusyError: Another process erased one of the pieces while they were stored.
    """
    check_clock(project)
    database = project.database
    database.check_room(sum(_RECORD_BYTES + len(submission.name) for submission in submissions))
    rows = list(_prepare(project, submissions, again, not_before))
    written = database.write_counted(partial(insert_reporting, items=rows))
    answers = list(zip(rows, written.result, strict=True))
    with database.read() as connection:
        known = load_by_identity(connection, [row.identity for row, new in answers if not new])
    accepted = []
    for row, is_new in answers:
        stored = row if is_new else known.get(row.identity)
        if stored is None:
            raise StoreBusyError(
                Message("evidence-erased-meanwhile"), hint=Message("command-run-again-hint")
            )
        accepted.append(_describe(stored, is_new, written.copies))
    return accepted


def _describe(
    stored: NewEvidence | StoredEvidence, is_new: bool, copies: int | None
) -> AcceptedEvidence:
    return AcceptedEvidence(
        identity=stored.identity,
        leaf=stored.leaf,
        record=stored.record,
        is_new=is_new,
        copies=copies,
    )


def sum_up(accepted: Sequence[AcceptedEvidence]) -> Acceptance:
    """Return how many pieces were new and known, and how many servers hold all of them."""
    new = sum(evidence.is_new for evidence in accepted)
    copies = fewest(*(evidence.copies for evidence in accepted))
    return Acceptance(new=new, known=len(accepted) - new, copies=copies)


def fewest(*counted: int | None) -> int | None:
    """Return the number of servers that hold every counted part; None if one is enough."""
    return min((copies for copies in counted if copies is not None), default=None)


def _prepare(
    project: OpenProject,
    submissions: Sequence[EvidenceInput],
    again: bool,
    not_before: NotBefore | None = None,
) -> Iterator[NewEvidence]:
    """Yield the evidence of each submission, with a fresh salt."""
    recorded_at, log = utc_now(), project.config.log
    for submission in submissions:
        unique = secrets.token_bytes(SALT_BYTES) if again else b""
        salt = secrets.token_bytes(SALT_BYTES)
        yield prepare_evidence(submission, unique, salt, recorded_at, log, not_before)


def _prepare_runs(
    project: OpenProject,
    submissions: Sequence[EvidenceInput],
    again: bool,
    not_before: NotBefore | None = None,
) -> Iterator[NewEvidence | Run]:
    """Yield the evidence of the submissions, as runs where that is possible."""
    for start in range(0, len(submissions), MOST_PIECES):
        part = submissions[start : start + MOST_PIECES]
        run = None if again else _make_run(part, utc_now(), project.config.log, not_before)
        if run is None:
            yield from _prepare(project, part, again, not_before)
        else:
            yield run


def _make_run(
    submissions: Sequence[EvidenceInput],
    recorded_at: str,
    log: LogId,
    not_before: NotBefore | None = None,
) -> Run | None:
    """Return the run of these submissions; None if their sources, names and kinds do not allow it.

    A source must end with the name, and a record with groups is kept as it is.
    """
    kinds: dict[Kind, int] = {}
    codes, names = bytearray(), []
    block = None if not_before is None else not_before.encode()
    given = [submission.digests for submission in submissions]
    for submission, digests in zip(submissions, given, strict=True):
        source, name = submission.source, submission.name
        is_plain = source.endswith(name) and tenant_of(source) is None
        if not is_plain or submission.groups is not None:
            return None
        is_named_by_digest = name == name_by_digest(digests.sha256, digests.sm3)
        kind = Kind(
            MADE,
            has_sha256=digests.sha256 is not None,
            has_sm3=digests.sm3 is not None,
            has_size=digests.size is not None,
            is_named_by_digest=is_named_by_digest,
            log=log.hex(),
            media_type=submission.media_type or guess_media_type(name),
            prefix=source[: len(source) - len(name)],
            not_before=block,
        )
        codes.append(kinds.setdefault(kind, len(kinds)))
        if len(kinds) > _MOST_KINDS:
            return None
        names.append("" if is_named_by_digest else name)
    try:
        return make_run(
            0,
            kinds=list(kinds),
            codes=bytes(codes),
            names=join_texts([name.encode() for name in names]),
            salts=secrets.token_bytes(SALT_BYTES * len(codes)),
            accepted_at=recorded_at,
            sha256=_join(digests.sha256 for digests in given),
            sm3=_join(digests.sm3 for digests in given),
            sizes=_join(_encode_size(digests.size) for digests in given),
        )
    except (ValueError, OverflowError, MalformedError):
        return None  # a name or size is not valid; its own record is refused with the reason


def _encode_size(size: int | None) -> bytes | None:
    return None if size is None else size.to_bytes(8, "little")


def _join(values: Iterable[bytes | None]) -> bytes | None:
    """Return values of one width back to back, zeros for None; None if all are None."""
    column = list(values)
    width = max(len(value or b"") for value in column)
    return b"".join(value or bytes(width) for value in column) if width else None


def accept_once(
    project: OpenProject,
    submission: EvidenceInput,
    *,
    key: str | None = None,
    not_before: NotBefore | None = None,
    check: InsertCheck | None = None,
) -> AcceptedEvidence:
    """Accept one piece of evidence, or find the one accepted before; on return it is durable.

    ``key`` is an idempotency key: a submission repeated with it, by any process, is accepted once.
    Without a key, source and digests decide whether two submissions are the same evidence.
    ``check`` raises if the store must not accept it now; nothing else is accepted meanwhile.

    Raises:
        UsageError: Other evidence was submitted with this key.
    """
    check_clock(project)
    unique = b"" if key is None else _encode_key(key)
    salt = secrets.token_bytes(SALT_BYTES)
    log = project.config.log
    row = prepare_evidence(submission, unique, salt, utc_now(), log, not_before)
    key_hash = None if key is None else hash_key(key)
    project.database.check_room(len(row.record))
    insert = partial(insert_once, submitted=row, key=key_hash, check=check)
    written = project.database.write_counted(insert)
    stored, is_new = written.result
    return _describe(stored, is_new, written.copies)


def _encode_key(key: str) -> bytes:
    return b"key:" + key.encode("utf-8", "surrogateescape")


def hash_key(key: str) -> bytes:
    """Return the hash by which the store knows an idempotency key."""
    return hashlib.sha256(_encode_key(key)).digest()


def accept_with_key(
    project: OpenProject,
    submissions: Sequence[EvidenceInput],
    key: str,
    not_before: NotBefore | None = None,
) -> Acceptance:
    """Accept a single submission under an idempotency key.

    Raises:
        UsageError: ``submissions`` is not exactly one, or the key was used for other evidence.
    """
    if len(submissions) != 1:
        raise UsageError(Message("idempotency-key-single-submission"))
    return sum_up([accept_once(project, submissions[0], key=key, not_before=not_before)])


def prepare_evidence(
    submission: EvidenceInput,
    unique: bytes,
    salt: bytes,
    recorded_at: str,
    log: LogId,
    not_before: NotBefore | None = None,
) -> NewEvidence:
    """Return the row of a submission: its record for ``log`` with this salt and time."""
    groups = {} if submission.groups is None else submission.groups.members()
    if groups:
        encoded = encode_canonical(groups, subject=Message("evidence-record"))
        unique += b"groups:" + hashlib.sha256(encoded).digest()
    submitter = submission.submitter
    named = {} if submitter is None else {SUBMITTER: submitter.members()}
    record = encode_record(
        digests=submission.digests,
        name=submission.name,
        media_type=submission.media_type or guess_media_type(submission.name),
        salt=salt,
        recorded_at=recorded_at,
        log=log,
        statements={**groups, **named},
        not_before=not_before,
    )
    return _make_row(submission, record, unique, recorded_at)


def prepare_record(record: Record, source: str, unique: bytes, recorded_at: str) -> NewEvidence:
    """Return the row of a record that another party made; its bytes are kept unchanged."""
    encoded = record.encoded
    submission = EvidenceInput(source=source, name=record.name, digests=record.digests)
    unique = b"record:" + hashlib.sha256(encoded).digest() + unique
    return _make_row(submission, encoded, unique, recorded_at)


def _make_row(
    submission: EvidenceInput, record: bytes, unique: bytes, recorded_at: str
) -> NewEvidence:
    return NewEvidence(
        identity=identify(submission, unique),
        source=submission.source,
        sha256=submission.digests.sha256,
        sm3=submission.digests.sm3,
        record=record,
        leaf=hash_leaf(record),
        accepted_at=recorded_at,
    )


def identify(submission: EvidenceInput, unique: bytes = b"") -> bytes:
    """Return the identity of a submission: equal for a repeated one, different per ``unique``."""
    digests = submission.digests
    digest = digests.sha256 or digests.sm3 or b""
    distinction = hash_distinction(submission.source, digests.sha256, digests.sm3, unique)
    return digest[:HALF] + distinction


def guess_media_type(name: str) -> str | None:
    """Return the media type that the extension of ``name`` indicates; None for an unknown one."""
    parts = name.rsplit(".", 2)
    return _guess_by_ending(".".join([parts[0][-1:], *parts[1:]]))


@lru_cache(maxsize=4_096)
def _guess_by_ending(ending: str) -> str | None:
    # The last two extensions count: the last one may only name a compression of the first.
    return mimetypes.guess_type(ending)[0]
