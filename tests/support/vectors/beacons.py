"""beacons.json: whether the block that a record names is one of the anchor's chain (EIP-2935)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import rlp
from support.proof_edits import put
from support.tries import keccak256, make_trie, prove
from support.vectors.cases import Case, invalid, unknown, valid
from support.vectors.headers import VALUES, place
from support.vectors.states import REGISTRY, WALLET

RULES = {
    "not-before": "the record's not_before names a block in the form of the format: of another "
    "nothing can be told",
    "members": "a beacon has header, account_proof and storage_proof within their bounds, and no "
    "other members",
    "chain": "the record names a block of the anchor's chain",
    "beacon-header": "the beacon's header is one (headers.json)",
    "fork": "the beacon's header has as many items as a fork gives it (headers.json): of others "
    "nothing can be told",
    "number": "the beacon's header has the number that the record names",
    "hash": "the beacon's header has the hash that the record names",
    "order": "the named block is before the proof's block",
    "window": "it is at most 8,191 blocks before it",
    "account-proof": "the account proof holds for the history contract under the proof's block's "
    "state root (trie.json)",
    "account": "there is an account at the history contract's address",
    "code-hash": "it has the code of EIP-2935",
    "storage-proof": "the storage proof holds for the slot of the block's number modulo 8,191",
    "kept": "that slot holds the named block's hash",
    "later": "the named block is not of a later time than the anchor",
}

HISTORY = bytes.fromhex("0000f90827f1c53a10cb7a02335b175320002935")
CODE = keccak256(
    bytes.fromhex(
        "3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f356001430381116042"
        "57611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500"
    )
)
WINDOW = 8_191
CHAIN, NUMBER, TIME = 1, 20_000, 1_790_000_000
NAMED = NUMBER - 100
# The anchor is somewhat before the block that proves it.
ANCHORED_AT = TIME - 120

Bend = Callable[["Beacon"], "Beacon"]


def spell(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def header_at(number: int, time: int, state_root: bytes = VALUES[3]) -> bytes:
    items = put(VALUES, place("stateRoot"), state_root)
    items = put(items, place("number"), spell(number))
    return rlp.encode(put(items, place("timestamp"), spell(time)))


def block_at(number: int) -> bytes:
    """The header of a block of the chain, each 12 seconds after the one before."""
    return header_at(number, TIME - 12 * (NUMBER - number))


@dataclass(frozen=True)
class Chain:
    """The state of the proof's block: the history contract, and its slots."""

    code: bytes | None = CODE
    slots: tuple[tuple[int, bytes], ...] = tuple(
        (number % WINDOW, keccak256(block_at(number)))
        for number in (*range(NAMED - 3, NAMED + 4), NUMBER - 1, NUMBER - WINDOW)
    )

    def storage(self) -> Any:
        return make_trie(
            {
                keccak256(slot.to_bytes(32, "big")): rlp.encode(word)
                for slot, word in self.slots
                if word
            }
        )

    def accounts(self) -> Any:
        wallet = [b"\2", b"\1", keccak256(b"\x80"), keccak256(b"")]
        found = {REGISTRY: put(wallet, 3, keccak256(b"the registry's code")), WALLET: wallet}
        if self.code is not None:
            found[HISTORY] = [b"\1", b"", self.storage().root_hash, self.code]
        return make_trie({keccak256(at): rlp.encode(account) for at, account in found.items()})

    def keeping(self, number: int, word: bytes) -> Chain:
        others = tuple(pair for pair in self.slots if pair[0] != number % WINDOW)
        return replace(self, slots=(*others, (number % WINDOW, word)))


@dataclass(frozen=True)
class Beacon:
    """What is given: the proof's block, the anchor's chain and time, the record and the beacon."""

    header: bytes
    not_before: Any
    beacon: Any
    chain_id: int = CHAIN
    anchored_at: int = ANCHORED_AT

    def fields(self) -> dict[str, object]:
        return {
            "header": f"0x{self.header.hex()}",
            "chain_id": self.chain_id,
            "anchored_at": self.anchored_at,
            "not_before": self.not_before,
            "beacon": self.beacon,
        }


def name(header: bytes, number: int, chain_id: int = CHAIN) -> dict[str, Any]:
    return {
        "block_hash": f"0x{keccak256(header).hex()}",
        "block_number": number,
        "chain_id": chain_id,
    }


