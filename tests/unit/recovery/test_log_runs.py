"""The runs of a rebuilt log: whole ones are moved, and each piece is what its leaf says."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest
from support.examples import examples
from support.store_contents import alter_piece, lose_piece
from support.stores import NOW, damage

from anchor.base.digests import digest_bytes
from anchor.base.messages.message import Message
from anchor.base.types import Head, LogId
from anchor.log.tree import HASH, RightEdge
from anchor.operate.acceptance import EvidenceInput, prepare_evidence
from anchor.recovery import log_runs
from anchor.recovery.erasure_restoration import KnownErasures
from anchor.recovery.leaf_origins import FoundReceipts
from anchor.recovery.log_runs import Part, Sources, find_parts
from anchor.recovery.owners import LeafOwners
from anchor.recovery.remains import Remains
from anchor.store import schema
from anchor.store.acknowledged_log import SideFile, build_entry
from anchor.store.acknowledged_log_frames import Entry, EntryBlock
from anchor.store.columns import ERASED, MOST_PIECES, EvidenceRow, NewEvidence, Run, pack_run
from anchor.store.database import Database, create_database
from anchor.store.erasures import Erasure, erase_rows, find_by_leaves
from anchor.store.evidence_insertion import insert_rows, make_unique
from anchor.store.heads import SealedHead, insert_head
from anchor.store.location import SqliteFile
from anchor.store.row_transfer import load_placed_runs, row_of_leaf
from anchor.store.runs import rewrite_run

LOG = LogId(b"\x01" * 32)
COUNT = 2_500
LATER = "2026-02-02T00:00:00.000Z"


def make_piece(number: int, tenant: str = "acme") -> NewEvidence:
    name = f"piece {number}"
    submission = EvidenceInput(
        source=f"tenant:{tenant}/{name}",
        name=name,
        digests=digest_bytes(name.encode(), ("sha256",)),
    )
    return prepare_evidence(submission, b"", number.to_bytes(32, "big"), NOW, LOG)


PIECES = [make_piece(number) for number in range(COUNT)]


def join_leaves(pieces: Sequence[NewEvidence]) -> bytes:
    return b"".join(piece.leaf for piece in pieces)


class World:
    """Stores of a log, and what else is left of it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.skipped: list[Message] = []
        self.erasures: list[Erasure] = []
        self.owners = LeafOwners()
        self.stores: list[Database] = []
        self._stack = stack
        stack.callback(self.owners.close)

    def make_store(
        self, pieces: Sequence[NewEvidence] = PIECES, size: int = COUNT
    ) -> tuple[Database, SqliteFile]:
        """Make a store with a head of this size."""
        place = SqliteFile(self.folder / f"{len(self.stores)}.db")
        store = self._stack.enter_context(closing(create_database(place)))
        edge = RightEdge()
        edge.append(join_leaves(pieces[:size]))
        sealed = SealedHead(head=Head(root=edge.root(), size=size), right_edge=edge)
        with store.write() as connection:
            insert_rows(connection, pieces)
            insert_head(connection, sealed, NOW)
        self.stores.append(store)
        return store, place

    def acknowledge(self, pieces: Sequence[NewEvidence] = PIECES) -> None:
        self.owners.add([[build_entry(piece) for piece in pieces]])

    def find(
        self, pieces: Sequence[NewEvidence] = PIECES, start: int = 0, *, accepted_at: str = LATER
    ) -> list[Part]:
        """Return what is known of the pieces of a log that are given by their leaves."""
        remains = Remains(
            leaves=[],
            stores=self.stores,
            receipts=FoundReceipts(by_index={}, sizes=frozenset()),
            sizes=frozenset(),
            erased=KnownErasures(self.erasures),
            owners=self.owners,
            side_file=SideFile(self.folder / "side"),
        )
        sources = Sources(
            remains=remains, loose={}, accepted_at=accepted_at, skipped=self.skipped.append
        )
        parts = list(find_parts(join_leaves(pieces), start, sources))
        assert [part.run.first for part in parts] == [
            start + sum(part.run.pieces for part in parts[:at]) for at in range(len(parts))
        ]
        assert sum(part.run.pieces for part in parts) == len(pieces)
        for part in parts:
            part.run.check()
        return parts


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(tmp_path, stack)


def list_rows(parts: Sequence[Part]) -> list[EvidenceRow]:
    return [row for part in parts for row in part.run.rows()]


def list_entries(parts: Sequence[Part]) -> list[Entry | EntryBlock]:
    return [entry for part in parts for entry in part.entries]


