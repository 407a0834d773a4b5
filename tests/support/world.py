"""An honest world: two chains in memory, one owner's logs, their anchors, receipts and a policy.

``MemoryChain`` is a real, small ``ChainView``: blocks, a final block, and storage with its history.
Tests lie about one thing at a time, by changing the chain or with ``dataclasses.replace``.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import rlp
from support.proof_edits import put
from support.records import build_record
from support.tries import keccak256, make_trie, prove
from support.vectors.headers import VALUES
from support.vectors.headers import place as place_of

from anchor.base.digests import SHA256, SM3, Digests, digest_bytes
from anchor.base.errors import CannotCheckError, NodeUnreachableError
from anchor.base.types import Address, Anchor, Block, ChainId, Hash32, Head, LogId, make_log_id
from anchor.ethereum.known_chains import find_chain
from anchor.log.merkle import hash_leaf
from anchor.log.tree import Tree
from anchor.receipt.format import AnchorHints, Promise, Receipt, ReceiptAnchor, encode_receipt
from anchor.receipt.state_proof import StateProof, SuccessorProof, Takeover
from anchor.registry.artifact import expected_code_hash, registry_address
from anchor.registry.storage import (
    CLOSED_HEAD,
    anchor_slot,
    encode_anchor,
    head_slot,
    last_head_slot,
    operator_key_slot,
    successor_slot,
)
from anchor.verification.policy import FinalityRule, TrustedOperator, TrustEntry, TrustPolicy
from anchor.verification.report import Report, Verdict
from anchor.verification.steps import Connect, VerificationTarget
from anchor.verification.verifier import judge

OWNER = Address(bytes.fromhex("a11ce00000000000000000000000000000000001"))
STRANGER = Address(bytes.fromhex("0bad000000000000000000000000000000000002"))
REGISTRY = registry_address()
KEYS = {1: Address(b"\x11" * 20), 2: Address(b"\x22" * 20)}

MAIN = ChainId(31337)
SIDE = ChainId(10)

GENESIS_TIME = 1_790_000_000
LOG_SIZE = 13
# size: (block, operator id); sequence follows the order.
ANCHORED = {4: (10, 0), 9: (20, 1), 13: (30, 2)}


# The receipt most tests bend: leaf 6 under the second anchor, which operator 1 sent in block 20.
INDEX, SIZE = 6, 9


def hash_of(*parts: object) -> Hash32:
    """Make up a hash that names ``parts``."""
    return Hash32(hashlib.sha256(repr(parts).encode()).digest())


def _spell(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


@dataclass
class MemoryChain:
    """A chain whose block ``n`` was made ``12 n`` seconds after its genesis."""

    chain_id: ChainId
    latest: int = 45
    final: int | None = 40
    code: dict[Address, tuple[int, Hash32]] = field(default_factory=dict)
    storage: dict[tuple[Address, Hash32], list[tuple[int, bytes]]] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    fails_at: int | None = None
    needed: int = 1
    headers: dict[int, bytes] = field(default_factory=dict)
    genesis_time: int = GENESIS_TIME
    takeovers: dict[tuple[Address, LogId, Hash32], int] = field(default_factory=dict)

    def block(self, number: int) -> Block:
        header = self.headers.get(number)
        genesis = None if number else find_chain(self.chain_id).genesis
        made_up = genesis or hash_of("block", self.chain_id, number)
        return Block(
            number=number,
            hash=Hash32(keccak256(header)) if header else made_up,
            timestamp=self.genesis_time + 12 * number,
        )

    def prove(self, number: int, *slots: Hash32, registry: Address = REGISTRY) -> list[StateProof]:
        """Give the block of ``number`` a header, and prove each slot of the registry in it."""
        tries, accounts = self._make_tries(number)
        return [
            StateProof(
                header=self.headers[number],
                account_proof=tuple(prove(accounts, keccak256(registry))),
                storage_proof=tuple(prove(tries[registry], keccak256(slot))),
            )
            for slot in slots
        ]

    def prove_account(self, number: int, address: Address) -> tuple[bytes, ...]:
        """Prove an account in the block of ``number``, or that there is none."""
        return tuple(prove(self._make_tries(number)[1], keccak256(address)))

    def _make_tries(self, number: int) -> tuple[dict[Address, Any], Any]:
        """Give the block of ``number`` a header; return its contracts' storage and its accounts."""
        held: dict[tuple[Address, Hash32], bytes] = {}
        for place, writes in self.storage.items():
            for since, word in writes:
                if since <= number and any(word):
                    held[place] = word
        tries = {
            address: make_trie(
                {
                    keccak256(slot): rlp.encode(int.from_bytes(word, "big"))
                    for (at, slot), word in held.items()
                    if at == address
                }
            )
            for address in self.code
        }
        accounts = make_trie(
            {
                keccak256(address): rlp.encode([1, 0, tries[address].root_hash, code_hash])
                for address, (_, code_hash) in self.code.items()
            }
        )
        items = put(VALUES, place_of("stateRoot"), accounts.root_hash)
        items = put(items, place_of("number"), _spell(number))
        items = put(items, place_of("timestamp"), _spell(self.genesis_time + 12 * number))
        self.headers[number] = rlp.encode(items)
        return tries, accounts

    def store(self, slot: Hash32, word: bytes, *, block: int, registry: Address = REGISTRY) -> None:
        self.storage.setdefault((registry, slot), []).append((block, word))

    def store_anchor(
        self, log: LogId, root: Hash32, anchor: Anchor, *, registry: Address = REGISTRY
    ) -> None:
        word = encode_anchor(anchor)
        self.store(anchor_slot(log, root), word, block=anchor.block_number, registry=registry)

    def fetch_chain_id(self) -> ChainId:
        self._read("chain id")
        return self.chain_id

    def fetch_genesis(self) -> Hash32:
        self._read("genesis")
        return self.block(0).hash

    def fetch_latest_storage(self, address: Address, slot: Hash32) -> list[tuple[Block, Hash32]]:
        self._read("latest block")
        latest = self.block(self.latest)
        return [(latest, self.fetch_storage(address, slot, latest))]

    def fetch_latest_code_hash(self, address: Address) -> list[tuple[Block, Hash32]]:
        self._read("latest block")
        latest = self.block(self.latest)
        return [(latest, self.fetch_code_hash(address, latest))]

    def fetch_final_block(self, rule: FinalityRule) -> Block:
        self._read(f"final block by {rule}")
        if isinstance(rule, int):
            return self.block(self.latest - rule)
        if self.final is None:
            raise CannotCheckError("the node does not say which block is final")
        return self.block(self.final)

    def fetch_block(self, number: int) -> Block:
        self._read(f"block {number}")
        return self.block(number)

    def fetch_code_hash(self, address: Address, block: Block) -> Hash32:
        self._read("code")
        since, code_hash = self.code.get(address, (0, hash_of("no code")))
        return code_hash if since <= self._number(block) else hash_of("no code")

    def fetch_storage(self, address: Address, slot: Hash32, block: Block) -> Hash32:
        self._read("storage")
        word = bytes(32)
        for since, written in self.storage.get((address, slot), []):
            if since <= self._number(block):
                word = written
        return Hash32(word)

    def fetch_takeovers(
        self, registry: Address, log: LogId, since: int, final: Block
    ) -> list[Hash32]:
        self._read("events")
        return [
            root
            for (address, old, root), block in self.takeovers.items()
            if (address, old) == (registry, log) and since <= block <= final.number
        ]

    def _number(self, block: Block) -> int:
        if block != self.block(block.number):
            raise AssertionError("a block was asked for that this chain never had")
        return block.number

    def _read(self, what: str) -> None:
        self.reads.append(what)
        if len(self.reads) - 1 == self.fails_at:
            raise NodeUnreachableError(f"the node did not answer when asked for the {what}")


