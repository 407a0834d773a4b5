"""What restore gives back by the side file: identities, tenants and idempotency keys."""

from __future__ import annotations

import hashlib
import itertools
import shutil
from functools import partial
from pathlib import Path

import pytest
from support import fixtures
from support.crashes import crashing
from support.disasters import anchor_final, back_up, check_log_goes_on, lose_store, put_back, sql
from support.projects import Site, make_site
from support.store_contents import count_pieces, load_pieces
from support.stores import Postgres, TenantJob

from anchor.base.system.clock import utc_now
from anchor.base.types import Hash32
from anchor.chain.devnet import Devnet
from anchor.project.files import RECEIPT_SUFFIX, SIDE_FILE
from anchor.service.submission import Origin, read_submission
from anchor.store.acknowledged_log import SideFile
from anchor.store.evidence import StoredEvidence, find_by_identity
from anchor.store.file_origins import tenant_of
from anchor.store.new_pieces import Admitted
from anchor.store.quota import Outcome, admit

_numbers = itertools.count(8_000)

anvil = fixtures.module_anvil


def digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def submit(site: Site, tenant: str, name: str, key: str | None = None) -> tuple[bytes, Outcome]:
    """Submit as the service does, and return the id and the outcome."""
    data = b'{"sha256":"%s","name":"%s"}' % (digest(name).encode(), name.encode())
    with site.open() as project:
        origin = Origin(tenant=tenant, key=key, recorded_at=utc_now(), log=project.config.log)
        item = read_submission(data, origin, max_bytes=10_000)
        job = TenantJob([item], origin.key_hash, tenant)
        work = partial(admit, submissions=[job], at=origin.recorded_at)
        ((outcome,),) = project.database.write_with_retry(work)
        return item.identity, outcome


def find(site: Site, identity: bytes) -> StoredEvidence:
    with site.open() as project, project.database.read() as connection:
        found = find_by_identity(connection, identity)
    assert found is not None
    return found


@pytest.mark.fault(
    "F12",
    how="a store with tenants' evidence goes back to a backup, and is restored by receipts",
    then="each id is its tenant's, its key stands, no second leaf is made, what is lost is listed",
)
def test_ids_keys_and_tenants_come_back(site: Site, tmp_path: Path) -> None:
    first, _ = submit(site, "acme", "first")
    anchor_final(site)
    backup = back_up(site, tmp_path / "backup.db")
    ids = [
        submit(site, "acme", "plain")[0],
        submit(site, "acme", "keyed", "order-1")[0],
        submit(site, "other", "plain")[0],
    ]
    anchor_final(site)
    site.run("prove", "--all", "--output", tmp_path / "kept").expect(0)
    without, _ = submit(site, "acme", "without a receipt")
    anchor_final(site)
    unsealed = [submit(site, "acme", "unsealed")[0], submit(site, "other", "unsealed")[0]]
    site.add("local", b"local")
    put_back(site, backup)

    shown = site.run("restore", "--receipts", tmp_path / "kept", "--replace")
    shown.expect(0, "no remaining source holds them", unsealed[0].hex())

    tenants = [tenant_of(find(site, id).source) for id in [first, *ids, without]]
    assert tenants == ["acme", "acme", "acme", "other", "acme"]
    assert all(find(site, id).record is not None for id in ids)
    assert find(site, without).record is None
    before = count_pieces(site)
    for tenant, name, key, id in (
        ("acme", "first", None, first),
        ("acme", "plain", None, ids[0]),
        ("acme", "keyed", "order-1", ids[1]),
        ("other", "plain", None, ids[2]),
        ("acme", "without a receipt", None, without),
    ):
        identity, outcome = submit(site, tenant, name, key)
        assert identity == id and isinstance(outcome, Admitted) and not outcome.is_new
    assert not isinstance(submit(site, "acme", "another", "order-1")[1], Admitted)
    assert count_pieces(site) == before
    # What was lost can be submitted again, as the same.
    identity, outcome = submit(site, "acme", "unsealed")
    assert identity == unsealed[0] and isinstance(outcome, Admitted) and outcome.is_new
    shown = site.run("restore", "--receipts", tmp_path / "kept", "--replace", "--json").expect(0)
    lost = {(item["id"], item["tenant"]) for item in shown.document["lost"]}
    assert (unsealed[1].hex(), "other") in lost and len(lost) == 2
    check_log_goes_on(site, "goes on")


def test_what_a_receipt_promised_waits_again_when_its_leaf_is_in_no_tile(
    site: Site, tmp_path: Path
) -> None:
    anchor_final(site, "a")
    backup = back_up(site, tmp_path / "backup.db")
    shutil.copytree(site.folder / "tiles", tmp_path / "tiles")
    identity, _ = submit(site, "acme", "promised")
    site.run("seal").expect(0)
    site.run("prove", "--all", "--output", tmp_path / "kept").expect(0)
    put_back(site, backup)
    shutil.rmtree(site.folder / "tiles")
    shutil.copytree(tmp_path / "tiles", site.folder / "tiles")
    # A stranger's receipt of this log, for a place that it does not have.
    (receipt,) = (
        path
        for path in (tmp_path / "kept").rglob(f"*{RECEIPT_SUFFIX}")
        if b"promised" in path.read_bytes()
    )
    forged = receipt.read_bytes().replace(b"promised", b"not ours")
    receipt.with_name(f"forged{RECEIPT_SUFFIX}").write_bytes(forged)
    shown = site.run("restore", "--receipts", tmp_path / "kept", "--replace", "--json").expect(0)
    assert (shown.document["size"], shown.document["waiting"]) == (1, 1)
    assert shown.document["lost"] == []
    row = find(site, identity)
    assert tenant_of(row.source) == "acme" and row.leaf_index is None
    check_log_goes_on(site, "goes on")
    assert find(site, identity).leaf_index == 1


