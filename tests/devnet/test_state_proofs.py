"""State proofs as three clients give them, in receipts, and what becomes of bad ones."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import rlp
from support.chaos import HasUrl, edits, open_proxy, refuses
from support.fixtures import MakeSite
from support.hardhat import trust_newest_block
from support.nodes import ask, stop_the_clock
from support.projects import Site, make_site, reading
from support.proof_edits import put
from support.proven_states import check_state
from support.slot_proofs import fetch_slot_proof
from support.tries import keccak256
from support.vectors.headers import VALUES, as_node_says, place

from anchor.base.errors import (
    MalformedError,
    MismatchError,
    NodeFaultError,
    NodeRefusedError,
    NotTrustedError,
    UnknownVersionError,
)
from anchor.base.types import Address, Hash32, LogId
from anchor.chain.devnet import Devnet, open_devnet
from anchor.chain.node import Node
from anchor.chain.node_quorum import NodeGroup
from anchor.ethereum.header import parse_header
from anchor.ethereum.keccak import EMPTY_CODE_HASH
from anchor.project.config import Config, load_config
from anchor.receipt.format import Receipt, encode_receipt, parse_receipt
from anchor.receipt.state_proof import StateProof
from anchor.registry.storage import anchor_slot, head_slot

FILES = ("a", "b", "c")
NOTE = "receipts are issued without state proofs"
NO_METHOD = refuses("the method eth_getProof does not exist/is not available", -32601)


_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def chain(anvil_path: Path) -> Iterator[Devnet]:
    """An anvil that mines when it is told to."""
    with open_devnet(anvil=anvil_path) as node:
        stop_the_clock(node.url)
        yield node


@pytest.fixture(scope="module", params=["anvil", "hardhat", "py-evm"])
def client(request: pytest.FixtureRequest) -> Iterator[HasUrl]:
    """Three clients whose tries have no code in common."""
    if request.param == "py-evm":
        with open_devnet(anvil=None) as embedded:
            yield embedded
        return
    node: HasUrl = request.getfixturevalue(
        "chain" if request.param == "anvil" else "running_hardhat"
    )
    kept = ask(node.url, "evm_snapshot")
    yield node
    assert ask(node.url, "evm_revert", kept)


@pytest.fixture(scope="module")
def site(client: HasUrl, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A project with three final anchors, the first ones of its registry."""
    return trust_newest_block(anchored(client, tmp_path_factory.mktemp("client")), client)


@pytest.fixture
def one(chain: Devnet, tmp_path: Path) -> Site:
    """A project of the test's own with three final anchors, on anvil."""
    return anchored(chain, tmp_path)


def anchored(node: Any, folder: Path) -> Site:
    """Make a project with three anchors that have become final."""
    site = make_site(folder / "project", node, number=next(_numbers))
    for name in FILES:
        site.add(name, name.encode())
        site.anchor()
    mine(site)
    return site


def mine(site: Site) -> None:
    """Let everything become final."""
    for _ in range(4):
        ask(site.url, "evm_mine")


def config_of(site: Site) -> Config:
    return load_config(site.folder / "anchor.toml")


def receipt_of(site: Site, name: str) -> Receipt:
    return parse_receipt((site.folder / f"{name}.anchor.json").read_bytes())


def state_of(receipt: Receipt) -> StateProof:
    state = receipt.anchors[0].state
    assert state is not None
    return state


def pins(site: Site, receipt: Receipt) -> dict[str, Any]:
    """What ``check_state`` is to be asked, the block as the node itself names it."""
    config = config_of(site)
    number = parse_header(state_of(receipt).header).number
    named = ask(site.url, "eth_getBlockByNumber", hex(number), False)["hash"]
    return {
        "block_hash": Hash32(bytes.fromhex(named[2:])),
        "registry": config.registry,
        "code_hash": config.code_hash,
        "log": config.log,
        "root": receipt.anchors[0].head.root,
    }