class World:
    """The honest state of everything; ``connect`` is what a verifier is given.

    The first of ``chain_ids`` is the main one, which everything is about if no other is named.
    """

    def __init__(
        self, records: Sequence[bytes] | None = None, chain_ids: Sequence[ChainId] = (MAIN, SIDE)
    ) -> None:
        self.home = chain_ids[0]
        self.log = make_log_id(OWNER, 0)
        self.other_log = make_log_id(OWNER, 5)
        self.files = [f"evidence number {index}".encode() for index in range(LOG_SIZE)]
        self.records = list(
            records or (make_record(index, content) for index, content in enumerate(self.files))
        )
        self.tree = Tree(b"".join(hash_leaf(record) for record in self.records))
        self.chains = {chain_id: MemoryChain(chain_id) for chain_id in chain_ids}
        self.asked: list[tuple[ChainId, tuple[str, ...]]] = []
        for chain in self.chains.values():
            chain.code[REGISTRY] = (5, expected_code_hash(chain.chain_id))
            for log in (self.log, self.other_log):
                for operator_id, key in KEYS.items():
                    chain.store(operator_key_slot(log, operator_id), bytes(12) + key, block=6)
        for chain in self.chains.values():
            for size in ANCHORED:
                chain.store_anchor(self.log, self.tree.root(size), self.stored(chain, size))

    @property
    def main(self) -> MemoryChain:
        return self.chains[self.home]

    def close(
        self, chain: MemoryChain, taken: int, *, block: int = 35, last: int = 13, told: bool = True
    ) -> LogId:
        """Let the owner close the log from the head of size ``taken``; return its successor.

        ``told`` says whether nodes still have the event.
        """
        successor, root = make_log_id(OWNER, 7), self.tree.root(taken)
        chain.store(head_slot(self.log), CLOSED_HEAD, block=block)
        chain.store(last_head_slot(self.log), self.tree.root(last), block=block)
        chain.store(successor_slot(self.log), successor, block=block)
        first = Anchor(
            size=taken,
            sequence=1,
            block_number=block,
            timestamp=chain.block(block).timestamp,
            operator_id=0,
        )
        chain.store_anchor(successor, root, first)
        if told:
            chain.takeovers[REGISTRY, self.log, root] = block
        return successor

    def copy_registry(self, registry: Address) -> None:
        """Let another address hold the same code and storage, on every chain."""
        for chain in self.chains.values():
            chain.code[registry] = chain.code[REGISTRY]
            copied = {slot: list(writes) for (_, slot), writes in chain.storage.items()}
            chain.storage |= {(registry, slot): writes for slot, writes in copied.items()}

    def stored(self, chain: MemoryChain, size: int) -> Anchor:
        block, operator_id = ANCHORED[size]
        return Anchor(
            size=size,
            sequence=list(ANCHORED).index(size) + 1,
            block_number=block,
            timestamp=chain.block(block).timestamp,
            operator_id=operator_id,
        )

    def word(self, **changes: int) -> bytes:
        """Return what the registry stores for the anchor of size 9, with members changed."""
        return encode_anchor(dataclasses.replace(self.stored(self.main, SIZE), **changes))

    def rewrite(self, word: bytes | None, *, block: int = 20, chain_id: ChainId = MAIN) -> None:
        """Make the registry hold ``word`` for that anchor's root, from ``block`` on, or nothing."""
        slot = anchor_slot(self.log, self.tree.root(SIZE))
        writes = [] if word is None else [(block, word)]
        self.chains[chain_id].storage[REGISTRY, slot] = writes

    def connect(self, target: VerificationTarget) -> MemoryChain:
        self.asked.append((target.chain_id, target.rpc))
        if target.chain_id not in self.chains:
            raise CannotCheckError(f"no node of chain {target.chain_id} is known")
        return self.chains[target.chain_id]

    def evidence(self, index: int) -> Digests:
        return digest_bytes(self.files[index], (SHA256, SM3))

    def anchor(self, index: int, size: int, chain_id: ChainId | None = None) -> ReceiptAnchor:
        chain_id = self.home if chain_id is None else chain_id
        stored = self.stored(self.chains[chain_id], size)
        return ReceiptAnchor(
            chain_id=chain_id,
            registry=REGISTRY,
            head=Head(root=self.tree.root(size), size=size),
            path=tuple(self.tree.inclusion_path(index, size)),
            sequence=stored.sequence,
            block_number=stored.block_number,
            timestamp=stored.timestamp,
            hints=AnchorHints(
                tx_hash=hash_of("tx", size),
                block_hash=self.chains[chain_id].block(stored.block_number).hash,
            ),
            state=None,
        )

    def prove(
        self,
        anchor: ReceiptAnchor,
        *,
        at: int = 40,
        successor: bool = False,
        takeover: int | None = None,
    ) -> ReceiptAnchor:
        """Return the anchor with the proof of what its registry holds in block ``at``.

        ``successor`` proves which log goes on, too, and ``takeover`` that it began with the head
        of that size.
        """
        chain = self.chains[anchor.chain_id]
        slots = [anchor_slot(self.log, anchor.head.root)]
        operator_id = self.stored(chain, anchor.head.size).operator_id
        if operator_id:
            slots.append(operator_key_slot(self.log, operator_id))
        proof, *others = chain.prove(at, *slots, registry=anchor.registry)
        if others:
            proof = dataclasses.replace(proof, operator_proof=others[0].storage_proof)
        if successor:
            proof = dataclasses.replace(proof, successor=self._prove_successor(chain, at, takeover))
        return dataclasses.replace(anchor, state=proof)

    def _prove_successor(self, chain: MemoryChain, at: int, takeover: int | None) -> SuccessorProof:
        (of_log,) = chain.prove(at, successor_slot(self.log))
        if takeover is None:
            return SuccessorProof(proof=of_log.storage_proof)
        root = self.tree.root(takeover)
        (of_root,) = chain.prove(at, anchor_slot(make_log_id(OWNER, 7), root))
        return SuccessorProof(
            proof=of_log.storage_proof,
            takeover=Takeover(root=root, proof=of_root.storage_proof),
        )

    def receipt(self, index: int, *anchors: ReceiptAnchor, head_size: int = 9) -> Receipt:
        return Receipt(
            record=self.records[index],
            log=self.log,
            index=index,
            promise=None if anchors else self.promise(index, head_size),
            anchors=anchors,
        )

    def promise(self, index: int, size: int) -> Promise:
        return Promise(
            head=Head(root=self.tree.root(size), size=size),
            path=tuple(self.tree.inclusion_path(index, size)),
        )

    def entry(self, chain_id: ChainId | None = None) -> TrustEntry:
        chain_id = self.home if chain_id is None else chain_id
        return TrustEntry(
            chain_id=chain_id,
            genesis=self.chains[chain_id].block(0).hash,
            registry=REGISTRY,
            code_hash=expected_code_hash(chain_id),
            owner=OWNER,
            logs=(0,),
            operators=tuple(
                TrustedOperator(id=operator_id, from_block=0, until_block=None)
                for operator_id in (0, 1, 2)
            ),
            time_slack=30,
            finality="finalized",
            rpc=(f"https://node-{chain_id}.example/",),
        )

    def policy(self, *entries: TrustEntry) -> TrustPolicy:
        return TrustPolicy(entries=entries or (self.entry(),))


