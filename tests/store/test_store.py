"""The store's contract, on SQLite and PostgreSQL: creation, order, leases, concurrent writers."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import select, text
from support.nodes import wait_until
from support.store_contents import alter_piece, load_pieces, lose_piece
from support.stores import NOW, damage, make_item

from anchor.base.digests import Digests
from anchor.base.errors import (
    ChainGuardError,
    ConfigError,
    StoreBusyError,
    UnknownVersionError,
    UsageError,
)
from anchor.base.types import Address, ChainId, Hash32, Head, LogId
from anchor.chain.tx_state import Attempt
from anchor.log.tree import Tree
from anchor.operate import acceptance as pipeline
from anchor.operate.acceptance import Acceptance, EvidenceInput
from anchor.project.config import Config
from anchor.project.project import OpenProject
from anchor.store import sealing
from anchor.store.columns import NewEvidence
from anchor.store.database import (
    Database,
    create_database,
    is_taken,
    open_database,
)
from anchor.store.evidence import (
    count_evidence,
    find_by_digest,
    find_by_file,
    make_identity,
)
from anchor.store.evidence_insertion import claim_rows, insert_evidence, insert_once
from anchor.store.file_origins import load_files
from anchor.store.heads import newest_head
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.runs import find_end, load_leaves
from anchor.store.schema import heads
from anchor.store.staging import Writable, build_database
from anchor.store.tx_journal import StoredJournal


def accept(store: Database, *numbers: int) -> int:
    with store.write() as connection:
        return insert_evidence(connection, [make_item(number) for number in numbers])


@pytest.fixture
def store(location: StoreLocation) -> Iterator[Database]:
    """A new store, whose lease this process has."""
    created = create_database(location)
    with created.hold_lease():
        yield created
    created.close()


def indices(store: Database) -> list[int | None]:
    """Return each piece's index in the log, in order of acceptance."""
    with store.read() as connection:
        return [piece.leaf_index for piece in load_pieces(connection)]


# Creating and opening


def test_only_one_of_two_creations_succeeds(location: StoreLocation, store: Database) -> None:
    accept(store, 1)
    with pytest.raises(ConfigError, match="already a store"):
        create_database(location)
    with store.read() as connection:
        assert count_evidence(connection) == (1, 1)


def test_a_store_is_there_when_it_is_opened_again(location: StoreLocation) -> None:
    created = create_database(location)
    accept(created, 1)
    created.close()
    opened = open_database(location)
    with opened.read() as connection:
        assert count_evidence(connection) == (1, 1)
    opened.close()


def test_a_connection_in_use_or_opened_after_the_store_is_closed_is_closed_once_returned(
    location: StoreLocation,
) -> None:
    store = create_database(location)
    with store.read() as connection:
        # A strong reference, or the garbage collector would close it.
        opened = connection.connection.dbapi_connection
        assert opened is not None
        store.close()
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    with store.read() as connection:
        opened_after = connection.connection.dbapi_connection
        assert opened_after is not None
    for each in (opened, opened_after):
        with pytest.raises(Exception, match="closed"):
            each.cursor()


def test_what_is_filled_is_no_store_before_it_is_whole(location: StoreLocation) -> None:
    def fill(database: Writable, *, fails: bool) -> str:
        with database.write() as connection:
            insert_evidence(connection, [make_item(1)])
        with pytest.raises(ConfigError, match=r"is missing|is empty"):
            open_database(location)
        if fails:
            raise KeyError
        return "filled"

    for _ in range(2):
        with pytest.raises(KeyError):
            build_database(location, partial(fill, fails=True))
        assert not is_taken(location)
        if isinstance(location, SqliteFile):
            assert list(location.path.parent.iterdir()) == []
    assert build_database(location, partial(fill, fails=False)) == ("filled", None)
    assert is_taken(location)
    opened = open_database(location)
    with opened.read() as connection:
        assert count_evidence(connection) == (1, 1)
    opened.close()


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("0001", "made before version 0.1.0: .* the git commit 2e65ec2adf88"),
        ("0017", "made before version 0.1.0: .* the git commit 2e65ec2adf88"),
        ("0019", "this release works with 0018"),
        ("9999", "this release works with 0018"),
    ],
)
def test_opening_a_store_of_another_schema_is_refused(
    location: StoreLocation, store: Database, version: str, said: str
) -> None:
    damage(location, f"UPDATE alembic_version SET version_num = '{version}'")
    with pytest.raises(UnknownVersionError, match=f"has schema {version}.*{said}"):
        open_database(location)


