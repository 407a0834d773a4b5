"""A log, two chains that hold its anchors, and the receipts of it, for verification vectors.

Every value is built here from the specification: records and paths by hand, tries by the package
``trie``.  The constants are the release's own; tests compare them with the package's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any

import rlp
from support.proof_edits import put
from support.rfc9162_reference import inclusion_path
from support.rfc9162_reference import root as root_of
from support.tries import keccak256, make_trie, prove
from support.vectors.beacons import CODE as HISTORY_CODE
from support.vectors.beacons import HISTORY, WINDOW
from support.vectors.headers import VALUES, place
from support.vectors.states import slot_of, word_of
from support.vectors.submitters import key_slot

Json = dict[str, Any]

REGISTRY = bytes.fromhex("f525060e7f0b222b6c7a0a7445ef1c5ad1aa8069")
CODE_HASHES = {
    10: "9af7be2170d4b13c784699255e2310a75691f8826f6108388c8ca5972fde7fe1",
    31337: "5d6be8b4a25de41d59749c445c39f7a0b5f108126332ba5db758d0e30d726544",
}
GENESIS = {
    10: "7ca38a1916c42007829c55e69d3e9a73265554b586a499015373241b8a3fa48b",
    31337: "11" * 32,
}
DEVELOPMENT, MAIN, UNLISTED = 31337, 10, 31338

OWNER = bytes.fromhex("a11ce00000000000000000000000000000000001")
LOG, OTHER_LOG = bytes(12) + OWNER, bytes(11) + b"\5" + OWNER
SUCCESSOR = bytes(11) + b"\7" + OWNER
KEYS = {1: b"\x11" * 20, 2: b"\x22" * 20}
NUMBER, TIME = 20_000, 1_790_000_000
# size of each anchor: its sequence, block and sender.
ANCHORED = {4: (1, NUMBER - 30, 0), 9: (2, NUMBER - 20, 1), 13: (3, NUMBER - 10, 2)}
LEAVES, INDEX = 13, 6
NAMED = NUMBER - 100


def time_of(number: int) -> int:
    return TIME - 12 * (NUMBER - number)


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sm3_hex(data: bytes) -> str:
    return hashlib.new("sm3", data).hexdigest()


def content_of(index: int) -> bytes:
    return f"evidence number {index}".encode()


def members_of(index: int) -> Json:
    """The members of a record, made at an hour at which its anchors were not yet."""
    content = content_of(index)
    return {
        "schema": "evidence-record/1",
        "digests": {"sha256": sha256_hex(content), "sm3": sm3_hex(content)},
        "size": len(content),
        "name": f"evidence-{index}.txt",
        "media_type": "text/plain",
        "salt": sha256_hex(b"salt %d" % index),
        "recorded_at": f"2026-09-21T14:00:{index:02}Z",
    }


def canonical(value: object) -> str:
    """RFC 8785 of what has ASCII names, integers and strings."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def to_hex(nodes: list[bytes]) -> list[str]:
    return [f"0x{node.hex()}" for node in nodes]


def simple_slot(mapping: int, log: bytes) -> bytes:
    return keccak256(log + mapping.to_bytes(32, "big"))


def header_at(number: int, time: int, state_root: bytes, items: int = 21) -> bytes:
    values = put(VALUES, place("stateRoot"), state_root)
    values = put(values, place("number"), number.to_bytes(8, "big").lstrip(b"\0"))
    values = put(values, place("timestamp"), time.to_bytes(8, "big").lstrip(b"\0"))
    return rlp.encode([*values, bytes(32), b"\1", [b"new", []], b""][:items])


NAMED_HEADER = header_at(NAMED, time_of(NAMED), VALUES[3])


