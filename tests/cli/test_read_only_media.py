"""A project on read-only media can be looked at, and nothing is written beside it.

The media are real: an ext4 on a loop device, mounted read-only, and a read-only mount of a folder,
as a container gets one. Both need root.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.disks import check_loop_devices, check_root, loop_disk, mount, read_only
from support.fixtures import MakeSite
from support.projects import Site
from support.store_contents import load_pieces

from anchor.chain.devnet import Devnet
from anchor.store.location import SqliteFile

READ_ONLY = pytest.mark.fault(
    "F27",
    how="the project is mounted read-only: closed, or with a write-ahead log that a crash left",
    then="status, audit --offline and prove work, say how it is read, and write nothing there",
)
LEFT = pytest.mark.parametrize("left", ["nothing", "a log", "a log and shared memory"])
_REMARKS = {
    "nothing": "read as it is",
    "a log": "both are read in a private copy",
    "a log and shared memory": "read with its write-ahead log",
}


def leave(site: Site, left: str) -> None:
    """Leave the store as processes that were killed do; some commits are in the log alone."""
    store = site.folder / "anchor.db"
    if left == "nothing":
        site.add("last", b"last")
        site.anchor()
        assert not store.with_name("anchor.db-wal").exists()
        return
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("SELECT count(*) FROM project").fetchone()
        connection.execute("PRAGMA wal_autocheckpoint=0")
        site.add("last", b"last")
        site.anchor()
        kept = {end: store.with_name(store.name + end).read_bytes() for end in ("", "-wal", "-shm")}
    for end, data in kept.items():
        store.with_name(store.name + end).write_bytes(data)
    if left == "a log":
        store.with_name("anchor.db-shm").unlink()


def newest_leaf(site: Site, copied: Path) -> str:
    """Read from a copy: SQLite may write to whatever it opens."""
    for end in ("", "-wal"):
        store = site.folder / f"anchor.db{end}"
        if store.exists():
            shutil.copy(store, copied.with_name(copied.name + end))
    return load_pieces(SqliteFile(copied))[-1].leaf.hex()


def list_files(site: Site) -> dict[Path, tuple[int, int, int]]:
    """Return what changes with a file, without the time of access, which reading may change."""
    found = ((path, path.stat()) for path in site.folder.rglob("*"))
    return {path: (status.st_ino, status.st_size, status.st_mtime_ns) for path, status in found}


def look(site: Site, out: Path, left: str) -> None:
    """Look at the project with each command that can, and see that nothing was written."""
    config = ("--config", site.folder / "anchor.toml")
    before = list_files(site)
    copies = set(Path(tempfile.gettempdir()).glob("anchor-read-only-*"))
    backup = out.with_name("backup")
    for words in (
        ("status",),
        ("audit", "--offline"),
        ("prove", "--all", "--output", out),
        ("hold", "list"),
        ("erase", "--dry-run", "--leaf", newest_leaf(site, backup.with_name("look.db"))),
        ("backup", backup),
    ):
        ran = site.run(*words, *config).expect(0, _REMARKS[left])
        assert "on read-only media" in ran.err
    site.run("backup", backup, "--check").expect(0, "2 leaves", "no problems found")
    assert len(list(out.rglob("*.anchor.json"))) == 2
    for receipt in out.rglob("*.anchor.json"):
        assert '"anchors":[]' not in receipt.read_text("utf-8").replace(" ", "")
    assert list_files(site) == before
    assert set(Path(tempfile.gettempdir()).glob("anchor-read-only-*")) <= copies


@LEFT
@READ_ONLY
def test_a_folder_that_is_mounted_read_only_can_be_looked_at(
    new_site: MakeSite, embedded: Devnet, tmp_path: Path, left: str, injected: Callable[[int], None]
) -> None:
    check_root()
    site = new_site(embedded)
    site.add("first", b"first")
    leave(site, left)
    with read_only(site.folder):
        look(site, tmp_path / "receipts", left)
        for words in (("add", "first", "--again"), ("run", "--once"), ("seal",)):
            site.run(*words).refused(33, "cannot be")
        for words in (("hold", "remove", "x"), ("restore", "--replace")):
            site.run(*words).refused(33, "cannot be")
        site.run("prove", "--all").refused(2, "--output")
    injected(3)


@LEFT
@READ_ONLY
def test_a_disk_that_is_mounted_read_only_can_be_looked_at(
    new_site: MakeSite, embedded: Devnet, tmp_path: Path, left: str
) -> None:
    check_loop_devices(tmp_path)
    site = new_site(embedded)
    site.add("first", b"first")
    leave(site, left)
    with loop_disk(tmp_path / "media") as disk:
        copied = disk.path / "project"
        shutil.copytree(site.folder, copied)
        disk.remount("ro")
        look(Site(folder=copied, url=site.url, number=site.number), tmp_path / "receipts", left)


@LEFT
@READ_ONLY
def test_a_disk_that_an_error_aborted_can_be_looked_at_though_it_is_mounted_for_writing(
    new_site: MakeSite, embedded: Devnet, tmp_path: Path, left: str
) -> None:
    check_loop_devices(tmp_path)
    site = new_site(embedded)
    site.add("first", b"first")
    leave(site, left)
    with loop_disk(tmp_path / "media") as disk:
        copied = disk.path / "project"
        shutil.copytree(site.folder, copied)
        os.sync()
        mount("-o", "remount,abort", disk.path)
        assert disk.is_read_only()
        look(Site(folder=copied, url=site.url, number=site.number), tmp_path / "receipts", left)