# Sealing


def test_a_seal_gives_indices_in_the_order_of_acceptance(store: Database) -> None:
    accept(store, 3, 1, 2)
    sealed = sealing.seal(store, NOW)
    accept(store, 9, 8)
    assert sealing.seal(store, NOW) is not None
    assert indices(store) == [0, 1, 2, 3, 4]
    leaves = b"".join(make_item(number).leaf for number in (3, 1, 2, 9, 8))
    with store.read() as connection:
        newest = newest_head(connection)
        assert newest is not None
        assert load_leaves(connection, 0, 5) == leaves
    assert newest.head.root == Tree(leaves).root(5)
    assert sealed is not None
    assert sealed[0].root == Tree(leaves).root(3)


def test_a_seal_without_anything_waiting_changes_nothing(store: Database) -> None:
    assert sealing.seal(store, NOW) is None
    accept(store, 1)
    sealing.seal(store, NOW)
    with store.read() as connection:
        before = connection.execute(select(heads)).all()
    assert sealing.seal(store, NOW) is None
    with store.read() as connection:
        assert connection.execute(select(heads)).all() == before


@pytest.mark.parametrize("breaks", ["find_end", "load_runs", "newest_head", "insert_head"])
@pytest.mark.parametrize("applied", [False, True])
def test_a_seal_that_fails_half_way_leaves_every_leaf_unsealed(
    store: Database, monkeypatch: pytest.MonkeyPatch, breaks: str, applied: bool
) -> None:
    accept(store, 1, 2, 3)
    original = getattr(sealing, breaks)

    def fails(*arguments: Any) -> Any:
        if applied:
            original(*arguments)
        raise ZeroDivisionError

    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(sealing, breaks, fails)
        sealing.seal(store, NOW)
    assert indices(store) == [None, None, None]
    with store.read() as connection:
        assert newest_head(connection) is None
    sealed = sealing.seal(store, NOW)
    assert sealed is not None
    assert sealed[0].size == 3


def test_a_seal_may_leave_the_last_leaves_for_the_next_one(store: Database) -> None:
    accept(store, *range(1, 6))
    tree = Tree(b"".join(make_item(number).leaf for number in range(1, 7)))
    assert sealing.seal(store, NOW, most=3) == (Head(root=tree.root(3), size=3), 3)
    assert indices(store) == [0, 1, 2, None, None]
    accept(store, 6)
    assert sealing.seal(store, NOW, most=100) == (Head(root=tree.root(6), size=6), 3)


