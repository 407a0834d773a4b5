"""Insertion of evidence into the store, once for each identity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from sqlalchemy import Connection

from anchor.base.digests import Digests
from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.store import fingerprints
from anchor.store.acknowledged_log import build_block, build_entry, noted_entries
from anchor.store.columns import HASH, EvidenceRow, NewEvidence, Row, Run, pack_runs
from anchor.store.evidence import (
    StoredEvidence,
    find_by_identity,
    find_by_key,
    hash_source,
    make_identity,
)
from anchor.store.evidence_kinds import parse_kinds
from anchor.store.file_origins import is_file
from anchor.store.fingerprint_pages import About, decode_entries, encode_entry
from anchor.store.idempotency_keys import insert_keys
from anchor.store.new_pieces import NEW, NewPieces
from anchor.store.runs import append_runs, find_run, lock_intake, rewrite_run
from anchor.store.sorted_rows import number_rows, sort_rows, split_rows
from anchor.store.tenant_slices import enter_slices, renew_slices

# What intake finds pieces by; ``record_index`` has the others, after it.
ENTERED = (About.IDENTITY, About.SM3, About.SOURCE)

InsertCheck = Callable[[Connection], None]
"""A check before an insertion, while no other transaction inserts evidence."""


def insert_evidence(connection: Connection, items: Sequence[Row | Run]) -> int:
    """Insert the evidence whose identity is new, in this order; return how many were new."""
    return sum(insert_reporting(connection, items))


def insert_reporting(connection: Connection, items: Sequence[Row | Run]) -> list[bool]:
    """Insert the evidence whose identity is new; return for each piece whether it was new.

    Of equal identities only the first is new.
    """
    lock_intake(connection)
    pieces = NewPieces(connection, items)
    is_new = [outcome is NEW for part in items for outcome in pieces.take(part)]
    append_new(connection, pieces.new, {})
    return is_new


def append_new(
    connection: Connection, items: Sequence[Row | Run], keys: Mapping[bytes, bytes]
) -> None:
    """Append evidence whose identities are new, in this order, with a side-file entry for each.

    ``keys`` are the hashes of idempotency keys, with the identities of their evidence; they are of
    evidence that comes as a row.
    """
    insert_rows(connection, items)
    if keys:
        insert_keys(connection, list(keys.items()))
    noted = noted_entries(connection)
    if noted is not None:
        by_identity = {identity: key for key, identity in keys.items()}
        noted += (
            build_block(part)
            if isinstance(part, Run)
            else build_entry(part)._replace(key=by_identity.get(part.identity))
            for part in items
        )


def insert_rows(connection: Connection, items: Sequence[Row | Run]) -> None:
    """Append evidence, rows and whole runs in this order; its identities must be new."""
    if not items:
        return
    lock_intake(connection)
    added = append_runs(connection, _pack(items))
    enter_runs(connection, added)
    enter_slices(connection, added)


def make_unique(connection: Connection, runs: Sequence[Run]) -> Iterator[Run]:
    """Yield runs in which no identity is taken: a second piece gets its own, as by ``add --again``.

    The runs have the indices that they will have in the store.
    """
    identities = sort_rows(b"".join(run.identities() for run in runs), HASH)
    entries = fingerprints.find_entries(connection, About.IDENTITY, identities)
    taken = {identity for identity, _ in decode_entries(entries)}
    pairs = pairwise(split_rows(identities, HASH))
    doubtful = taken | {identity for identity, following in pairs if identity == following}
    for run in runs:
        changed: dict[int, EvidenceRow] = {}
        for at in range(run.pieces) if doubtful else ():
            identity = run.identity(at)
            if identity in taken:
                changed[at] = _distinguish(run.row(at), run.first + at)
            elif identity in doubtful:
                taken.add(identity)
        yield run.replace(changed) if changed else run


def _distinguish(row: EvidenceRow, index: int) -> EvidenceRow:
    mark = index.to_bytes(8, "big")
    digests = Digests(sha256=row.sha256, sm3=row.sm3, size=None)
    return replace(row, identity=make_identity(digests, row.identity + row.leaf + mark))


def _pack(items: Sequence[Row | Run]) -> Iterator[Run]:
    rows: list[Row] = []
    for part in items:
        if isinstance(part, Run):
            yield from pack_runs(0, rows)
            rows.clear()
            yield part
        else:
            rows.append(part)
    yield from pack_runs(0, rows)


def enter_runs(connection: Connection, added: Sequence[Run]) -> None:
    """Enter the pieces of runs among the fingerprints by which they are found."""
    for about in ENTERED:
        entries = b"".join(encode_entries(run, about) for run in added)
        fingerprints.insert(connection, about, entries)


def encode_entries(run: Run, about: About) -> bytes:
    """Return the entries of a run as ``_find_key`` gives their keys, without a look at each piece.

    Only runs in which some pieces have a key and others have none are read piece by piece.
    """
    kinds = parse_kinds(run.shared)
    if about is About.IDENTITY:
        return run.entries()
    if about is About.SM3 and run.sm3 is None:
        return b""
    if about is About.SM3 and all(kind.has_sm3 and kind.has_sha256 for kind in kinds):
        return number_rows(run.sm3 or b"", HASH, run.first)
    if about is About.SOURCE and not any(
        kind.prefix is None or is_file(kind.prefix or "/") for kind in kinds
    ):
        return b""
    entries = _list_entries([(run, at) for at in range(run.pieces)], about)
    return b"".join(encode_entry(key, index) for key, index in entries)


def _find_key(run: Run, at: int, about: About) -> bytes | None:
    """Return the key of a piece; None if it has none, as erased ones."""
    if run.is_erased(at):
        return None
    if about is About.IDENTITY:
        return run.identity(at)
    if about is About.SM3:
        # A piece with an SM3 digest alone is found by its identity.
        return run.sm3_digest(at) if run.digest(at) is not None else None
    source = run.source(at)
    return hash_source(source) if is_file(source) else None


def _list_entries(pieces: Iterable[tuple[Run, int]], about: About) -> list[tuple[bytes, int]]:
    """Return the keys of pieces, given by their run and place, with their indices."""
    return [
        (key, run.first + at)
        for run, at in pieces
        if (key := _find_key(run, at, about)) is not None
    ]


def replace_pieces(connection: Connection, changed: Sequence[tuple[int, Row]]) -> None:
    """Store other pieces under these indices, and find them by what the new ones are."""
    lock_intake(connection)
    by_run: dict[int, tuple[Run, dict[int, Row]]] = {}
    run: Run | None = None
    for index, row in sorted(changed, key=lambda pair: pair[0]):
        if run is None or not run.first <= index < run.end:
            run = find_run(connection, index)
        if run is not None:
            by_run.setdefault(run.first, (run, {}))[1][index - run.first] = row
    rewritten: list[tuple[Run, Run]] = []
    for run, rows in by_run.values():
        after = run.replace(rows)
        rewrite_run(connection, after)
        rewritten.append((run, after))
        for about in ENTERED:
            gone = _list_entries([(run, at) for at in rows], about)
            fingerprints.remove(connection, about, gone)
            new = _list_entries([(after, at) for at in rows], about)
            data = b"".join(encode_entry(key, index) for key, index in new)
            fingerprints.insert(connection, about, data)
    renew_slices(connection, rewritten)


def claim_rows(connection: Connection, claims: Iterable[tuple[bytes, bytes, str]]) -> None:
    """Give pieces another identity and source: the old identity, the new one and the source.

    A piece whose record is lost, and one whose new identity is taken, stays as it is.  The side
    file gets no entry, because another copy of it may turn up and name a tenant for the record.
    """
    lock_intake(connection)
    for old, identity, source in claims:
        known = find_by_identity(connection, old)
        if (
            known is None
            or known.record is None
            or find_by_identity(connection, identity) is not None
        ):
            continue
        run = find_run(connection, known.id)
        assert run is not None, "it was found by its identity"
        claimed = replace(run.row(known.id - run.first), identity=identity, source=source)
        replace_pieces(connection, [(known.id, claimed)])


def insert_once(
    connection: Connection,
    submitted: NewEvidence,
    key: bytes | None,
    check: InsertCheck | None = None,
) -> tuple[NewEvidence | StoredEvidence, bool]:
    """Insert ``submitted`` unless it is stored; return the stored evidence, and whether it is new.

    ``key`` is the hash of an idempotency key, which belongs to this evidence alone.  ``check``
    raises if the evidence must not be inserted now.

    Raises:
        UsageError: The key was used for other evidence.
    """
    lock_intake(connection)
    if check is not None:
        check(connection)
    if key is not None:
        known = find_by_key(connection, key)
        if known is not None and known.identity != submitted.identity:
            raise UsageError(
                Message("idempotency-key-taken"),
                hint=Message("idempotency-key-reused-hint"),
            )
    stored = find_by_identity(connection, submitted.identity)
    if stored is not None:
        return stored, False
    append_new(connection, [submitted], {} if key is None else {key: submitted.identity})
    return submitted, True