def test_a_clients_proofs_hold_and_say_what_the_receipt_says(site: Site) -> None:
    site.run("prove", *FILES).expect(0, "anchored (", "), with its state proof")
    receipts = [receipt_of(site, name) for name in FILES]
    assert len({state_of(receipt).header for receipt in receipts}) == 1, "one block for all"
    assert len({state_of(receipt).storage_proof for receipt in receipts}) == 3
    for receipt in receipts:
        anchor = receipt.anchors[0]
        proven = check_state(state_of(receipt), **pins(site, receipt))
        assert proven.anchor is not None
        assert proven.anchor.size == anchor.head.size
        assert proven.anchor.sequence == anchor.sequence
        assert proven.anchor.block_number == anchor.block_number <= proven.header.number
        assert proven.anchor.timestamp == anchor.timestamp <= proven.header.timestamp


def test_a_clients_proof_proves_nothing_else(site: Site) -> None:
    site.run("prove", *FILES).expect(0)
    receipts = [receipt_of(site, name) for name in FILES]
    proof, asked = state_of(receipts[1]), pins(site, receipts[1])
    for name, value, error in (
        ("block_hash", bytes(32), MismatchError),
        ("code_hash", EMPTY_CODE_HASH, NotTrustedError),
        ("registry", Address(b"\x11" * 20), (MalformedError, MismatchError, NotTrustedError)),
        ("root", receipts[0].anchors[0].head.root, (MalformedError, MismatchError)),
    ):
        with pytest.raises(error):
            check_state(proof, **{**asked, name: value})
    with suppress(MalformedError, MismatchError):
        # One in 16 such slots would stand where the proof's leaf does, and is proven to be empty.
        assert check_state(proof, **{**asked, "log": b"\x22" * 32}).anchor is None
    other = state_of(receipts[0])
    with pytest.raises((MalformedError, MismatchError)):
        check_state(replace(proof, storage_proof=other.storage_proof), **asked)


def test_a_client_proves_that_a_root_is_not_anchored(site: Site) -> None:
    config = config_of(site)
    with reading(site.url) as node:
        block = node.fetch_final_block(config.finality)
        for log, root in ((config.log, b"\x77" * 32), (LogId(b"\x88" * 32), b"\x99" * 32)):
            slot = anchor_slot(log, Hash32(root))
            proof = fetch_slot_proof(
                node, config.registry, slot, block.hash, code_hash=config.code_hash
            )
            proven = check_state(
                proof,
                block_hash=block.hash,
                registry=config.registry,
                code_hash=config.code_hash,
                log=log,
                root=Hash32(root),
            )
            assert proven.anchor is None


def test_every_header_of_a_client_is_encoded_to_its_hash(site: Site) -> None:
    with reading(site.url) as node:
        latest = node.fetch_block("latest")
        assert latest is not None
        for number in range(latest.number + 1):
            block = node.fetch_block(number)
            assert block is not None
            header = parse_header(node.fetch_header(block.hash))
            assert (header.hash, header.number, header.timestamp) == (
                block.hash,
                block.number,
                block.timestamp,
            )


def test_a_client_proves_old_states(site: Site) -> None:
    site.run("prove", *FILES).expect(0)
    config, receipt = config_of(site), receipt_of(site, "a")
    slot, stated = anchor_slot(config.log, receipt.anchors[0].head.root), receipt.anchors[0]
    with reading(site.url) as node:
        for number, is_there in ((stated.block_number, True), (stated.block_number - 1, False)):
            block = node.fetch_block(number)
            assert block is not None
            proof = fetch_slot_proof(
                node, config.registry, slot, block.hash, code_hash=config.code_hash
            )
            asked = {**pins(site, receipt), "block_hash": block.hash}
            assert (check_state(proof, **asked).anchor is not None) == is_there
    assert proof.storage_proof == (), "the registry held nothing: clients say 0x80, and we nothing"


@pytest.mark.parametrize(
    ("hardfork", "items"), [("london", 16), ("shanghai", 17), ("cancun", 20), ("osaka", 21)]
)
def test_every_forks_header_is_encoded(
    anvil_path: Path, tmp_path: Path, hardfork: str, items: int
) -> None:
    program = tmp_path / "anvil"
    rest = f'exec "{anvil_path}" $(printf "%s\\n" "$@" | sed s/=prague/={hardfork}/)'
    program.write_text(f"#!/bin/sh\n{rest}\n")
    program.chmod(0o755)
    with open_devnet(anvil=program) as chain, reading(chain.url) as node:
        ask(chain.url, "evm_mine")
        block = node.fetch_block("latest")
        assert block is not None
        encoded = node.fetch_header(block.hash)
    assert parse_header(encoded).hash == block.hash
    assert len(rlp.decode(encoded)) == items