def test_what_comes_during_a_seal_waits_for_the_next_one(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(store, 1, 2)
    original = sealing.find_end

    def accept_meanwhile(connection: Any) -> int:
        end = original(connection)
        accept(store, 3)
        return end

    monkeypatch.setattr(sealing, "find_end", accept_meanwhile)
    sealed = sealing.seal(store, NOW)
    assert sealed is not None
    assert (sealed[0].size, sealed[1]) == (2, 2)
    assert indices(store) == [0, 1, None]


@pytest.mark.parametrize(("lost", "left"), [([1], 1), ([0], 0), ([0, 1], 0)])
def test_a_seal_refuses_a_store_that_lost_waiting_leaves(
    location: StoreLocation, store: Database, lost: list[int], left: int
) -> None:
    accept(store, 1, 2, 3)
    for index in lost:
        lose_piece(location, index)
    with pytest.raises(ChainGuardError, match=f"of 3 leaves that wait.* only {left}"):
        sealing.seal(store, NOW)
    with store.read() as connection:
        assert [piece.index for piece in load_pieces(connection)] == sorted({0, 1, 2} - {*lost})
        assert find_end(connection) == 3
        assert newest_head(connection) is None


def test_erasing_a_record_keeps_its_leaf_and_place(store: Database) -> None:
    accept(store, 1, 2)
    sealing.seal(store, NOW)
    with store.write() as connection:
        alter_piece(connection, 0, record=None)
    accept(store, 3)
    sealed = sealing.seal(store, NOW)
    assert sealed is not None
    leaves = b"".join(make_item(number).leaf for number in (1, 2, 3))
    assert sealed[0].root == Tree(leaves).root(3)


def test_a_reader_sees_one_state_while_others_write(store: Database) -> None:
    accept(store, 1)
    with store.read() as connection:
        assert count_evidence(connection) == (1, 1)
        accept(store, 2)
        sealing.seal(store, NOW)
        assert count_evidence(connection) == (1, 1)
        assert load_leaves(connection, 0, 2) == make_item(1).leaf
    with store.read() as connection:
        assert count_evidence(connection) == (2, 0)


# Accepting


def test_what_is_accepted_twice_is_one_row_in_a_few_rows_and_in_thousands(store: Database) -> None:
    assert accept(store, 1, 2, 1) == 2
    assert accept(store, 2, 3) == 1
    assert accept(store, *range(3, 3_000), *range(3, 10)) == 2_996
    assert accept(store, *range(3_000)) == 1
    with store.read() as connection:
        assert count_evidence(connection) == (3_000, 3_000)
        order = [1, 2, *range(3, 3_000), 0]
        leaves = b"".join(make_item(number).leaf for number in order)
        assert load_leaves(connection, 0, 3_000) == leaves


def make_with(sha256: bytes | None, sm3: bytes | None, source: str) -> NewEvidence:
    digests = Digests(sha256=sha256, sm3=sm3, size=None)
    what = source.encode() + (sha256 or b"") + (sm3 or b"")
    identity = make_identity(digests, what)
    return make_item(0)._replace(identity=identity, source=source, sha256=sha256, sm3=sm3)


def test_evidence_is_found_by_either_digest_and_by_its_file(store: Database) -> None:
    one, other = hashlib.sha256(b"1").digest(), hashlib.sha256(b"2").digest()
    alike = one[:16] + other[16:]  # found in the same stretch of the index, and is another digest
    with store.write() as connection:
        insert_evidence(
            connection,
            [
                make_with(one, None, "/a"),
                make_with(one, other, "/b"),
                make_with(None, one, "digest:c"),
                make_with(alike, None, "/a"),
            ],
        )

    def found(sha256: bytes | None, sm3: bytes | None) -> list[str]:
        with store.read() as connection:
            digests = Digests(sha256=sha256, sm3=sm3, size=None)
            return [item.source for item in find_by_digest(connection, digests)]

    assert found(one, None) == ["/a", "/b"]
    assert found(alike, None) == ["/a"]
    assert found(None, one) == ["digest:c"]
    assert found(None, other) == ["/b"]
    assert found(one, one) == ["/a", "/b", "digest:c"]
    assert found(other, None) == []
    with store.read() as connection:
        assert [item.id for item in find_by_file(connection, "/a")] == [0, 3]
        assert find_by_file(connection, "digest:c") == []


@pytest.mark.fault(
    "G5",
    how="one digest under two names, and under one name as two different calls",
    then="two rows for the two names, one for the repeated call",
)
def test_files_come_sorted_each_with_all_its_versions(store: Database) -> None:
    items = [
        make_item(number)._replace(source=source)
        for number, source in enumerate(["/b", "label", "/a", "/c", "/a", "/d", "/a"])
    ]
    items[3] = items[3]._replace(sha256=None, sm3=None)
    with store.write() as connection:
        insert_evidence(connection, items)
    with store.read() as connection:
        files = list(load_files(connection))
    assert [name for name, _ in files] == ["/a", "/b", "/d"]
    assert [version.sha256 for version in files[0][1]] == [items[at].sha256 for at in (2, 4, 6)]


def test_one_content_under_two_names_is_two_pieces_of_evidence(store: Database) -> None:
    config = SimpleNamespace(log=LogId(bytes(32)), chain_id=1, file=Path("none/anchor.toml"))
    project = OpenProject(config=cast(Config, config), database=store)
    digests = Digests(sha256=bytes(32), sm3=None, size=None)
    named = [EvidenceInput(source=name, name=name, digests=digests) for name in ("a", "b", "a")]
    assert pipeline.accept(project, named) == Acceptance(new=2, known=1)
    with store.read() as connection:
        found = find_by_digest(connection, digests)
    assert [item.source for item in found] == ["a", "b"]
    assert len({item.leaf for item in found}) == 2


def test_a_row_is_claimed_once_and_never_under_an_identity_that_is_taken(store: Database) -> None:
    accept(store, 1, 2)
    restored, taken, claimed = (make_item(number).identity for number in (1, 2, 3))

    def claim(identity: bytes, source: str) -> str:
        with store.write() as connection:
            claim_rows(connection, [(restored, identity, source)])
            rows = find_by_digest(connection, Digests(sha256=make_item(1).sha256, sm3=None, size=1))
            return rows[0].source

    assert claim(taken, "/taken") == "evidence 1"
    identity = restored[:16] + claimed[16:]
    assert claim(identity, "/claimed") == "/claimed"
    assert claim(identity[:-1] + b"x", "/too late") == "/claimed"
    assert indices(store) == [None, None]


def test_an_idempotency_key_is_for_one_submission(store: Database) -> None:
    def submit(number: int, key: bytes | None) -> tuple[str, bool]:
        with store.write() as connection:
            stored, is_new = insert_once(connection, make_item(number), key)
            return stored.source, is_new

    assert submit(1, b"k") == ("evidence 1", True)
    assert submit(1, b"k") == ("evidence 1", False)
    with pytest.raises(UsageError, match="idempotency key"):
        submit(2, b"k")
    assert submit(2, b"other") == ("evidence 2", True)
    assert submit(3, None) == ("evidence 3", True)
    assert submit(3, None) == ("evidence 3", False)
    with store.read() as connection:
        assert count_evidence(connection) == (3, 3)


# The lease


@pytest.mark.fault("G1", how="a second process takes the lease", then="it is refused; nothing else")
def test_only_one_process_has_the_lease(location: StoreLocation, store: Database) -> None:
    other = open_database(location)
    assert other.is_leased()
    with pytest.raises(ChainGuardError, match="another process is sealing"), other.hold_lease():
        raise AssertionError
    assert other.is_leased()
    other.close()
    # The first one goes on.
    accept(store, 1)
    assert sealing.seal(store, NOW) is not None


def test_a_lease_ends_with_its_block(location: StoreLocation) -> None:
    created = create_database(location)
    assert not created.is_leased()
    for _ in range(2):
        with created.hold_lease():
            assert created.is_leased()
        assert not created.is_leased()
    with pytest.raises(RuntimeError, match="take the lease"), created.sequence():
        raise AssertionError
    created.close()


HOLD_LEASE = """
import sys, time
from pathlib import Path
from anchor.store.database import open_database
from anchor.store.location import parse_location

with open_database(parse_location(sys.argv[1], Path("/"))).hold_lease():
    print("held", flush=True)
    time.sleep(60)
"""


def url_of(location: StoreLocation) -> str:
    return getattr(location, "url", str(location))


@pytest.mark.fault("G1", how="kill -9 of the process with the lease", then="a standby takes over")
def test_a_lease_ends_with_its_process(location: StoreLocation) -> None:
    created = create_database(location)
    command = [sys.executable, "-c", HOLD_LEASE, url_of(location)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert created.is_leased()
        process.kill()
    wait_until(lambda: not created.is_leased())
    with created.hold_lease():
        pass
    created.close()


ATTEMPT = Attempt(tx_hash=Hash32(bytes(32)), raw=b"raw", head_size=None, max_fee=1, priority_fee=1)


@pytest.mark.fault(
    "G3",
    how="the lease is taken behind its holder's back",
    then="it can neither seal nor reserve, sign or settle a nonce",
)
def test_who_lost_the_lease_without_noticing_changes_nothing_any_more(
    location: StoreLocation, store: Database
) -> None:
    accept(store, 1, 2)
    journal = StoredJournal(store, lambda: NOW)
    chain, sender = ChainId(1), Address(bytes(20))
    slot = journal.reserve_slot(chain, sender, 7)
    # As another process would, had the system taken the lock from this one.
    damage(location, "UPDATE lease SET epoch = epoch + 1, holder = 'process 7 on elsewhere'")
    for change in (
        lambda: sealing.seal(store, NOW),
        lambda: journal.reserve_slot(chain, sender, 8),
        lambda: journal.save_attempt(slot, ATTEMPT),
        lambda: journal.settle_slot(slot, "included"),
    ):
        with pytest.raises(ChainGuardError, match="taken over this log: process 7 on elsewhere"):
            change()
    assert indices(store) == [None, None]
    found = journal.open_slot(chain)
    assert found is not None
    assert (found.nonce, found.attempts) == (7, ())
    # It may still take evidence in.
    accept(store, 3)


def test_a_lease_cannot_be_taken_in_the_middle_of_a_seal(
    location: StoreLocation, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is between the check and the commit goes first: the taker waits for it."""
    accept(store, 1)
    taken: list[str] = []
    original = sealing.insert_head

    def take() -> None:
        damage(location, "UPDATE lease SET epoch = epoch + 1")
        taken.append("taken")

    taker = threading.Thread(target=take)

    def seal_slowly(*arguments: Any) -> None:
        taker.start()
        threading.Event().wait(0.3)
        taken.append("sealed")
        original(*arguments)

    monkeypatch.setattr(sealing, "insert_head", seal_slowly)
    assert sealing.seal(store, NOW) is not None
    taker.join()
    assert taken == ["sealed", "taken"]
    accept(store, 2)
    with pytest.raises(ChainGuardError, match="taken over"):
        sealing.seal(store, NOW)


# Concurrent writers

ACCEPT_MANY = """
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from anchor.base.digests import Digests
from anchor.operate.acceptance import EvidenceInput, accept_once
from anchor.project.project import OpenProject
from anchor.store.database import open_database
from anchor.store.location import parse_location

project = OpenProject(
    database=open_database(parse_location(sys.argv[1], Path("/"))),
    config=SimpleNamespace(log=bytes(32), chain_id=1, file=Path("none/anchor.toml")),
)
key = sys.argv[2] or None
digests = Digests(sha256=bytes(32), sm3=None, size=0)
submission = EvidenceInput(source="here", name="evidence", digests=digests)

with ThreadPoolExecutor(8) as pool:
    for answer in pool.map(lambda _: accept_once(project, submission, key=key), range(50)):
        print(answer.leaf.hex(), answer.record.hex(), answer.is_new)
project.database.close()
"""


@pytest.mark.fault(
    "G4",
    how="the same evidence submitted 100 times at once by 16 threads in two processes",
    then="one row, 100 equal answers",
)
@pytest.mark.parametrize("key", ["", "a key"])
def test_the_same_submitted_a_hundred_times_at_once_is_one_row_and_gets_equal_answers(
    location: StoreLocation, store: Database, key: str
) -> None:
    command = [sys.executable, "-W", "error", "-c", ACCEPT_MANY, url_of(location), key]
    with ThreadPoolExecutor(2) as pool:
        done = list(
            pool.map(
                lambda _: subprocess.run(command, capture_output=True, text=True, check=False),
                range(2),
            )
        )
    assert [run.stderr for run in done] == ["", ""]
    answers = [line.rsplit(" ", 1) for run in done for line in run.stdout.splitlines()]
    assert len(answers) == 100
    assert len({answer for answer, _ in answers}) == 1
    assert sorted(is_new for _, is_new in answers) == ["False"] * 99 + ["True"]
    with store.read() as connection:
        assert count_evidence(connection) == (1, 1)


@pytest.mark.fault(
    "F17",
    how="long lists of the same evidence taken in at once, in opposite orders",
    then="whoever is in the way waits or begins again; each piece once",
)
def test_overlapping_lists_taken_in_at_once_are_each_accepted_once(store: Database) -> None:
    numbers = list(range(4_000))
    lists = [numbers, numbers[::-1], numbers[::2], numbers[::-3]]

    def take(wanted: list[int]) -> int:
        items = [make_item(number) for number in wanted]
        return store.write_with_retry(lambda connection: insert_evidence(connection, items))

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(take, lists))
    assert sum(counts) == 4_000
    with store.read() as connection:
        assert count_evidence(connection) == (4_000, 4_000)


def test_evidence_comes_in_while_seals_go_on(store: Database) -> None:
    """Whatever is committed in the middle of a seal waits for the next one."""
    stop = threading.Event()

    def take(first: int) -> int:
        number = first
        while not stop.is_set():
            accept(store, number, number + 1)
            number += 2
        return number - first

    with ThreadPoolExecutor(2) as pool:
        taking = [pool.submit(take, first) for first in (0, 1_000_000)]
        try:
            for _ in range(15):
                sealing.seal(store, NOW)
        finally:
            stop.set()
        count = sum(future.result() for future in taking)
    sealing.seal(store, NOW)
    places = indices(store)
    assert sorted(index for index in places if index is not None) == list(range(count))
    with store.read() as connection:
        newest = newest_head(connection)
        assert newest is not None
        leaves = load_leaves(connection, 0, count)
    assert newest.head.root == Tree(leaves).root(count)


def test_who_is_disturbed_again_and_again_says_so(store: Database) -> None:
    calls: list[int] = []

    def work(connection: object) -> None:
        calls.append(1)
        raise StoreBusyError("disturbed")

    with pytest.raises(StoreBusyError):
        store.write_with_retry(work)
    assert len(calls) == store._backend.attempts
