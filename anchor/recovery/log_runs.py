"""The runs of a rebuilt log: those of other stores where they are whole, else made piece by piece.

``find_parts`` decides for each leaf of the log what is known of its evidence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from anchor.base.errors import AnchorError
from anchor.base.system.clock import format_time
from anchor.base.types import Hash32
from anchor.evidence.record import parse_record, source_of
from anchor.log.merkle import hash_leaf
from anchor.log.tree import HASH
from anchor.operate.acceptance import identify, receipt_input
from anchor.operate.receipt_files import read_receipt
from anchor.project.files import receipts_file
from anchor.recovery.owners import LeafOwners
from anchor.recovery.remains import Remains
from anchor.store.acknowledged_log_frames import Entry, EntryBlock
from anchor.store.columns import ERASED, EvidenceRow, Run, pack_runs
from anchor.store.evidence_kinds import KEPT, MADE, parse_kinds
from anchor.store.file_origins import tenant_of
from anchor.store.row_transfer import (
    Skipped,
    build_entries,
    load_placed_rows,
    load_placed_runs,
    row_of_leaf,
)
from anchor.store.sorted_rows import split_rows


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive pieces of the log, and the side-file entries that are missing for them."""

    run: Run
    entries: Sequence[Entry | EntryBlock]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What tells of the log's evidence, beside its leaves.

    ``loose`` is the evidence that stores hold beyond the heads that they share with the log, by
    leaf; ``accepted_at`` the time for evidence of which only the leaf is known.
    """

    remains: Remains
    loose: Mapping[Hash32, EvidenceRow]
    accepted_at: str
    skipped: Skipped


def find_parts(leaves: bytes, start: int, sources: Sources) -> Iterator[Part]:
    """Yield the evidence of ``leaves``, of which the first has the index ``start``, in order.

    A piece is taken from a run as it is only if its record hashes to the leaf and nothing else is
    known of it: no erasure, and no other identity in a side file.
    """
    end = start + len(leaves) // HASH
    owners = sources.remains.owners
    taken = _take_runs(leaves, start, sources)
    compared = owners.compare(b"".join(run.identities(with_leaves=True) for run, _ in taken))
    for run, places in taken:
        places |= _find_among(compared.moved, run.leaves)
    rows = dict(_find_rows(leaves, start, _list_doubtful(taken, start, end), sources))
    for run, doubtful in _fill_gaps(taken, rows, start, end):
        looked_up = {at: rows[run.first + at] for at in doubtful}
        missing = _find_among(compared.unknown, run.leaves) - looked_up.keys()
        missing |= {
            at for at, row in looked_up.items() if row.is_stored and owners.find(row.leaf) is None
        }
        whole = _replace(run, looked_up)
        yield Part(whole, list(build_entries(whole, missing)))


def _list_doubtful(taken: Sequence[tuple[Run, Collection[int]]], start: int, end: int) -> list[int]:
    """Return the indices, in order, of the pieces that no run has, or that are in doubt."""
    doubtful: list[int] = []
    at = start
    for run, places in taken:
        doubtful += range(at, run.first)
        doubtful += (run.first + place for place in sorted(places))
        at = run.end
    return [*doubtful, *range(at, end)]


def _fill_gaps(
    taken: Sequence[tuple[Run, Collection[int]]],
    rows: Mapping[int, EvidenceRow],
    start: int,
    end: int,
) -> Iterator[tuple[Run, Collection[int]]]:
    """Yield the runs in order, and between them new ones of rows, all of which are in doubt."""
    at = start
    for run, places in [*taken, (None, ())]:
        stop = end if run is None else run.first
        for made in pack_runs(at, [rows[index] for index in range(at, stop)]):
            yield made, range(made.pieces)
        if run is not None:
            yield run, places
            at = run.end


def _replace(run: Run, rows: Mapping[int, EvidenceRow]) -> Run:
    """Return a run with other pieces in these places; what is erased anyway is not packed again."""
    changed = {at: row for at, row in rows.items() if not _is_blank(row, run, at)}
    return run.replace(changed) if changed else run


def _is_blank(row: EvidenceRow, run: Run, at: int) -> bool:
    """Return whether a row has what is left of the erased piece in this place."""
    return (
        run.is_erased(at)
        and row.source == ERASED
        and (row.leaf, row.accepted_at) == (run.leaf(at), run.time(at))
    )


def _take_runs(leaves: bytes, start: int, sources: Sources) -> list[tuple[Run, set[int]]]:
    """Return runs of the stores that do not overlap, in order, with the places that are in doubt.

    The first store that has something of a run gives it.
    """
    taken: list[tuple[Run, set[int]]] = []
    gaps = [range(start, start + len(leaves) // HASH)]
    for store in sources.remains.stores:
        left = []
        with store.read() as connection:
            for gap in gaps:
                at = gap.start
                for run in load_placed_runs(connection, at, gap.stop, sources.skipped):
                    mine = leaves[(run.first - start) * HASH : (run.end - start) * HASH]
                    places = _find_doubtful(run, mine, sources.remains.erased.leaves)
                    if len(places) < run.pieces:
                        left.append(range(at, run.first))
                        taken.append((run, places))
                        at = run.end
                left.append(range(at, gap.stop))
        gaps = [gap for gap in left if gap]
    return sorted(taken, key=lambda pair: pair[0].first)


def _find_doubtful(run: Run, leaves: bytes, erased: Collection[bytes]) -> set[int]:
    """Return the places of the pieces that are not what the log has there, or not complete."""
    places = set(run.find_false_leaves())
    kinds = parse_kinds(run.shared)
    bare = {
        code
        for code in set(run.kinds)
        if kinds[code].content not in (MADE, KEPT)
        # Salvaged from a run in which the other columns are damaged.
        or not (kinds[code].has_sha256 or kinds[code].has_sm3)
    }
    if bare:
        places.update(at for at, code in enumerate(run.kinds) if code in bare)
    if run.leaves != leaves:
        pairs = zip(split_rows(run.leaves, HASH), split_rows(leaves, HASH), strict=True)
        places.update(at for at, (stored, leaf) in enumerate(pairs) if stored != leaf)
    return places | _find_among(erased, leaves)


def _find_among(wanted: Collection[bytes], leaves: bytes) -> set[int]:
    if not wanted:
        return set()
    return {at for at, leaf in enumerate(split_rows(leaves, HASH)) if leaf in wanted}


def _find_rows(
    leaves: bytes, start: int, indices: Sequence[int], sources: Sources
) -> Iterator[tuple[int, EvidenceRow]]:
    """Yield a row for each index: from a store, else from a receipt, else with the leaf alone."""
    remains = sources.remains
    stored = []
    for store in remains.stores if indices else ():
        with store.read() as connection:
            stored.append(load_placed_rows(connection, indices, sources.skipped))
    for index in indices:
        leaf = Hash32(leaves[(index - start) * HASH :][:HASH])
        rows = [rows[index] for rows in stored if index in rows]
        rows += [sources.loose[leaf]] if leaf in sources.loose else []
        row = _find_whole(leaf, rows, remains.receipts.by_index.get(index, ()))
        if row is None:
            left = (check_record(row) for row in rows if row.leaf == leaf)
            row = next(left, None) or row_of_leaf(index, leaf, sources.accepted_at)
        yield index, remains.erased.blank(restore_ownership(row, remains.owners))


def _find_whole(
    leaf: Hash32, rows: Sequence[EvidenceRow], receipts: Iterable[Path]
) -> EvidenceRow | None:
    """Return the evidence with a record that hashes to ``leaf``: from a store, else a receipt."""
    for row in rows:
        if row.record is None or hash_leaf(row.record) != leaf:
            continue
        if row.sha256 is None and row.sm3 is None:
            # Salvaged from a run in which the other columns are damaged.
            return _row_of_record(row.record) or replace(row, leaf=leaf)
        # The store's own leaf may be damaged.
        return row if row.leaf == leaf else replace(row, leaf=leaf)
    for whole in filter(None, (row_of_receipt(path, leaf) for path in receipts)):
        for row in rows:
            # The row of the acceptance has more information than a receipt.
            if row.leaf == leaf and (row.sha256, row.sm3) == (whole.sha256, whole.sm3):
                return replace(row, record=whole.record)
        return whole
    return None


def row_of_receipt(path: Path, leaf: Hash32 | None) -> EvidenceRow | None:
    """Return a receipt's evidence as accepted; None if its record does not hash to ``leaf``."""
    receipt = read_receipt(path)
    if receipt is None or leaf not in (None, hash_leaf(receipt.record)):
        return None
    return _row_of_record(receipt.record, receipts_file(path))