@dataclass(frozen=True)
class Chain:
    """A block of a chain, and in its state the registry and the history contract."""

    chain_id: int = DEVELOPMENT
    number: int = NUMBER
    time: int = TIME
    items: int = 21
    # Changed or added: the RLP of slots, None to leave one out; and of accounts.
    slots: Mapping[bytes, bytes | None] = field(default_factory=dict)
    history: Mapping[int, bytes] = field(
        default_factory=lambda: {NAMED % WINDOW: keccak256(NAMED_HEADER)}
    )
    history_code: bytes | None = HISTORY_CODE
    code: bytes | None = None
    account: bytes | None = None
    has_registry: bool = True
    registry: bytes = REGISTRY
    leaves: tuple[bytes, ...] = ()

    @cached_property
    def storage(self) -> Any:
        slots: dict[bytes, bytes | None] = {
            slot_of(LOG, root_of(self.leaves[:size])): rlp.encode(word_at(size))
            for size in ANCHORED
        }
        for operator, key in KEYS.items():
            slots[key_slot(LOG, operator)] = rlp.encode(int.from_bytes(key, "big"))
        slots |= self.slots
        return make_trie({keccak256(at): value for at, value in slots.items() if value is not None})

    @cached_property
    def kept(self) -> Any:
        return make_trie(
            {
                keccak256(at.to_bytes(32, "big")): rlp.encode(word)
                for at, word in self.history.items()
                if word
            }
        )

    @cached_property
    def accounts(self) -> Any:
        default = bytes.fromhex(CODE_HASHES.get(self.chain_id, CODE_HASHES[DEVELOPMENT]))
        wallet = [b"\2", b"\1", keccak256(b"\x80"), keccak256(b"")]
        accounts = {b"\xfe" * 20: rlp.encode(wallet), b"\xfd" * 20: rlp.encode(wallet)}
        if self.has_registry:
            registry = [b"\1", b"", self.storage.root_hash, self.code or default]
            accounts[self.registry] = self.account or rlp.encode(registry)
        if self.history_code is not None:
            accounts[HISTORY] = rlp.encode([b"\1", b"", self.kept.root_hash, self.history_code])
        return make_trie({keccak256(at): account for at, account in accounts.items()})

    @cached_property
    def header(self) -> bytes:
        return header_at(self.number, self.time, self.accounts.root_hash, self.items)

    def prove_account(self, address: bytes) -> list[str]:
        return to_hex(prove(self.accounts, keccak256(address)))

    def prove_slot(self, slot: bytes) -> list[str]:
        return to_hex(prove(self.storage, keccak256(slot)))

    def prove_kept(self, number: int) -> list[str]:
        return to_hex(prove(self.kept, keccak256((number % WINDOW).to_bytes(32, "big"))))


def word_at(anchored: int, **changes: int) -> int:
    """The word of the anchor of this size, with parts of it changed."""
    sequence, block, operator = ANCHORED[anchored]
    values = {"size": anchored, "sequence": sequence, "block": block, "time": time_of(block)}
    return word_of(**{**values, "operator": operator, **changes})


@dataclass(frozen=True)
class World:
    """The log with one record of its own, and the chains that hold it."""

    record: str = canonical(members_of(INDEX))
    index: int = INDEX
    # Records of other leaves, where they are not the usual ones.
    others: Mapping[int, str] = field(default_factory=dict)

    @cached_property
    def leaves(self) -> tuple[bytes, ...]:
        records = [canonical(members_of(index)) for index in range(LEAVES)]
        for index, other in self.others.items():
            records[index] = other
        records[self.index] = self.record
        return tuple(record.encode("utf-8", "surrogatepass") for record in records)

    def chain(self, **changes: Any) -> Chain:
        return Chain(leaves=self.leaves, **changes)

    def head(self, size: int) -> Json:
        path = inclusion_path(self.index, self.leaves[:size])
        root = root_of(self.leaves[:size]).hex()
        return {"size": size, "root": root, "path": [node.hex() for node in path]}

    def anchor(self, chain: Chain, size: int = 9, *, is_proven: bool = True) -> Json:
        sequence, block, operator = ANCHORED[size]
        root = root_of(self.leaves[:size])
        anchor = {
            "chain_id": chain.chain_id,
            "registry": f"0x{chain.registry.hex()}",
            **self.head(size),
            "sequence": sequence,
            "block_number": block,
            "timestamp": time_of(block),
            "hints": {"tx_hash": "0x" + "aa" * 32, "block_hash": "0x" + "bb" * 32},
        }
        if is_proven:
            anchor["state"] = {
                "header": f"0x{chain.header.hex()}",
                "account_proof": chain.prove_account(chain.registry),
                "storage_proof": chain.prove_slot(slot_of(LOG, root)),
            }
            if operator:
                slot = key_slot(LOG, operator)
                anchor["state"]["operator_proof"] = chain.prove_slot(slot)
        return anchor

    def receipt(self, *anchors: Json, promised: int = 9) -> Json:
        document: Json = {
            "format": "anchor-receipt/1",
            "record": self.record,
            "log": f"0x{LOG.hex()}",
            "index": self.index,
        }
        head = {} if anchors else {"head": self.head(promised)}
        return {**document, **head, "anchors": list(anchors)}


