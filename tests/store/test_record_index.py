"""The index of records: it follows the runs, and what it has not yet is found all the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, update
from support.examples import examples
from support.stores import NOW, make_item

from anchor.base.errors import CannotCheckError
from anchor.store import fingerprints, record_index
from anchor.store.columns import NewEvidence
from anchor.store.database import Database, create_database
from anchor.store.erasures import erase_rows, find_by_leaves
from anchor.store.evidence_insertion import insert_evidence
from anchor.store.fingerprint_pages import About
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.record_index import (
    LEAF,
    RECORD,
    count_indexed,
    enter_records,
    find_leaves,
    find_records,
    list_record_entries,
)
from anchor.store.runs import load_runs
from anchor.store.schema import runs
from anchor.store.sealing import seal

ITEMS = [make_item(number) for number in range(40)]


@pytest.fixture
def store(location: StoreLocation) -> Iterator[Database]:
    with closing(create_database(location)) as created:
        yield created


@pytest.fixture(autouse=True)
def slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices of a few pieces, and runs of a few entries, so that there are several."""
    monkeypatch.setattr(record_index, "SLICE", 8)
    monkeypatch.setattr(fingerprints, "YOUNG_ENTRIES", 12)


def accept(store: Database, items: list[NewEvidence]) -> None:
    with store.write() as connection:
        insert_evidence(connection, items)


def digest_of(piece: NewEvidence) -> bytes:
    return hashlib.sha256(piece.record).digest()


def entries_of(connection: Connection, about: About) -> bytes:
    return b"".join(fingerprints.load_entries(connection, about))


def check_index(store: Database, items: list[NewEvidence]) -> None:
    """Check that each piece is found by its record and its leaf, and entered at most once."""
    with store.read() as connection:
        for index, piece in enumerate(items):
            assert find_records(connection, digest_of(piece)[:10]) == [index]
            assert find_records(connection, digest_of(piece)) == [index]
            assert find_leaves(connection, piece.leaf) == [index]
        size = count_indexed(connection)
        for about in (RECORD, LEAF):
            expected = sorted(
                entries[at : at + 16]
                for run in load_runs(connection)
                for entries in [list_record_entries(run, about, stop=size)]
                for at in range(0, len(entries), 16)
            )
            assert entries_of(connection, about) == b"".join(expected)
            assert fingerprints.count(connection, about) == len(expected)
        assert find_records(connection, hashlib.sha256(b"unknown").digest()[:10]) == []
        assert find_leaves(connection, hashlib.sha256(b"unknown").digest()) == []


def test_pieces_are_found_before_and_after_they_are_entered(store: Database) -> None:
    accept(store, ITEMS[:20])
    check_index(store, ITEMS[:20])
    assert enter_records(store) == 20
    accept(store, ITEMS[20:])
    check_index(store, ITEMS)  # half of them are entered
    steps: list[int] = []
    assert enter_records(store, steps.append) == 20
    assert steps[-1] == 20
    assert enter_records(store) == 0
    check_index(store, ITEMS)


def test_small_runs_that_are_joined_later_are_entered_once(store: Database) -> None:
    for piece in ITEMS:
        accept(store, [piece])
        enter_records(store)
    check_index(store, ITEMS)


def test_a_seal_enters_what_it_seals(store: Database) -> None:
    accept(store, ITEMS[:9])
    with store.hold_lease():
        seal(store, NOW, most=5)
    with store.read() as connection:
        assert count_indexed(connection) == 9
    check_index(store, ITEMS[:9])


def test_records_with_one_number_are_all_found(store: Database) -> None:
    accept(store, ITEMS)
    by_first: dict[bytes, list[int]] = {}
    for index, piece in enumerate(ITEMS):
        by_first.setdefault(digest_of(piece)[:1], []).append(index)
    assert max(map(len, by_first.values())) > 1, "40 records, and all begin differently"
    for is_entered in (False, True):
        if is_entered:
            enter_records(store)
        with store.read() as connection:
            for first, indices in by_first.items():
                assert find_records(connection, first) == indices


def test_an_interrupted_entry_goes_on_where_it_stopped(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for start in range(0, len(ITEMS), 10):
        accept(store, ITEMS[start : start + 10])

    def stop(_count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        enter_records(store, stop)  # applied, and not known to be
    with store.read() as connection:
        assert 0 < count_indexed(connection) < len(ITEMS)
    check_index(store, ITEMS)
    insert = fingerprints.insert

    def fail(connection: Connection, about: About, entries: bytes) -> None:
        insert(connection, about, entries)
        if about is LEAF:
            raise OSError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(fingerprints, "insert", fail)
        with pytest.raises(OSError, match="gone"):
            enter_records(store)  # written, and rolled back
    check_index(store, ITEMS)
    enter_records(store)
    check_index(store, ITEMS)


def test_an_erased_piece_is_found_by_number_and_leaf(store: Database) -> None:
    accept(store, ITEMS)
    enter_records(store)
    gone = ITEMS[3]
    with store.write() as connection:
        erase_rows(connection, find_by_leaves(connection, [gone.leaf]), [(None, NOW)])
    with store.read() as connection:
        assert find_records(connection, digest_of(gone)[:10]) == [3]
        assert find_leaves(connection, gone.leaf) == [3]


def test_too_much_that_is_not_entered_is_no_answer(store: Database) -> None:
    accept(store, ITEMS)
    with store.write() as connection:
        with pytest.raises(CannotCheckError, match="cannot be told"):
            find_records(connection, digest_of(ITEMS[0])[:10], most=39)
        assert find_records(connection, digest_of(ITEMS[0])[:10], most=40) == [0]
        assert find_records(connection, digest_of(ITEMS[0])[:10], most=None) == [0]


def test_damaged_runs_do_not_keep_others_from_being_found(store: Database) -> None:
    accept(store, ITEMS[:20])
    accept(store, ITEMS[20:])
    with store.write() as connection:
        connection.execute(update(runs).where(runs.c.first == 0).values(salts=b"short"))
    enter_records(store)
    with store.read() as connection:
        assert find_records(connection, digest_of(ITEMS[30])[:10]) == [30]
        assert find_records(connection, digest_of(ITEMS[3])[:10]) == []


@given(cuts=st.lists(st.integers(1, 15), max_size=12), entered=st.sets(st.integers(0, 12)))
@settings(max_examples=examples(40), deadline=None)
def test_whatever_the_order_of_intake_and_entry_all_are_found(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], entered: set[int]
) -> None:
    place = SqliteFile(tmp_path_factory.mktemp("store") / "anchor.db")
    with closing(create_database(place)) as store:
        taken = 0
        for turn, count in enumerate(cuts):
            accept(store, ITEMS[taken : taken + count])
            taken = min(taken + count, len(ITEMS))
            if turn in entered:
                enter_records(store)
        check_index(store, ITEMS[:taken])
