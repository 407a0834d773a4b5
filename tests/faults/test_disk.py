"""Full and failing disks, below the real store: nothing half done counts, and nothing is sent."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import apsw
import pytest
import sqlalchemy
from support.disasters import sql
from support.nodes import nonce
from support.operators import Operator
from support.powerloss import Disk, store_on
from support.projects import Site
from support.store_contents import count_pieces, load_pieces

from anchor.base.errors import (
    AnchorError,
    ChainGuardError,
    ConfigError,
    ExitCode,
    StorageError,
)
from anchor.chain.tx_state import Attempt, NonceSlot
from anchor.evidence.record import parse_record
from anchor.recovery.store_audit import audit_project
from anchor.store import sqlite
from anchor.store.database import open_database
from anchor.store.evidence import count_evidence
from anchor.store.location import SqliteFile
from anchor.store.tx_journal import StoredJournal

MakeSite = Callable[..., Site]


class Trouble:
    """Makes every write or every sync of a disk fail while it is ``on``."""

    def __init__(self, disk: Disk, operation: str, code: int) -> None:
        self.on = False
        self.times = 0
        self._operation = operation
        self._code = code
        disk.fails = self._fail

    def _fail(self, operation: str, _path: Path) -> apsw.Error | None:
        if not self.on or operation != self._operation:
            return None
        self.times += 1
        return apsw.exception_for(self._code)


def full(disk: Disk) -> Trouble:
    return Trouble(disk, "write", apsw.SQLITE_FULL)


def failing(disk: Disk) -> Trouble:
    return Trouble(disk, "sync", apsw.SQLITE_IOERR_FSYNC)


@pytest.mark.fault(
    "F3",
    how="the disk is full while evidence is accepted",
    then="it is not acknowledged, what is there stays readable, and it goes on when there is space",
)
def test_a_full_disk_acknowledges_nothing_stays_readable_and_goes_on_with_space(
    anchored: Site,
) -> None:
    disk = Disk()
    with store_on(disk), anchored.open() as project:
        trouble = full(disk)
        trouble.on = True
        with pytest.raises(StorageError, match="database or disk is full") as caught:
            anchored.add("second", b"second")
        assert caught.value.exit_code == ExitCode.STORAGE
        assert "`df`" in (caught.value.hint or "")
        with project.database.read() as connection:
            assert count_evidence(connection) == (1, 0)
        assert audit_project(project).breaches == ()
        trouble.on = False
        anchored.add("second", b"second")
        with project.database.read() as connection:
            assert count_evidence(connection) == (2, 1)
    anchored.run("audit").expect(0)


@pytest.mark.fault(
    "F4",
    how="the disk has less left than what is reserved for anchoring",
    then="no evidence is taken in (33); what was accepted before is anchored all the same",
)
def test_evidence_leaves_room_for_its_anchor(
    anchored: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchored.add("second", b"second")
    monkeypatch.setattr(sqlite, "RESERVE", shutil.disk_usage(anchored.folder).free + (1 << 40))
    with pytest.raises(
        StorageError, match="are reserved for anchoring accepted evidence"
    ) as caught:
        anchored.add("third", b"third")
    assert caught.value.exit_code == ExitCode.STORAGE
    anchored.anchor()
    assert count_pieces(anchored) == 2
    assert anchored.anchors_on_chain() == [(1, 1), (2, 2)]


@pytest.mark.parametrize("spoil", [full, failing])
@pytest.mark.fault(
    "F2",
    how="a sync fails where a signed transaction is stored",
    then="the daemon ends at once with 33 and sends nothing; the next one anchors once",
)
@pytest.mark.fault(
    "F3",
    how="the disk is full where a signed transaction is stored",
    then="the daemon ends at once with 33 and sends nothing; the next one anchors once",
)
def test_a_daemon_that_cannot_store_what_it_signed_ends_before_it_sends(
    anchored: Site, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Disk], Trouble]
) -> None:
    before = nonce(anchored.url)
    anchored.add("second", b"second")
    disk = Disk()
    trouble = spoil(disk)
    save = StoredJournal.save_attempt

    def save_on_bad_disk(journal: StoredJournal, slot: NonceSlot, attempt: Attempt) -> None:
        trouble.on = True
        save(journal, slot, attempt)

    operator = Operator(anchored)
    with monkeypatch.context() as patched, store_on(disk), pytest.raises(StorageError):
        patched.setattr(StoredJournal, "save_attempt", save_on_bad_disk)
        operator.run(until=1_000)
    assert operator.clock.now < 10, "not tried again in the process whose disk failed"
    assert trouble.times > 0
    assert nonce(anchored.url) == before
    Operator(anchored).run(until=5)
    assert nonce(anchored.url) == before + 1
    assert anchored.anchors_on_chain() == [(1, 1), (2, 2)]
    anchored.run("audit").expect(0)


@pytest.mark.fault(
    "F2",
    how="each sync of a round in turn fails, once",
    then="the round ends with 33; a new process finishes it, and anchors once",
)
def test_whichever_sync_of_a_round_fails_a_new_process_finishes_it(
    anchored: Site, injected: Callable[[int], None]
) -> None:
    before = nonce(anchored.url)
    times = 0
    while True:
        anchored.add(f"piece {times}", b"%d" % times)
        syncs = 0

        def fails(operation: str, _path: Path, number: int = times) -> apsw.Error | None:
            nonlocal syncs
            if operation != "sync":
                return None
            syncs += 1
            return apsw.exception_for(apsw.SQLITE_IOERR_FSYNC) if syncs == number + 1 else None

        disk = Disk()
        disk.fails = fails
        with store_on(disk):
            try:
                anchored.anchor()
            except StorageError:
                pass
            else:
                break
        times += 1
        anchored.anchor()
        assert nonce(anchored.url) == before + times
        with anchored.open() as project:
            assert audit_project(project).breaches == ()
    assert times >= 4, "a seal, a reservation, an attempt and an anchor at least"
    injected(times)
    sizes = [size for size, _ in anchored.heads()]
    assert [size for size, _ in anchored.anchors_on_chain()] == sizes


# Truncated and torn files


@pytest.mark.fault(
    "F6",
    how="a killed process's write-ahead log is cut off, at any place",
    then="the store has the commits before the cut, whole; the audit finds nothing",
)
def test_a_write_ahead_log_that_is_cut_off_leaves_the_commits_before_the_cut(
    anchored: Site, tmp_path: Path, injected: Callable[[int], None]
) -> None:
    with kept_open(anchored):
        for number in range(5):
            anchored.add(f"piece {number}", b"%d" % number)
        store, ahead = (anchored.folder / name for name in ("anchor.db", "anchor.db-wal"))
        database_bytes, log_bytes = store.read_bytes(), ahead.read_bytes()
    counts = []
    cuts = range(0, len(log_bytes), len(log_bytes) // 50)
    for cut in cuts:
        store.write_bytes(database_bytes)
        ahead.write_bytes(log_bytes[:cut])
        (anchored.folder / "anchor.db-shm").unlink(missing_ok=True)
        with anchored.open() as project:
            assert audit_project(project).breaches == ()
        assert anchored.rows("PRAGMA integrity_check") == [("ok",)]
        counts.append(count_pieces(anchored))
    assert counts == sorted(counts)
    assert set(counts) >= {1, 2, 3, 4, 5}
    injected(len(cuts))


@pytest.mark.fault(
    "F6",
    how="the store's file is cut off, or a page of it is overwritten",
    then="opening it is refused in one sentence, or the audit names it",
)
def test_a_store_whose_file_is_damaged_is_never_worked_with(
    anchored: Site, injected: Callable[[int], None]
) -> None:
    for number in range(20):
        anchored.add(f"piece {number}", b"%d" % number)
    store = anchored.folder / "anchor.db"
    # What a free page holds is of no matter.
    sql(anchored, "VACUUM")
    whole = store.read_bytes()
    pages = len(whole) // 4096
    times = 0
    for spoil in (
        *(whole[: 4096 * page] for page in range(1, pages, 5)),
        *(
            whole[: 4096 * page] + b"\xff" * 4096 + whole[4096 * (page + 1) :]
            for page in range(1, pages)
        ),
    ):
        store.write_bytes(spoil)
        assert is_found(anchored), times
        times += 1
    store.write_bytes(whole)
    anchored.run("audit").expect(0)
    injected(times)


def is_found(site: Site) -> bool:
    """Say whether opening and auditing finds something; an error that is none of ours escapes."""
    try:
        with site.open() as project:
            return audit_project(project).breaches != ()
    except AnchorError:
        return True


# Where SQLite cannot work as it must


@pytest.mark.fault(
    "F10",
    how="the file system has no shared memory for the write-ahead log",
    then="the store is not opened, in one sentence that says why",
)
def test_where_sqlite_has_no_write_ahead_log_the_store_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Back to a rollback journal, as a copy made on such a file system would be.
    with closing(sqlite3.connect(site.folder / "anchor.db")) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    # SQLite's own file system for places without locks and shared memory.
    url = f"sqlite:///file:{site.folder / 'anchor.db'}?vfs=unix-dotfile&uri=true"
    monkeypatch.setattr(sqlite, "create_engine", lambda _: sqlalchemy.create_engine(url))
    with pytest.raises(ConfigError, match="SQLite has no write-ahead log on that file system"):
        open_database(SqliteFile(site.folder / "anchor.db"))


@pytest.mark.fault(
    "F8",
    how="another process holds the store's write lock for longer than is waited",
    then="the writer ends with 32, nothing is changed, and the same again succeeds",
)
@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_store_that_another_process_locks_is_waited_for_and_then_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch, begin: str
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_MS", 200)
    with closing(sqlite3.connect(site.folder / "anchor.db", isolation_level=None)) as other:
        other.execute(begin)
        with pytest.raises(ChainGuardError, match="the store is locked by another process"):
            site.add("a", b"a")
        site.run("status").expect(0)
    site.add("a", b"a")
    assert count_pieces(site) == 1


@pytest.mark.fault(
    "F11",
    how="the store is deleted",
    then="run, add and audit refuse with 2, and make no other",
)
def test_a_store_that_is_gone_is_never_made_again(site: Site) -> None:
    piece = site.add("a", b"a")
    for path in site.folder.glob("anchor.db*"):
        path.unlink()
    for words in (("run", "--once"), ("add", piece), ("audit",)):
        site.run(*words).refused(2, "anchor.db is missing", "rebuild it with `anchor restore`")
    assert list(site.folder.glob("anchor.db")) == []


# Bad copies


@contextmanager
def kept_open(site: Site) -> Iterator[None]:
    """Keep a connection open, so that what others write stays in the write-ahead log."""
    with closing(sqlite3.connect(site.folder / "anchor.db")) as connection:
        connection.execute("SELECT count(*) FROM heads").fetchone()
        connection.execute("PRAGMA wal_autocheckpoint=0")
        yield


@pytest.mark.fault(
    "F13",
    how="the database is copied without its write-ahead log, which holds an anchored head",
    then="nothing is sealed, sent or promised: the store is older than the chain (32)",
)
def test_a_copy_without_the_write_ahead_log_is_known_by_the_chain(anchored: Site) -> None:
    with kept_open(anchored):
        anchored.add("second", b"second")
        anchored.anchor()
        copied = (anchored.folder / "anchor.db").read_bytes()
    before = nonce(anchored.url)
    for path in anchored.folder.glob("anchor.db*"):
        path.unlink()
    (anchored.folder / "anchor.db").write_bytes(copied)
    assert len(anchored.heads()) == 1
    for words in (("run", "--once"), ("seal",)):
        anchored.run(*words).refused(32, "the store is older than the chain", "anchor restore")
    assert nonce(anchored.url) == before


@pytest.mark.fault(
    "F13",
    how="the write-ahead log is copied without the database",
    then="the store is missing, and none is made (2)",
)
def test_a_write_ahead_log_without_its_database_is_no_store(anchored: Site) -> None:
    with kept_open(anchored):
        anchored.add("second", b"second")
        copied = (anchored.folder / "anchor.db-wal").read_bytes()
        assert copied
    (anchored.folder / "anchor.db").unlink()
    (anchored.folder / "anchor.db-wal").write_bytes(copied)
    anchored.run("run", "--once").refused(2, "anchor.db is missing")


def test_a_backup_made_by_sqlite_while_others_write_is_whole(
    anchored: Site, tmp_path: Path
) -> None:
    """What ``docs/operating.md`` says to do."""
    with kept_open(anchored):
        for number in range(20):
            anchored.add(f"piece {number}", b"%d" % number)
        backup = tmp_path / "backup.db"
        with (
            closing(sqlite3.connect(anchored.folder / "anchor.db")) as source,
            closing(sqlite3.connect(backup)) as target,
        ):
            source.backup(
                target, pages=40, progress=lambda *_: anchored.add(f"{_[1]}", b"%d" % _[1]) and None
            )
    for path in anchored.folder.glob("anchor.db*"):
        path.unlink()
    backup.rename(anchored.folder / "anchor.db")
    anchored.run("audit").expect(0)
    assert count_pieces(anchored) > 21


# Flipped bits


@dataclass(frozen=True)
class Flip:
    """A value in the store, and what was done before a bit of it flips."""

    value_in: Callable[[Site], object]
    done: Literal["accepted", "sealed", "signed"]
    is_needed: bool = True
    """Whether the next run needs it, and so refuses."""


def newest(column: str, table: str, order: str) -> Callable[[Site], object]:
    query = f"SELECT {column} FROM {table} ORDER BY {order} DESC LIMIT 1"
    return lambda site: site.rows(query)[0][0]


def salt_of(site: Site, number: int) -> bytes:
    """Return the salt of a record, which is made from the columns."""
    record = load_pieces(site)[number].record
    assert record is not None
    return parse_record(record).salt


FLIPS = {
    "a leaf that waits": Flip(lambda site: load_pieces(site)[-1].leaf, "accepted"),
    "a salt of a record that waits": Flip(lambda site: salt_of(site, -1), "accepted"),
    "a sealed leaf": Flip(lambda site: load_pieces(site)[-1].leaf, "sealed"),
    "a salt of a sealed record": Flip(lambda site: salt_of(site, 0), "sealed", False),
    "the newest root": Flip(newest("root", "heads", "size"), "sealed"),
    "the newest right edge": Flip(newest("right_edge", "heads", "size"), "sealed"),
    "a signed transaction": Flip(newest("raw", "attempts", "nonce"), "signed"),
    "a signed transaction's hash": Flip(newest("tx_hash", "attempts", "nonce"), "signed"),
}


def flip(site: Site, value_in: Callable[[Site], object]) -> Iterator[bool]:
    """Flip one bit of a value in the database's file, of each copy of it in there in turn.

    Says whether it is the table's; an index has others.
    """
    value = value_in(site)
    assert isinstance(value, bytes)
    with closing(sqlite3.connect(site.folder / "anchor.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path = site.folder / "anchor.db"
    whole = path.read_bytes()
    places = [found.start() for found in re.finditer(re.escape(value), whole)]
    assert places
    for place in places:
        at = place + len(value) // 2
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        yield value_in(site) != value
        path.write_bytes(whole)


@pytest.mark.fault(
    "F7",
    how="a bit flips in a stored leaf, record, root, right edge, transaction or hash",
    then="the run refuses before it sends anything (32), and the audit names it (10)",
)
@pytest.mark.parametrize("what", FLIPS)
def test_a_flipped_bit_is_found_before_anything_is_sent(
    anchored: Site, monkeypatch: pytest.MonkeyPatch, what: str, injected: Callable[[int], None]
) -> None:
    case = FLIPS[what]
    for number in range(4):
        anchored.add(f"piece {number}", b"%d" % number)
    if case.done == "sealed":
        anchored.run("seal").expect(0)
    if what == "the newest right edge":
        anchored.add("one more", b"that would go on from it")
    if case.done == "signed":
        with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
            patched.setattr("anchor.chain.node.Node.send_raw_transaction", lambda *_: 1 // 0)
            anchored.anchor()
    before, sizes = nonce(anchored.url), [size for size, _ in anchored.heads()]
    times = tables = 0
    for is_in_table in flip(anchored, case.value_in):
        times += 1
        tables += is_in_table
        assert is_found(anchored)
        if is_in_table and case.is_needed:
            with pytest.raises(ChainGuardError):
                anchored.anchor()
            assert nonce(anchored.url) == before
            assert [size for size, _ in anchored.heads()] == sizes, "a head was sealed from it"
    injected(times)
    assert tables == 1
    # What was flipped is whole again, and nothing wrong was stored meanwhile.
    anchored.anchor()
    assert not is_found(anchored)
    assert nonce(anchored.url) == before + 1
