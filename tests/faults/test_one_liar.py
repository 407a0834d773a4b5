"""One of three nodes lies, the one that is read: it may delay, and changes no verdict or effect."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from support.bent_nodes import Bend, BentNode, Refused, bent_node
from support.nodes import ask, nonce
from support.projects import Site

from anchor.base.errors import AnchorError, ExitCode
from anchor.chain.devnet import Devnet
from anchor.chain.verifier_nodes import Nodes
from anchor.evidence.file_hashing import digest_file
from anchor.operate.finality import refresh_anchors
from anchor.operate.single_run import RunState
from anchor.project.config import load_config
from anchor.project.files import RECEIPT_SUFFIX
from anchor.project.nodes import open_chain
from anchor.recovery.chain_audit import audit_chain
from anchor.registry.storage import head_slot
from anchor.verification.policy import parse_policy
from anchor.verification.verifier import judge

pytestmark = pytest.mark.release

FALSE_HASH = "0x" + "f0" * 32
ZERO = "0x" + "00" * 32
_DELAYS = (ExitCode.CANNOT_CHECK, ExitCode.NOT_FINAL)


@dataclass
class Scene:
    """A project with one final anchor, evidence that waits, and three nodes before one anvil."""

    site: Site
    nodes: list[BentNode]

    @property
    def liar(self) -> BentNode:
        return self.nodes[0]

    def audit(self) -> int:
        """Compare store and chain; return the code, where there is no breach."""
        with self.site.lead() as project:
            try:
                found = audit_chain(project, open_chain(project.config, lambda _: None))
            except AnchorError as error:
                return int(error.exit_code)
        assert found.breaches == ()
        return 0

    def verdict(self, *, with_proof: bool) -> int:
        file = self.site.folder / "a.txt"
        receipt = json.loads(file.with_name(file.name + RECEIPT_SUFFIX).read_bytes())
        if not with_proof:
            del receipt["anchors"][0]["state"]
        report = judge(
            json.dumps(receipt).encode(),
            digest_file(file),
            policy=parse_policy((self.site.folder / "trust.toml").read_bytes()),
            connect=Nodes(
                [node.url for node in self.nodes], 2, lambda _: ((), 1), lambda _: None
            ).connect,
        )
        return int(report.exit_code)


@pytest.fixture
def scene(new_site: Callable[..., Site], own_anvil: Devnet) -> Iterator[Scene]:
    site = new_site(own_anvil)
    site.add("a.txt", b"a")
    site.anchor()
    ask(site.url, "anvil_mine", "0x10")
    site.run("prove", "a.txt").expect(0)
    with ExitStack() as stack:
        nodes = [stack.enter_context(bent_node(site.url)) for _ in range(3)]
        witnesses = json.dumps([node.url for node in nodes[1:]])
        site.edit(f'rpc = "{site.url}"', f'rpc = "{nodes[0].url}"\nwitnesses = {witnesses}')
        site.add("b.txt", b"b")
        yield Scene(site, nodes)


def instead(result: Any) -> Bend:
    return lambda params, right: result


def now_and_then(result: Any) -> Bend:
    """Lie in every third answer."""
    numbers = count(1)
    return lambda params, right: right if next(numbers) % 3 else result


def of_block(tag: str, result: Any) -> Bend:
    return lambda params, right: result if params[0] == tag else right


def changed(**members: Any) -> Bend:
    return lambda params, right: right and right | members


def changed_at(tag: str, **members: Any) -> Bend:
    return lambda params, right: right and (right | members if params[0] == tag else right)


def refuse(params: list[Any], right: Any) -> Any:
    raise Refused(-32000, "something is wrong here")


def older(scene: Scene) -> Bend:
    first = ask(scene.site.url, "eth_getBlockByNumber", "0x1", False)
    return lambda params, right: first if params[0] == "finalized" else right


def going_back(scene: Scene) -> Bend:
    numbers = iter(range(20, 0, -1))

    def bend(params: list[Any], right: Any) -> Any:
        if params[0] != "finalized":
            return right
        number = min(next(numbers, 1), int(right["number"], 16))
        return ask(scene.site.url, "eth_getBlockByNumber", hex(number), False)

    return bend


def other_head(scene: Scene, word: str) -> Bend:
    slot = f"0x{head_slot(load_config(scene.site.folder / 'anchor.toml').log).hex()}"
    return lambda params, right: word if params[1] == slot else right


BLOCK, CODE, STORAGE = "eth_getBlockByNumber", "eth_getCode", "eth_getStorageAt"
Lie = Callable[[Scene], dict[str, Bend]]
LIES: dict[str, Lie] = {
    "chain id": lambda _: {"eth_chainId": instead("0x1")},
    "chain id now and then": lambda _: {"eth_chainId": now_and_then("0x1")},
    "huge chain id": lambda _: {"eth_chainId": instead("0x" + "f" * 16)},
    "genesis hash": lambda _: {BLOCK: changed_at("0x0", hash=FALSE_HASH)},
    "null for block 0": lambda _: {BLOCK: of_block("0x0", None)},
    "null for the newest": lambda _: {BLOCK: of_block("latest", None)},
    "null for final": lambda _: {BLOCK: of_block("finalized", None)},
    "null for all blocks": lambda _: {BLOCK: instead(None)},
    "an old final block": lambda scene: {BLOCK: older(scene)},
    "a final block that goes back": lambda scene: {BLOCK: going_back(scene)},
    "another hash of the final block": lambda _: {BLOCK: changed_at("finalized", hash=FALSE_HASH)},
    "another hash of every block": lambda _: {BLOCK: changed(hash=FALSE_HASH)},
    "a huge block number": lambda _: {BLOCK: changed(number="0x" + "f" * 16)},
    "a negative time": lambda _: {BLOCK: changed(timestamp="-0x1")},
    "zero storage": lambda _: {STORAGE: instead(ZERO)},
    "forged storage": lambda _: {STORAGE: instead("0x" + "ab" * 32)},
    "no head": lambda scene: {STORAGE: other_head(scene, ZERO)},
    "another head": lambda scene: {STORAGE: other_head(scene, "0x" + "cd" * 32)},
    "null storage": lambda _: {STORAGE: instead(None)},
    "short storage": lambda _: {STORAGE: instead("0x")},
    "no code": lambda _: {CODE: instead("0x")},
    "other code": lambda _: {CODE: instead("0x6001")},
    "null code": lambda _: {CODE: instead(None)},
    "syncing": lambda _: {"eth_syncing": instead({"currentBlock": "0x1"})},
    "null for syncing": lambda _: {"eth_syncing": instead(None)},
    "a number for syncing": lambda _: {"eth_syncing": instead(0)},
    "errors": lambda _: dict.fromkeys((BLOCK, CODE, STORAGE, "eth_chainId"), refuse),
    "no proof": lambda _: {"eth_getProof": instead(None)},
    "a header that gives another hash": lambda _: {
        "eth_getBlockByHash": changed(stateRoot=FALSE_HASH)
    },
}


@pytest.mark.fault(
    "E10",
    how="one of three nodes, the one that is read, lies in any of 29 ways about what is read",
    then="`verify` ends with 0 or 20; a round ends as ever, or with 20, and sends nothing false; "
    "with an honest node the log goes on without a hand",
)
@pytest.mark.parametrize("lie", LIES)
def test_a_lie_of_the_node_that_is_read_delays_at_most(scene: Scene, lie: str) -> None:
    site = scene.site
    with site.lead() as project:
        chain = open_chain(project.config, lambda _: None)
    before = nonce(site.url)
    scene.liar.bend = LIES[lie](scene)
    assert scene.verdict(with_proof=True) in (0, 20)
    assert scene.verdict(with_proof=False) in (0, 20)
    for _ in range(2):
        try:
            done = site.round(chain)
        except AnchorError as error:
            assert error.exit_code in _DELAYS, error
        else:
            assert done.state in (RunState.INCLUDED, RunState.FINAL)
    assert site.rows("SELECT count(*) FROM incidents") == [(0,)]
    assert scene.audit() in (0, 20)

    scene.liar.bend = {}
    assert site.round(chain).state in (RunState.INCLUDED, RunState.FINAL)
    assert nonce(site.url) == before + 1, "one transaction, whatever was said"
    assert site.anchors_on_chain() == [(1, 1), (2, 2)]
    assert scene.verdict(with_proof=False) == 0
    ask(site.url, "anvil_mine", "0x10")
    with site.lead() as project:
        refresh_anchors(project, chain)
    assert site.rows("SELECT sum(final) FROM anchors") == [(2,)]
    assert scene.audit() == 0