def make_record(index: int, content: bytes, *, hour: int = 14) -> bytes:
    """Return the record of a file, made at that hour: the chain's first block is of 14:13."""
    return build_record(
        digests=digest_bytes(content, (SHA256, SM3)),
        name=f"evidence-{index}.txt",
        media_type="text/plain",
        salt=hash_of("salt", index),
        recorded_at=datetime(2026, 9, 21, hour, 0, index, tzinfo=UTC),
    ).encoded


_LETTERS = {Verdict.PASS: "P", Verdict.FAIL: "F", Verdict.CANNOT_TELL: "?"}


def verdicts(report: Report) -> str:
    """Return the verdicts of C1 C2 C3 C4 C6 as five letters: passed, failed, ? cannot tell."""
    assert [claim.id for claim in report.claims] == [f"C{number}" for number in range(1, 10)]
    judged = [claim for claim in report.claims if claim.id in ("C1", "C2", "C3", "C4", "C6")]
    return "".join(_LETTERS[claim.verdict] for claim in judged)


def failing_steps(report: Report) -> list[int]:
    """Return the numbers of the steps that did not pass, in the order they were made."""
    return [step.number for step in report.steps if step.error is not None]


def honest(world: World) -> Receipt:
    """Return the receipt of record 6 with one anchor, that of size 9 on the main chain."""
    return world.receipt(INDEX, world.anchor(INDEX, SIZE))


