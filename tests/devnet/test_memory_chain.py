"""The memory chain is honest: what is done to it and to a real anvil gets the same answers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.memory_chain import GWEI, MemoryChain
from support.memory_registry import REGISTRY
from support.nodes import ask
from support.projects import reading

from anchor.base.errors import NodeRefusedError
from anchor.base.types import Address, Hash32, Head, make_log_id
from anchor.chain.devnet import DEV_ADDRESS, PUBLIC_DEV_KEY, open_devnet
from anchor.chain.devnet.accounts import DEV_ADDRESSES
from anchor.chain.fees import Fees
from anchor.chain.node import Node
from anchor.chain.node_errors import classify_refusal
from anchor.chain.signer import UnsignedTransaction
from anchor.chain.signer.keystore import KeystoreSigner
from anchor.ethereum.keccak import hash_keccak256
from anchor.log.merkle import hash_leaf
from anchor.log.tree import Tree
from anchor.registry.artifact import CREATE2_PROXY, expected_code_hash
from anchor.registry.calldata import (
    describe_revert,
    encode_anchor_call,
    encode_deployment,
    encode_set_operator_call,
)
from anchor.registry.storage import anchor_slot, decode_anchor, head_slot, operator_id_slot

LOG = make_log_id(DEV_ADDRESS, 3)
OTHER_LOG = make_log_id(DEV_ADDRESSES[5], 0)
STRANGER = DEV_ADDRESSES[4]
LEAVES = 24
TREE = Tree(b"".join(hash_leaf(bytes([number])) for number in range(LEAVES)))


def head(size: int) -> Head:
    return Head(root=TREE.root(size), size=size)


@dataclass
class Pair:
    """An anvil and a memory chain to which the same is done."""

    url: str
    anvil: Node
    memory: MemoryChain
    signer: Any
    sent: list[bytes] = field(default_factory=list)
    sizes: set[int] = field(default_factory=set)

    @property
    def nodes(self) -> tuple[Node, Node]:
        return self.anvil, Node(self.memory)

    def agree(self, question: Callable[[Node], Any]) -> Any:
        """Ask both; they must answer the same, refusals of a kind included."""
        real, model = (answer(question, node) for node in self.nodes)
        assert model == real
        return real

    def mine(self) -> None:
        ask(self.url, "anvil_mine", "0x1")
        self.memory.time += 12
        self.memory.mine()

    def set_base_fee(self, fee: int) -> None:
        ask(self.url, "anvil_setNextBlockBaseFeePerGas", hex(fee))
        self.memory.set_next_base_fee(fee)

    def drop(self) -> None:
        ask(self.url, "anvil_dropAllTransactions")
        self.memory.evict()

    def reorganise(self, depth: int) -> None:
        self.set_base_fee(GWEI)  # anvil would go on with the fee of the blocks that it drops
        ask(self.url, "anvil_reorg", depth, [])
        self.memory.reorganise(depth, "lost")

    def send(self, raw: bytes) -> Any:
        self.sent.append(raw)
        return self.agree(lambda node: node.send_raw_transaction(raw))

    def sign(
        self, to: Address, data: bytes, *, nonce: int, max_fee: int = 40 * GWEI, tip: int = GWEI,
        gas: int = 300_000,
    ) -> bytes:  # fmt: skip
        fees = Fees(max_fee=max_fee, priority_fee=min(tip, max_fee), legacy=False)
        return bytes(
            self.signer.sign_transaction(
                UnsignedTransaction(
                    chain_id=self.memory.chain_id, nonce=nonce, to=to, data=data, gas=gas, fees=fees
                )
            )
        )

    def compare(self) -> None:
        """Compare everything that can be compared between two chains of different hashes."""
        self.agree(lambda node: node.fetch_chain_id())
        for block in ("latest", "finalized", 0, 1, 2, 10**6):
            self.agree(lambda node, block=block: number_of(node.fetch_block(block)))
        self.agree(lambda node: node.fetch_code_hash(REGISTRY, "latest"))
        assert abs(self.base_fees[0] - self.base_fees[1]) <= max(self.base_fees) // 50
        for raw in self.sent[-6:]:
            self.agree(lambda node, raw=raw: receipt_of(node, raw))
        for view in (lambda node: "latest", lambda node: node.fetch_block("latest").hash,
                     lambda node: 3, lambda node: "finalized"):  # fmt: skip
            self.agree(lambda node, view=view: node.fetch_nonce(DEV_ADDRESS, view(node)))
            for slot in (head_slot(LOG), head_slot(OTHER_LOG), operator_id_slot(LOG, STRANGER)):
                self.agree(
                    lambda node, view=view, slot=slot: node.fetch_storage(
                        REGISTRY, slot, view(node)
                    )
                )
        for size in self.sizes:
            self.agree(lambda node, size=size: anchor_of(node, size))

    @property
    def base_fees(self) -> list[int]:
        return [node.fetch_base_fee() or 0 for node in self.nodes]


def answer(question: Callable[[Node], Any], node: Node) -> Any:
    """Return an answer, or what kind of refusal it was."""
    try:
        return question(node)
    except NodeRefusedError as error:
        data = bytes.fromhex((error.data or "0x")[2:])
        return classify_refusal(error.reason), describe_revert(data)


def number_of(block: Any) -> int | None:
    return None if block is None else block.number


def receipt_of(node: Node, raw: bytes) -> tuple[int, bool] | None:
    receipt = node.fetch_receipt(hash_keccak256(raw))
    if receipt is None:
        return None
    block = node.fetch_block(receipt.block_number)
    assert block is not None
    assert block.hash == receipt.block_hash
    assert node.fetch_block(block.hash) == block
    return receipt.block_number, receipt.succeeded


def anchor_of(node: Node, size: int) -> tuple[int, int, int, int] | None:
    slot = anchor_slot(LOG, TREE.root(size))
    anchor = decode_anchor(node.fetch_storage(REGISTRY, slot, "latest"))
    if anchor is None:
        return None
    block = node.fetch_block(anchor.block_number)
    assert block is not None
    assert anchor.timestamp == block.timestamp
    return anchor.size, anchor.sequence, anchor.block_number, anchor.operator_id


@pytest.fixture
def chains(anvil_path: Path) -> Iterator[Pair]:
    from eth_account import Account

    with open_devnet(anvil=anvil_path) as node, reading(node.url) as real:
        ask(node.url, "anvil_setIntervalMining", 0)
        ask(node.url, "evm_setAutomine", False)
        begun = real.fetch_block("latest")
        assert begun is not None
        memory = MemoryChain(kind="anvil", deployed=False, lag=2)
        memory.mine(begun.number)  # it mines for a moment before it is told not to
        signer = KeystoreSigner(Account.from_key(PUBLIC_DEV_KEY))
        chains = Pair(node.url, real, memory, signer)
        chains.set_base_fee(GWEI)  # anvil's first blocks have its starting fee
        chains.send(chains.sign(CREATE2_PROXY, encode_deployment(), nonce=0, gas=5_000_000))
        chains.mine()
        code = chains.agree(lambda node: node.fetch_code_hash(REGISTRY, "latest"))
        assert code == expected_code_hash(chains.memory.chain_id)
        yield chains


def random_call(rng: random.Random, on_chain: int, sizes: set[int]) -> tuple[Address, bytes]:
    """Return a call that is likely to be right, or wrong in one of the ways there are."""
    kind = rng.randrange(16)
    if kind == 0:
        return STRANGER, b""
    if kind == 1:
        key = rng.choice([STRANGER, DEV_ADDRESS, Address(bytes(20)), DEV_ADDRESSES[6]])
        return REGISTRY, encode_set_operator_call(LOG, key, rng.randrange(3))
    if kind == 2:
        return REGISTRY, rng.randbytes(4)
    log = OTHER_LOG if kind == 3 else LOG
    size = rng.randint(1, LEAVES // 2) if kind == 4 else min(on_chain + rng.randint(1, 3), LEAVES)
    sizes.add(size)
    old = on_chain if kind != 5 else rng.randrange(LEAVES)
    proof = TREE.consistency_proof(old, size) if 0 < old < size else []
    wanted = head(size) if kind != 6 else Head(root=Hash32(bytes(32)), size=size)
    return REGISTRY, encode_anchor_call(log, wanted, proof)


WORDS = ("send", "send", "send", "send", "send", "replace", "call", "mine", "mine", "mine", "fee",
         "reorg", "drop", "again", "late", "early", "poor")  # fmt: skip


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_same_happens_on_anvil_and_in_memory(chains: Pair, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(45):
        what = rng.choice(WORDS)
        if what in ("mine", "fee", "reorg", "drop"):
            change(chains, rng, what)
        else:
            use(chains, rng, what)
        chains.compare()
    anchored = [size for size in chains.sizes if anchor_of(chains.anvil, size)]
    assert len(anchored) > 1, "the scenario anchored next to nothing"


def change(chains: Pair, rng: random.Random, what: str) -> None:
    """Let something happen to the chains."""
    if what == "drop":
        chains.drop()
        return
    if what == "fee":
        chains.set_base_fee(rng.choice([GWEI, 42 * GWEI]))
    chains.mine()
    if what == "reorg":  # of a block that is neither the registry's nor final
        chains.reorganise(1)


def use(chains: Pair, rng: random.Random, what: str) -> None:
    """Call or send something, rightly or wrongly."""
    nonce = chains.agree(lambda node: node.fetch_nonce(DEV_ADDRESS, "latest"))
    word = chains.agree(lambda node: node.fetch_storage(REGISTRY, head_slot(LOG), "latest"))
    on_chain = next((n for n in range(1, LEAVES + 1) if TREE.root(n) == word), 0)
    to, data = random_call(rng, on_chain, chains.sizes)
    fee = rng.choice([40 * GWEI, 41 * GWEI, 45 * GWEI])
    if what == "call":
        chains.agree(lambda node: node.call(sender=DEV_ADDRESS, to=to, data=data))
        # The gas itself is made up; what is refused is not.
        chains.agree(lambda node: node.estimate_gas(sender=DEV_ADDRESS, to=to, data=data) > 21_000)
    elif what == "again":
        chains.send(rng.choice(chains.sent))
    elif what == "late":
        chains.send(chains.sign(to, data, nonce=nonce - 1, max_fee=fee))
    elif what == "early":
        chains.send(chains.sign(STRANGER, b"", nonce=nonce + 1, max_fee=fee))
    elif what == "poor":
        chains.send(chains.sign(STRANGER, b"", nonce=nonce, max_fee=10**12 * GWEI))
    else:
        chains.send(chains.sign(to, data, nonce=nonce, max_fee=fee))
    if what == "replace":
        more = rng.choice([1, GWEI, 10 * GWEI])
        chains.send(chains.sign(to, data, nonce=nonce, max_fee=fee + more, tip=GWEI + more))


def test_the_same_happens_where_chance_rarely_leads(chains: Pair) -> None:
    chains.send(chains.sign(REGISTRY, encode_anchor_call(LOG, head(5), []), nonce=1))
    chains.mine()
    chains.sizes = {5}
    chains.compare()
    # Another root of the same size; and the gas of a transaction that reverts is spent.
    proof = TREE.consistency_proof(5, 6)
    same_size = encode_anchor_call(LOG, Head(root=TREE.root(6), size=5), proof)
    refusal = chains.agree(lambda node: node.call(sender=DEV_ADDRESS, to=REGISTRY, data=same_size))
    assert refusal[1] == "InvalidSize(size=5, headSize=5)"
    chains.send(chains.sign(REGISTRY, same_size, nonce=2))
    chains.mine()
    chains.compare()
    # A later nonce waits in the pool for the earlier one.
    chains.send(chains.sign(STRANGER, b"", nonce=4))
    chains.mine()
    chains.compare()
    chains.send(chains.sign(STRANGER, b"", nonce=3))
    chains.mine()
    chains.compare()
    assert chains.agree(lambda node: node.fetch_nonce(DEV_ADDRESS, "latest")) == 5
    # What cannot pay the base fee is evicted, and does not come back when the fee falls.
    chains.send(chains.sign(STRANGER, b"", nonce=5))
    for fee in (41 * GWEI, GWEI, GWEI):
        chains.set_base_fee(fee)
        chains.mine()
        chains.compare()
    assert chains.agree(lambda node: node.fetch_nonce(DEV_ADDRESS, "latest")) == 5
