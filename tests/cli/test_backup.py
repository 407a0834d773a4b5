"""`anchor backup`: whole or none, checked before it is one, and nothing is written over."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support import fixtures
from support.command import run_anchor, start_anchor
from support.crashes import crashing
from support.disasters import anchor_final
from support.disks import small_disk
from support.projects import Site, ask_store, make_site
from support.service import make_key
from support.store_contents import alter_piece
from support.stores import Postgres
from support.tools import miss

from anchor.base.digests import digest_bytes
from anchor.base.errors import ConfigError
from anchor.chain.devnet import Devnet
from anchor.operate.acceptance import EvidenceInput, accept_once
from anchor.project.config import load_config
from anchor.project.log_key import create_log_key
from anchor.recovery.backup_check import check_backup
from anchor.store.backup_files import read_manifest
from anchor.store.backup_folder import backup_path, find_backup, list_generations
from anchor.store.location import SqliteFile
from anchor.store.schema import metadata

_numbers = itertools.count(7_000)

anvil = fixtures.module_anvil


@pytest.fixture(params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path: Path, anvil: Devnet) -> Site:
    """A project with sealed and with waiting evidence, and a row in nearly every table."""
    store = None
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        store = server.create()
    return fill(make_site(tmp_path / "project", anvil, number=next(_numbers), store=store))


@pytest.fixture
def site(tmp_path: Path, embedded: Devnet) -> Site:
    site = make_site(tmp_path / "project", embedded, number=next(_numbers))
    site.add("a", b"a")
    site.anchor()
    site.add("b", b"b")
    return site


def fill(site: Site) -> Site:
    anchor_final(site, *(f"{number:03}" for number in range(300)))
    make_key(site.folder)
    with site.open() as project:
        digests = digest_bytes(b"w", ("sha256",))
        accept_once(project, EvidenceInput(source="w", name="w", digests=digests), key="waiting")
    return site


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file with its bytes, SQLite's own side files with them."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_backup_is_made_in_the_working_directory_by_its_short_name(
    site: Site, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    config = str(site.folder / "anchor.toml")
    run_anchor("backup", ".", "--config", config, cwd=tmp_path / "empty").expect(0)
    run_anchor("backup", ".", "--check", cwd=tmp_path / "empty").expect(0)
    for full in ("..", "/", "./", "empty/.."):
        ran = run_anchor("backup", full, "--config", config, cwd=tmp_path / "empty")
        ran.refused(2)


@pytest.mark.release
def test_a_backup_holds_what_restore_needs_and_no_private_key(filled: Site, tmp_path: Path) -> None:
    place = tmp_path / "backup"
    config = load_config(filled.folder / "anchor.toml")
    ran = filled.run("backup", place, "--json").expect(0)
    assert (ran.document["head"]["size"], ran.document["waiting"]) == (300, 1)
    manifest = read_manifest(place)
    assert (manifest.chain_id, manifest.registry, manifest.log) == (
        config.chain_id,
        config.registry,
        config.log,
    )
    assert (manifest.head.size, manifest.head.root) == filled.heads()[-1]
    found = contents(place)
    assert set(found) == {"backup.json", *manifest.files}
    assert found["anchor.toml"] == (filled.folder / "anchor.toml").read_bytes()
    assert found["trust.toml"] == (filled.folder / "trust.toml").read_bytes()
    for path in (filled.folder / "tiles").rglob("*"):
        if path.is_file():
            assert found[f"tiles/{path.relative_to(filled.folder / 'tiles')}"] == path.read_bytes()
    for name in metadata.tables:
        if name != "lease":
            rows = f'SELECT * FROM "{name}"'
            copied = ask_store(SqliteFile(place / "store.db"), rows)
            assert sorted(copied, key=repr) == sorted(filled.rows(rows), key=repr), name
    assert json.loads(found["keys/operator.json"])["address"].startswith("0xf39F")
    assert found["keys/log-key.pub"].startswith(b"eip155:31337/")
    for secret in (config.log_key, config.signer.keystore):
        lines = secret.read_bytes().splitlines()
        assert not any(max(lines, key=len) in data for data in found.values())
    for path in (place, *place.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.release
def test_a_check_changes_nothing_and_needs_no_project(filled: Site, tmp_path: Path) -> None:
    place = tmp_path / "backup"
    filled.run("backup", place).expect(0)
    before = contents(place)
    shutil.rmtree(filled.folder)
    filled.folder.mkdir()
    filled.run("backup", "--check", place).expect(0, "300 leaves; 1 pieces", "no problems found")
    assert contents(place) == before


def test_nothing_is_written_over(site: Site, tmp_path: Path) -> None:
    place = tmp_path / "backup"
    place.mkdir()
    site.run("backup", place).expect(0)
    before = contents(tmp_path)
    site.run("backup", place).refused(2, "already exists, and nothing is overwritten", "--keep")
    site.run("backup", site.folder / "anchor.toml").refused(2, "is not a folder")
    site.run("backup", tmp_path / "missing" / "backup").refused(2, "No such file")
    site.run("backup", tmp_path / "missing" / "backups", "--keep", "2").refused(2, "No such file")
    site.run("backup", place, "--check", "--keep", "2").refused(2, "leave --keep")
    assert {name for name in contents(tmp_path) if "lock" not in name} == {
        name for name in before if "lock" not in name
    }


def test_a_generation_is_named_after_all_that_are_there(tmp_path: Path) -> None:
    moment = datetime(2026, 11, 27, 2, tzinfo=UTC)
    assert backup_path(tmp_path / "missing", moment).name == "20261127T020000Z"
    (tmp_path / "20261127T020001Z").mkdir()  # the one of 02:00:00 was removed as the oldest
    assert backup_path(tmp_path, moment).name == "20261127T020002Z"
    (tmp_path / "20269999T999999Z").mkdir()  # no time, and so no generation
    assert backup_path(tmp_path, moment).name == "20261127T020002Z"
    (tmp_path / "20261231T235959Z").mkdir()  # by a clock that was set back since
    assert backup_path(tmp_path, moment).name == "20270101T000000Z"


def test_the_newest_of_several_are_kept(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    (folder / "20200101T000000Z").mkdir()  # nobody's backup
    shown = [site.run("backup", folder, "--keep", "2").expect(0) for _ in range(4)]
    kept = list_generations(folder)
    assert len(kept) == 2
    assert str(kept[-1]) in shown[-1].out
    assert find_backup(folder) == kept[-1]
    assert check_backup(kept[0]).breaches == check_backup(kept[1]).breaches == ()
    names = {"notes.txt", "20200101T000000Z", *(path.name for path in kept)}
    assert set(os.listdir(folder)) == names
    site.run("backup", "--check", folder).expect(0, str(kept[-1]))


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda place: flip(place / "store.db", 5_000), "store.db is not the file"),
        (lambda place: flip(place / "anchor.toml", 10), "anchor.toml is not the file"),
        (lambda place: flip(place / "tiles/tile/0/000.p/1", 3), "is not the file"),
        (lambda place: (place / "tiles/size").unlink(), "tiles/size is missing"),
        (lambda place: (place / "store.db").unlink(), "store.db is missing"),
        (lambda place: (place / "store.db-wal").write_bytes(b"x"), "does not belong to the backup"),
        (lambda place: (place / "trust.toml").write_bytes(b""), "has 0 bytes instead of"),
        (lambda place: (place / "backup.json").write_bytes(b"{"), "is damaged"),
        (lambda place: edit(place, lambda it: it.pop("files")), "lacks the member 'files'"),
        (lambda place: edit(place, lambda it: it["head"].update(size=2)), "the newest head in"),
        (lambda place: edit(place, lambda it: it.update(chain_id=2)), "belongs to another log"),
        (
            lambda place: edit(place, lambda it: it["files"].pop("store.db")),
            "store.db does not belong to the backup",
        ),
        (
            lambda place: edit(place, lambda it: it["files"].update({"../x": {}})),
            "is not the name of a file that a backup can hold",
        ),
    ],
    ids=itertools.count().__next__ and str,
)
def test_a_damaged_backup_is_told(site: Site, tmp_path: Path, damage, expected: str) -> None:
    place = tmp_path / "backup"
    site.run("backup", place).expect(0)
    damage(place)
    site.run("backup", "--check", place).expect(10, expected)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def edit(place: Path, change) -> None:
    document = json.loads((place / "backup.json").read_text())
    change(document)
    (place / "backup.json").write_text(json.dumps(document))


def test_what_is_no_backup_or_a_newer_releases_is_told(site: Site, tmp_path: Path) -> None:
    for folder in (tmp_path / "missing", site.folder):
        site.run("backup", "--check", folder).refused(2, "there is no backup in")
    place = tmp_path / "backup"
    site.run("backup", place).expect(0)
    edit(place, lambda document: document.update(format="anchor-backup/2"))
    site.run("backup", "--check", place).refused(22, "'anchor-backup/2', not 'anchor-backup/1'")


def test_a_store_that_is_damaged_makes_no_backup(site: Site, tmp_path: Path) -> None:
    alter_piece(site, 0, leaf=bytes(32))
    folder = tmp_path / "backups"
    site.run("backup", folder, "--keep", "1").refused(10, "no backup was made", "lead")
    assert os.listdir(folder) == []


STEPS = [
    ("after", "anchor.store.backup_folder", "-", "_hold", "1"),
    ("after", "anchor.store.snapshot", "-", "_copy_pages", "1"),
    ("after", "anchor.recovery.backup", "-", "_write_tiles", "1"),
    ("after", "anchor.recovery.backup", "-", "_copy_files", "1"),
    ("after", "anchor.recovery.backup", "-", "_write_keys", "1"),
    ("after", "anchor.recovery.backup", "-", "make_durable", "1"),
    ("after", "anchor.recovery.backup", "-", "check_contents", "1"),
    ("before", "anchor.store.backup_files", "-", "write_file", "1"),
    ("after", "anchor.recovery.backup", "-", "write_manifest", "1"),
    ("after", "anchor.store.backup_folder", "-", "sync_folder", "1"),
]
QUICK = [STEPS[1], STEPS[-1]]


@pytest.mark.fault(
    "A12",
    how="a backup is killed between any two of its effects",
    then="nothing is there that passes for a backup; the one before is whole; the next is made",
)
@pytest.mark.parametrize(
    "crash",
    [pytest.param(crash, marks=() if crash in QUICK else pytest.mark.slow) for crash in STEPS],
    ids=lambda crash: f"{crash[0]} {crash[3]}",
)
@pytest.mark.parametrize("options", [(), ("--keep", "1")], ids=["alone", "kept"])
def test_a_kill_while_a_backup_is_made_leaves_none(
    site: Site, tmp_path: Path, crash: tuple[str, ...], options: tuple[str, ...]
) -> None:
    folder = tmp_path / "backups"
    if options:
        site.run("backup", folder, *options).expect(0)
    before = contents(folder)
    site.run("backup", folder, *options, command=crashing(*crash), killed=True)
    if options:
        kept = find_backup(folder)
        assert check_backup(kept).breaches == ()
        assert {name: data for name, data in contents(folder).items() if "partial" not in name} == (
            before
        )
    else:
        assert not folder.exists()
        site.run("backup", "--check", folder).refused(2, "there is no backup in")
    shown = site.run("backup", folder, *options).expect(0)
    assert check_backup(find_backup(folder)).breaches == ()
    assert str(find_backup(folder)) in shown.out
    assert not list(tmp_path.rglob(".*partial*"))


@pytest.mark.parametrize("name", ["rename", "rmtree"])
def test_a_kill_while_old_ones_are_removed_leaves_only_whole_ones(
    site: Site, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "backups"
    site.run("backup", folder, "--keep", "1").expect(0)
    words = {"rename": ("after", "pathlib", "Path", "rename", "2")}
    crash = words.get(name, ("before", "shutil", "-", "rmtree", "1"))
    site.run("backup", folder, "--keep", "1", command=crashing(*crash), killed=True)
    assert [check_backup(path).breaches for path in list_generations(folder)] == [()]
    site.run("backup", folder, "--keep", "1").expect(0)
    assert os.listdir(folder) == [find_backup(folder).name]


def test_two_backups_are_not_made_in_one_place_at_once(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    halted = (
        "before",
        "anchor.recovery.backup",
        "-",
        "check_contents",
        "1",
    )
    with start_anchor(
        "backup", folder, "--keep", "1", cwd=site.folder, log=tmp_path / "halted",
        command=halting(*halted),
    ) as running:  # fmt: skip
        running.printed("halted")
        site.run("backup", folder, "--keep", "1").refused(
            32, "another process is making a backup in"
        )
    site.run("backup", folder, "--keep", "1").expect(0)


def halting(*words: str) -> tuple[str, ...]:
    """Return the command that stops there until it is killed."""
    command = crashing(*words)
    script = (
        "import os, runpy, sys, time\n"
        "os._exit = lambda code: (print('halted', flush=True), time.sleep(600))\n"
        "sys.argv = sys.argv[1:]\n"
        "sys.path.insert(0, os.path.dirname(sys.argv[0]))\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    at = next(index for index, word in enumerate(command) if word.endswith("launcher.py"))
    return (*command[:at], "-c", script, *command[at:])


@pytest.mark.fault(
    "F3",
    how="the disk that a backup is made on is full",
    then="exit code 33 and no backup; those before are whole",
)
def test_a_full_disk_ends_with_33_and_the_backup_before_stays(site: Site, tmp_path: Path) -> None:
    measured = tmp_path / "measured"
    site.run("backup", measured).expect(0)
    size = sum(file.stat().st_size for file in measured.rglob("*") if file.is_file())
    # Room for one, and not for two.
    with small_disk(tmp_path / "disk", kib=size * 3 // 2 // 1024) as disk:
        folder = disk / "backups"
        site.run("backup", folder, "--keep", "1").expect(0)
        before = contents(folder)
        site.run("backup", folder, "--keep", "1").refused(33, "cannot be copied", "disk is full")
        assert contents(folder) == before
        site.run("backup", "--check", folder).expect(0)


def test_a_backup_is_found_only_by_its_manifest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no backup"):
        find_backup(tmp_path)
    with pytest.raises(ConfigError, match="is not a backup"):
        read_manifest(tmp_path)


def test_a_folder_that_another_user_prepared_is_not_filled(site: Site, tmp_path: Path) -> None:
    """In a folder where everybody may write, the name of an unfinished backup can be guessed."""
    if os.geteuid() != 0:
        miss("root", "only root can prepare a folder as another user")
    prepared = tmp_path / ".backup.partial"
    prepared.mkdir()
    os.chown(prepared, 65_534, 65_534)
    site.run("backup", tmp_path / "backup").refused(2, "belongs to another user")


def test_the_side_file_is_copied_to_its_last_whole_entry(site: Site, tmp_path: Path) -> None:
    side_file = site.folder / "acknowledged.log"
    whole = side_file.read_bytes()
    with side_file.open("ab") as file:
        file.write(whole[-20:-5])  # an append that a crash ended
    site.run("backup", tmp_path / "torn").expect(0)
    assert (tmp_path / "torn/acknowledged.log").read_bytes() == whole
    side_file.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:] + whole[22:])
    site.run("backup", tmp_path / "bad").refused(10, "no backup was made", "acknowledged.log")
    side_file.unlink()
    site.run("backup", tmp_path / "none").expect(0)


def test_what_cannot_be_told_of_the_keys_is_told_and_the_backup_is_made(
    site: Site, tmp_path: Path
) -> None:
    (site.folder / "log-key.pem").unlink()
    site.edit('keystore = "devnet-key.json"', 'keystore = "missing.json"')
    ran = site.run("backup", tmp_path / "backup").expect(0, "the log's key", "operator's address")
    # Its public half was written down when it was made.
    public = (tmp_path / "backup/keys/log-key.pub").read_bytes()
    assert public == (site.folder / "log-key.pub").read_bytes()
    assert json.loads((tmp_path / "backup/keys/operator.json").read_text()) == {"address": None}
    assert ran.err.count("error:") == 0


def test_a_log_key_that_was_altered_is_named_by_backup_doctor_and_audit(
    site: Site, tmp_path: Path
) -> None:
    site.add("a", b"a")
    site.anchor()
    key, public = (site.folder / name for name in ("log-key.pem", "log-key.pub"))
    create_log_key(replace(load_config(site.folder / "anchor.toml"), log_key=tmp_path / "o.pem"))
    key.write_bytes((tmp_path / "o.pem").read_bytes())
    ran = site.run("backup", tmp_path / "backup").expect(0, "is not the key whose public half")
    assert (tmp_path / "backup/keys/log-key.pub").read_bytes() == public.read_bytes()
    assert "log-key.pub" in ran.err
    site.run("audit", "--offline").expect(10, "log-key.pem is not the key", "not checked:")
    site.run("doctor").expect(10, "log-key.pem is not the key")
    public.unlink()
    ran = site.run("audit", "--offline", "--json").expect(0)
    assert any("log-key.pem" in text for text in ran.document["not_checked"])


def test_doctor_names_a_damaged_side_file(site: Site) -> None:
    site.add("a", b"a")
    site.add("b", b"b")
    side_file = site.folder / "tiles/acknowledged.log"
    side_file = side_file if side_file.exists() else site.folder / "acknowledged.log"
    flip(side_file, 40)
    site.run("doctor").expect(10, "acknowledged.log is damaged: bytes 22 to")
    site.run("audit", "--offline").expect(10, "acknowledged.log is damaged")