# What a node does


@dataclass(frozen=True)
class Bent:
    """A transport that lets a test change what the node is asked and answers."""

    rpc: Any
    change: Callable[[str, Sequence[Any], Callable[..., Any]], Any]
    name: str = "bent"

    def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        return self.change(method, params, self.rpc.call)


@dataclass(frozen=True)
class Asked:
    """A question to a node, as a run of `prove` has it."""

    node: Node
    config: Config
    slot: Hash32
    block_hash: Hash32

    def bent(self, change: Callable[[str, Sequence[Any], Callable[..., Any]], Any]) -> Node:
        return Node(Bent(self.node.rpc, change))

    def fetch(self, node: Node) -> StateProof:
        config = self.config
        return fetch_slot_proof(
            node, config.registry, self.slot, self.block_hash, code_hash=config.code_hash
        )

    def answers(self, edit: Callable[[dict[str, Any]], Any]) -> StateProof:
        """Ask a node whose answer to `eth_getProof` is edited."""

        def change(method: str, params: Sequence[Any], call: Callable[..., Any]) -> Any:
            result = call(method, params)
            return edit(result) if method == "eth_getProof" else result

        return self.fetch(self.bent(change))


@pytest.fixture(scope="module")
def asked(chain: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    site = anchored(chain, tmp_path_factory.mktemp("asked"))
    config = config_of(site)
    with reading(site.url) as node:
        block = node.fetch_final_block("finalized")
        slot = anchor_slot(config.log, Hash32(site.heads()[1][1]))
        yield Asked(node=node, config=config, slot=slot, block_hash=block.hash)


def test_a_node_that_takes_no_blocks_hash_is_asked_by_number(asked: Asked) -> None:
    seen = []

    def change(method: str, params: Sequence[Any], call: Callable[..., Any]) -> Any:
        seen.append((method, params[-1] if method == "eth_getProof" else params[0]))
        if method == "eth_getProof" and isinstance(params[-1], dict):
            raise NodeRefusedError("no", code=-32602, reason="invalid argument 2")
        return call(method, params)

    assert asked.fetch(asked.bent(change)) == asked.fetch(asked.node)
    number = hex(parse_header(asked.node.fetch_header(asked.block_hash)).number)
    assert [method for method, _ in seen] == [
        "eth_getBlockByHash",
        "eth_getProof",
        "eth_getBlockByNumber",
        "eth_getProof",
        "eth_getBlockByNumber",
    ]
    assert [params for _, params in seen[2:]] == [number] * 3


@pytest.mark.parametrize("which", [0, 1], ids=["before", "after"])
def test_a_number_that_names_another_block_is_noticed(asked: Asked, which: int) -> None:
    looks = []

    def change(method: str, params: Sequence[Any], call: Callable[..., Any]) -> Any:
        if method == "eth_getProof" and isinstance(params[-1], dict):
            raise NodeRefusedError("no", code=-32602, reason="invalid argument 2")
        result = call(method, params)
        if method == "eth_getBlockByNumber":
            looks.append(params)
            if len(looks) == which + 1:
                return {**result, "hash": "0x" + "ab" * 32}
        return result

    with pytest.raises(NodeFaultError, match=r"has a different block [0-9]+"):
        asked.fetch(asked.bent(change))
    assert len(looks) == which + 1


def test_a_node_without_the_method_is_asked_once(asked: Asked) -> None:
    seen = []

    def change(method: str, params: Sequence[Any], call: Callable[..., Any]) -> Any:
        seen.append(method)
        if method == "eth_getProof":
            raise NodeRefusedError("no", code=-32601, reason="no such method")
        return call(method, params)

    with pytest.raises(NodeRefusedError):
        asked.fetch(asked.bent(change))
    assert seen.count("eth_getProof") == 1


def test_a_header_is_asked_for_once_a_block(asked: Asked) -> None:
    seen = []

    def change(method: str, params: Sequence[Any], call: Callable[..., Any]) -> Any:
        seen.append(method)
        return call(method, params)

    node = asked.bent(change)
    asked.fetch(node)
    asked.fetch(node)
    assert seen == ["eth_getBlockByHash", "eth_getProof", "eth_getProof"]


def storage(answer: dict[str, Any], proof: Any) -> dict[str, Any]:
    return {**answer, "storageProof": [{**answer["storageProof"][0], "proof": proof}]}


FAULTY: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "null": (lambda a: None, "does not match the"),
    "a list": (lambda a: [a], "does not match the"),
    "no slot": (lambda a: {**a, "storageProof": []}, "does not match the"),
    "two slots": (lambda a: {**a, "storageProof": a["storageProof"] * 2}, "does not match the"),
    "a slot that is a list": (lambda a: {**a, "storageProof": [[]]}, "does not match the"),
    "no account proof": (lambda a: {**a, "accountProof": None}, "is not a list of at most 65"),
    "66 nodes": (lambda a: {**a, "accountProof": ["0x80"] * 66}, "is not a list of at most 65"),
    "a node of 533 bytes": (lambda a: storage(a, ["0x" + "ab" * 533]), "not hex data of 532"),
    "a node of no bytes": (lambda a: storage(a, ["0x"]), "not hex data of 532"),
    "a node that is a number": (lambda a: storage(a, [1]), "not hex data of 532"),
    "a node in capitals": (
        lambda a: {**a, "accountProof": [n.upper() for n in a["accountProof"]]},
        "not hex data of 532",
    ),
    "a node missing": (
        lambda a: {**a, "accountProof": a["accountProof"][:-1]},
        "does not hold: the account proof does not hold: node [0-9]+ of the proof is missing",
    ),
    "a node more": (
        lambda a: storage(a, a["storageProof"][0]["proof"] + a["accountProof"][:1]),
        "does not hold: the storage proof does not hold: the proof has",
    ),
    "the account's proof for the slot": (
        lambda a: storage(a, a["accountProof"]),
        "does not hold: the storage proof does not hold: node 0 of the proof has hash",
    ),
    "the empty trie's node": (
        lambda a: storage(a, ["0x80"]),
        "does not hold: the storage proof does not hold: node 0 of the proof is missing",
    ),
}