def beacon_of(chain: Chain, header: bytes = NAMED_HEADER, number: int = NAMED) -> Json:
    """The proof that the block of ``number`` is one of the chain's."""
    return {
        "header": f"0x{header.hex()}",
        "account_proof": chain.prove_account(HISTORY),
        "storage_proof": chain.prove_kept(number),
    }


def successor_of(chain: Chain, size: int | None = None, root: bytes | None = None) -> Json:
    """The proof of the log's successor, and where it has one and a size, of its beginning."""
    proof: Json = {"proof": chain.prove_slot(simple_slot(4, LOG))}
    if size is not None:
        root = root or root_of(chain.leaves[:size])
        takeover = {"root": root.hex(), "proof": chain.prove_slot(slot_of(SUCCESSOR, root))}
        proof["takeover"] = takeover
    return proof


LATER_ROOT = keccak256(b"a later head of the successor")


def closing(world: World, size: int) -> dict[bytes, bytes]:
    """The slots of a registry in which the owner closed the log and went on from ``size``."""
    first = word_of(size, 1, NUMBER - 5, time_of(NUMBER - 5))
    second = word_of(40, 2, NUMBER - 3, time_of(NUMBER - 3))
    return {
        simple_slot(4, LOG): rlp.encode(SUCCESSOR.lstrip(b"\0")),
        slot_of(SUCCESSOR, root_of(world.leaves[:size])): rlp.encode(first),
        slot_of(SUCCESSOR, LATER_ROOT): rlp.encode(second),
    }


def entry_of(chain_id: int = DEVELOPMENT, **changes: Any) -> Json:
    """An entry of the policy, as JSON; a value None leaves a member out."""
    entry = {
        "chain_id": chain_id,
        "genesis": f"0x{GENESIS.get(chain_id, '22' * 32)}",
        "registry": f"0x{REGISTRY.hex()}",
        "code_hash": f"0x{CODE_HASHES.get(chain_id, CODE_HASHES[DEVELOPMENT])}",
        "owner": f"0x{OWNER.hex()}",
        "logs": [0],
        "operators": [{"id": 0}, {"id": 1}, {"id": 2}],
        "time_slack": 30,
        **changes,
    }
    return {name: value for name, value in entry.items() if value is not None}


def policy_of(*entries: Json) -> Json:
    return {"format": "anchor-trust/1", "trust": list(entries or [entry_of()])}


@cache
def honest_world() -> World:
    return World()


def world_of(**members: Any) -> World:
    """The world in which the record has other members; None leaves one out."""
    changed = {**members_of(INDEX), **members}
    return World(canonical({name: value for name, value in changed.items() if value is not None}))


@dataclass(frozen=True, kw_only=True)
class Given:
    """A receipt's bytes, and what a verifier is given beside them."""

    receipt: bytes
    evidence: Json = field(
        default_factory=lambda: {
            "sha256": sha256_hex(content_of(INDEX)),
            "sm3": sm3_hex(content_of(INDEX)),
            "size": len(content_of(INDEX)),
        }
    )
    policy: Json | None = field(default_factory=policy_of)
    block_hashes: tuple[str, ...] = ()
    chain_ids: tuple[int, ...] = ()
    accept_unpinned: bool = False
    suffix: str = ".json"

    def fields(self) -> Json:
        names = ("evidence", "policy", "block_hashes", "chain_ids", "accept_unpinned")
        return {name: getattr(self, name) for name in names}


def hashes_of(document: Json) -> tuple[str, ...]:
    """The hashes of the headers of a receipt's state proofs."""
    headers = [anchor["state"]["header"] for anchor in document["anchors"] if "state" in anchor]
    hashes = (f"0x{keccak256(bytes.fromhex(header[2:])).hex()}" for header in headers)
    return tuple(dict.fromkeys(hashes))


def write(document: Json) -> bytes:
    """A receipt as writers write it, though with a blank after colons and commas."""
    return (json.dumps(document, indent=1, ensure_ascii=True) + "\n").encode()


def given(document: Json, **changes: Any) -> Given:
    """The receipt with the blocks in it named, unless other inputs are given."""
    changes.setdefault("block_hashes", hashes_of(document))
    return Given(receipt=write(document), **changes)


Bend = Callable[[Json], None]


def bent(document: Json, bend: Bend) -> Json:
    copied: Json = json.loads(json.dumps(document))
    bend(copied)
    return copied


def simple(chain: Chain | None = None, size: int = 9, world: World | None = None) -> Json:
    """The receipt of one anchor."""
    world = world or honest_world()
    return world.receipt(world.anchor(chain or world.chain(), size))


def replaced(given: Given, **changes: Any) -> Given:
    return replace(given, **changes)
