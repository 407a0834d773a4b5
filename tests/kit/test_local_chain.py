"""What the fixtures do with chains and projects, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.bent_nodes import Refused, bent_node
from support.clocks import FastClock
from support.command import run_anchor
from support.nodes import ask

import anchor
from anchor.chain.devnet import Devnet, open_devnet
from anchor.chain.json_rpc import Rpc
from anchor.chain.node import Node
from anchor.chain.registry_reader import RegistryReader
from anchor.project.files import sidecar_path
from anchor.testing import local_chain
from anchor.testing.local_chain import MOST_AHEAD, LocalChain, open_chain
from anchor.testing.local_project import LocalProject

MakeProject = Callable[[LocalChain], LocalProject]


@pytest.fixture(scope="module", params=["anvil", "py-evm"])
def chain(request: pytest.FixtureRequest) -> Iterator[LocalChain]:
    with open_chain(request.param) as opened:
        assert opened.kind == request.param
        yield opened


@pytest.fixture
def make_project(tmp_path: Path) -> Iterator[MakeProject]:
    with ExitStack() as stack:
        yield lambda chain: stack.enter_context(LocalProject(tmp_path / "project", chain))


@pytest.fixture
def project(make_project: MakeProject, chain: LocalChain) -> LocalProject:
    return make_project(chain)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "report.txt"
    path.write_bytes(b"report")
    return path


def is_on_chain(project: LocalProject, root: anchor.Hash32) -> bool:
    config = project.project.config
    node = Node(Rpc(project.chain.url))
    try:
        return RegistryReader(config.registry, config.log).anchor(node, root, "latest") is not None
    finally:
        node.close()


def test_an_anchor_that_a_reorganisation_removed_is_made_again(
    project: LocalProject, file: Path
) -> None:
    project.project.add([file])
    included = project.project.run_once(wait="included").anchored
    assert included is not None and not included.final
    assert is_on_chain(project, included.head.root)
    project.chain.mine()  # an empty block, which does not count
    project.chain.reorg(1)
    assert not is_on_chain(project, included.head.root)
    receipt = project.anchor(file, beside=True)
    assert [anchored.head.root for anchored in receipt.anchors] == [included.head.root]
    assert anchor.Receipt.load(sidecar_path(file)) == receipt
    assert project.verify_offline(receipt).assurance == "asserted"
    verified = run_anchor("verify", file, cwd=file.parent, env=project.environment)
    verified.expect(0, "VERIFIED on a development chain")


def test_a_command_may_anchor_in_the_same_log(project: LocalProject, file: Path) -> None:
    with project.chain.clock():
        run_anchor("stamp", file, cwd=file.parent, env=project.environment).expect(0)
    receipt = anchor.Receipt.load(sidecar_path(file))
    with pytest.raises(anchor.UsageError, match="its file has to be given"):
        project.verify_offline(receipt)
    assert project.verify_offline(receipt, file).existed_by


def test_a_verification_sees_a_changed_file_and_a_block_that_is_gone(
    project: LocalProject, file: Path
) -> None:
    receipt = project.anchor(file)
    file.write_bytes(b"reporT")
    with pytest.raises(anchor.MismatchError):
        project.verify_offline(receipt)
    file.write_bytes(b"report")
    project.verify_offline(receipt)
    project.chain.reorg(1)
    with pytest.raises(anchor.CannotCheckError):
        project.verify_offline(receipt)


def test_more_blocks_than_hold_transactions_cannot_be_replaced(chain: LocalChain) -> None:
    with pytest.raises(anchor.UsageError, match="and 1000 were to be replaced"):
        chain.reorg(1000)


def test_a_negative_number_of_blocks_is_refused_and_none_changes_nothing(chain: LocalChain) -> None:
    chain.mine()
    before = ask(chain.url, "eth_getBlockByNumber", "latest", False)
    for order in (chain.mine, chain.reorg):
        with pytest.raises(anchor.UsageError, match="-1 blocks"):
            order(-1)
        order(0)
    assert ask(chain.url, "eth_getBlockByNumber", "latest", False) == before


def test_only_the_hash_of_a_block_is_asked_for_before_an_offline_verification(
    embedded: Devnet, make_project: MakeProject, file: Path
) -> None:
    with bent_node(embedded.url) as node, LocalChain(node.url) as chain:
        project = make_project(chain)
        receipt = project.anchor(file)
        node.calls.clear()
        project.verify_offline(receipt)
        assert {method for method, _ in node.calls} == {"eth_getBlockByNumber"}


def refuse(*_: Any) -> Any:
    raise Refused(-32601, "the method does not exist")


def test_a_node_that_mines_nothing_is_named_with_what_to_do(embedded: Devnet) -> None:
    with bent_node(embedded.url) as node, LocalChain(node.url) as chain:
        node.bend["evm_mine"] = node.bend["anvil_reorg"] = refuse
        ask(embedded.url, "evm_mine")
        for order in (chain.mine, lambda: chain._order("anvil_reorg", 1, [])):
            with pytest.raises(anchor.UsageError, match="does not answer") as caught:
                order()
            assert "--anchor-chain=anvil" in str(caught.value.hint)


def test_a_chain_runs_ahead_of_the_clock_within_bounds() -> None:
    clock = FastClock()
    with open_devnet(anvil=None) as devnet, LocalChain(devnet.url, clock=clock) as chain:
        chain.mine_until_final()
        assert (ask(devnet.url, "eth_blockNumber"), clock.now) == ("0x2", 0)
        chain.mine(MOST_AHEAD + 200)
        chain.mine_until_final()
        assert clock.now > 60


def test_a_chain_that_cannot_be_opened_is_refused_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(anchor.UsageError, match="it must be auto, anvil, py-evm or"):
        open_chain("hardhat")
    with pytest.raises(anchor.CannotCheckError):
        open_chain("http://127.0.0.1:9")
    monkeypatch.setattr(local_chain, "find_anvil", lambda _: None)
    with pytest.raises(anchor.UsageError, match="no anvil was found"):
        open_chain("anvil")
    with open_chain("auto") as chain:
        assert chain.kind == "py-evm"


def test_what_a_test_left_included_keeps_no_later_one_waiting(
    make_project: MakeProject, chain: LocalChain, file: Path, tmp_path: Path
) -> None:
    with LocalProject(tmp_path / "earlier", chain) as earlier:
        earlier.project.add([file])
        earlier.project.run_once(wait="included")
    later = make_project(chain)
    assert later.verify_offline(later.anchor(file)).existed_by