def to_hex(nodes: list[bytes]) -> list[str]:
    return [f"0x{node.hex()}" for node in nodes]


def ask(
    chain: Chain | None = None,
    *,
    number: int = NAMED,
    named: bytes | None = None,
    slot: int | None = None,
) -> Beacon:
    """Ask about block ``number`` with header ``named``; None: that of the chain."""
    chain = chain or Chain()
    earlier = block_at(number) if named is None else named
    slot = (number if slot is None else slot) % WINDOW
    beacon = {
        "header": f"0x{earlier.hex()}",
        "account_proof": to_hex(prove(chain.accounts(), keccak256(HISTORY))),
        "storage_proof": to_hex(prove(chain.storage(), keccak256(slot.to_bytes(32, "big")))),
    }
    header = header_at(NUMBER, TIME, chain.accounts().root_hash)
    return Beacon(header=header, not_before=name(earlier, number), beacon=beacon)


def with_beacon(**changes: Any) -> Bend:
    return lambda given: replace(given, beacon={**given.beacon, **changes})


def with_named(**changes: Any) -> Bend:
    return lambda given: replace(given, not_before={**given.not_before, **changes})


def build_beacons() -> dict[str, object]:
    """Return beacons.json."""
    return {
        "about": "Is the block that a record names one of the anchor's chain, as the state of the "
        "proof's block shows, whose header is vouched for (docs/spec/state-proof.md, EIP-2935)?",
        "rules": RULES,
        "beacons": [*honest_cases(), *odd_chains(), *bent_cases(), *odd_names()],
    }


def holds(title: str, given: Beacon, number: int, time: int) -> Case:
    return valid(title, **given.fields(), number=number, timestamp=time)


def honest_cases() -> Iterator[Case]:
    for title, number in (
        ("a block", NAMED),
        ("the block just before", NUMBER - 1),
        ("the oldest block that is kept", NUMBER - WINDOW),
    ):
        given = ask(number=number)
        time = TIME - 12 * (NUMBER - number)
        given = replace(given, anchored_at=max(given.anchored_at, time))
        yield holds(title, given, number, time)
    time = TIME - 12 * (NUMBER - NAMED)
    yield holds("a block of the anchor's own time", replace(ask(), anchored_at=time), NAMED, time)
    early = header_at(NAMED, 0)
    given = ask(Chain().keeping(NAMED, keccak256(early)), named=early)
    yield holds("a block of 1970", given, NAMED, 0)


def odd_chains() -> Iterator[Case]:
    """What the proof's block commits to, and what proves nothing."""
    too_old = NUMBER - WINDOW - 1
    later = block_at(NUMBER + 1)
    own = block_at(NUMBER)
    newer = header_at(NAMED, ANCHORED_AT + 1)
    other = keccak256(b"another block")
    for title, rule, given in (
        ("the proof's own block", "order", ask(Chain().keeping(NUMBER, keccak256(own)),
                                               number=NUMBER, named=own)),
        ("a later block", "order", ask(Chain().keeping(NUMBER + 1, keccak256(later)),
                                       number=NUMBER + 1, named=later)),
        ("a block that is too old", "window",
         ask(Chain().keeping(too_old, keccak256(block_at(too_old))), number=too_old)),
        ("a block newer than the anchor", "later",
         ask(Chain().keeping(NAMED, keccak256(newer)), named=newer)),
        ("a chain without the contract", "account", ask(Chain(code=None))),
        ("a contract with other code", "code-hash", ask(Chain(code=keccak256(b"other code")))),
        ("a contract without code", "code-hash", ask(Chain(code=keccak256(b"")))),
        ("another block in the slot", "kept", ask(Chain().keeping(NAMED, other))),
        ("an empty slot", "kept", ask(Chain().keeping(NAMED, b""))),
        ("a word of one bit less", "kept",
         ask(Chain().keeping(NAMED, b"\1" + keccak256(block_at(NAMED))[1:]))),
    ):  # fmt: skip
        yield invalid(title, rule, **given.fields())


