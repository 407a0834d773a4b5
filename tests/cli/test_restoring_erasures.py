"""What was erased, and what is held, when a store is restored from something older."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest
from support import fixtures
from support.disasters import anchor_final, back_up, lose_store, put_back
from support.projects import Site, reading
from support.service import bearer, digest, make_key, serve
from support.store_contents import alter_piece, load_pieces

from anchor.base.canonical import encode_canonical
from anchor.base.system.clock import utc_now
from anchor.evidence import record_notice
from anchor.log.merkle import hash_leaf
from anchor.people.actors import Actor
from anchor.project.config import load_config
from anchor.project.files import SIDE_FILE
from anchor.recovery.restore_sources import RestoreOptions, gather_remains
from anchor.store.location import SqliteFile
from anchor.store.replication import CopyRule
from anchor.store.webhooks import create_webhook

pytestmark = pytest.mark.release

anvil = fixtures.module_anvil

WHY = ("--basis", "gdpr-17", "--reason", "request 2026-17", "--by", "Registrar", "--yes")


def identity_of(site: Site, leaf: bytes) -> bytes:
    return next(piece.identity for piece in load_pieces(site) if piece.leaf == leaf)


def newest(site: Site) -> tuple[bytes, bytes]:
    piece = [piece for piece in load_pieces(site) if piece.record is not None][-1]
    return piece.leaf, piece.identity


@pytest.mark.parametrize("is_sealed", [False, True])
def test_what_was_submitted_again_after_its_erasure_stays(
    site: Site, tmp_path: Path, is_sealed: bool
) -> None:
    anchor_final(site, "a")
    backup = back_up(site, tmp_path / "old.db")
    site.run("erase", "a", *WHY).expect(0)
    site.run("add", "a").expect(0, "added 1 new")
    leaf, identity = newest(site)
    if is_sealed:
        anchor_final(site, "b")
    site.run("restore", "--replace", "--backup", backup).expect(0)
    assert identity_of(site, leaf) == identity
    assert sum(piece.source == "(erased)" for piece in load_pieces(site)) == 1
    site.run("add", "a").expect(0, "added 0 new, 1 already known")
    site.run("audit").expect(0, "no problems found")


def test_a_restore_with_the_folder_of_statements_knows_which_record_states_an_erasure(
    site: Site, tmp_path: Path
) -> None:
    anchor_final(site, "a")
    backup = back_up(site, tmp_path / "old.db")
    site.run("erase", "a", *WHY).expect(0)
    anchor_final(site, "b")
    site.run("prove", "--all", "--output", tmp_path / "receipts").expect(0)
    known = list_erasures(site)
    assert [statement for _, statement, _ in known] == [newest_statement(site)]
    for options in (["--backup", backup], []):
        lose_store(site)
        site.run("restore", "--receipts", tmp_path / "receipts", *options).expect(0)
        found = list_erasures(site)
        if not options:  # nothing tells the id any more
            known = [(leaf, statement, found[0][2]) for leaf, statement, _ in known]
        assert found == known
        assert (site.folder / "erasures").is_dir()


def list_erasures(site: Site) -> list[tuple[bytes, bytes | None, bytes | None]]:
    with closing(sqlite3.connect(site.folder / "anchor.db")) as connection:
        return connection.execute("SELECT leaf, statement, id_hash FROM erasures").fetchall()


def newest_statement(site: Site) -> bytes:
    return next(
        piece.leaf
        for piece in load_pieces(site)
        if piece.record is not None and b'"erasure":{' in piece.record
    )


def test_an_older_side_file_does_not_list_what_was_erased(site: Site, tmp_path: Path) -> None:
    anchor_final(site, "a")
    waiting = site.add("waits", b"waits")
    leaf, identity = newest(site)
    older = Path(shutil.copy(site.folder / SIDE_FILE, tmp_path / "older.log"))
    site.run("erase", waiting, *WHY).expect(0)
    ran = site.run("restore", "--replace", "--acknowledged", older, "--json").expect(0)
    assert ran.document["lost"] == []
    assert identity not in (site.folder / SIDE_FILE).read_bytes()
    # Nor where only the folder of statements knows of it, and the store is lost.
    lose_store(site)
    ran = site.run("restore", "--acknowledged", older, "--json").expect(0)
    assert identity.hex() not in {item["id"] for item in ran.document["lost"]}
    assert identity not in (site.folder / SIDE_FILE).read_bytes()
    assert leaf not in (site.folder / SIDE_FILE).read_bytes()


def test_an_erased_notice_that_no_store_tells_of_is_said_to_be_unknown(
    site: Site, tmp_path: Path
) -> None:
    anchor_final(site, "a")
    site.run("withdraw", "a", "--reason", "wrong file").expect(0)
    anchor_final(site, "b")
    (notice,) = [p for p in load_pieces(site) if p.source.startswith(record_notice.ORIGIN)]
    site.run("erase", "--leaf", notice.leaf.hex(), *WHY).expect(0)
    anchor_final(site, "c")
    said = "known by their statements alone, as no store that was read has them: 1."
    backup = back_up(site, tmp_path / "store.db")
    lose_store(site)
    ran = site.run("restore", "--receipts", site.folder / "receipts").expect(0)
    assert said in ran.err
    # A store tells the key, so that no other notice takes its place.
    ran = site.run("restore", "--replace", "--without-store", "--backup", backup).expect(0)
    assert said not in ran.err


def test_a_restore_that_fails_brings_no_erased_entry_back(site: Site, tmp_path: Path) -> None:
    anchor_final(site, "a")
    older = Path(shutil.copy(site.folder / SIDE_FILE, tmp_path / "older.log"))
    leaf, identity = newest(site)
    site.run("erase", "a", *WHY).expect(0)
    anchor_final(site, "b")
    shutil.rmtree(site.folder / "tiles")
    backup = back_up(site, tmp_path / "store.db")
    for piece in load_pieces(SqliteFile(backup)):
        alter_piece(SqliteFile(backup), piece.index, leaf=bytes(32))
    put_back(site, backup)
    ran = site.run("restore", "--replace", "--acknowledged", older)
    assert ran.code not in (0, 1), ran.out
    data = (site.folder / SIDE_FILE).read_bytes()
    assert identity not in data and leaf not in data


def test_a_statement_of_a_foreign_store_is_written_nowhere_else(site: Site, tmp_path: Path) -> None:
    anchor_final(site, "a")
    site.run("erase", "a", *WHY).expect(0)
    ((index, record),) = (
        (piece.index, piece.record) for piece in load_pieces(site) if piece.record is not None
    )
    bent = encode_canonical(json.loads(record) | {"name": "../../outside.json"}, subject="it")
    backup = back_up(site, tmp_path / "bent.db")
    alter_piece(SqliteFile(backup), index, record=bent, leaf=hash_leaf(bent))
    with closing(sqlite3.connect(backup)) as connection, connection:
        statement = (hash_leaf(bent),)
        connection.execute("UPDATE erasures SET statement = ?, finished_at = NULL", statement)
    lose_store(site)
    site.run("restore", "--backup", backup)
    places = (*tmp_path.rglob("outside.json"), *tmp_path.parent.glob("outside.json"))
    assert not places


def test_what_a_killed_restore_and_an_upgrade_left_is_told(site: Site) -> None:
    site.add("a", b"a")
    left = site.folder / ".restoring-0123456789abcdef.db"
    shutil.copy(site.folder / "anchor.db", left)
    old = site.folder / "before-upgrade" / "20260101T000000Z"
    old.mkdir(parents=True)
    (old / "backup.json").touch()
    ran = site.run("erase", "a", *WHY, "--json").expect(0)
    told = " ".join(ran.document["remains"])
    assert str(left) in told
    assert str(old) in told


def test_the_next_restore_removes_what_a_killed_one_left(site: Site) -> None:
    anchor_final(site, "a")
    left = site.folder / ".restoring-0123456789abcdef.db"
    shutil.copy(site.folder / "anchor.db", left)
    site.run("restore", "--replace").expect(0)
    assert not left.exists()


def test_a_hold_that_an_older_backup_does_not_know_is_told(site: Site, tmp_path: Path) -> None:
    anchor_final(site, "a")
    backup = back_up(site, tmp_path / "old.db")
    site.run("hold", "add", "over", "a", "--reason", "x").expect(0)
    site.run("hold", "remove", "over").expect(0)
    site.run("hold", "add", "case 7", "a", "--reason", "x").expect(0)
    lose_store(site)
    ran = site.run("restore", "--backup", backup).expect(0)
    assert "the legal hold 'case 7'" in ran.err
    assert "'over'" not in ran.err


def test_a_tenant_whose_keys_a_restore_did_not_bring_back_can_be_held(site: Site) -> None:
    key = make_key(site.folder)
    with serve(site.folder) as served:
        body = {"sha256": digest(1)}
        answer = served.http.post("/v1/evidence", json=body, headers=bearer(key))
        assert answer.status_code == 201
    anchor_final(site, "a")
    site.run("restore", "--replace").expect(0)
    site.run("hold", "add", "case", "--tenant", "acme", "--reason", "x").expect(0, "1 newly")
    site.run("erase", answer.json()["id"], *WHY).refused(2, "under the legal hold 'case'")


def test_any_name_in_the_folder_of_statements_leaves_a_backup_readable(
    site: Site, tmp_path: Path
) -> None:
    site.add("a", b"a")
    site.run("erase", "a", *WHY).expect(0)
    (statement,) = (site.folder / "erasures").glob("*.json")
    shutil.copy(statement, statement.with_name("a copy (1).json"))
    (site.folder / "erasures" / "folder.json").mkdir()
    os.mkfifo(site.folder / "erasures" / "pipe.json")
    site.run("backup", tmp_path / "backup").expect(0)
    site.run("backup", tmp_path / "backup", "--check").expect(0, "no problems found")
    assert (tmp_path / "backup" / "erasures" / statement.name).exists()


def test_a_pipe_in_a_backup_is_no_file(site: Site, tmp_path: Path) -> None:
    site.add("a", b"a")
    folder = tmp_path / "backup"
    site.run("backup", folder).expect(0)
    (folder / "store.db").unlink()
    os.mkfifo(folder / "store.db")
    site.run("backup", folder, "--check").expect(10, "store.db is missing")


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_a_side_file_that_is_no_file_is_refused_in_words(
    site: Site, tmp_path: Path, kind: str
) -> None:
    anchor_final(site, "a")
    path = site.folder / SIDE_FILE
    path.rename(tmp_path / "away")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "away")
    site.write("b", b"b")
    tries: list[tuple[str | Path, ...]] = [("add", "b"), ("erase", "a", *WHY)]
    if kind != "link":  # what is behind it is backed up, and restored
        tries += [("backup", tmp_path / "backup"), ("restore", "--replace")]
    for words in tries:
        site.run(*words).refused(33, str(path))


def test_a_backup_is_restored_where_second_copies_are_wanted(site: Site, tmp_path: Path) -> None:
    """The rule is about the project's own store, not the copy that a backup holds."""
    anchor_final(site, "a")
    site.run("backup", tmp_path / "backup").expect(0)
    config = load_config(site.folder / "anchor.toml")
    config = replace(config, copies=CopyRule(copies=2))
    wanted = RestoreOptions(backup=str(tmp_path / "backup"))
    with reading(site.url) as node, ExitStack() as stack:
        assert len(gather_remains(stack, config, node, wanted, None, print).stores) == 1