def is_whole(row: EvidenceRow, piece: NewEvidence) -> bool:
    return all(getattr(row, name) == getattr(piece, name) for name in NewEvidence._fields)


def load_runs(store: Database, end: int = COUNT) -> list[Run]:
    with store.read() as connection:
        return list(load_placed_runs(connection, 0, end))


def spoil(place: SqliteFile, first: int, column: str = "leaves") -> None:
    """Shorten a column of a run below what its pieces need."""
    damage(place, f"UPDATE runs SET {column} = x'00' WHERE first = {first}")


def test_undamaged_runs_are_moved_as_they_are(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = world.make_store()
    world.acknowledge()
    monkeypatch.setattr(Run, "row", None)
    monkeypatch.setattr(Run, "rows", None)
    parts = world.find()
    assert [part.run for part in parts] == load_runs(store)
    assert list_entries(parts) == []


@pytest.mark.parametrize("size", [1, MOST_PIECES - 1, MOST_PIECES, MOST_PIECES + 1, 2_000])
def test_a_run_is_cut_where_the_log_ends(world: World, size: int) -> None:
    world.make_store()
    parts = world.find(PIECES[:size])
    rows = list_rows(parts)
    assert all(map(is_whole, rows, PIECES[:size]))
    assert [part.run.record_bytes for part in parts] == [
        sum(len(piece.record) for piece in PIECES[part.run.first : part.run.end]) for part in parts
    ]


def test_a_run_is_cut_where_the_head_of_its_store_ends(world: World) -> None:
    """What waits in a store may have another place in the log."""
    world.make_store(size=1_500)
    rows = list_rows(world.find())
    assert all(map(is_whole, rows[:1_500], PIECES))
    assert all(row.record is None for row in rows[1_500:])


def test_a_run_is_cut_where_what_is_asked_for_begins(world: World) -> None:
    world.make_store()
    rows = list_rows(world.find(PIECES[700:1_300], 700))
    assert all(map(is_whole, rows, PIECES[700:1_300]))


def test_a_damaged_run_between_whole_ones_is_left_out_and_reported(world: World) -> None:
    store, place = world.make_store()
    world.acknowledge()
    before = load_runs(store)
    spoil(place, MOST_PIECES)
    parts = world.find()
    assert [parts[0].run, parts[2].run] == [before[0], before[2]]
    lost = parts[1].run.rows()
    assert [row.leaf for row in lost] == [
        piece.leaf for piece in PIECES[MOST_PIECES : 2 * MOST_PIECES]
    ]
    assert all(row.record is None and row.sha256 is None for row in lost)
    assert parts[1].run.lost == MOST_PIECES
    assert {(told.id, told.operands["first"]) for told in world.skipped} == {
        ("evidence-run-damaged", MOST_PIECES)
    }
    # Their ids are known from the side file.
    assert [row.identity for row in lost] == [
        piece.identity for piece in PIECES[MOST_PIECES : 2 * MOST_PIECES]
    ]


def test_another_store_gives_a_run_that_is_damaged_in_the_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, place = world.make_store()
    other, _ = world.make_store()
    world.acknowledge()
    spoil(place, MOST_PIECES)
    monkeypatch.setattr(Run, "row", None)
    parts = world.find()
    assert [part.run for part in parts] == load_runs(other)


def test_a_false_record_costs_one_piece(world: World) -> None:
    _, place = world.make_store()
    alter_piece(place, 5, record=b"{}")
    row = list_rows(world.find())[5]
    assert (row.leaf, row.record, row.sha256) == (PIECES[5].leaf, None, None)
    assert row.identity == PIECES[5].identity
    world.make_store()
    assert is_whole(list_rows(world.find())[5], PIECES[5])


def test_a_false_leaf_is_replaced_by_that_of_the_log(world: World) -> None:
    _, place = world.make_store()
    alter_piece(place, 5, leaf=b"\x05" * HASH)
    assert is_whole(list_rows(world.find())[5], PIECES[5])


def test_pieces_of_another_log_are_not_taken(world: World) -> None:
    world.make_store([make_piece(number, "other") for number in range(100_000, 100_200)], 200)
    rows = list_rows(world.find(PIECES[:200]))
    assert [row.leaf for row in rows] == [piece.leaf for piece in PIECES[:200]]
    assert all(row.record is None and not row.source.startswith("tenant:") for row in rows)


def test_a_missing_piece_moves_no_other(world: World) -> None:
    _, place = world.make_store()
    lose_piece(place, 1_100)
    rows = list_rows(world.find())
    whole = [index for index, row in enumerate(rows) if is_whole(row, PIECES[index])]
    assert whole == [index for index in range(COUNT) if index != 1_100]


def test_of_runs_that_overlap_each_piece_is_taken_once(world: World) -> None:
    store, _ = world.make_store()
    again = pack_run(1_000, PIECES[1_000:1_100])
    with store.write() as connection:
        values = {column.name: getattr(again, column.name) for column in schema.runs.c}
        connection.execute(schema.runs.insert().values(values))
    assert all(map(is_whole, list_rows(world.find()), PIECES))


def test_what_salvage_left_of_a_piece_is_completed_from_its_record(world: World) -> None:
    bare = replace(row_of_leaf(5, PIECES[5].leaf, NOW), record=PIECES[5].record)
    store, place = world.make_store(PIECES[:100], 100)
    before = load_runs(store)[0]
    alter_piece(place, 5, record=None)
    with store.write() as connection:
        rewrite_run(connection, before.replace({5: bare}))
    row = list_rows(world.find(PIECES[:100]))[5]
    assert (row.sha256, row.record) == (PIECES[5].sha256, PIECES[5].record)
    world.acknowledge()
    assert is_whole(list_rows(world.find(PIECES[:100]))[5], PIECES[5])


def test_runs_of_another_log_do_not_keep_those_of_this_one_from_being_moved(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.make_store([make_piece(number, "other") for number in range(100_000, 100_200)], 200)
    store, _ = world.make_store()
    world.acknowledge()
    monkeypatch.setattr(Run, "row", None)
    assert [part.run for part in world.find()] == load_runs(store)


@pytest.mark.parametrize("column", ["record_bytes", "erased", "lost"])
def test_sums_are_counted_again(world: World, column: str) -> None:
    store, place = world.make_store()
    before = load_runs(store)
    damage(place, f"UPDATE runs SET {column} = 7")
    assert [part.run for part in world.find()] == before


def test_pieces_that_the_side_file_does_not_have_are_entered(world: World) -> None:
    """Those of a run as one block; one by one where some are known."""
    world.make_store()
    world.acknowledge(PIECES[MOST_PIECES + 100 :])
    entries = list_entries(world.find())
    block, *single = entries
    assert isinstance(block, EntryBlock)
    assert block.tenant == "acme"
    assert block.rows == b"".join(piece.leaf + piece.identity for piece in PIECES[:MOST_PIECES])
    assert single == [build_entry(piece) for piece in PIECES[MOST_PIECES : MOST_PIECES + 100]]


def test_pieces_of_two_tenants_are_entered_one_by_one(world: World) -> None:
    pieces = [make_piece(number, ["a", "b"][number % 2]) for number in range(200)]
    world.make_store(pieces, 200)
    assert list_entries(world.find(pieces)) == list(map(build_entry, pieces))


def test_the_last_entry_of_a_leaf_names_the_piece(world: World) -> None:
    world.make_store()
    world.acknowledge()
    identities = [bytes([number]) * HASH for number in range(3)]
    world.owners.add(
        [
            [Entry(PIECES[7].leaf, identities[0], "x", None)],
            [Entry(PIECES[7].leaf, identities[2], "x", None)],
            [Entry(PIECES[7].leaf, identities[1], "new", None)],
        ]
    )
    parts = world.find()
    rows = list_rows(parts)
    assert (rows[7].identity, rows[7].source) == (identities[1], "tenant:new/piece 7")
    assert rows[7].record == PIECES[7].record
    assert all(map(is_whole, rows[:7] + rows[8:], PIECES[:7] + PIECES[8:]))
    assert list_entries(parts) == []


def erase(store: Database, index: int) -> None:
    with store.write() as connection:
        pieces = find_by_leaves(connection, [PIECES[index].leaf])
        erase_rows(connection, pieces, [(None, NOW)])


def make_erasure(index: int) -> Erasure:
    return Erasure(leaf=PIECES[index].leaf, id_hash=None, statement=None, erased_at=NOW)


def test_what_was_erased_stays_erased_and_its_run_whole(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = world.make_store()
    erase(store, 3)
    before = load_runs(store)
    world.acknowledge([*PIECES[:3], *PIECES[4:]])
    world.erasures.append(make_erasure(3))
    monkeypatch.setattr(Run, "replace", None)
    parts = world.find()
    assert [part.run for part in parts] == before
    assert (parts[0].run.erased, list_entries(parts)) == (1, [])


def test_the_leaf_of_what_was_erased_is_that_of_the_log(world: World) -> None:
    store, place = world.make_store()
    erase(store, 3)
    alter_piece(place, 3, leaf=b"\x05" * HASH)
    world.erasures.append(make_erasure(3))
    row = list_rows(world.find(accepted_at=NOW))[3]
    assert (row.source, row.leaf) == (ERASED, PIECES[3].leaf)


@pytest.mark.parametrize("is_known_to_the_side_file", [True, False])
def test_what_another_store_erased_is_not_moved(
    world: World, is_known_to_the_side_file: bool
) -> None:
    world.make_store()
    world.acknowledge(PIECES if is_known_to_the_side_file else PIECES[4:])
    world.erasures.append(make_erasure(3))
    parts = world.find()
    row = list_rows(parts)[3]
    assert (row.source, row.record, row.sha256, row.leaf) == (ERASED, None, None, PIECES[3].leaf)
    assert PIECES[3].sha256 not in b"".join(part.run.sha256 or b"" for part in parts)
    named = b"".join(
        entry.rows if isinstance(entry, EntryBlock) else entry.leaf for entry in list_entries(parts)
    )
    assert PIECES[3].leaf not in named
    assert (PIECES[2].leaf in named) is not is_known_to_the_side_file


def test_a_second_piece_with_an_identity_gets_its_own(world: World) -> None:
    """Among the pieces of a transaction, and after those that are stored."""
    taken = PIECES[0].identity
    pieces = [*PIECES[:100], *(PIECES[at]._replace(identity=taken) for at in (100, 101))]
    pieces += PIECES[102:200]
    world.make_store(pieces, 200)
    place = SqliteFile(world.folder / "new.db")
    runs = [part.run for part in world.find(pieces)]
    again = [replace(run, first=200) for run in runs]
    with closing(create_database(place)) as database, database.write() as connection:
        unique = list(make_unique(connection, runs))
        insert_rows(connection, unique)
        second = list(make_unique(connection, again))
    rows = [row for run in unique for row in run.rows()]
    assert len({row.identity for row in rows}) == 200
    assert all(map(is_whole, rows[:100] + rows[102:], PIECES[:100] + PIECES[102:200]))
    assert [row.record for row in rows] == [piece.record for piece in pieces]
    known = {row.identity for row in rows}
    assert known.isdisjoint(row.identity for run in second for row in run.rows())


@pytest.mark.parametrize("seed", range(examples(6, 2)))
def test_by_runs_each_piece_is_what_it_is_by_rows(
    world: World, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two stores with damage of many kinds, and a side file that differs from both."""
    chance = random.Random(seed)
    for _ in range(2):
        store, place = world.make_store(size=chance.randrange(COUNT - 200, COUNT))
        for index in chance.sample(range(COUNT), 8):
            erase(store, index)
            world.erasures.append(make_erasure(index))
        for index in chance.sample(range(COUNT), 24):
            value = chance.randbytes(HASH)
            chance.choice(
                [
                    lambda place, index, value: alter_piece(place, index, leaf=value),
                    lambda place, index, value: alter_piece(place, index, record=value),
                    lambda place, index, value: alter_piece(place, index, record=None),
                    lambda place, index, value: alter_piece(place, index, identity=value),
                ]
            )(place, index, value)
        if chance.random() < 0.7:
            spoil(place, MOST_PIECES * chance.randrange(2))
        lose_piece(place, chance.randrange(2 * MOST_PIECES, COUNT))
    world.acknowledge(chance.sample(PIECES, COUNT - 60))
    world.acknowledge(
        [
            PIECES[index]._replace(identity=chance.randbytes(HASH), source="tenant:b/x")
            for index in chance.sample(range(COUNT), 9)
        ]
    )
    world.erasures.append(make_erasure(chance.randrange(COUNT)))
    parts = world.find()
    monkeypatch.setattr(log_runs, "_take_runs", lambda *_: [])
    expected = world.find()
    assert list_rows(parts) == list_rows(expected)

    def split(entries: list[Entry | EntryBlock]) -> list[tuple[str, bytes]]:
        return [
            (entry.tenant, rows[at : at + 2 * HASH])
            for entry in entries
            for rows in [
                entry.rows if isinstance(entry, EntryBlock) else entry.leaf + entry.identity
            ]
            for at in range(0, len(rows), 2 * HASH)
        ]

    assert split(list_entries(parts)) == split(list_entries(expected))
