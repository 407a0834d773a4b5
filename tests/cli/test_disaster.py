"""Disasters: what was lost is rebuilt from what is left, and the log goes on without a fork."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support import fixtures
from support.bent_nodes import forgetful_node
from support.command import snapshot
from support.crashes import crashing
from support.disasters import anchor_final, back_up, check_log_goes_on, lose_store, put_back
from support.nodes import ask, stop_the_clock
from support.projects import Site
from support.store_contents import count_pieces, load_pieces

from anchor.chain.devnet import Devnet
from anchor.project.files import RECEIPT_SUFFIX
from anchor.store.location import SqliteFile

MakeSite = Callable[..., Site]


anvil = fixtures.module_anvil


@pytest.mark.fault(
    "F12",
    how="the store is put back to a backup that is two anchors old",
    then="run refuses, audit says why, restore finds the newer leaves; the log goes on",
)
def test_an_old_backup_is_noticed_and_made_whole_again(site: Site, tmp_path: Path) -> None:
    anchor_final(site, "a")
    site.add("b", b"b")  # waits while the backup is made, and is sealed after it
    backup = back_up(site, tmp_path / "backup.db")
    anchor_final(site, "c")
    anchor_final(site, "d")
    site.run("prove", "a", "b", "c", "d").expect(0)
    put_back(site, backup)
    site.run("run", "--once").refused(32, "older than the chain")
    site.run("audit").expect(10, "no head in this store matches", "anchor restore")
    before = snapshot(site.folder)
    site.run("restore").refused(32, "nothing is overwritten", "--replace")
    assert snapshot(site.folder) == before
    shown = site.run("restore", "--replace", "--json").expect(0).document
    assert (shown["size"], shown["anchors"]) == (4, 3)
    # Of c and d only the backup's successor had the records; the leaves are in the tiles.
    assert (shown["records"], shown["hashes_only"], shown["waiting"]) == (2, 2, 0)
    assert count_pieces(SqliteFile(Path(shown["moved"]))) == 2
    assert site.run("prove", "--all", "--json").expect(0).document["skipped"] == 2
    site.run("prove", "b").expect(0)
    for name in "abcd":
        site.run("verify", name).expect(0)
    check_log_goes_on(site, "e")


def test_records_come_back_from_receipts(site: Site, tmp_path: Path) -> None:
    anchor_final(site, "a")
    backup = back_up(site, tmp_path / "backup.db")
    anchor_final(site, "c", "d")
    site.run("prove", "c", "d").expect(0)
    # A receipt that was tampered with, and one that is none, come before the others.
    text = (site.folder / f"c{RECEIPT_SUFFIX}").read_text("utf-8")
    site.write(
        f"0{RECEIPT_SUFFIX}", text.replace("evidence-record/1", "evidence-record/2").encode()
    )
    site.write(f"1{RECEIPT_SUFFIX}", text.replace('name\\":\\"c', 'name\\":\\"x').encode())
    site.write(f"2{RECEIPT_SUFFIX}", b"{}")
    lose_store(site)
    shown = site.run("restore", "--backup", backup, "--receipts", ".", "--json").expect(0).document
    assert (shown["records"], shown["hashes_only"], shown["moved"]) == (3, 0, None)
    for name in "acd":
        (site.folder / f"{name}{RECEIPT_SUFFIX}").unlink(missing_ok=True)
        site.run("prove", name).expect(0)
        site.run("verify", name).expect(0)
    # The same file is the same evidence still.
    assert site.run("add", "a", "c", "--json").expect(0).document["new"] == 0
    check_log_goes_on(site, "e")


@pytest.mark.slow
def test_evidence_that_only_the_backup_knows_waits_for_a_place(site: Site, tmp_path: Path) -> None:
    """It was accepted, but never sealed in the log that went on."""
    anchor_final(site, "a")
    backup = back_up(site, tmp_path / "backup.db")
    site.add("b", b"b")
    lost = back_up(site, tmp_path / "lost.db")
    put_back(site, backup)
    anchor_final(site, "c")
    put_back(site, backup)
    shown = site.run("restore", "--replace", "--backup", lost, "--json").expect(0).document
    assert (shown["size"], shown["waiting"]) == (2, 1)
    anchor_final(site)
    site.run("prove", "b").expect(0)
    site.run("verify", "b").expect(0)
    site.run("audit").expect(0)


@pytest.mark.fault(
    "F21",
    how="the store and the tiles are deleted",
    then="leaves come from the published log, records from receipts, anchors from the registry",
)
def test_a_lost_volume_is_rebuilt_from_the_published_log(site: Site, tmp_path: Path) -> None:
    place = tmp_path / "published"
    anchor_final(site, "a", "b")
    anchor_final(site, "c")
    site.run("export-log", place).expect(0)
    site.run("prove", "a", "b").expect(0)
    lose_store(site)
    shutil.rmtree(site.folder / "tiles")
    before = snapshot(site.folder)
    site.run("restore").refused(20, "none of the remaining leaves match the registry's head")
    assert snapshot(site.folder) == before
    shown = site.run("restore", place, "--receipts", ".", "--json").expect(0).document
    assert (shown["records"], shown["hashes_only"], shown["anchors"]) == (2, 1, 2)
    site.run("verify", "a", "b").expect(0)
    site.run("export-log", place).expect(0)
    check_log_goes_on(site, "e")
    site.run("export-log", place).expect(0)
    site.run("audit", place).expect(0, " 9. pass ")


@pytest.mark.slow
def test_a_whole_project_that_is_gone_begins_with_init_and_goes_on(
    new_site: MakeSite, anvil: Devnet, tmp_path: Path
) -> None:
    site = new_site(anvil)
    place = tmp_path / "published"
    anchor_final(site, "a", "b")
    site.run("export-log", place).expect(0)
    shutil.rmtree(site.folder)
    site.folder.mkdir()
    site.run("init", "--devnet", "--rpc", site.url, "--number", str(site.number)).expect(0)
    site.add("new", b"new")  # accepted before anybody noticed
    site.run("run", "--once").refused(32, "older than the chain")
    shown = site.run("restore", place, "--replace", "--json").expect(0).document
    assert (shown["hashes_only"], shown["waiting"]) == (2, 1)
    check_log_goes_on(site, "e")


@pytest.mark.fault(
    "K5",
    how="the node has dropped every receipt and event",
    then="audit and restore go by the state, and verify does not notice",
)
def test_without_events_and_receipts_the_state_is_enough(
    new_site: MakeSite, own_anvil: Devnet
) -> None:
    site = new_site(own_anvil)
    anchor_final(site, "a")
    anchor_final(site, "b", "c")
    anchor_final(site, "d", "e", "f")
    site.run("prove", "a").expect(0)
    lose_store(site)
    with forgetful_node(own_anvil.url) as url:
        env = {"ANCHOR_CHAIN__RPC": url}
        shown = site.run("restore", env=env)
        shown.expect(0, "trying every size", "3 anchors from the registry")
        site.run("audit", env=env).expect(0)
        site.run("verify", "a", "--rpc", url).expect(0)
    assert [size for size, _ in site.heads()] == [1, 3, 6]
    check_log_goes_on(site, "g")


@pytest.mark.fault(
    "F13",
    how="the database is copied without its write-ahead log; a log is left without its database",
    then="the copy is noticed to be old and restored; the stray log never meets the new store",
)
def test_a_store_that_was_copied_without_its_write_ahead_log(site: Site, tmp_path: Path) -> None:
    anchor_final(site, "a")
    with closing(sqlite3.connect(site.folder / "anchor.db")) as reader:
        # A reader holds its snapshot, so that nothing newer gets from the log into the file.
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM project").fetchall()
        anchor_final(site, "b")
        assert (site.folder / "anchor.db-wal").stat().st_size
        shutil.copy(site.folder / "anchor.db", tmp_path / "half.db")
        shutil.copy(site.folder / "anchor.db-wal", tmp_path / "stray-wal")
    put_back(site, tmp_path / "half.db")
    site.run("run", "--once").refused(32, "older than the chain")
    site.run("restore", "--replace").expect(0)
    check_log_goes_on(site, "c")
    lose_store(site)
    shutil.copy(tmp_path / "stray-wal", site.folder / "anchor.db-wal")
    site.run("restore").expect(0)
    assert not (site.folder / "anchor.db-wal").exists()
    check_log_goes_on(site, "d")


EFFECTS = [
    ("before", "anchor.store.location", "-", "_move_aside"),
    ("after", "anchor.store.location", "-", "_move_aside"),
    ("after", "anchor.store.location", "-", "sync_folder"),
    ("before", "anchor.recovery.rebuild", "-", "_insert_heads"),
]
QUICK = [EFFECTS[1]]


@pytest.mark.fault(
    "A12",
    how="restore is killed between any two of its effects",
    then="the old store is there under one of its names, and running it again finishes",
)
@pytest.mark.parametrize(
    "crash",
    [pytest.param(crash, marks=() if crash in QUICK else pytest.mark.slow) for crash in EFFECTS],
    ids=lambda crash: f"{crash[0]} {crash[3]}",
)
def test_a_kill_while_restoring_loses_nothing(
    site: Site, tmp_path: Path, crash: tuple[str, ...]
) -> None:
    anchor_final(site, "a")
    backup = back_up(site, tmp_path / "backup.db")
    anchor_final(site, "b")
    put_back(site, backup)
    command = crashing(*crash, "1")
    site.run("restore", "--replace", command=command, killed=True)
    site.run("restore", "--replace").expect(0)
    assert sum(piece.record is not None for piece in load_pieces(site)) == 1
    assert not list(site.folder.glob("*.building*"))
    check_log_goes_on(site, "c")


@pytest.mark.slow
def test_a_sealed_head_that_was_promised_and_not_anchored_is_kept(
    new_site: MakeSite, own_anvil: Devnet
) -> None:
    site = new_site(own_anvil)
    anchor_final(site, "a")
    site.add("b", b"b")
    site.run("seal").expect(0)
    site.run("prove", "b").expect(0, "promise")
    lose_store(site)
    shown = site.run("restore", "--receipts", ".", "--json").expect(0).document
    assert (shown["size"], shown["anchors"], shown["records"]) == (2, 1, 1)
    anchor_final(site, "c")
    site.run("upgrade", "b").expect(0)
    site.run("verify", "b").expect(0)


def test_leaves_that_do_not_lead_to_the_registrys_head_are_not_taken(site: Site) -> None:
    anchor_final(site, "a", "b")
    tile = site.folder / "tiles/tile/0/000.p/2"
    data = tile.read_bytes()
    tile.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    lose_store(site)
    shown = site.run("restore").refused(20, "none of the remaining leaves match")
    assert "does not match the registry's root" in shown.err
    assert not (site.folder / "anchor.db").exists()
    tile.write_bytes(data)
    site.run("restore").expect(0)
    check_log_goes_on(site, "c")


@pytest.mark.slow
def test_a_transaction_that_is_still_on_its_way_is_waited_for(
    new_site: MakeSite, own_anvil: Devnet
) -> None:
    """The lost store signed it: it may anchor a head that nobody here knows."""
    site = new_site(own_anvil)
    anchor_final(site, "a")
    stop_the_clock(site.url)
    ask(site.url, "evm_setAutomine", False)
    site.edit("wait_seconds = 600", "wait_seconds = 1")
    site.add("b", b"b")
    site.run("run", "--once").refused(21)
    lose_store(site)
    site.run("restore").refused(21, "is pending", "run again once it is included")
    ask(site.url, "evm_setAutomine", True)
    ask(site.url, "anvil_mine", "0x3")
    site.run("restore").expect(0)
    ask(site.url, "anvil_setIntervalMining", 1)
    site.edit("wait_seconds = 1", "wait_seconds = 60")
    check_log_goes_on(site, "c")


@pytest.mark.slow
def test_an_open_nonce_of_the_backup_is_settled_by_the_chain(
    new_site: MakeSite, own_anvil: Devnet, tmp_path: Path
) -> None:
    """The backup was made while a transaction was on its way; it is final since."""
    site = new_site(own_anvil)
    anchor_final(site, "a")
    ask(site.url, "anvil_setIntervalMining", 0)
    ask(site.url, "evm_setAutomine", False)
    site.edit("wait_seconds = 600", "wait_seconds = 1")
    site.add("b", b"b")
    site.run("run", "--once").refused(21)
    backup = back_up(site, tmp_path / "backup.db")
    ask(site.url, "anvil_setIntervalMining", 1)
    site.edit("wait_seconds = 1", "wait_seconds = 60")
    anchor_final(site, "c")
    put_back(site, backup)
    assert site.rows("SELECT count(*) FROM slots WHERE outcome IS NULL") == [(1,)]
    site.run("restore", "--replace").expect(0)
    assert site.rows("SELECT count(*) FROM slots WHERE outcome IS NULL") == [(0,)]
    check_log_goes_on(site, "d")


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["--backup", "none.db"], 2, "none.db is missing"),
        (["nowhere"], 20, "there is no checkpoint in nowhere"),
    ],
)
def test_bad_calls_of_restore_get_one_sentence(
    site: Site, arguments: list[str], code: int, expected: str
) -> None:
    anchor_final(site, "a")
    lose_store(site)
    site.run("restore", *arguments).refused(code, expected)
    assert not (site.folder / "anchor.db").exists()


@pytest.mark.slow
def test_another_logs_publication_is_refused(site: Site, new_site: MakeSite, anvil: Devnet) -> None:
    other = new_site(anvil, "other")
    anchor_final(other, "x")
    other.run("export-log", other.folder / "published").expect(0)
    anchor_final(site, "a")
    lose_store(site)
    site.run("restore", other.folder / "published").refused(32, "is another log")


def test_what_was_never_anchored_cannot_be_restored(site: Site) -> None:
    site.add("a", b"a")
    lose_store(site)
    site.run("restore").refused(32, "the registry holds no anchor of this log")
