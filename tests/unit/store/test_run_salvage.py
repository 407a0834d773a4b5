"""Salvage of runs: a lost page costs the pieces that depend on it, and nothing false is kept."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from support.stores import make_item

from anchor.base.errors import ChainGuardError
from anchor.base.messages.message import Message
from anchor.log.merkle import hash_leaf
from anchor.store.columns import EvidenceRow, NewEvidence
from anchor.store.database import create_database, open_database
from anchor.store.evidence_insertion import insert_evidence
from anchor.store.location import SqliteFile
from anchor.store.row_transfer import load_rows_after, row_of_leaf
from anchor.store.sqlite_salvage import salvage_store

PAGE = 4_096
RUN, RUNS = 1_024, 3
# A page holds 127 values of 32 bytes, and two in part.
MOST_LOST = 129
ZEROS, OTHER_BYTES = bytes(PAGE), random.Random(1).randbytes(PAGE)


def fill(path: Path, *, is_fragmented: bool = False) -> list[NewEvidence]:
    """Make a store of full runs; their pages follow each other, or lie in any order."""
    database = create_database(SqliteFile(path))
    if is_fragmented:
        leave_free_pages(path)
    pieces = [make_item(number) for number in range(RUN * RUNS)]
    for start in range(0, len(pieces), RUN):
        with database.write() as connection:
            insert_evidence(connection, pieces[start : start + RUN])
    database.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return pieces


def leave_free_pages(path: Path) -> None:
    numbers = list(range(200))
    random.Random(1).shuffle(numbers)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE spare (id INTEGER PRIMARY KEY, data BLOB)")
        connection.executemany(
            "INSERT INTO spare VALUES (?, zeroblob(4000))", ((number,) for number in numbers)
        )
        connection.executemany("DELETE FROM spare WHERE id = ?", ((each,) for each in numbers))
        connection.execute("DROP TABLE spare")


def overwrite(path: Path, page: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(content)


def salvage(path: Path, target: Path) -> tuple[dict[int, EvidenceRow], list[Message]]:
    salvaged = salvage_store(SqliteFile(path), SqliteFile(target))
    database = open_database(SqliteFile(target))
    with database.read() as connection:
        rows = list(load_rows_after(connection, 0))
    database.close()
    assert salvaged.pieces == len(rows)
    return dict(enumerate(rows)), salvaged.lost


def is_kept(row: EvidenceRow, piece: NewEvidence) -> bool:
    """Return whether all of a piece is there; nothing else of it may be stated."""
    if row.sha256 is not None:
        assert (row.identity, row.source, row.record, row.leaf) == (
            piece.identity, piece.source, piece.record, piece.leaf,
        )  # fmt: skip
        return True
    assert row.sm3 is None
    assert not row.is_stored
    assert row.record in (None, piece.record)
    return False


@pytest.mark.parametrize("is_fragmented", [False, True], ids=["in order", "fragmented"])
@pytest.mark.parametrize("content", [ZEROS, OTHER_BYTES], ids=["zeros", "other bytes"])
@pytest.mark.parametrize("column", ["leaf", "sha256"])
def test_a_lost_page_costs_the_pieces_that_depend_on_it(
    tmp_path: Path,
    column: str,
    content: bytes,
    is_fragmented: bool,
) -> None:
    path = tmp_path / "anchor.db"
    pieces = fill(path, is_fragmented=is_fragmented)
    data = path.read_bytes()
    value = getattr(pieces[RUN + 512], column)
    assert data.count(value) == 1
    overwrite(path, data.index(value) // PAGE, content)
    rows, lost = salvage(path, tmp_path / "new.db")
    bare = [index for index, piece in enumerate(pieces) if not is_kept(rows[index], piece)]
    assert RUN + 512 in bare
    assert len(bare) <= MOST_LOST
    assert all(RUN <= index < 2 * RUN for index in bare)
    (message,) = lost
    assert (message.id, message.operands["first"]) == ("salvage-run-damaged", RUN)


@pytest.mark.parametrize("seed", range(8))
def test_of_any_lost_pages_nothing_false_is_kept(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "anchor.db"
    pieces = fill(path, is_fragmented=bool(seed % 2))
    by_leaf = {piece.leaf: piece for piece in pieces}
    data = path.read_bytes()
    chance = random.Random(seed)
    first = min(data.index(piece.leaf) for piece in pieces[::RUN]) // PAGE
    for page in chance.sample(range(first + 1, len(data) // PAGE), 4):
        overwrite(path, page, chance.randbytes(PAGE))
    rows, _ = salvage(path, tmp_path / "new.db")
    # A record that was overwritten within its column is told by its leaf.
    told = [row for row in rows.values() if row.record and hash_leaf(row.record) != row.leaf]
    kept = [row for row in rows.values() if row.sha256 is not None and row not in told]
    assert all(is_kept(row, by_leaf[row.leaf]) for row in kept)
    assert kept


def test_a_run_that_cannot_be_found_is_named_by_its_pieces(tmp_path: Path) -> None:
    path = tmp_path / "anchor.db"
    pieces = fill(path)
    data = path.read_bytes()
    # The row of a run begins in a page with others; only what it continues on is its own.
    overwrite(path, data.index(pieces[0].leaf) // PAGE, bytes(PAGE))
    rows, lost = salvage(path, tmp_path / "new.db")
    assert len(rows) < RUN * RUNS
    assert lost[-1].id in ("salvage-gap-unreadable", "salvage-pieces-unreadable")


def test_a_run_whose_columns_do_not_fit_is_salvaged_and_otherwise_left_out(tmp_path: Path) -> None:
    path = tmp_path / "anchor.db"
    pieces = fill(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE runs SET sha256 = substr(sha256, 1, 32 * 1000) WHERE first = 1024"
        )
    database = open_database(SqliteFile(path))
    skipped: list[Message] = []
    with database.read() as connection:
        rows = list(load_rows_after(connection, 0, skipped.append))
        with pytest.raises(ChainGuardError, match="1024 to 2047 are damaged"):
            list(load_rows_after(connection, 0))
    database.close()
    assert len(rows) == 2 * RUN
    assert [message.operands for message in skipped] == [{"first": RUN, "last": 2 * RUN - 1}]
    salvaged, _ = salvage(path, tmp_path / "new.db")
    bare = [index for index, piece in enumerate(pieces) if not is_kept(salvaged[index], piece)]
    assert bare == list(range(RUN + 1_000, 2 * RUN))
    index, piece = bare[0], pieces[bare[0]]
    expected = row_of_leaf(index, piece.leaf, piece.accepted_at)
    assert salvaged[index] == replace(expected, record=piece.record)
