"""Restoring from a folder that ``anchor backup`` made: checked first, and left as it is."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support import fixtures
from support.command import snapshot
from support.disasters import anchor_final, back_up, check_log_goes_on, lose_store
from support.projects import Site
from support.store_contents import load_pieces

from anchor.project.config import load_config
from anchor.project.files import SIDE_FILE, TIMESTAMPS
from anchor.store.acknowledged_log import SideFile

anvil = fixtures.module_anvil


def make_backup(site: Site, folder: Path) -> Path:
    """Make a folder by the description, by hand."""
    folder.mkdir()
    back_up(site, folder / "store.db")
    shutil.copytree(site.folder / "tiles", folder / "tiles")
    shutil.copy(site.folder / SIDE_FILE, folder / SIDE_FILE)
    if (site.folder / TIMESTAMPS).exists():
        shutil.copytree(site.folder / TIMESTAMPS, folder / TIMESTAMPS)
    shutil.copy(site.folder / "anchor.toml", folder / "anchor.toml")
    config = load_config(site.folder / "anchor.toml")
    size, root = site.heads()[-1]
    files = {
        path.relative_to(folder).as_posix(): {
            "size": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    document = {
        "format": "anchor-backup/1",
        "made_at": "2026-01-01T00:00:00Z",
        "chain_id": config.chain_id,
        "registry": "0x" + config.registry.hex(),
        "log": "0x" + config.log.hex(),
        "head": {"size": size, "root": root.hex()},
        "schema": "0002",
        "files": files,
    }
    (folder / "backup.json").write_text(json.dumps(document))
    return folder


def change(folder: Path, **members: object) -> None:
    path = folder / "backup.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | members))


def test_a_lost_project_comes_back_from_a_backup(site: Site, tmp_path: Path) -> None:
    anchor_final(site, "a", "b")
    site.add("waits", b"waits")
    for ending in ("checkpoint", "tst"):
        site.write(f"{TIMESTAMPS}/2-first.{ending}", ending.encode())
    folder = make_backup(site, tmp_path / "backup")
    before = snapshot(folder)
    lose_store(site)
    shutil.rmtree(site.folder / "tiles")
    shutil.rmtree(site.folder / TIMESTAMPS)
    (site.folder / SIDE_FILE).unlink()
    shown = site.run("restore", "--backup", folder, "--json").expect(0).document
    assert (shown["size"], shown["records"], shown["waiting"]) == (2, 2, 1)
    assert shown["timestamps"] == 1
    assert (site.folder / TIMESTAMPS / "2-first.tst").read_bytes() == b"tst"
    assert shown["lost"] == []
    assert shown["source"] == str(folder / "store.db")
    assert snapshot(folder) == before
    assert not list(site.folder.glob(".restoring-*"))
    leaves = {piece.leaf for piece in load_pieces(site)}
    assert {entry.leaf for entry in SideFile(site.folder / SIDE_FILE).read_entries()} == leaves
    check_log_goes_on(site, "goes on")


def test_what_came_after_the_backup_comes_from_tiles_and_side_file(
    site: Site, tmp_path: Path
) -> None:
    anchor_final(site, "a")
    folder = make_backup(site, tmp_path / "backup")
    anchor_final(site, "b")
    path = site.add("lost", b"lost")
    (identity,) = (piece.identity for piece in load_pieces(site) if piece.source == str(path))
    lose_store(site)
    shown = site.run("restore", "--backup", folder, "--json").expect(0).document
    assert (shown["size"], shown["records"], shown["hashes_only"]) == (2, 1, 1)
    assert shown["lost"] == [{"id": identity.hex(), "tenant": None}]
    # The file is known again by its identity, though its record is lost.
    site.run("add", "b").expect(0, "added 0 new, 1 already known")
    check_log_goes_on(site, "goes on")


@pytest.mark.fault(
    "F7",
    how="a bit of any file of a backup is another one, or a file is missing",
    then="restore refuses the backup (10) and changes nothing",
)
def test_a_damaged_backup_is_refused_before_anything_is_read(site: Site, tmp_path: Path) -> None:
    anchor_final(site, "a")
    folder = make_backup(site, tmp_path / "backup")
    before = snapshot(site.folder)
    for path in (folder / "store.db", folder / SIDE_FILE, folder / "tiles/tile/0/000.p/1"):
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        ran = site.run("restore", "--replace", "--backup", folder)
        name = path.relative_to(folder)
        ran.refused(10, f"is damaged: {name} is not the file that was backed up")
        path.unlink()
        site.run("restore", "--replace", "--backup", folder).refused(10, f"{name} is missing")
        path.write_bytes(data)
    assert snapshot(site.folder) == before


@pytest.mark.parametrize(
    ("members", "code", "expected"),
    [
        ({"format": "anchor-backup/2"}, 22, "'anchor-backup/2', not 'anchor-backup/1'"),
        ({"chain_id": 1}, 32, "the chain_id of the backup"),
        ({"log": "0x" + "11" * 32}, 32, "the log of the backup"),
        ({"files": []}, 10, "the backup is damaged"),
        ({"files": {"../a": {"size": 1, "sha256": "00"}}}, 10, "the backup is damaged"),
    ],
)
def test_another_or_misshapen_backup_is_refused(
    site: Site, tmp_path: Path, members: dict[str, object], code: int, expected: str
) -> None:
    anchor_final(site, "a")
    folder = make_backup(site, tmp_path / "backup")
    change(folder, **members)
    lose_store(site)
    site.run("restore", "--backup", folder).refused(code, expected)
    assert not (site.folder / "anchor.db").exists()


def test_a_folder_that_is_no_backup_is_refused(site: Site, tmp_path: Path) -> None:
    anchor_final(site, "a")
    lose_store(site)
    site.run("restore", "--backup", tmp_path).refused(2, "there is no backup in")


def test_a_store_in_a_backup_keeps_its_journal_mode(site: Site, tmp_path: Path) -> None:
    """SQLite would switch it to a write-ahead log, and the hash would be another."""
    anchor_final(site, "a")
    folder = make_backup(site, tmp_path / "backup")
    with closing(sqlite3.connect(folder / "store.db")) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    data = (folder / "store.db").read_bytes()
    entry = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    files = json.loads((folder / "backup.json").read_text())["files"]
    change(folder, files=files | {"store.db": entry})
    lose_store(site)
    for _ in range(2):
        site.run("restore", "--replace", "--backup", folder).expect(0)
    assert (folder / "store.db").read_bytes() == data