def re_anchored(receipt: Receipt, **changes: object) -> Receipt:
    """Change members of the receipt's only anchor."""
    anchor = dataclasses.replace(receipt.anchors[0], **changes)  # type: ignore[arg-type]
    return dataclasses.replace(receipt, anchors=(anchor,))


class _Pinned:
    """Stands for the world's own policy, where None means that there is none."""


def judged(
    world: World,
    receipt: Receipt | bytes | None = None,
    *,
    evidence: Digests | None = None,
    policy: TrustPolicy | type[_Pinned] | None = _Pinned,
    connect: Connect | None = None,
    block_hashes: Collection[Hash32] = (),
    chain_ids: Collection[ChainId] = (),
    accept_unpinned: bool = False,
    offline: bool = False,
) -> Report:
    """Judge a receipt, the honest one by default, as a verifier of that world would."""
    receipt = receipt or honest(world)
    return judge(
        receipt if isinstance(receipt, bytes) else encode_receipt(receipt),
        evidence or world.evidence(INDEX),
        policy=policy if policy is None or isinstance(policy, TrustPolicy) else world.policy(),
        connect=None if offline else connect or world.connect,
        block_hashes=block_hashes,
        chain_ids=chain_ids,
        accept_unpinned=accept_unpinned,
    )


def unpinned(world: World, receipt: Receipt | bytes | None = None, **given: Any) -> Report:
    """Judge a receipt without a policy, as one who names the chain and takes the rest on trust."""
    named = {"chain_ids": (MAIN, SIDE), "accept_unpinned": True}
    return judged(world, receipt, policy=None, **(named | given))


def expect(report: Report, code: int, steps: list[int], claims: str) -> None:
    """Assert the exit code, the steps that did not pass, and the verdicts of the claims."""
    assert (int(report.exit_code), failing_steps(report), verdicts(report)) == (code, steps, claims)