def bent_cases() -> Iterator[Case]:
    honest = ask()
    beacon = honest.beacon
    account, storage = beacon["account_proof"], beacon["storage_proof"]
    items = rlp.decode(block_at(NAMED))
    altered = f"0x{rlp.encode(put(items, place('stateRoot'), keccak256(b'x'))).hex()}"
    next_slot = ask(slot=NAMED + 1).beacon["storage_proof"]
    bends: dict[str, tuple[str, Bend]] = {
        "another chain in the record": ("chain", with_named(chain_id=10)),
        "an anchor on another chain": ("chain", lambda given: replace(given, chain_id=10)),
        "another number in the record": ("number", with_named(block_number=NAMED + 1)),
        "another hash in the record": ("hash", with_named(block_hash="0x" + "ab" * 32)),
        "a bent header": ("hash", with_beacon(header=altered)),
        "the next block's header": (
            "number", with_beacon(header=f"0x{block_at(NAMED + 1).hex()}")
        ),
        "a header with a byte more": ("beacon-header", with_beacon(header=beacon["header"] + "00")),
        "a header that is a string": ("beacon-header", with_beacon(header="0x80")),
        "the wrong slot": ("storage-proof", with_beacon(storage_proof=next_slot)),
        "the two proofs exchanged": (
            "account-proof", with_beacon(account_proof=storage, storage_proof=account)
        ),
        "another account's proof": (
            "account-proof",
            with_beacon(account_proof=to_hex(prove(Chain().accounts(), keccak256(WALLET)))),
        ),
        "an account proof without its last node": (
            "account-proof", with_beacon(account_proof=account[:-1] or storage)
        ),
        "an account proof with a node more": (
            "account-proof", with_beacon(account_proof=[*account, account[-1]])
        ),
        "a storage proof reversed": ("storage-proof", with_beacon(storage_proof=storage[::-1])),
        "a storage proof with a node more": (
            "storage-proof", with_beacon(storage_proof=[*storage, storage[0]])
        ),
        "another state's proofs": (
            "account-proof",
            lambda given: replace(given, header=header_at(NUMBER, TIME, keccak256(b"other"))),
        ),
        "no account proof": ("members", with_beacon(account_proof=[])),
        "no storage proof": ("members", with_beacon(storage_proof=[])),
        "66 nodes": ("members", with_beacon(storage_proof=storage * 66)),
        "a node of no bytes": ("members", with_beacon(storage_proof=["0x"])),
        "a node of 533 bytes": ("members", with_beacon(storage_proof=["0x" + "00" * 533])),
        "a header of no bytes": ("members", with_beacon(header="0x")),
        "a header of 8,193 bytes": ("members", with_beacon(header="0x" + "00" * 8_193)),
        "a header in capitals": (
            "members", with_beacon(header="0x" + beacon["header"][2:].upper())
        ),
        "a header without a prefix": ("members", with_beacon(header=beacon["header"][2:])),
        "a header of null": ("members", with_beacon(header=None)),
        "a member more": ("members", with_beacon(number=NAMED)),
        "a member less": (
            "members",
            lambda given: replace(given, beacon={"header": beacon["header"]}),
        ),
        "a beacon that is a list": ("members", lambda given: replace(given, beacon=[])),
    }  # fmt: skip
    for title, (rule, bend) in bends.items():
        yield invalid(title, rule, **bend(honest).fields())
    short = f"0x{rlp.encode(items[:19]).hex()}"
    yield unknown("a header of no fork", "fork", **with_beacon(header=short)(honest).fields())


def odd_names() -> Iterator[Case]:
    """Values of ``not_before`` that are the operator's own statements."""
    true = ask().not_before
    odd = {
        "null": None,
        "text": "block 19900",
        "a list": [true],
        "an empty object": {},
        "a member more": {**true, "time": TIME},
        "a member less": {"block_number": NAMED, "chain_id": CHAIN},
        "a hash without a prefix": {**true, "block_hash": true["block_hash"][2:]},
        "a hash in capitals": {**true, "block_hash": "0x" + true["block_hash"][2:].upper()},
        "a hash of 31 bytes": {**true, "block_hash": true["block_hash"][:-2]},
        "a hash of null": {**true, "block_hash": None},
        "a negative number": {**true, "block_number": -1},
        "a number that is true": {**true, "block_number": True},
        "a number that is text": {**true, "block_number": str(NAMED)},
        "a chain of 0": {**true, "chain_id": 0},
        "a chain that is text": {**true, "chain_id": "1"},
    }
    for title, value in odd.items():
        given = replace(ask(), not_before=value)
        yield unknown(f"not_before: {title}", "not-before", **given.fields())
