"""A damaged store: what can still be read is taken over, and the rest is named."""

from __future__ import annotations

import errno
import os
import random
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from support import fixtures
from support.disasters import anchor_final, check_log_goes_on, lose_store
from support.projects import Site
from support.store_contents import load_pieces
from support.tools import check_program

from anchor.base.digests import digest_bytes
from anchor.base.errors import ConfigError
from anchor.log.merkle import hash_leaf
from anchor.operate.acceptance import EvidenceInput, accept
from anchor.store.location import SqliteFile
from anchor.store.sqlite_salvage import salvage_store

anvil = fixtures.module_anvil

PAGE = 4096
SEALED, WAITING = 300, 200


def fill(site: Site) -> None:
    """Seal and anchor some hundred pieces, and let some wait; all of it is in the one file."""
    with site.open() as project:
        accept(project, [submission(number) for number in range(SEALED)])
    anchor_final(site)
    with site.open() as project:
        accept(project, [submission(number) for number in range(SEALED, SEALED + WAITING)])
    with closing(sqlite3.connect(site.folder / "anchor.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def submission(number: int) -> EvidenceInput:
    name = f"piece {number}"
    return EvidenceInput(source=name, name=name, digests=digest_bytes(name.encode(), ("sha256",)))


def page_of(path: Path, index: int) -> int:
    """Return the number, from 1 on, of the only page that holds the digest of this piece."""
    digest = submission(index).digests.sha256
    assert digest is not None
    return find_page(path, digest)


def find_page(path: Path, value: bytes) -> int:
    data = path.read_bytes()
    assert data.count(value) == 1
    return data.index(value) // PAGE + 1


def overwrite(path: Path, *pages: int) -> None:
    """Let sectors be gone: other bytes stand where pages were."""
    chance = random.Random(1)
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE)
            file.write(chance.randbytes(PAGE))


@pytest.mark.fault(
    "F7",
    how="pages of the store's file are overwritten: of evidence in the log, and of some that waits",
    then="restore refuses it, `status` ends with 33; --salvage takes the rest over, names what is "
    "lost, and the log goes on",
)
def test_of_a_damaged_store_the_readable_rest_is_taken_over(site: Site) -> None:
    fill(site)
    store = site.folder / "anchor.db"
    overwrite(store, page_of(store, 150), page_of(store, SEALED + 150))
    site.run("status").refused(33, "is damaged", "--salvage")
    before = store.read_bytes()
    site.run("restore", "--replace").refused(33, "cannot be read completely", "--salvage")
    assert store.read_bytes() == before
    ran = site.run("restore", "--replace", "--salvage", "--json").expect(0)
    assert f"lost: pieces 0 to {SEALED - 1}: " in ran.err
    assert f"lost: pieces {SEALED} to {SEALED + WAITING - 1}: " in ran.err
    shown = ran.document
    assert shown["size"] == SEALED
    # A page holds the digests of 127 pieces, and of two in part.
    assert 0 < shown["hashes_only"] < 130
    assert shown["records"] == SEALED - shown["hashes_only"]
    # What waited on the lost page is in nothing else, and the side file names it.
    lost = {item["id"] for item in shown["lost"]}
    assert 0 < len(lost) < 130
    assert shown["waiting"] == WAITING - len(lost)
    for piece in load_pieces(site):
        assert piece.record is None or hash_leaf(piece.record) == piece.leaf
    assert not list(site.folder.glob(".restoring-*"))
    check_log_goes_on(site, "goes on")
    site.run("status").expect(0)
    # Each is still the same evidence, and what was lost is taken in again.
    everything = [submission(number) for number in range(SEALED + WAITING)]
    with site.open() as project:
        assert accept(project, everything).new == len(lost)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_whatever_pages_are_lost_nothing_false_is_taken_over(site: Site, seed: int) -> None:
    """Any pages but the first, which says what the others are."""
    fill(site)
    store = site.folder / "anchor.db"
    before = {piece.identity: piece.record for piece in load_pieces(site)}
    count = store.stat().st_size // PAGE
    chance = random.Random(seed)
    overwrite(store, *chance.sample(range(2, count + 1), chance.randrange(1, 6)))
    ran = site.run("restore", "--replace", "--salvage", "--json")
    if ran.code:
        ran.refused(2, "nothing can be read from the store")
        site.run("restore", "--replace", "--without-store").expect(0)
        return
    shown = ran.document
    after = load_pieces(site)
    assert all(piece.record in (None, before[piece.identity]) for piece in after)
    assert len(after) + len(shown["lost"]) + shown["unreadable"] >= len(before)
    assert shown["size"] == SEALED
    check_log_goes_on(site, "goes on")


def test_the_damaged_file_stays_as_it_is(site: Site, tmp_path: Path) -> None:
    fill(site)
    store = site.folder / "anchor.db"
    first_leaf = load_pieces(site)[0].leaf
    overwrite(store, find_page(store, first_leaf))
    before = store.read_bytes()
    salvaged = salvage_store(SqliteFile(store), SqliteFile(tmp_path / "new.db"))
    assert store.read_bytes() == before
    assert salvaged.rows["heads"] == 1 and salvaged.pieces < SEALED + WAITING
    assert [path.name for path in tmp_path.glob("*damaged*")] == []
    # Where the row of a run begins, all of it is lost.
    assert f"pieces 0 to {SEALED - 1} cannot be read" in salvaged.lost


def test_what_the_disk_does_not_give_back_is_passed_over(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read itself fails (EIO), as with a bad sector; no device that does so is at hand."""
    fill(site)
    store = site.folder / "anchor.db"
    bad = (page_of(store, 17) - 1) * PAGE
    read = os.pread

    def pread(descriptor: int, count: int, at: int) -> bytes:
        if at == bad:
            raise OSError(errno.EIO, "Input/output error")
        return read(descriptor, count, at)

    with monkeypatch.context() as patched:
        patched.setattr("anchor.store.sqlite_salvage.os.pread", pread)
        salvaged = salvage_store(SqliteFile(store), SqliteFile(tmp_path / "new.db"))
    assert salvaged.pieces == SEALED + WAITING
    (lost,) = salvaged.lost
    assert lost.id == "salvage-run-damaged" and 0 < int(str(lost.operands["count"])) < 130
    for name, text in ((b"", "is missing"), (b"not a store", "nothing can be read")):
        other = tmp_path / "other.db"
        if name:
            other.write_bytes(name)
        with pytest.raises(ConfigError, match=text):
            salvage_store(SqliteFile(other), SqliteFile(tmp_path / "another.db"))
        (tmp_path / "another.db").unlink(missing_ok=True)


def test_a_damaged_backup_is_salvaged_as_well(site: Site, tmp_path: Path) -> None:
    fill(site)
    backup = (site.folder / "anchor.db").rename(tmp_path / "backup.db")
    overwrite(backup, page_of(backup, 17))
    lose_store(site)
    assert site.run("restore", "--backup", backup).code != 0
    assert not (site.folder / "anchor.db").exists()
    shown = site.run("restore", "--backup", backup, "--salvage", "--json").expect(0).document
    assert shown["records"] + shown["waiting"] > SEALED + WAITING - 130
    check_log_goes_on(site, "goes on")


def test_a_store_whose_list_of_tables_is_damaged_is_recovered_as_the_hint_says(site: Site) -> None:
    fill(site)
    store = site.folder / "anchor.db"
    overwrite(store, find_other_schema_page(store))
    ran = site.run("restore", "--replace", "--salvage")
    ran.refused(
        2, "nothing can be read from the store", "(umask 077; sqlite3 FILE .recover | sqlite3 NEW)"
    )
    check_program("sqlite3")
    commands = "(umask 077; sqlite3 anchor.db .recover | sqlite3 new.db); mv anchor.db damaged.db"
    subprocess.run(["sh", "-c", commands], cwd=site.folder, check=True)
    assert (site.folder / "new.db").stat().st_mode & 0o077 == 0
    shown = site.run("restore", "--backup", "new.db", "--salvage", "--json").expect(0).document
    assert (shown["records"], shown["waiting"]) == (SEALED, WAITING)
    check_log_goes_on(site, "goes on")


def find_other_schema_page(path: Path) -> int:
    """Return a page of the list of tables, neither the first nor that of the evidence's table."""
    data = path.read_bytes()
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT pageno FROM dbstat WHERE name = 'sqlite_schema' AND pageno > 1"
        pages = [page for (page,) in connection.execute(query)]
    return next(p for p in pages if b"CREATE TABLE runs" not in data[(p - 1) * PAGE : p * PAGE])


def test_a_store_of_which_the_first_page_is_lost_is_refused_in_words(site: Site) -> None:
    anchor_final(site, "a")
    store = site.folder / "anchor.db"
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    overwrite(store, 1)
    ran = site.run("restore", "--replace", "--salvage")
    ran.refused(2, "nothing can be read from the store", "--without-store")
    site.run("restore", "--replace", "--without-store").expect(0)
    check_log_goes_on(site, "b")
