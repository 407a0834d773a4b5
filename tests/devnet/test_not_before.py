"""Records that name a block, on anvil: anchored, proven and kept, and what a missed window is."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.nodes import ask, stop_the_clock
from support.operators import Operator
from support.paths import ROOT
from support.projects import Site, make_site, reading

from anchor.chain.devnet import Devnet, open_devnet
from anchor.ethereum.header import parse_header
from anchor.ethereum.keccak import hash_keccak256
from anchor.evidence.record import parse_record
from anchor.operate import beacons
from anchor.operate.settled_receipts import SettledReceipts
from anchor.receipt.format import Receipt, encode_receipt, parse_receipt
from anchor.receipt.history_proof import HISTORY_CODE_HASH, HISTORY_CONTRACT

VERIFIER = ROOT / "anchor" / "standalone" / "verify.py"
MISSED = "window missed"

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def chain(anvil_path: Path) -> Iterator[Devnet]:
    """An anvil that mines when it is told to."""
    with open_devnet(anvil=anvil_path) as node:
        stop_the_clock(node.url)
        mine(node.url, 5)
        yield node


@pytest.fixture
def site(chain: Devnet, tmp_path: Path) -> Site:
    return make_site(tmp_path / "project", chain, number=next(_numbers))


def mine(url: str, blocks: int = 4) -> None:
    # In parts: thousands in one request take longer than a request may.
    for start in range(0, blocks, 100):
        ask(url, "anvil_mine", hex(min(100, blocks - start)))


def receipt_of(site: Site, name: str) -> Receipt:
    site.run("prove", name, "--output", site.folder / "out").expect(0)
    return parse_receipt((site.folder / "out" / f"{name}.anchor.json").read_bytes())


def claim_of(site: Site, name: str) -> tuple[str, str]:
    receipt = site.folder / "out" / f"{name}.anchor.json"
    document = site.run("verify", name, "--receipt", receipt, "--json").document
    (file,) = document["files"]
    (claim,) = [claim for claim in file["claims"] if claim["id"] == "C5"]
    return claim["verdict"], claim["reason"]


def test_the_contract_of_this_chain_is_the_eips(chain: Devnet) -> None:
    code = ask(chain.url, "eth_getCode", f"0x{HISTORY_CONTRACT.hex()}", "latest")
    assert hash_keccak256(bytes.fromhex(code[2:])) == HISTORY_CODE_HASH


def test_a_record_names_the_final_block_and_its_receipt_proves_it(site: Site) -> None:
    final = ask(site.url, "eth_getBlockByNumber", "finalized", False)
    site.write("a", b"a")
    site.run("add", "--not-before", "a").expect(0)
    site.anchor()
    mine(site.url)
    receipt = receipt_of(site, "a")
    named = parse_record(receipt.record).not_before
    assert named is not None
    assert f"0x{named.block_hash.hex()}" == final["hash"]
    state = receipt.anchors[0].state
    assert state is not None
    assert state.beacon is not None
    assert parse_header(state.beacon.header).hash == named.block_hash
    verdict, reason = claim_of(site, "a")
    assert verdict == "pass"
    assert "not the age of the evidence" in reason
    out = site.run("verify", "a", "--receipt", site.folder / "out" / "a.anchor.json").out
    # On a development chain the bounds are no more than what its blocks say.
    assert "  C5 cannot tell" in out and "not before " in out
    assert " · not later than " not in out


def test_the_second_verifier_proves_the_same_offline(site: Site) -> None:
    site.write("a", b"a")
    site.run("add", "--not-before", "a").expect(0)
    site.anchor()
    mine(site.url)
    receipt = receipt_of(site, "a")
    state = receipt.anchors[0].state
    assert state is not None
    ran = subprocess.run(
        [
            *(sys.executable, VERIFIER, site.folder / "out" / "a.anchor.json", site.folder / "a"),
            *("--chain-id", "31337", "--log", f"0x{receipt.log.hex()}"),
            *("--block-hash", f"0x{parse_header(state.header).hash.hex()}"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert "the record was made not before " in ran.stdout
    assert "step 11  passed" in ran.stdout


def test_what_was_proven_at_finality_is_kept_for_receipts_that_are_made_later(site: Site) -> None:
    site.write("a", b"a")
    site.run("add", "--not-before", "a").expect(0)
    site.anchor()
    mine(site.url)
    site.run("status").expect(0)  # sees that the anchor is final, and keeps the proofs
    assert site.rows("SELECT count(*) FROM state_proofs") == [(1,)]
    first = receipt_of(site, "a")
    mine(site.url)
    again = receipt_of(site, "a")
    assert again.anchors[0].state == first.anchors[0].state
    assert claim_of(site, "a")[0] == "pass"


def test_a_receipt_is_written_again_for_a_beacon_that_it_lacks_and_not_to_lose_one(
    site: Site,
) -> None:
    site.write("a", b"a")
    site.run("add", "--not-before", "a").expect(0)
    site.anchor()
    mine(site.url)
    whole = receipt_of(site, "a")
    (anchor,) = whole.anchors
    assert anchor.state is not None
    without = replace(anchor, state=replace(anchor.state, beacon=None))
    bare = replace(whole, anchors=(without,))
    with site.open() as project, reading(site.url) as node:
        settled = SettledReceipts(project.config, node)
        assert settled.is_settled(whole, bare)
        assert not settled.is_settled(bare, whole)
    file = site.folder / "out" / "a.anchor.json"
    file.write_bytes(encode_receipt(bare))
    assert receipt_of(site, "a") == whole


# anvil takes longer for each block, the more there are: both sites wait for the same ones.
@pytest.mark.slow
def test_kept_proofs_outlast_the_window_and_a_missed_one_is_told_once(
    chain: Devnet, site: Site, tmp_path: Path
) -> None:
    site.write("a", b"a")
    site.run("add", "--not-before", "a").expect(0)
    site.anchor()
    mine(site.url)
    site.run("status").expect(0)  # keeps the proofs
    first = receipt_of(site, "a")
    late = make_site(tmp_path / "late", chain, number=next(_numbers))
    for name in ("a", "b"):
        late.write(name, name.encode())
    late.run("add", "--not-before", "a", "b").expect(0)
    late.anchor()
    mine(site.url, 8_300)  # after 8,191 the chain's state has forgotten the blocks
    assert receipt_of(site, "a").anchors[0].state == first.anchors[0].state
    assert claim_of(site, "a")[0] == "pass"
    ran = late.run("prove", "a", "b", "--output", late.folder / "out").expect(0)
    assert ran.err.count(MISSED) == 1
    assert late.rows("SELECT count(*) FROM state_proofs") == [(0,)]
    verdict, reason = claim_of(late, "a")
    assert verdict == "not present"
    assert reason.startswith(MISSED)
    assert late.run("verify", "a", "--receipt", late.folder / "out" / "a.anchor.json").code == 0


def test_records_that_name_none_have_receipts_as_before(site: Site) -> None:
    site.add("a", b"a")
    site.anchor()
    mine(site.url)
    state = receipt_of(site, "a").anchors[0].state
    assert state is not None
    assert state.beacon is None
    assert claim_of(site, "a") == (
        "not present",
        "the record refers to nothing, such as a recent block, that proves an earliest time",
    )
    assert site.rows("SELECT count(*) FROM state_proofs") == [(0,)]


def test_each_anchor_keeps_the_blocks_of_its_own_records(site: Site) -> None:
    for name in ("a", "b"):
        (site.folder / "recent-block.json").unlink(missing_ok=True)
        site.write(name, name.encode())
        site.run("add", "--not-before", name).expect(0)
        site.anchor()
        mine(site.url)
    site.run("status").expect(0)
    rows = site.rows("SELECT head_size, block_hash FROM state_proofs ORDER BY head_size")
    named = [parse_record(receipt_of(site, name).record).not_before for name in ("a", "b")]
    assert rows == [(size, block.block_hash) for size, block in enumerate(named, 1) if block]
    assert len(rows) == 2


def test_the_configuration_decides_and_an_option_overrides_it(site: Site) -> None:
    path = site.folder / "anchor.toml"
    path.write_text(path.read_text() + "\n[record]\nnot_before = true\n")
    site.run("trust", "allow").expect(0)
    for name, words in (("a", ()), ("b", ("--no-not-before",))):
        site.write(name, name.encode())
        site.run("add", name, *words).expect(0)
    site.anchor()
    mine(site.url)
    records = [parse_record(receipt_of(site, name).record) for name in ("a", "b")]
    assert [record.not_before is None for record in records] == [False, True]


@pytest.mark.parametrize("bundle", [(), ("--bundle", "manifest-sha256.txt")])
def test_a_collection_names_a_block_or_leaves_nothing(site: Site, bundle: tuple[str, ...]) -> None:
    site.write("a", b"a")
    collect = ("collect", "--profile", "plain", "--not-before", *bundle)
    url = site.url
    site.edit(url, "http://127.0.0.1:1")
    site.run(*collect, "a").refused(20, "the final block that the records are to name")
    assert site.rows("SELECT count(*) FROM runs") == [(0,)]
    assert not (site.folder / "manifest-sha256.txt").exists()
    site.edit("http://127.0.0.1:1", url)
    site.run(*collect, "a").expect(0)
    site.anchor()
    mine(url)
    receipt = receipt_of(site, bundle[-1] if bundle else "a")
    assert parse_record(receipt.record).not_before is not None
    assert claim_of(site, bundle[-1] if bundle else "a")[0] == "pass"


def test_a_node_that_is_down_stops_the_intake_unless_it_may_do_without(site: Site) -> None:
    site.edit(site.url, "http://127.0.0.1:1")
    site.write("a", b"a")
    site.run("add", "--not-before", "a").refused(20, "the final block that the records are to name")
    assert site.rows("SELECT count(*) FROM runs") == [(0,)]
    path = site.folder / "anchor.toml"
    path.write_text(path.read_text() + '\n[record]\nnot_before = "if-available"\n')
    site.run("trust", "allow").expect(0)
    ran = site.run("add", "a").expect(0, "added 1 new")
    assert "without the block that limits their age" in ran.err
    assert site.rows("SELECT count(*) FROM runs") == [(1,)]


def test_the_daemon_keeps_the_proofs_when_the_anchor_becomes_final(
    chain: Devnet, tmp_path: Path
) -> None:
    operator = Operator(make_site(tmp_path / "project", chain, number=next(_numbers)))
    site = operator.site
    site.write("a", b"a")
    site.run("add", "--not-before", "a").expect(0)
    operator.clock.at = {60.0: lambda: mine(site.url)}
    operator.run(until=200)
    assert operator.events()[-1] in ("anchored", "final")
    assert site.rows("SELECT count(*) FROM state_proofs") == [(1,)]


def test_the_daemon_warns_of_a_missed_window_and_goes_on(
    chain: Devnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = Operator(make_site(tmp_path / "project", chain, number=next(_numbers)))
    site = operator.site
    site.write("a", b"a")
    site.run("add", "--not-before", "a").expect(0)
    monkeypatch.setattr(beacons, "HISTORY_WINDOW", 1)
    operator.clock.at = {60.0: lambda: mine(site.url)}
    operator.run(until=400)
    warnings = [event.text for event in operator.happened if event.event == "warning"]
    assert sum(MISSED in text for text in warnings) == 1
    assert operator.sizes() == [1]


def test_backups_and_restores_keep_the_proofs(site: Site, tmp_path: Path) -> None:
    site.write("a", b"a")
    site.run("add", "--not-before", "a").expect(0)
    site.anchor()
    mine(site.url)
    site.run("status").expect(0)
    kept = site.rows("SELECT * FROM state_proofs")
    site.run("backup", tmp_path / "backup").expect(0)
    (site.folder / "anchor.db").unlink()
    site.run("restore", "--backup", tmp_path / "backup").expect(0)
    assert site.rows("SELECT * FROM state_proofs") == kept


def test_a_bundle_holds_a_beacon_once(site: Site) -> None:
    for name in ("a", "b", "c"):
        site.write(name, name.encode())
    site.run("add", "--not-before", "a", "c").expect(0)
    site.run("add", "b").expect(0)
    site.anchor()
    mine(site.url)
    bundle = site.folder / "all.anchor.jsonl"
    site.run("prove", "--all", "--bundle", "--output", bundle).expect(0)
    lines = [json.loads(line) for line in bundle.read_bytes().splitlines()]
    assert sum("beacon" in line and "record" not in line for line in lines) == 1
    assert [line.get("beacon") for line in lines if "record" in line] == [True, True, None]
    document = site.run("verify", bundle, "--json").expect(0).document
    claims = [
        claim["verdict"]
        for file in document["files"]
        for claim in file["claims"]
        if claim["id"] == "C5"
    ]
    assert sorted(claims) == ["not present", "pass", "pass"]