@pytest.mark.fault(
    "H10",
    how="a node proves another slot, or another account, than it was asked for",
    then="a fault of that node's: no receipt gets it",
)
def test_another_slots_proof_is_a_fault_of_the_nodes(asked: Asked) -> None:
    other = head_slot(asked.config.log)

    def change(method: str, params: Sequence[Any], call: Callable[..., Any]) -> Any:
        if method == "eth_getProof":
            params = [params[0], ["0x" + other.hex()], params[2]]
        return call(method, params)

    with pytest.raises(NodeFaultError, match="the storage proof does not hold"):
        asked.fetch(asked.bent(change))

    def other_account(method: str, params: Sequence[Any], call: Callable[..., Any]) -> Any:
        if method == "eth_getProof":
            params = ["0x" + "f3" * 20, *params[1:]]
        return call(method, params)

    with pytest.raises(NodeFaultError, match=r"the account proof does not hold|no account at"):
        asked.fetch(asked.bent(other_account))


@pytest.mark.fault(
    "H11",
    how="a node's state proof lacks a node, has one more, or is no proof",
    then="a fault of that node's: no receipt gets it",
)
@pytest.mark.parametrize("name", FAULTY)
def test_a_bad_proof_is_a_fault_of_the_nodes(asked: Asked, name: str) -> None:
    edit, says = FAULTY[name]
    with pytest.raises(NodeFaultError, match=says):
        asked.answers(edit)


def test_a_proof_at_another_block_is_a_fault_of_the_nodes(asked: Asked) -> None:
    def change(method: str, params: Sequence[Any], call: Callable[..., Any]) -> Any:
        if method == "eth_getProof":
            params = [*params[:2], "0x3"]
        return call(method, params)

    with pytest.raises(NodeFaultError, match="the account proof does not hold: node 0"):
        asked.fetch(asked.bent(change))