def _row_of_record(encoded: bytes, file: Path | None = None) -> EvidenceRow | None:
    """Return a record's evidence as accepted, from ``file`` if that exists.

    None if the record cannot be read.
    """
    try:
        record = parse_record(encoded)
    except AnchorError:
        return None
    submission = receipt_input(record.digests, record.name)
    if file is not None and file.is_file():
        submission = replace(submission, source=source_of(file))
    return EvidenceRow(
        identity=identify(submission),
        source=submission.source,
        sha256=record.digests.sha256,
        sm3=record.digests.sm3,
        record=encoded,
        leaf=hash_leaf(encoded),
        accepted_at=format_time(record.recorded_at),
        is_stored=False,
    )


def restore_ownership(row: EvidenceRow, owners: LeafOwners) -> EvidenceRow:
    """Return the row with the identity and the tenant that the side file has for it."""
    entry = owners.find(row.leaf)
    if entry is None or entry.identity == row.identity:
        return row
    source = row.source
    if entry.tenant != (tenant_of(source) or ""):
        name = source if row.record is None else parse_record(row.record).name
        source = f"tenant:{entry.tenant}/{name}" if entry.tenant else name
    return replace(row, identity=entry.identity, source=source)


def restore_columns(row: EvidenceRow, owners: LeafOwners) -> EvidenceRow | None:
    """Return the evidence of a record salvaged from a run in which other columns are damaged.

    Returns None for other rows, and if neither the leaf nor a side file has the record's hash.
    """
    if row.record is None or row.sha256 is not None or row.sm3 is not None:
        return None
    leaf = hash_leaf(row.record)
    if leaf != row.leaf and owners.find(leaf) is None:
        return None
    made = _row_of_record(row.record)
    return made and restore_ownership(made, owners)


def check_record(row: EvidenceRow) -> EvidenceRow:
    """Return a row without its record if that is damaged: another store may have it intact.

    The digests go, too, because the record may have been made from damaged ones.
    """
    if row.record is None or hash_leaf(row.record) == row.leaf:
        return row
    return replace(row, record=None, sha256=None, sm3=None)
