"""Whole runs are taken in as the same pieces would be one by one: outcomes, contents, side file."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.stores import NOW, make_item

from anchor.base.digests import Digests
from anchor.base.types import LogId
from anchor.operate.acceptance import EvidenceInput, prepare_evidence
from anchor.store.acknowledged_log import SideFile, build_block, build_entry
from anchor.store.acknowledged_log_frames import Entry, EntryBlock, encode_entries
from anchor.store.api_keys import Quota
from anchor.store.columns import MOST_PIECES, EvidenceRow, NewEvidence, Run, join_texts, make_run
from anchor.store.database import Database, create_database, open_database
from anchor.store.evidence import count_evidence, find_by_digest, load_all
from anchor.store.evidence_kinds import MADE, Kind
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.new_pieces import NEW, Admitted, OverQuota
from anchor.store.quota import Outcome, admit
from anchor.store.runs import load_runs

LOG = LogId(bytes(32))
NO_LIMITS = Quota(per_day=None, per_minute=None)


def sha256(number: int) -> bytes:
    return hashlib.sha256(b"piece %d" % number).digest()


def sm3(number: int) -> bytes:
    return hashlib.sha256(b"sm3 %d" % number).digest()


def make(numbers: Sequence[int], tenant: str = "acme", *, has_sm3: bool = False) -> Run:
    """Return the run of new pieces with these numbers."""
    kind = Kind(MADE, has_sha256=True, has_sm3=has_sm3, log=LOG.hex(), prefix=f"tenant:{tenant}/")
    return make_run(
        0,
        kinds=[kind],
        codes=bytes(len(numbers)),
        names=join_texts([b"%d" % number for number in numbers]),
        salts=b"".join(map(sha256, numbers)),
        accepted_at=NOW,
        sha256=b"".join(map(sha256, numbers)),
        sm3=b"".join(map(sm3, numbers)) if has_sm3 else None,
    )


def rows_of(run: Run) -> list[NewEvidence]:
    return [
        NewEvidence(
            row.identity, row.source, row.sha256, row.sm3, row.record or b"", row.leaf,
            row.accepted_at,
        )
        for row in run.rows()
    ]  # fmt: skip


@dataclass(frozen=True)
class Submitted:
    """What one request submits."""

    items: Sequence[NewEvidence | Run]
    tenant: str = "acme"
    limits: Quota = NO_LIMITS
    key: bytes | None = None

    def by_rows(self) -> Submitted:
        rows = [
            row
            for item in self.items
            for row in (rows_of(item) if isinstance(item, Run) else [item])
        ]
        return Submitted(rows, self.tenant, self.limits, self.key)


def take_in(store: Database, *submissions: Submitted) -> list[list[Outcome]]:
    return store.write_with_retry(lambda connection: admit(connection, submissions, NOW))


def contents(store: Database) -> list[object]:
    with store.read() as connection:
        return [(row.identity, row.source, row.record, row.leaf) for row in load_all(connection)]


def fresh(location: StoreLocation, side: Path) -> Database:
    create_database(location).close()
    return open_database(location, SideFile(side))


def describe(outcomes: list[list[Outcome]]) -> list[list[object]]:
    return [
        [each if isinstance(each, Admitted) else type(each).__name__ for each in part]
        for part in outcomes
    ]


def random_submissions(chance: random.Random) -> list[Submitted]:
    """Runs and rows, with pieces that are there already, there twice, and beyond quotas."""
    submissions = []
    for _ in range(chance.randint(1, 3)):
        tenant = chance.choice(["acme", "other"])
        items: list[NewEvidence | Run] = []
        for _ in range(chance.randint(1, 4)):
            start = chance.randrange(120)
            numbers = [start + step for step in range(chance.randint(1, 30))]
            if chance.random() < 0.3:
                numbers[0] = numbers[-1]
            run = make(numbers, tenant, has_sm3=chance.random() < 0.3)
            items += rows_of(run) if chance.random() < 0.3 else [run]
        limits = Quota(per_day=60) if tenant == "other" else NO_LIMITS
        submissions.append(Submitted(items, tenant, limits))
    return submissions


@pytest.mark.parametrize("seed", range(12))
def test_runs_come_to_the_same_as_their_rows(tmp_path: Path, seed: int):
    chance = random.Random(seed)
    by_runs = fresh(SqliteFile(tmp_path / "runs.db"), tmp_path / "runs.side")
    by_rows = fresh(SqliteFile(tmp_path / "rows.db"), tmp_path / "rows.side")
    for _ in range(4):
        submissions = random_submissions(chance)
        outcomes = take_in(by_runs, *submissions)
        expected = take_in(by_rows, *(each.by_rows() for each in submissions))
        assert describe(outcomes) == describe(expected)
        assert contents(by_runs) == contents(by_rows)
        assert (tmp_path / "runs.side").read_bytes() == (tmp_path / "rows.side").read_bytes()
    for store in (by_runs, by_rows):
        check_all_are_found(store)
    by_runs.close()
    by_rows.close()


def check_all_are_found(store: Database) -> None:
    with store.read() as connection:
        for row in (row for run in load_runs(connection) for row in run.rows()):
            given = [Digests(sha256=row.sha256, sm3=None, size=None)]
            if row.sm3 is not None:
                given.append(Digests(sha256=None, sm3=row.sm3, size=None))
            for digests in given:
                found = find_by_digest(connection, digests)
                assert row.identity in [each.identity for each in found]


def test_known_new_and_repeated_pieces_of_runs(location: StoreLocation, tmp_path: Path):
    store = fresh(location, tmp_path / "side")
    assert take_in(store, Submitted([make(range(1_000)), make(range(1_000, 1_500))])) == [
        [NEW] * 1_500
    ]
    known = Admitted(is_new=False, leaf_index=None)
    (outcomes,) = take_in(
        store, Submitted([make(range(1_499, 1_510)), make(range(2_000, 2_010)), make([2_000])])
    )
    assert outcomes == [known, *[NEW] * 10, *[NEW] * 10, known]
    # Two tenants' equal digests are two pieces.
    assert take_in(store, Submitted([make(range(5), "other")], "other")) == [[NEW] * 5]
    # Equal pieces in two requests of one transaction.
    first, second = take_in(store, *[Submitted([make(range(3_000, 3_020))])] * 2)
    assert (first, second) == ([NEW] * 20, [known] * 20)
    assert len(contents(store)) == 1_545
    entries = list(SideFile(tmp_path / "side").read_entries())
    assert [entry.identity for entry in entries] == [identity for identity, *_ in contents(store)]
    assert {entry.tenant for entry in entries} == {"acme", "other"}
    check_all_are_found(store)
    store.close()


def test_a_quota_cuts_a_run(location: StoreLocation, tmp_path: Path):
    store = fresh(location, tmp_path / "side")
    few = Quota(per_day=25)
    first, second = take_in(
        store,
        Submitted([make(range(20)), make(range(20, 30))], limits=few),
        Submitted([make(range(15, 40))], limits=few),
    )
    assert describe([first, second]) == [
        [*[NEW] * 25, *["OverQuota"] * 5],
        [*[Admitted(is_new=False, leaf_index=None)] * 10, *["OverQuota"] * 15],
    ]
    assert take_in(store, Submitted([make(range(50, 52))], limits=few))[0][0].__class__ is OverQuota
    assert len(contents(store)) == 25
    store.close()


def test_full_runs_stay_whole_and_get_consecutive_indices(tmp_path: Path):
    store = fresh(SqliteFile(tmp_path / "anchor.db"), tmp_path / "side")
    numbers = itertools.count()
    runs = [make([next(numbers) for _ in range(MOST_PIECES)]) for _ in range(3)]
    take_in(store, Submitted([*runs, make_item(1)]))
    with store.read() as connection:
        found = [(run.first, run.pieces) for run in load_runs(connection)]
        assert count_evidence(connection) == (3 * MOST_PIECES + 1, 3 * MOST_PIECES + 1)
    assert found == [(at * MOST_PIECES, MOST_PIECES) for at in range(3)] + [(3 * MOST_PIECES, 1)]
    store.close()


def test_a_key_belongs_to_the_row_that_came_with_it(tmp_path: Path):
    store = fresh(SqliteFile(tmp_path / "anchor.db"), tmp_path / "side")
    item = make_item(1)._replace(source="tenant:acme/one")
    take_in(store, Submitted([make(range(5))]), Submitted([item], key=bytes(32)))
    keys = [entry.key for entry in SideFile(tmp_path / "side").read_entries()]
    assert keys == [*[None] * 5, bytes(32)]
    store.close()


@pytest.mark.parametrize("pieces", [1, 499, 500, 501, 1_024])
def test_blocks_are_written_as_their_entries(pieces: int):
    run = make(range(pieces))
    entries = [build_entry(row) for row in run.rows()]
    whole = encode_entries(entries)
    assert encode_entries([build_block(run)]) == whole
    keyed = entries[0]._replace(key=bytes(32))
    other = Entry(entries[0].leaf, entries[0].identity, "other", None)
    mixed: list[Entry | EntryBlock] = [*entries[:3], build_block(run), keyed, keyed, other]
    apart = [*entries[:3], *entries, keyed, keyed, other]
    assert encode_entries(mixed) == encode_entries(apart)
    assert encode_entries([]) == b""
    assert encode_entries([EntryBlock("acme", b"")]) == b""


def test_a_made_run_has_the_pieces_that_submissions_become():
    run = make(range(40), has_sm3=True)
    expected = [
        prepare_evidence(
            EvidenceInput(
                source=f"tenant:acme/{number}",
                name=str(number),
                digests=Digests(sha256=sha256(number), sm3=sm3(number), size=None),
            ),
            b"",
            sha256(number),
            NOW,
            LOG,
        )
        for number in range(40)
    ]
    assert rows_of(run) == expected
    assert all(isinstance(row, EvidenceRow) for row in run.rows())
