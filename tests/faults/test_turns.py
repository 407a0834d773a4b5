"""Writers take turns: no commit runs while the write-ahead log is copied into the database.

That is what SQLite's WAL-reset bug (3.7.0 to 3.51.2) needs: https://www.sqlite.org/wal.html
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from contextlib import AbstractContextManager

import pytest
from support.projects import Site
from support.store_contents import count_pieces
from support.strace import Call, trace

from anchor.base.errors import ChainGuardError
from anchor.store import sqlite
from anchor.store.sqlite import SqliteBackend

# Enough for the log to be copied in the middle of a run: it is at a thousand pages.
MANY = 100_000


def turn_of(site: Site) -> AbstractContextManager[None]:
    return SqliteBackend(site.folder / "anchor.db").write_lock()


@pytest.mark.fault(
    "F9",
    how="`anchor add` commits in many turns, and copies its log meanwhile (strace)",
    then="it writes to the store and its log within its turns only",
)
def test_every_commit_and_every_copy_of_the_log_is_within_a_turn(site: Site) -> None:
    listed = site.write(
        "SHA256SUMS",
        b"".join(
            b"%s  %d\n" % (hashlib.sha256(b"%d" % number).hexdigest().encode(), number)
            for number in range(MANY)
        ),
    )
    names = ("flock", "close", "pwrite64", "fdatasync")
    files = [site.write(f"{number}.txt", b"%d" % number) for number in range(5)]
    # The files in a transaction, the list in another.
    traced = trace("add", "--digests-from", listed, *files, cwd=site.folder, names=names)
    traced.ran.expect(0, f"added {MANY + 5:,} new")
    holds = copied = has_begun = False
    outside: list[Call] = []
    for call in traced.calls:
        if call.path == str(site.folder / "anchor.db-turn.lock"):
            holds = call.name == "flock"
            if holds:
                # Before the first turn, the file is opened and switched to its log.
                assert not (has_begun and outside), "written between two turns"
                has_begun, outside = True, []
        elif call.name in ("pwrite64", "fdatasync") and not call.path.endswith("-shm"):
            copied |= holds and call.path.endswith("anchor.db")
            if not holds:
                outside.append(call)
    assert copied, "the log was not copied during the run: this shows nothing"
    # What comes after the last turn is the copy by the last connection, for which SQLite locks all
    # others out.


@pytest.mark.fault(
    "F8",
    how="another writer holds the turn for longer than is waited, or for a moment",
    then="the writer ends with 32 and nothing is changed; or it waits, and goes on",
)
def test_a_turn_is_waited_for_but_not_for_ever(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sqlite, "_BUSY_TIMEOUT_MS", 100)
        with turn_of(site), pytest.raises(ChainGuardError, match="is locked by"):
            site.add("a", b"a")
    assert count_pieces(site) == 0
    taken = threading.Event()

    def hold() -> None:
        with turn_of(site):
            taken.set()
            released.wait(0.3)

    released = threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()
    site.add("a", b"a")
    thread.join()
    assert count_pieces(site) == 1


@pytest.mark.parametrize(
    "version", [(3, 40, 1), (3, 46, 1), (3, 51, 2), (3, 51, 3), (3, 53, 0)], ids=str
)
def test_no_version_of_sqlite_is_trusted_to_do_without_turns(
    site: Site, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int]
) -> None:
    """Two processes may have different ones: the turns of one would not help the other."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_MS", 10)
    with turn_of(site), pytest.raises(ChainGuardError, match="is locked by"):
        site.add("a", b"a")
