"""Queries of the evidence: what waits, what is sealed, and pieces by file, digest or identity."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from anchor.base.digests import Digests
from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.types import Hash32
from anchor.evidence.record import source_of
from anchor.store import fingerprints
from anchor.store.columns import HALF, Run
from anchor.store.fingerprint_pages import About
from anchor.store.runs import (
    add_up,
    find_end,
    find_run,
    find_run_start,
    find_size,
    load_pieces,
    load_runs,
)
from anchor.store.schema import keys, runs


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvidence:
    """One accepted piece; ``leaf_index`` is None until it is sealed, ``record`` if it is lost.

    ``id`` is its index in the log, whether it is sealed or not.
    """

    id: int
    identity: bytes
    source: str
    record: bytes | None
    leaf: Hash32
    leaf_index: int | None


def make_identity(digests: Digests, distinction: bytes) -> bytes:
    """Return the identity of evidence with these digests and this ``distinction``."""
    digest = digests.sha256 or digests.sm3 or b""
    return digest[:HALF] + hashlib.sha256(distinction).digest()[:HALF]


def hash_source(source: str) -> bytes:
    """Return the key by which evidence from a file is found."""
    return hashlib.sha256(source.encode()).digest()


def known_identities(connection: Connection, identities: Sequence[bytes]) -> set[bytes]:
    """Return those of ``identities`` that are already stored."""
    return set(fingerprints.find(connection, About.IDENTITY, identities))


def count_evidence(connection: Connection) -> tuple[int, int]:
    """Return the number of accepted pieces, and how many of them are not sealed yet."""
    end = find_end(connection)
    return end, end - find_size(connection)


def count_waiting(connection: Connection) -> int:
    """Return how many pieces are not sealed yet."""
    return count_evidence(connection)[1]


def measure_waiting(connection: Connection) -> int:
    """Return the total size in bytes of the records that are not sealed yet."""
    size, end = find_size(connection), find_end(connection)
    return add_up(connection, runs.c.record_bytes, _measure_record, size, end)


def _measure_record(run: Run, at: int) -> int:
    return len(run.record(at) or b"")


def count_waiting_before(connection: Connection, moment: str) -> int:
    """Return how many pieces that are not sealed yet were accepted before ``moment`` (RFC 3339)."""
    size, end = find_size(connection), find_end(connection)
    return find_first_since(connection, moment, size, end) - size


def find_first_since(connection: Connection, moment: str, start: int, end: int) -> int:
    """Return the first index from ``start`` up to ``end`` accepted at ``moment`` or later.

    Found by bisection: pieces are accepted in the order of their indices.
    """

    def find_start(index: int) -> str:
        return find_run_start(connection, index)

    # The first run that begins then or later; the run before it may hold the piece, too.
    first = start + bisect_left(range(start, end), moment, key=find_start)
    run = find_run(connection, first - 1) if first > start else None
    if run is None:
        return first
    low = max(start, run.first)
    return low + bisect_left(
        range(low, first), moment, key=lambda index: run.time(index - run.first)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """The first waiting piece that is dated too late; no piece from it on can be sealed."""

    index: int
    leaf: Hash32
    recorded_at: str
    waiting: int


def find_held_back(connection: Connection, latest: str) -> HeldBack | None:
    """Return the first waiting piece whose record is dated after ``latest`` (RFC 3339)."""
    size, end = find_size(connection), find_end(connection)
    may_be = (runs.c.accepted_at > latest) | runs.c.times.is_not(None)
    for run in load_runs(connection, size, end, where=may_be):
        for at in range(max(size - run.first, 0), run.pieces):
            # What has no record any more states no time.
            if run.time(at) > latest and run.has_record(at):
                return HeldBack(
                    index=run.first + at,
                    leaf=run.leaf(at),
                    recorded_at=run.time(at),
                    waiting=end - run.first - at,
                )
    return None


def load_records(
    connection: Connection, start: int, end: int
) -> Iterator[tuple[int, Hash32, bytes | None]]:
    """Yield index, leaf and record (None if there is none) of the pieces from ``start`` to ``end``.

    The pieces are in order; those that are not stored are left out.
    """
    for run in load_runs(connection, start, end):
        records = run.all_records()
        for at in range(max(start - run.first, 0), min(end, run.end) - run.first):
            yield run.first + at, run.leaf(at), records[at]


def count_with_record(connection: Connection, end: int) -> int:
    """Return how many of the first ``end`` leaves have a record."""
    column = runs.c.pieces - runs.c.erased - runs.c.lost
    return add_up(connection, column, Run.has_record, 0, end)


def load_with_record(connection: Connection, end: int) -> Iterator[StoredEvidence]:
    """Yield the pieces of the first ``end`` leaves that have a record, by leaf index."""
    for stored in load_all(connection, end):
        if stored.record is not None:
            yield stored


def find_by_digest(connection: Connection, digests: Digests) -> list[StoredEvidence]:
    """Return every piece with one of these digests, oldest first."""
    return load_stored(connection, find_indices_of(connection, digests))


def find_indices_of(connection: Connection, digests: Digests) -> list[int]:
    """Return the indices of every piece with one of these digests, in order."""
    maybe: set[int] = set()
    for digest in (digests.sha256, digests.sm3):
        if digest is not None:
            entries = fingerprints.find_prefix(connection, About.IDENTITY, digest[:HALF])
            maybe.update(index for _, index in entries)
    if digests.sm3 is not None:
        maybe.update(fingerprints.find(connection, About.SM3, [digests.sm3]).get(digests.sm3, ()))
    return [
        index
        for index, run, at in load_pieces(connection, maybe)
        if (digests.sha256 is not None and run.digest(at) == digests.sha256)
        or (digests.sm3 is not None and run.sm3_digest(at) == digests.sm3)
    ]


def _is_record_lost(connection: Connection, digests: Digests) -> bool:
    """Return whether a piece with the identity of such evidence is left, without its digests."""
    digest = digests.sha256 or digests.sm3
    if digest is None:
        return False
    entries = fingerprints.find_prefix(connection, About.IDENTITY, digest[:HALF])
    indices = [index for _, index in entries]
    return any(not run.has_digest(at) for _, run, at in load_pieces(connection, indices))


def find_by_identity(connection: Connection, identity: bytes) -> StoredEvidence | None:
    """Return the piece with this identity, or None."""
    return load_by_identity(connection, [identity]).get(identity)


def load_by_identity(
    connection: Connection, identities: Sequence[bytes]
) -> dict[bytes, StoredEvidence]:
    """Return the stored pieces with these identities, by identity."""
    by_identity = fingerprints.find(connection, About.IDENTITY, identities)
    indices = [index for each in by_identity.values() for index in each]
    return {stored.identity: stored for stored in load_stored(connection, indices)}


def find_by_key(connection: Connection, key: bytes) -> StoredEvidence | None:
    """Return the piece submitted under the idempotency key with this hash, or None."""
    piece = connection.execute(select(keys.c.piece).where(keys.c.key == key)).scalar()
    return None if piece is None else next(iter(load_stored(connection, [piece])), None)


def find_by_file(connection: Connection, path: str) -> list[StoredEvidence]:
    """Return every piece that was accepted from the file at this absolute path, oldest first."""
    return load_stored(connection, find_indices_from(connection, [path]).get(path, []))


def find_indices_from(connection: Connection, paths: Sequence[str]) -> dict[str, list[int]]:
    """Return the indices of the pieces that were accepted from each of these absolute paths."""
    by_key = {hash_source(path): path for path in paths}
    by_hash = fingerprints.find(connection, About.SOURCE, list(by_key))
    return {by_key[key]: indices for key, indices in by_hash.items()}


def find_changed(connection: Connection, files: Mapping[str, Digests]) -> dict[str, str]:
    """Return those of ``files``, by absolute path, that were accepted with other digests only.

    The value of each is when it was last accepted.
    """
    by_path = find_indices_from(connection, list(files))
    changed: dict[str, str] = {}
    same: set[str] = set()
    for _, run, at in load_pieces(connection, [i for indices in by_path.values() for i in indices]):
        source = run.source(at)
        digests = files.get(source)
        if digests is None:
            continue
        pairs = ((digests.sha256, run.digest(at)), (digests.sm3, run.sm3_digest(at)))
        if any(one is not None and one == other for one, other in pairs):
            same.add(source)
        changed[source] = run.time(at)
    return {source: time for source, time in changed.items() if source not in same}


def load_all(connection: Connection, end: int | None = None) -> Iterator[StoredEvidence]:
    """Yield every piece in order of acceptance, up to ``end`` if that is given."""
    size = find_size(connection)
    for run in load_runs(connection, 0, end):
        stop = run.end if end is None else min(end, run.end)
        records = run.all_records()
        for at in range(stop - run.first):
            yield _describe(run, at, records[at], size)


def load_newest(connection: Connection) -> Iterator[StoredEvidence]:
    """Yield every piece, newest first."""
    size = find_size(connection)
    for run in load_runs(connection, newest_first=True):
        records = run.all_records()
        for at in reversed(range(run.pieces)):
            yield _describe(run, at, records[at], size)


def load_stored(connection: Connection, indices: Iterable[int]) -> list[StoredEvidence]:
    """Return those of the pieces with these indices that are stored, in order."""
    size = find_size(connection)
    pieces = load_pieces(connection, indices)
    return [_describe(run, at, run.record(at), size) for _, run, at in pieces]


def _describe(run: Run, at: int, record: bytes | None, size: int) -> StoredEvidence:
    index = run.first + at
    return StoredEvidence(
        id=index,
        identity=run.identity(at),
        source=run.source(at),
        record=record,
        leaf=run.leaf(at),
        leaf_index=index if index < size else None,
    )


def find_evidence(
    connection: Connection, file: Path, digests: Digests, *, or_changed: bool = False
) -> StoredEvidence:
    """Return the evidence accepted from ``file``, or else evidence with the same digests.

    Of several, the first in the log is returned. With ``or_changed``, a file whose digests are not
    stored yields its last recorded evidence, so that a verification can report the difference.
    """
    here = source_of(file)
    stored = find_by_digest(connection, digests)
    if not stored and or_changed:
        stored = find_by_file(connection, here)[-1:]
    if not stored and _is_record_lost(connection, digests):
        raise UsageError(
            Message("evidence-record-lost", path=file), hint=Message("evidence-record-lost-hint")
        )
    if not stored:
        raise UsageError(
            Message("evidence-content-not-in-log", path=file),
            hint=Message("evidence-add-hint"),
        )
    mine = [row for row in stored if row.source == here] or stored
    return next((row for row in mine if row.leaf_index is not None), mine[0])
