"""The whole way on other execution clients: EthereumJS, hardhat 3 (as an OP chain too), ganache."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from support.clients import Client, open_ethereumjs, open_ganache, open_hardhat_3
from support.command import environment, run_anchor
from support.paths import ROOT
from support.projects import Site

from anchor.chain.devnet import Devnet
from anchor.ethereum.header import parse_header
from anchor.receipt.format import parse_receipt

pytestmark = pytest.mark.slow

_STANDALONE = ROOT / "anchor" / "standalone" / "verify.py"
_FILES = 20

OPENERS: dict[str, Callable[[], AbstractContextManager[Client]]] = {
    "EthereumJS": open_ethereumjs,
    "hardhat 3": open_hardhat_3,
    "hardhat 3, OP": lambda: open_hardhat_3("op"),
    "ganache": open_ganache,
}


@pytest.fixture(scope="module", params=OPENERS)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    with OPENERS[request.param]() as running:
        yield running


@pytest.fixture(scope="module")
def site(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A project on the client's chain, made and deployed as its user does it."""
    folder = tmp_path_factory.mktemp("client") / "project"
    run_anchor("init", "--devnet", "--rpc", client.url, folder, cwd=folder.parent).expect(0)
    made = Site(folder=folder, url=client.url, number=0)
    for name in ("anchor.toml", "trust.toml"):
        text = (folder / name).read_text("utf-8")
        rule = f"finality = {json.dumps(client.finality)}"
        text, count = re.subn(r"^finality = .*$", rule, text, flags=re.MULTILINE)
        assert count == 1
        (folder / name).write_text(text, "utf-8")
    made.run("deploy").expect(0)
    return made


def standalone(folder: Path, *arguments: str) -> int:
    command = [sys.executable, "-I", str(_STANDALONE), *arguments]
    ran = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    return ran.returncode


def anchored(client: Client) -> str:
    """Return what is said of an anchor that the client's blocks make final."""
    return "anchored (final)" if client.finality == "finalized" else "anchored (counts as final"


def test_every_step_ends_as_it_must(site: Site, client: Client) -> None:
    site.run("doctor").expect(0)
    names = [f"{number}.txt" for number in range(_FILES)]
    for name in names:
        site.write(name, name.encode())
    site.run("add", *names).expect(0)
    site.run("run", "--once", "--wait", "final").expect(0, anchored(client))
    status = site.run("status", "--json").expect(0).document["chain"]
    assert (status["final"]["size"], status["final"]["sequence"]) == (_FILES, 1)
    assert status["unproven"] is None
    site.run("prove", *names).expect(0)
    site.run("verify", *names).expect(0)
    policy = ("--trust", "trust.toml")
    site.run("verify", "3.txt", *policy, "--rpc", client.url).expect(0)

    state = parse_receipt((site.folder / "3.txt.anchor.json").read_bytes()).anchors[0].state
    assert state is not None, "the receipt has no state proof"
    block_hash = "0x" + parse_header(state.header).hash.hex()
    offline = ("verify", "3.txt", *policy, "--offline", "--block-hash")
    site.run(*offline, block_hash).expect(0)
    site.run(*offline, "0x" + "11" * 32).expect(20)
    receipt = json.loads((site.folder / "3.txt.anchor.json").read_bytes())
    chain_id = str(receipt["anchors"][0]["chain_id"])
    receipts = ("3.txt.anchor.json", "3.txt", "--time-slack", "12", "--chain-id", chain_id)
    pinned = (*receipts, "--log", receipt["log"], "--block-hash")
    assert standalone(site.folder, *pinned, block_hash) == 0
    assert standalone(site.folder, *pinned, "0x" + "11" * 32) == 20

    site.write("3.txt", b"altered")
    site.run("verify", "3.txt", *policy).expect(10)
    assert standalone(site.folder, *pinned, block_hash) == 10
    site.write("3.txt", b"3.txt")
    site.run("audit").expect(0, "no problems found")


def test_a_further_round_anchors_what_came_and_nothing_twice(site: Site, client: Client) -> None:
    site.write("later.txt", b"later")
    site.run("add", "later.txt").expect(0)
    site.run("run", "--once", "--wait", "final").expect(0, anchored(client))
    again = site.run("run", "--once", "--wait", "final").expect(0)
    assert "sending" not in again.out + again.err
    audited = site.run("audit", "--json").expect(0).document
    assert audited["chain"]["anchors"] == 2
    assert audited["breaches"] == []


def test_another_chain_of_the_same_id_is_refused(site: Site, embedded: Devnet) -> None:
    ran = site.run("status", env={"ANCHOR_CHAIN__RPC": embedded.url})
    ran.expect(32, "another genesis block")
