"""A log that cannot go on is closed by its owner, and its successor goes on from a good anchor."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support import fixtures
from support.crashes import crashing
from support.disasters import anchor_final, sql
from support.nodes import ask
from support.projects import Site, make_site, reading
from support.store_contents import load_pieces
from support.stores import Postgres, damage
from support.terminal import in_terminal

from anchor.base.errors import NodeRefusedError
from anchor.base.types import Hash32, Head
from anchor.chain.devnet import Devnet
from anchor.chain.devnet.accounts import DEV_ADDRESSES
from anchor.chain.registry_reader import RegistryReader
from anchor.chain.signer.keystore import keystore_address, write_keystore
from anchor.log.tree import Tree
from anchor.project.config import load_config
from anchor.project.files import SIDE_FILE
from anchor.recovery.chain_audit import audit_chain
from anchor.recovery.store_audit import audit_project
from anchor.registry.calldata import describe_revert, encode_anchor_call
from anchor.store.acknowledged_log import SideFile
from anchor.store.sealing import read_leaves

MakeSite = Callable[..., Site]
THIEF = DEV_ADDRESSES[1]


anvil = fixtures.module_anvil


@pytest.fixture
def site(new_site: MakeSite, anvil: Devnet) -> Site:
    """Logs of this key have even numbers, so that the next number is free."""
    site = new_site(anvil)
    text = (site.folder / "anchor.toml").read_text("utf-8")
    shutil.rmtree(site.folder)
    site.folder.mkdir()
    number = 1_000 + 2 * site.number
    assert f"number = {site.number}" in text
    site.run("init", "--devnet", "--rpc", site.url, "--number", str(number)).expect(0)
    return replace(site, number=number)


def steal(site: Site) -> Head:
    """Let a stolen operator key anchor leaves that nobody else has."""
    site.authorise(THIEF, 1)
    with site.open() as project:
        config = project.config
        before = site.heads()[-1][0]
        leaves = b"".join(read_leaves(project.database, 0, before))
    tree = Tree(leaves + b"\x66" * 64)
    head = Head(root=tree.root(before + 2), size=before + 2)
    call = encode_anchor_call(config.log, head, tree.consistency_proof(before, head.size))
    send_as(site, THIEF, call)
    with reading(site.url) as node:
        found = RegistryReader(config.registry, config.log).head(node, "latest")
    assert found is not None and found.root == head.root
    return head


def send_as(site: Site, sender: bytes, call: bytes) -> None:
    config = load_config(site.folder / "anchor.toml")
    ask(site.url, "anvil_impersonateAccount", "0x" + sender.hex())
    transaction = {
        "from": "0x" + sender.hex(),
        "to": "0x" + config.registry.hex(),
        "data": "0x" + call.hex(),
    }
    ask(site.url, "eth_sendTransaction", transaction)
    ask(site.url, "anvil_mine", "0x4")


def successor(site: Site) -> Site:
    return replace(site, folder=site.folder.parent / "next", number=site.number + 1)


def check_goes_on(site: Site, name: str) -> None:
    with site.open() as project, reading(site.url) as node:
        assert audit_project(project).breaches == audit_chain(project, node).breaches == ()
    anchor_final(site, name)
    with site.open() as project, reading(site.url) as node:
        assert audit_project(project).breaches == audit_chain(project, node).breaches == ()
    site.run("prove", name).expect(0)
    site.run("verify", name).expect(0)


@pytest.mark.fault(
    "I5",
    how="a stolen operator key anchors leaves that nobody else has",
    then="the owner closes the log; its successor goes on, old receipts verify as before",
)
def test_after_a_stolen_key_the_successor_goes_on(site: Site) -> None:
    anchor_final(site, "a", "b")
    site.run("prove", "a").expect(0)
    steal(site)
    site.add("c", b"c")
    site.run("run", "--once").refused(32, "another program anchors for this log")
    site.run("audit").expect(10, "somebody else anchors to this log")
    shown = site.run("succeed", "--yes", "--into", "../next", "--json").expect(0).document
    assert (shown["size"], shown["waiting"], shown["receipts"]) == (2, 1, 2)
    site.run("run", "--once").refused(32, "closed with `succeed`")
    new = successor(site)
    check_goes_on(new, "d")
    assert [size for size, _ in new.heads()] == [2, 4], "c was sealed with d"
    entries = {entry.leaf: entry for entry in SideFile(new.folder / SIDE_FILE).read_entries()}
    for piece in load_pieces(new):
        assert entries[Hash32(piece.leaf)].identity == piece.identity
    # What was anchored before stays proven, under the old policy and under the new one.
    site.run("verify", "a").expect(0)
    site.run("verify", "a", "--trust", new.folder / "trust.toml").expect(0)
    kept = new.folder / f"receipts/log-{site.number}/b.anchor.json"
    new.run("verify", site.folder / "b", "--receipt", kept).expect(0)
    # And in the new log the same evidence has a place, too.
    new.run("prove", site.folder / "c", "--output", "out").expect(0)
    new.run("verify", site.folder / "c", "--receipt", "out/c.anchor.json").expect(0)
    # The thief's key means nothing there.
    config = load_config(new.folder / "anchor.toml")
    call = encode_anchor_call(config.log, Head(root=config.genesis, size=9), [])
    with reading(new.url) as node, pytest.raises(NodeRefusedError) as refused:
        node.call(sender=THIEF, to=config.registry, data=call)
    assert describe_revert(bytes.fromhex((refused.value.data or "0x")[2:])).startswith("NotAuth")


@pytest.mark.fault(
    "F21",
    how="all is deleted, and what is published is older than the chain: the right edge is lost",
    then="a partial restore, then a successor from the newest anchor whose leaves are known",
)
def test_after_a_lost_right_edge_the_successor_goes_on_from_an_earlier_anchor(
    site: Site, tmp_path: Path
) -> None:
    place = tmp_path / "published"
    anchor_final(site, "a", "b", "c")
    site.run("export-log", place).expect(0)
    site.run("prove", "a", "b", "c").expect(0)
    anchor_final(site, "d")
    site.run("prove", "d").expect(0)
    for path in site.folder.glob("anchor.db*"):
        path.unlink()
    shutil.rmtree(site.folder / "tiles")
    site.run("restore", place).refused(20, "anchor restore --partial")
    shown = site.run("restore", place, "--partial", "--receipts", ".", "--json").expect(0).document
    assert (shown["size"], shown["anchors"], shown["records"]) == (3, 1, 3)
    site.add("e", b"e")
    site.run("run", "--once").refused(32, "older than the chain")
    shown = site.run("succeed", "--yes", "--into", "../next", "--json").expect(0).document
    # Beside "e" waits "d", which its receipt brought back and whose place in the log is lost.
    assert (shown["size"], shown["waiting"]) == (3, 2)
    new = successor(site)
    check_goes_on(new, "f")
    for name in "abc":
        site.run("verify", name, "--trust", new.folder / "trust.toml").expect(0)
    # The abandoned one's anchor stays in the registry, and its owner does not stand by it.
    left = site.run("verify", "d", "--trust", new.folder / "trust.toml")
    left.expect(13, "the log's owner abandoned this anchor")


def test_an_anchor_that_was_not_noted_is_in_the_old_logs_receipts(site: Site) -> None:
    """A crash came between its inclusion and its note."""
    anchor_final(site, "a", "b")
    sql(site, "DELETE FROM anchors")
    shown = site.run("succeed", "--yes", "--into", "../next", "--json").expect(0).document
    assert (shown["size"], shown["receipts"]) == (2, 2)


def test_no_log_is_closed_while_an_incident_is_open(site: Site) -> None:
    """What is final has to be known first: the call cannot be taken back."""
    anchor_final(site, "a")
    sql(
        site,
        "INSERT INTO incidents (chain_id, head_size, noticed_at, sequence, block_number, timestamp)"
        " SELECT chain_id, 1, 'then', 1, 7, 9 FROM project",
    )
    for options in ((), ("--show-call",)):
        site.run("succeed", "--yes", "--into", "../next", *options).refused(
            32, "finality was violated"
        )
    assert not successor(site).folder.exists()
    site.run("run", "--once", "--accept-incidents").expect(0)
    site.run("succeed", "--yes", "--into", "../next").expect(0)


NODE = ("anchor.chain.node", "Node")
CRASHES = [
    ("after", "anchor.recovery.succession", "-", "build_store"),
    ("after", "anchor.store.tx_journal", "StoredJournal", "save_attempt"),
    ("after", *NODE, "send_raw_transaction"),
    ("before", "anchor.recovery.succession", "-", "create_log_key"),
    ("before", "anchor.recovery.succession", "-", "encode_config"),
]
QUICK = [CRASHES[2]]


@pytest.mark.fault(
    "A8",
    how="succeed is killed after each of its effects",
    then="running it again finishes with one transaction; no command takes the folder before",
)
@pytest.mark.parametrize(
    "crash",
    [pytest.param(crash, marks=() if crash in QUICK else pytest.mark.slow) for crash in CRASHES],
    ids=lambda crash: f"{crash[0]} {crash[3]}",
)
def test_a_kill_while_succeeding_is_finished_by_the_next_run(
    site: Site, crash: tuple[str, ...]
) -> None:
    anchor_final(site, "a")
    command = crashing(*crash, "1")
    site.run("succeed", "--yes", "--into", "../next", command=command, killed=True)
    new = successor(site)
    assert not (new.folder / "anchor.toml").exists()
    site.add("b", b"b")  # accepted meanwhile, by somebody who does not know
    site.run("succeed", "--yes", "--into", "../next").expect(0, "1 pieces of evidence wait")
    assert len(new.rows("SELECT 1 FROM attempts")) == 1
    check_goes_on(new, "c")


def test_no_log_is_closed_without_confirmation(site: Site) -> None:
    anchor_final(site, "a")
    succeed = ("succeed", "--into", "../next")
    for options in ((), ("--json",)):
        site.run(*succeed, *options).refused(2, "the log was not closed: confirm it with --yes")
    assert not successor(site).folder.exists()
    code, screen = in_terminal(site.folder, *succeed, answers=("n",))
    assert code == 2, screen
    assert f"Close log {site.number} for ever, and continue in log {site.number + 1}?" in screen
    assert not successor(site).folder.exists()
    check_goes_on(site, "b")
    code, screen = in_terminal(site.folder, *succeed, answers=("y",))
    assert code == 0, screen
    site.run(*succeed).refused(2, "already exists")
    shutil.rmtree(successor(site).folder)
    site.run(*succeed).expect(0)  # closed already, so that nothing is left to confirm
    check_goes_on(successor(site), "c")


def test_only_the_owners_key_closes_a_log(site: Site, tmp_path: Path) -> None:
    anchor_final(site, "a")
    keystore, password = tmp_path / "thief.json", tmp_path / "password"
    write_keystore(keystore, b"\x22" * 32, "secret", iterations=1_000)
    password.write_text("secret\n")
    password.chmod(0o600)
    options = ("--keystore", keystore, "--password-file", password)
    site.run("succeed", "--yes", "--into", "../next", *options).refused(
        31, "only the owner can close it"
    )
    site.run("succeed", "--yes", "--into", "../next", "--number", str(site.number)).refused(
        32, "is in use"
    )
    wrong = "ab" * 32
    shown = site.run("succeed", "--yes", "--into", "../other", "--from-root", wrong)
    shown.refused(2, "is not an anchored head from which this store can continue")
    site.run("succeed", "--yes", "--into", ".").refused(2, "already exists")
    check_goes_on(site, "b")


@pytest.mark.slow
def test_the_owner_may_go_on_from_an_earlier_anchor_of_its_choice(site: Site) -> None:
    anchor_final(site, "a")
    anchor_final(site, "b")
    root = site.heads()[0][1].hex()
    shown = site.run("succeed", "--yes", "--into", "../next", "--from-root", root, "--json")
    assert (shown.expect(0).document["size"], shown.document["waiting"]) == (1, 1)
    other = ("--into", "../other", "--number", str(site.number + 500))
    site.run("succeed", "--yes", *other).refused(32, f"its successor is log {site.number + 1}")
    check_goes_on(successor(site), "c")


@pytest.mark.slow
def test_a_successor_whose_folder_was_lost_is_made_again(site: Site) -> None:
    anchor_final(site, "a")
    site.run("succeed", "--yes", "--into", "../next").expect(0)
    shutil.rmtree(successor(site).folder)
    site.run("succeed", "--yes", "--into", "../next").expect(0)
    check_goes_on(successor(site), "b")


def test_an_owner_without_a_keystore_makes_the_call_itself(site: Site) -> None:
    anchor_final(site, "a")
    shown = site.run("succeed", "--into", "../next", "--show-call", "--json").expect(0).document
    assert not (successor(site).folder / "anchor.toml").exists()
    send_as(site, DEV_ADDRESSES[0], bytes.fromhex(shown["data"][2:]))
    (site.folder / "devnet-key.json").rename(site.folder / "away.json")
    site.run("succeed", "--yes", "--into", "../next").expect(0, "continues from its anchor")
    (site.folder / "away.json").rename(site.folder / "devnet-key.json")
    check_goes_on(successor(site), "b")


@pytest.mark.fault(
    "K1",
    how="the operator key is exchanged for another in the middle of a log",
    then="receipts of both keys verify, also under a policy that knows both",
)
def test_keys_rotate_while_the_log_goes_on(site: Site, tmp_path: Path) -> None:
    anchor_final(site, "a")
    key = b"\x33" * 32
    keystore = site.folder / "second.json"
    write_keystore(keystore, key, "devnet", iterations=1_000)
    second = keystore_address(keystore)
    ask(site.url, "anvil_setBalance", "0x" + second.hex(), hex(10**20))
    site.authorise(second, 7)
    site.edit('keystore = "devnet-key.json"', 'keystore = "second.json"')
    anchor_final(site, "b")
    site.run("prove", "a", "b").expect(0)
    policy = site.folder / "trust.toml"
    operators = "".join(f"\n[[trust.operators]]\nid = {number}\n" for number in (0, 7))
    only_first = tmp_path / "first.toml"
    only_first.write_text(policy.read_text() + "\n[[trust.operators]]\nid = 0\n")
    policy.write_text(policy.read_text() + operators)
    site.run("verify", "a", "b").expect(12, "was changed since you allowed the project")
    site.run("trust", "allow").expect(0)
    site.run("verify", "a", "b").expect(0)
    site.run("verify", "b", "--trust", only_first).expect(12, "does not accept operator 7")
    site.run("audit").expect(0)


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(None, marks=pytest.mark.slow),
        pytest.param(
            ("anchor.recovery.successor_contents", "-", "enqueue_unplaced"), marks=pytest.mark.slow
        ),
        ("anchor.chain.node", "Node", "send_raw_transaction"),
    ],
    ids=lambda crash: "whole" if crash is None else f"killed before {crash[2]}",
)
def test_the_successors_store_may_be_in_postgresql(
    site: Site, postgres: Postgres, before: tuple[str, ...] | None
) -> None:
    anchor_final(site, "a", "b")
    site.add("w", b"w")
    place = postgres.create()
    url = place.url.replace("postgres@", "postgres:s3cret@")
    command = ("succeed", "--yes", "--into", "../next", "--store", url)
    if before is not None:
        site.run(*command, command=crashing("before", *before, "1"), killed=True)
    ran = site.run(*command).expect(0, "1 pieces of evidence wait", "without its password")
    new = successor(site)
    written = (new.folder / "anchor.toml").read_text("utf-8")
    assert f'store = "{place}"' in written
    assert "s3cret" not in ran.out + ran.err + written
    assert not list(new.folder.glob("anchor.db*"))
    assert len(new.rows("SELECT 1 FROM attempts")) == 1
    check_goes_on(new, "c")


def test_a_successor_gets_no_place_that_has_a_store(
    site: Site, new_site: MakeSite, anvil: Devnet, postgres: Postgres
) -> None:
    anchor_final(site, "a")
    command = ("succeed", "--yes", "--into", "../next", "--store")
    site.run(*command, site.folder / "anchor.db").refused(2, "is this project's own store")
    place = postgres.create()
    other = make_site(site.folder.parent / "other", anvil, number=site.number + 1, store=place)
    other.add("x", b"x")
    site.run(*command, place.url, "--number", str(site.number + 500)).refused(
        32, "the configuration's log is not the one this store was created with"
    )
    damage(place, "DELETE FROM project")
    site.run(*command, place.url).refused(2, "is incomplete")
    check_goes_on(site, "b")