def test_another_machines_side_file_is_taken_over(site: Site, tmp_path: Path) -> None:
    anchor_final(site, "a")
    backup = back_up(site, tmp_path / "backup.db")
    identity, _ = submit(site, "acme", "b")
    anchor_final(site)
    side = site.folder / SIDE_FILE
    elsewhere = side.rename(tmp_path / "acknowledged.log")
    put_back(site, backup)
    site.run("restore", "--replace", "--acknowledged", tmp_path / "none").refused(2, "no side file")
    site.run("restore", "--replace", "--acknowledged", elsewhere).expect(0)
    assert tenant_of(find(site, identity).source) == "acme"
    found = {entry.leaf: entry for entry in SideFile(side).read_entries()}
    for piece in load_pieces(site):
        assert found[Hash32(piece.leaf)].identity == piece.identity


def test_without_a_side_file_it_is_said_and_all_else_comes_back(site: Site) -> None:
    anchor_final(site, "a")
    identity, _ = submit(site, "acme", "b")
    anchor_final(site)
    (site.folder / SIDE_FILE).unlink()
    shown = site.run("restore", "--replace")
    assert "there is no side file" in shown.expect(0).err
    assert tenant_of(find(site, identity).source) == "acme"  # the store said so
    entries = {entry.identity: entry for entry in SideFile(site.folder / SIDE_FILE).read_entries()}
    assert entries[identity].tenant == "acme"


def test_damage_in_the_side_file_is_told(site: Site) -> None:
    for name in ("one", "two", "three"):
        submit(site, "acme", name)
    anchor_final(site)
    path = site.folder / SIDE_FILE
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    lose_store(site)
    shown = site.run("restore", "--json").expect(0)
    assert "acknowledged.log is damaged: bytes" in shown.err
    tenants = [tenant_of(piece.source) for piece in load_pieces(site)]
    assert tenants == [None, "acme", "acme"]


@pytest.mark.fault(
    "A12",
    how="restore is killed after the side file got what only a store knew",
    then="running it again finishes; no entry contradicts another",
)
def test_a_kill_after_the_side_file_was_completed(site: Site) -> None:
    submit(site, "acme", "one")
    anchor_final(site)
    (site.folder / SIDE_FILE).unlink()
    crash = ("after", "anchor.store.acknowledged_log", "SideFile", "append", "1")
    site.run("restore", "--replace", command=crashing(*crash), killed=True)
    site.run("restore", "--replace").expect(0)
    entries = list(SideFile(site.folder / SIDE_FILE).read_entries())
    assert [entry.tenant for entry in entries] == ["acme"]
    check_log_goes_on(site, "goes on")


# What restore refuses


def test_a_store_of_a_newer_schema_is_not_dropped(site: Site) -> None:
    anchor_final(site, "a")
    submit(site, "acme", "waiting")
    sql(site, "UPDATE alembic_version SET version_num = '9999'")
    before = count_pieces(site)
    site.run("restore", "--replace").refused(22, "has schema 9999", "--without-store")
    assert count_pieces(site) == before
    shown = site.run("restore", "--replace", "--without-store", "--json").expect(0)
    assert "is ignored, because --without-store was given" in shown.err
    assert (shown.document["hashes_only"], len(shown.document["lost"])) == (1, 1)
    assert Path(shown.document["moved"]).is_file()
    check_log_goes_on(site, "goes on")


def test_into_postgresql_and_back(tmp_path: Path, anvil: Devnet, postgres: Postgres) -> None:
    """The same in PostgreSQL: the side file lies with the project, not with the store."""
    site = make_site(tmp_path / "project", anvil, number=next(_numbers), store=postgres.create())
    ids = [submit(site, "acme", "one")[0], submit(site, "acme", "two", "order-2")[0]]
    anchor_final(site)
    site.run("prove", "--all", "--output", tmp_path / "kept").expect(0)
    unsealed, _ = submit(site, "acme", "three")
    lost_store = str(postgres.create())
    text = (site.folder / "anchor.toml").read_text("utf-8")
    site.edit(text.partition('store = "')[2].partition('"')[0], lost_store)
    shown = site.run("restore", "--receipts", tmp_path / "kept", "--json").expect(0).document
    assert shown["lost"] == [{"id": unsealed.hex(), "tenant": "acme"}]
    assert [tenant_of(find(site, id).source) for id in ids] == ["acme", "acme"]
    assert not isinstance(submit(site, "acme", "four", "order-2")[1], Admitted)
    check_log_goes_on(site, "goes on")
