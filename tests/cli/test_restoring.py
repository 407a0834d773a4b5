"""What restore takes, from where, and what of a store it keeps: each source may be bad."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import fixtures
from support.chaos import loses_response, open_proxy, passes
from support.crashes import crashing
from support.disasters import (
    anchor_final,
    back_up,
    check_log_goes_on,
    lose_store,
    put_back,
    sql,
)
from support.nodes import ask, stop_the_clock
from support.projects import Site
from support.store_contents import alter_piece, count_pieces, load_keys, load_pieces, lose_piece
from support.stores import NOW

from anchor.base.digests import digest_bytes
from anchor.base.errors import StorageError, StoreBusyError, StoreReplacedError
from anchor.base.types import Head
from anchor.chain.devnet import Devnet
from anchor.cli.commands import restore as restore_command
from anchor.log.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from anchor.log.merkle import hash_leaf
from anchor.log.signed_note import generate_key
from anchor.log.tree import Tree
from anchor.operate.acceptance import EvidenceInput, accept, accept_once, claim_restored
from anchor.receipt.format import parse_receipt
from anchor.recovery import restore
from anchor.store.certificates import request_certificate
from anchor.store.evidence import find_by_digest
from anchor.store.location import SqliteFile

pytestmark = pytest.mark.release

MakeSite = Callable[..., Site]


anvil = fixtures.module_anvil


def submission(name: str) -> EvidenceInput:
    return EvidenceInput(source=name, name=name, digests=digest_bytes(name.encode(), ("sha256",)))


def lose_tiles(site: Site) -> None:
    shutil.rmtree(site.folder / "tiles")


def restore_here(site: Site, **options: Any) -> None:
    """Run ``anchor restore --replace`` in this process."""
    restore_command.command(is_replacing=True, config_path=site.folder / "anchor.toml", **options)


def forge_leaf(place: Path) -> None:
    """Append a leaf to what is published, under a checkpoint of somebody else's key."""
    origin = open_checkpoint((place / "checkpoint").read_bytes(), None).origin
    (tile,) = (place / "tile/0/000.p").iterdir()
    leaves = tile.read_bytes() + b"\x66" * 32
    size = len(leaves) // 32
    tile.with_name(str(size)).write_bytes(leaves)
    tile.unlink()
    head = Head(root=Tree(leaves).root(size), size=size)
    note = sign_checkpoint(Checkpoint(origin=origin, head=head), generate_key(origin))
    (place / "checkpoint").write_bytes(note)


def test_of_a_publication_no_leaf_is_taken_that_the_registry_does_not_vouch_for(
    site: Site, tmp_path: Path
) -> None:
    place = tmp_path / "published"
    anchor_final(site, "a", "b")
    site.run("export-log", place).expect(0)
    forge_leaf(place)
    lose_store(site)
    shown = site.run("restore", place, "--json").expect(0).document
    assert (shown["size"], shown["source"]) == (2, f"the tiles in {site.folder / 'tiles'}")
    lose_store(site)
    lose_tiles(site)
    shown = site.run("restore", place, "--json").expect(0).document
    assert (shown["size"], shown["source"]) == (2, str(place))
    check_log_goes_on(site, "c")


def test_nothing_is_accepted_into_a_store_that_was_moved_aside(site: Site) -> None:
    anchor_final(site, "a")
    with site.open() as project:
        site.run("restore", "--replace").expect(0)
        for use in (
            lambda: accept(project, [submission("b")]),
            lambda: project.database.hold_lease().__enter__(),
            project.database.is_leased,
        ):
            with pytest.raises(StoreReplacedError, match="replaced while this process had it open"):
                use()
    (moved,) = site.folder.glob("anchor.db.before-restore-*[0-9]Z")
    assert count_pieces(SqliteFile(moved)) == 1
    check_log_goes_on(site, "b")