@pytest.mark.fault(
    "H13",
    how="a node describes a block whose header does not have the block's hash",
    then="cannot tell: no receipt gets a state proof",
)
@pytest.mark.parametrize("name", ["stateRoot", "parentHash", "number", "extraData"])
def test_a_block_that_does_not_give_its_hash_is_not_known(asked: Asked, name: str) -> None:
    def change(method: str, params: Sequence[Any], call: Callable[..., Any]) -> Any:
        result = call(method, params)
        if method == "eth_getBlockByHash":
            last = "1" if result[name][-1] == "0" else "0"
            result = {**result, name: result[name][:-1] + last if name != "extraData" else "0x99"}
        return result

    with pytest.raises(UnknownVersionError, match="does not have that hash"):
        asked.fetch(asked.bent(change))


@pytest.mark.parametrize(("spare", "is_taken"), [(0, True), (1, False)])
def test_a_header_that_no_receipt_takes_is_not_known(spare: int, is_taken: bool) -> None:
    empty = len(rlp.encode(put(VALUES, place("extraData"), bytes(7_000)))) - 7_000
    items = put(VALUES, place("extraData"), bytes(8_192 - empty + spare))
    encoded = rlp.encode(items)
    assert len(encoded) == 8_192 + spare

    @dataclass(frozen=True)
    class Said:
        name: str = "it"

        def call(self, method: str, params: Sequence[Any] = ()) -> Any:
            assert method == "eth_getBlockByHash"
            return as_node_says(items)

    node, block_hash = Node(Said()), Hash32(keccak256(encoded))
    if is_taken:
        assert node.fetch_header(block_hash) == encoded
    else:
        with pytest.raises(UnknownVersionError, match="8,193 bytes, more than the 8,192"):
            node.fetch_header(block_hash)


@pytest.mark.parametrize("answer", [None, {}, {"number": "0x1"}])
def test_a_block_without_its_header_is_a_fault_of_the_nodes(asked: Asked, answer: Any) -> None:
    def change(method: str, params: Sequence[Any], call: Callable[..., Any]) -> Any:
        return answer if method == "eth_getBlockByHash" else call(method, params)

    with pytest.raises(NodeFaultError, match=r"has no block 0x|a block without its header"):
        asked.fetch(asked.bent(change))


def test_of_several_nodes_the_one_that_gives_proofs_is_asked_from_then_on(asked: Asked) -> None:
    seen: list[str] = []

    def refusing(method: str, params: Sequence[Any], call: Callable[..., Any]) -> Any:
        if method == "eth_getProof":
            seen.append("first")
            raise NodeRefusedError("the first", code=-32601, reason="no such method")
        return call(method, params)

    def giving(method: str, params: Sequence[Any], call: Callable[..., Any]) -> Any:
        if method == "eth_getProof":
            seen.append("second")
        return call(method, params)

    def group(*nodes: Node) -> NodeGroup:
        config = asked.config
        return NodeGroup(
            nodes, needed=1, chain_id=config.chain_id, genesis=config.genesis, report=seen.append
        )

    both = group(asked.bent(refusing), asked.bent(giving))
    assert asked.fetch(both) == asked.fetch(asked.node)
    assert asked.fetch(both) == asked.fetch(asked.node)
    assert seen == ["first", "second", "second"]
    with pytest.raises(NodeRefusedError, match="the first"):
        asked.fetch(group(asked.bent(refusing), asked.bent(refusing)))


# Receipts