@pytest.mark.parametrize("place", ["tiles/backup", "receipts", "erasures/x"])
def test_no_backup_is_made_where_its_files_would_be_published(site: Site, place: str) -> None:
    site.add("a", b"a")
    (site.folder / place).parent.mkdir(exist_ok=True)
    site.run("backup", place).refused(2, "where a backup would be published")
    site.run("backup", place, "--keep", "2").refused(2, "where a backup would be published")
    assert not list(site.folder.rglob("backup.json"))


def test_a_store_in_a_backup_that_cannot_be_read_is_named(site: Site, tmp_path: Path) -> None:
    anchor_final(site, "a")
    folder = tmp_path / "backup"
    site.run("backup", folder).expect(0)
    with closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM alembic_version")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = (folder / "store.db").read_bytes()
    manifest = json.loads((folder / "backup.json").read_bytes())
    entry = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest["files"]["store.db"] = entry
    (folder / "backup.json").write_text(json.dumps(manifest))
    for name in ("store.db-wal", "store.db-shm"):
        (folder / name).unlink(missing_ok=True)
    ran = site.run("restore", "--replace", "--backup", folder)
    ran.refused(10, f"the backup's store {folder / 'store.db'} cannot be read")


@pytest.mark.parametrize("source", ["store", "backup", "receipts"])
def test_a_restore_counts_what_does_not_come_back(site: Site, tmp_path: Path, source: str) -> None:
    anchor_final(site, "a")
    site.run("api-key", "create", "acme").expect(0)
    actor, now = Actor("key", "k"), utc_now()
    with site.open() as project, project.database.write() as connection:
        create_webhook(
            connection, "acme", "https://a.example", ["evidence.final"], actor, now, secret="s"
        )
    backup = site.folder.parent / "backup"
    site.run("backup", backup).expect(0)
    options = {"store": ["--replace"], "backup": ["--backup", backup], "receipts": []}[source]
    if source != "store":
        lose_store(site)
    ran = site.run("restore", *options, "--json").expect(0)
    lost = ran.document["not_restored"]
    assert lost["api_keys"] == 1
    if source == "store":
        assert (lost["webhooks"], lost["tenants"], lost["cases"]) == (1, 0, 0)
    elif source == "backup":
        assert (lost["webhooks"], lost["tenants"], lost["cases"]) == (1, None, None)
    else:  # the audit trail names the key and its tenant
        assert (lost["webhooks"], lost["tenants"], lost["cases"]) == (None, 1, None)
    if source != "store":
        lose_store(site)
    said = ["not restored: API keys: 1"] if source != "store" else []
    ran = site.run("restore", *options).expect(0, *said)
    assert ("nothing that is left tells" in ran.out) is (source != "store")