def test_writers_wait_while_restore_takes_over_what_a_store_holds(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was added after it was read would stay behind in the store that is moved aside."""
    anchor_final(site, "a")
    monkeypatch.setattr("anchor.store.sqlite._BUSY_TIMEOUT_MS", 50)
    fill = restore.fill_store

    def fill_while_others_add(*arguments: Any) -> Any:
        with pytest.raises(StoreBusyError, match="locked by another process"):
            site.add("b", b"b")
        return fill(*arguments)

    monkeypatch.setattr(restore, "fill_store", fill_while_others_add)
    restore_here(site)
    check_log_goes_on(site, "b")


@pytest.mark.fault(
    "F13",
    how="the write-ahead log cannot be copied into the new store while it is closed",
    then="restore ends with 33 and replaces nothing; the next one finishes",
)
def test_a_new_store_that_is_not_whole_in_its_file_replaces_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchor_final(site, "a", "b")
    fill = restore.fill_store
    readers: list[sqlite3.Connection] = []

    def fill_and_look(*arguments: Any) -> Any:
        counts = fill(*arguments)
        readers.append(sqlite3.connect(site.folder / "anchor.db.building"))
        readers[0].execute("BEGIN")
        readers[0].execute("SELECT count(*) FROM project").fetchall()
        return counts

    with monkeypatch.context() as patched:
        patched.setattr(restore, "fill_store", fill_and_look)
        with pytest.raises(StorageError, match="could not be finished"):
            restore_here(site)
    readers[0].close()
    assert not list(site.folder.glob("anchor.db.before-restore-*"))
    assert sum(piece.record is not None for piece in load_pieces(site)) == 2
    restore_here(site)
    assert not list(site.folder.glob("*.building*"))
    check_log_goes_on(site, "c")


def test_a_new_store_that_was_not_finished_is_none_by_any_name(site: Site) -> None:
    anchor_final(site, "a")
    lose_store(site)
    command = crashing("after", "anchor.recovery.restore", "-", "fill_store", "1")
    site.run("restore", command=command, killed=True)
    site.run("restore", "--backup", "anchor.db.building").refused(2, "is incomplete")
    site.run("restore").expect(0, "1 leaves")
    assert not list(site.folder.glob("*.building*"))


# Leaves that lead to an earlier anchor only


def test_a_partial_restore_takes_what_lies_before_a_leaf_that_cannot_be_read(site: Site) -> None:
    with site.open() as project:
        accept(project, [submission(str(number)) for number in range(256)])
    anchor_final(site)
    anchor_final(site, "z")
    lose_store(site)
    (site.folder / "tiles/tile/0/001.p/1").write_bytes(b"short")
    site.run("restore").refused(20, "anchor restore --partial")
    shown = site.run("restore", "--partial", "--json").expect(0).document
    assert (shown["size"], shown["anchors"]) == (256, 1)


def test_a_partial_restore_takes_tiles_whose_note_of_the_size_is_lost(
    site: Site, tmp_path: Path
) -> None:
    anchor_final(site, "a", "b", "c")
    shutil.copytree(site.folder / "tiles", tmp_path / "tiles")
    anchor_final(site, "d")
    lose_store(site)
    lose_tiles(site)
    shutil.copytree(tmp_path / "tiles", site.folder / "tiles")
    (site.folder / "tiles/size").unlink()
    shown = site.run("restore", "--partial", "--json").expect(0).document
    assert (shown["size"], shown["anchors"]) == (3, 1)


def test_a_partial_restore_counts_the_receipts_of_leaves_after_its_head(
    site: Site, tmp_path: Path
) -> None:
    anchor_final(site, "a")
    shutil.copytree(site.folder / "tiles", tmp_path / "tiles")
    anchor_final(site, "b", "c", "d")
    site.run("prove", "--all", "--output", tmp_path / "kept").expect(0)
    site.run("erase", "d", "--yes", "--basis", "other", "--reason", "asked for").expect(0)
    lose_store(site)
    (site.folder / "acknowledged.log").unlink()
    lose_tiles(site)
    shutil.copytree(tmp_path / "tiles", site.folder / "tiles")
    restored = site.run("restore", "--partial", "--receipts", tmp_path / "kept").expect(0)
    restored.expect(0, "receipts of 2 leaves after this head were not taken", "in the new log")
    shown = site.run("restore", "--partial", "--replace", "--json").expect(0).document
    assert (shown["size"], shown["waiting"], shown["receipts_left"]) == (1, 0, 0)


@pytest.mark.fault(
    "E11",
    how="the node goes away while a partial restore looks for the anchor that leaves lead to",
    then="exit code 20 for the node, and no word of missing leaves; nothing is written",
)
def test_a_node_that_goes_away_is_not_taken_for_missing_leaves(site: Site, anvil: Devnet) -> None:
    anchor_final(site, "a")
    lose_store(site)
    with open_proxy(anvil) as (proxy, url):
        # The head is read twice before: by itself, and for how far a publication is believed.
        proxy.on("eth_getStorageAt", *[passes] * 4, *[loses_response] * 20)
        ran = site.run("restore", "--partial", env={"ANCHOR_CHAIN__RPC": url})
    ran.refused(20, "cannot be reached")
    assert "none of the remaining leaves" not in ran.err
    assert not (site.folder / "anchor.db").exists()


# What is kept of a store


def test_evidence_that_was_added_again_is_found_by_its_digest_after_a_restore(site: Site) -> None:
    with site.open() as project:
        for _ in range(2):
            accept(project, [submission("a")], again=True)
    anchor_final(site)
    site.run("prove", "--all").expect(0, "wrote 2 receipts")
    lose_store(site)
    site.run("restore").expect(0, "2 leaves with their records")
    digests = submission("a").digests
    with site.open() as project, project.database.read() as connection:
        assert [item.leaf_index for item in find_by_digest(connection, digests)] == [0, 1]


def test_records_that_come_back_later_are_found_by_their_files(site: Site) -> None:
    """First only the hashes are left, then receipts turn up."""
    anchor_final(site, "a", "b")
    site.run("prove", "a").expect(0)
    receipt = site.folder / "a.anchor.json"
    hidden = receipt.rename(site.folder.parent / receipt.name)
    lose_store(site)
    (site.folder / "acknowledged.log").unlink()
    site.run("restore").expect(0, "2 as hashes only", "records are missing of 2 leaves")
    site.run("audit").expect(0, "2 leaves have no record: 0 were erased, 2 lost")
    hidden.rename(receipt)
    site.run("restore", "--replace", "--receipts", ".").expect(0)
    site.run("audit").expect(0, "1 leaves have no record: 0 were erased, 1 lost")
    receipt.unlink()
    site.run("prove", "a").expect(0)
    assert parse_receipt(receipt.read_bytes()).index == 0
    site.run("add", "a").expect(0, "added 0 new, 1 already known")


@pytest.mark.parametrize("has_side_file", [True, False])
def test_files_whose_records_came_back_from_receipts_are_known_when_added_again(
    site: Site, tmp_path: Path, has_side_file: bool
) -> None:
    anchor_final(site, "a", "b")
    site.run("add", "-", "--name", "piped", stdin=b"piped").expect(0)
    site.run("add", "--digest", f"sha256:{'7' * 64}").expect(0)
    site.write("keyed", b"keyed")
    site.run("add", "keyed", "--idempotency-key", "k").expect(0)
    event = ("custody", "add", "a", "--event", "copy", "--actor", "Li", "--json")
    assert site.run(*event).expect(0).document["number"] == 1
    anchor_final(site)
    site.run("prove", "--all", "--output", tmp_path / "kept").expect(0, "wrote 6 receipts")
    lose_store(site)
    if not has_side_file:
        (site.folder / "acknowledged.log").unlink()
    site.run("restore", "--receipts", tmp_path / "kept").expect(0, "6 leaves with their records")
    assert site.run(*event).expect(0).document["number"] == 2

    def add(*arguments: str) -> tuple[int, int]:
        added = site.run("add", *arguments, "--json", stdin=b"piped").expect(0).document
        return added["new"], added["known"]

    site.write("elsewhere/c", b"a")  # the same content under another name is another piece
    site.write("elsewhere/b", b"changed")
    for _ in range(2):
        assert add("a", "b", "-", "--name", "piped") == (0, 3)
        assert add("--digest", f"sha256:{'7' * 64}") == (0, 1)
    # Without the side file nobody knows whether a key is that of the record, or of another one.
    keyed = ("keyed", "--idempotency-key", "k")
    assert add(*keyed) == ((0, 1) if has_side_file else (1, 0))
    assert add(*keyed) == (0, 1)
    assert add("elsewhere/c", "elsewhere/b") == (2, 0)
    assert add("--again", "a") == (1, 0)
    check_log_goes_on(site, "e")


def test_an_erased_piece_whose_receipt_is_left_is_new_when_it_is_added_again(
    site: Site, tmp_path: Path
) -> None:
    anchor_final(site, "a", "b")
    site.run("prove", "--all", "--output", tmp_path / "kept").expect(0)
    site.run("erase", "a", "--yes", "--basis", "other", "--reason", "asked for").expect(0)
    lose_store(site)
    (site.folder / "acknowledged.log").unlink()
    site.run("restore", "--receipts", tmp_path / "kept").expect(0)
    added = site.run("add", "a", "b", "--json").expect(0).document
    assert (added["new"], added["known"]) == (1, 1)


@pytest.mark.parametrize("is_erased_first", [True, False])
def test_an_erased_notice_or_event_is_not_taken_for_none_after_a_restore(
    site: Site, tmp_path: Path, is_erased_first: bool
) -> None:
    anchor_final(site, "a", "b", "c")
    event = ("custody", "add", "c", "--event", "copy", "--actor", "Li")
    added = site.run(*event, "--json").expect(0).document
    said = ("--reason", "pages missing", "--actor", "Li")
    noticed = site.run("supersede", "a", "b", *said, "--json").expect(0).document
    anchor_final(site)
    backup = None if is_erased_first else back_up(site, tmp_path / "backup.db")
    words = [word for each in (added, noticed) for word in ("--leaf", each["leaf"])]
    site.run("erase", *words, "--yes", "--basis", "other", "--reason", "asked for").expect(0)
    anchor_final(site)
    if backup is not None:
        put_back(site, backup)
    site.run("restore", "--replace").expect(0)
    site.run("withdraw", "a", *said).refused(20, "erased")
    site.run(*event).refused(2, "erased")
    site.run("audit").expect(0)


def test_no_tenant_gets_a_record_that_came_back_from_a_receipt(site: Site, tmp_path: Path) -> None:
    anchor_final(site, "a")
    site.run("prove", "--all", "--output", tmp_path / "kept").expect(0)
    lose_store(site)
    (site.folder / "acknowledged.log").unlink()
    site.run("restore", "--receipts", tmp_path / "kept").expect(0)
    mine = replace(submission("a"), digests=digest_bytes(b"a", ("sha256", "sm3")))
    with site.open() as project:
        claim_restored(project, [replace(mine, source="tenant:t/a")])
        assert accept(project, [replace(mine, source="tenant:t/a")]).new == 1
        claim_restored(project, [replace(mine, source="/a")])
        assert accept(project, [replace(mine, source="/a")]).new == 0


def test_what_was_acknowledged_and_lost_is_told_apart_from_what_is_new(site: Site) -> None:
    anchor_final(site, "a")
    lose_store(site)
    site.run("restore").expect(0)
    site.write("b", b"b")
    site.run("prove", "a").refused(2, "its record is lost", "anchor add --again")
    site.run("prove", "b").refused(2, "is not in this project's log")


SECRETS = """
[copies]
url = "file://copies"
keyset = "keyset.json"
tenant_bytes = 1000

[platform]
url = "https://log.example.org"

[[sign_in]]
name = "id"
label = "Our provider"
issuer = "https://id.example.org"
client_id = "x"
client_secret_file = "client-secret"

[mail]
host = "mail.example.org"
port = 465
security = "tls"
from = "log@example.org"
user = "log"
password_file = "mail-password"
"""


def test_files_that_are_missing_beside_the_store_are_named_with_a_way_out(site: Site) -> None:
    anchor_final(site, "a")
    lose_store(site)
    (site.folder / "trust.toml").unlink()
    (site.folder / "log-key.pem").unlink()
    site.run("restore").expect(0)
    lose_store(site)
    config = site.folder / "anchor.toml"
    tables = config.read_text() + SECRETS
    config.write_text(tables)
    site.run("trust", "allow").expect(0)
    (site.folder / "mail-password").write_text("p")
    said = " ".join(site.run("restore").expect(0).err.split())
    for text in (
        "trust.toml is missing",
        "anchor trust pin --owner",
        "log-key.pem is missing",
        "keyset.json, which encrypts the keys of the tenants' copies, is missing",
        "client-secret, which anchor.toml names, is missing",
    ):
        assert text in said, text
    assert "mail-password" not in said and "devnet-key.json" not in said


def test_of_two_stores_the_one_gives_a_record_whose_record_is_whole(
    site: Site, tmp_path: Path
) -> None:
    anchor_final(site, "a")
    site.add("w", b"w")
    backup = back_up(site, tmp_path / "backup.db")
    for piece in load_pieces(site):
        alter_piece(site, piece.index, record=b"{}")
    shown = site.run("restore", "--replace", "--backup", backup, "--json").expect(0).document
    assert (shown["records"], shown["hashes_only"], shown["waiting"]) == (1, 0, 1)
    for piece in load_pieces(site):
        assert piece.record is not None and hash_leaf(piece.record) == piece.leaf
    check_log_goes_on(site, "b")


def waiting_leaves(site: Site) -> list[bytes]:
    return [piece.leaf for piece in load_pieces(site) if piece.leaf_index is None]


def test_what_both_stores_let_wait_is_the_current_ones(site: Site, tmp_path: Path) -> None:
    """The same file was accepted twice, with another salt: once before the store went back."""
    anchor_final(site, "a")
    old = back_up(site, tmp_path / "old.db")
    site.add("w", b"w")
    lost = back_up(site, tmp_path / "lost.db")
    put_back(site, old)
    site.add("w", b"w")
    (leaf,) = waiting_leaves(site)
    shown = site.run("restore", "--replace", "--backup", lost, "--json").expect(0).document
    assert shown["waiting"] == 1
    assert waiting_leaves(site) == [leaf]
    check_log_goes_on(site, "b")


def test_costs_incidents_and_idempotency_keys_are_kept(site: Site) -> None:
    with site.open() as project:
        accept_once(project, submission("a"), key="placed")
    anchor_final(site)
    with site.open() as project:
        accept_once(project, submission("b"), key="waiting")
    sql(
        site,
        "INSERT INTO incidents (chain_id, head_size, noticed_at, sequence, block_number, timestamp,"
        " accepted_at) SELECT chain_id, 1, 'then', 1, 7, 9, 'later' FROM project",
    )
    with site.open() as project, project.database.write() as connection:
        (piece,) = find_by_digest(connection, submission("a").digests)
        request_certificate(connection, "", piece.identity, requested_by="", at=NOW)
    queries = [
        "SELECT * FROM slots ORDER BY nonce",
        "SELECT * FROM incidents",
        "SELECT * FROM certificates",
        "SELECT * FROM jobs",
    ]
    before, keys = [site.rows(query) for query in queries], load_keys(site)
    assert before[0][-1][-3] and before[1] and len(keys) == 2
    site.run("restore", "--replace").expect(0)
    assert [site.rows(query) for query in queries] == before
    assert load_keys(site) == keys
    with site.open() as project:
        for name, key in (("a", "placed"), ("b", "waiting")):
            assert not accept_once(project, submission(name), key=key).is_new


def test_without_a_key_what_is_on_its_way_is_not_known_and_that_is_said(site: Site) -> None:
    anchor_final(site, "a")
    lose_store(site)
    (site.folder / "devnet-key.json").rename(site.folder / "away.json")
    site.run("restore").expect(0, "could not be checked", "pending")


def test_a_stored_transaction_whose_head_cannot_be_kept_is_waited_for(
    new_site: MakeSite, own_anvil: Devnet, tmp_path: Path
) -> None:
    """The store knows it, but the leaves up to its head are lost, so nothing would resume it."""
    site = new_site(own_anvil)
    place = tmp_path / "published"
    anchor_final(site, "a")
    site.run("export-log", place).expect(0)
    stop_the_clock(site.url)
    ask(site.url, "evm_setAutomine", False)
    site.edit("wait_seconds = 600", "wait_seconds = 1")
    site.add("b", b"b")
    site.run("run", "--once").refused(21)
    lose_piece(site, 1)
    lose_tiles(site)
    site.run("restore", place, "--replace").refused(
        21, "a pending transaction", "once it is included"
    )
    assert not list(site.folder.glob("anchor.db.before-restore-*"))


@pytest.mark.parametrize("spoil", ["empty", "unreadable"])
def test_a_published_list_of_anchors_is_a_hint_only(site: Site, tmp_path: Path, spoil: str) -> None:
    place = tmp_path / "published"
    anchor_final(site, "a", "b")
    site.run("export-log", place).expect(0)
    (place / "anchors/000").unlink()
    if spoil == "empty":
        (place / "anchors/000").touch()
    else:
        (place / "anchors/000").mkdir()
    lose_store(site)
    lose_tiles(site)
    site.run("restore", place).expect(0, "2 leaves")