def test_a_node_without_proofs_leaves_receipts_without_and_they_are_added_later(
    one: Site,
) -> None:
    site = one
    with open_proxy(site) as (proxy, url):
        proxy.always("eth_getProof", NO_METHOD)
        site.edit(site.url, url)
        ran = site.run("prove", *FILES, "--json").expect(0)
        assert ran.err.count(NOTE) == 1, "once for all receipts"
        # Once when the anchor is seen to be final, to count it, and once more for all receipts.
        assert proxy.asked("eth_getProof") == 2
        assert [item["state_proofs"] for item in ran.document["written"]] == [0, 0, 0]
        bare = [receipt_of(site, name) for name in FILES]
        assert [receipt.anchors[0].state for receipt in bare] == [None] * 3
        ran = site.run("upgrade", "a", "b").expect(0, "has its anchor\n")
        assert ran.err.count(NOTE) == 1

        proxy.calm()
        ran = site.run("upgrade", "a", "b").expect(0, "has its anchor and its state proof")
        assert not ran.err
        full = [receipt_of(site, name) for name in FILES]
        assert [bool(receipt.anchors[0].state) for receipt in full] == [True, True, False]
        for name, receipt in zip("ab", full, strict=False):
            anchor = replace(receipt.anchors[0], state=None)
            assert replace(receipt, anchors=(anchor,)) == bare["ab".index(name)]

        # What is there is neither fetched again nor lost.
        proxy.calls.clear()
        before = (site.folder / "a.anchor.json").read_bytes()
        mine(site)
        ran = site.run("upgrade", "a", "--json").expect(0)
        assert ran.document["receipts"][0]["state_proofs"] == 1
        assert proxy.asked("eth_getProof") == 0
        proxy.always("eth_getProof", refuses("missing trie node: state is not available"))
        ran = site.run("prove", "a", "c").expect(0, "state is not available")
        # Between them is the preservation number.
        assert [line.split("  ")[::2] for line in ran.out.splitlines()] == [
            ["a.anchor.json", "anchored (final), with its state proof"],
            ["c.anchor.json", "anchored (final)"],
        ]
        assert (site.folder / "a.anchor.json").read_bytes() == before


def test_a_header_that_is_not_known_leaves_receipts_without(
    one: Site,
) -> None:
    site = one
    with open_proxy(site) as (proxy, url):
        site.edit(site.url, url)
        for method in ("eth_getBlockByHash", "eth_getBlockByNumber"):
            proxy.always(
                method, edits(lambda block: {**block, "requestsHash": None, "slotNumber": "0x1"})
            )
        site.run("prove", "a").expect(0, NOTE, "no fork known to this release")
    assert receipt_of(site, "a").anchors[0].state is None


def test_a_receipt_that_the_state_contradicts_gets_no_proof(
    one: Site,
) -> None:
    site = one
    site.run("prove", "a", "b").expect(0)
    for name in ("a", "b"):
        receipt = receipt_of(site, name)
        sequence = receipt.anchors[0].sequence + (name == "a")
        anchor = replace(receipt.anchors[0], state=None, sequence=sequence)
        path = site.folder / f"{name}.anchor.json"
        path.write_bytes(encode_receipt(replace(receipt, anchors=(anchor,))))
    before = (site.folder / "a.anchor.json").read_bytes()
    honest = before.replace(b'"sequence":2', b'"sequence":1')
    (site.folder / "honest.anchor.json").write_bytes(honest)
    ran = site.run("upgrade", "a", "b", "honest").expect(0)
    [note] = ran.err.splitlines()
    assert note.startswith("the proven anchor of size 1 in the registry differs from the one that")
    assert ran.out.splitlines() == [
        "a.anchor.json: has its anchor",
        "b.anchor.json: has its anchor and its state proof",
        "honest.anchor.json: has its anchor and its state proof",
    ]
    assert (site.folder / "a.anchor.json").read_bytes() == before


def test_stamp_leaves_receipts_with_their_state_proofs(
    own_anvil: Devnet, new_site: MakeSite
) -> None:
    site = new_site(own_anvil)
    note = site.write("note.txt", b"meeting at noon\n")
    site.run("stamp", note, "--wait", "final").expect(0)
    site.run("verify", note).expect(0)
    receipt = receipt_of(site, "note.txt")
    assert check_state(state_of(receipt), **pins(site, receipt)).anchor is not None
    size = len((site.folder / "note.txt.anchor.json").read_bytes())
    assert size <= 4_096, f"a receipt of {size} bytes on a devnet"


def test_other_logs_receipts_are_left_as_they_are(one: Site, chain: Devnet, tmp_path: Path) -> None:
    site = one
    other = make_site(tmp_path / "other", chain, number=next(_numbers), deployed=False)
    with open_proxy(chain) as (proxy, url):
        proxy.always("eth_getProof", NO_METHOD)
        site.edit(site.url, url)
        site.run("prove", "a").expect(0)
    path = site.folder / "a.anchor.json"
    before = path.read_bytes()
    assert not other.run("upgrade", path).expect(0, "has its anchor\n").err
    assert path.read_bytes() == before
    assert json.loads(before)["anchors"][0].get("state") is None
