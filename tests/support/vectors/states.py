"""states.json: what a registry holds for a root at a block, by the block's hash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import rlp
from support.proof_edits import put
from support.tries import keccak256, make_trie, prove
from support.vectors.cases import Case, invalid, unknown, valid
from support.vectors.headers import VALUES, place

RULES = {
    "header": "the header is one (headers.json)",
    "fork": "the header has as many items as a fork gives it, or more than 21 (headers.json)",
    "block-hash": "the header has the block's hash",
    "account-proof": "the account proof holds for the registry under the state root (trie.json)",
    "account": "there is an account at the registry's address",
    "account-form": "an account is nonce, balance, storage root and code hash, in RLP",
    "code-hash": "the account has the pinned code",
    "storage-proof": "the storage proof holds for the anchor's slot under the storage root",
    "value-form": "a slot's value is an integer in RLP, not zero and of at most 32 bytes",
    "word": "the registry writes no anchor without a size or a sequence",
    "later": "no anchor is of a later time than the block it is read at",
}

OWNER = bytes.fromhex("a11ce00000000000000000000000000000000001")
LOG, OTHER_LOG = bytes(12) + OWNER, bytes(11) + b"\5" + OWNER
REGISTRY = bytes.fromhex("5e61000000000000000000000000000000000003")
STRANGER = bytes.fromhex("0bad000000000000000000000000000000000002")
WALLET = bytes.fromhex("fee0000000000000000000000000000000000004")
NOBODY = b"\x99" * 20
CODE = keccak256(b"the registry's code")
NO_CODE = keccak256(b"")
ROOTS = [keccak256(b"root %d" % number) for number in range(5)]
NUMBER, TIME = 200, 1_790_002_400


def slot_of(log: bytes, root: bytes) -> bytes:
    """The slot of ``anchors[log][root]`` (docs/spec/registry.md)."""
    return keccak256(root + keccak256(log + bytes(32)))


def word_of(size: int, sequence: int, block: int, time: int, operator: int = 0) -> int:
    return size | sequence << 48 | block << 88 | time << 136 | operator << 184


def anchor_at(sequence: int, block: int) -> int:
    return word_of(4 * sequence, sequence, block, TIME - 12 * (NUMBER - block), sequence % 2)


WORDS = {
    slot_of(LOG, root): anchor_at(place + 1, 10 * place + 10) for place, root in enumerate(ROOTS)
}
ABSENT = keccak256(b"a root that was never anchored")


@dataclass(frozen=True)
class State:
    """A chain's state at one block; the honest one unless something else is asked for."""

    slots: tuple[tuple[bytes, bytes], ...] = tuple(
        (slot, rlp.encode(word)) for slot, word in WORDS.items()
    )
    nonce: bytes = b"\1"
    balance: bytes = b""
    code: bytes = CODE
    account: bytes | None = None
    fork: int = 21

    def storage(self) -> object:
        return make_trie({keccak256(slot): value for slot, value in self.slots})

    def accounts(self) -> object:
        account = [self.nonce, self.balance, self.storage().root_hash, self.code]
        copy = [b"\1", b"", self.storage().root_hash, CODE]
        wallet = [b"\2", b"\x0d\xe0\xb6\xb3\xa7\x64\0\0", keccak256(b"\x80"), NO_CODE]
        addresses = {REGISTRY: self.account or rlp.encode(account), WALLET: rlp.encode(wallet)}
        addresses[STRANGER] = rlp.encode(put(copy, 3, keccak256(b"other code")))
        return make_trie({keccak256(address): value for address, value in addresses.items()})

    def header(self) -> bytes:
        items = put(VALUES, place("stateRoot"), self.accounts().root_hash)
        items = put(items, place("number"), NUMBER.to_bytes(1, "big"))
        items = put(items, place("timestamp"), TIME.to_bytes(4, "big"))
        return rlp.encode([*items, bytes(32)][: self.fork])


@dataclass(frozen=True)
class Question:
    """What is asked: the pins, and the proof that is to answer."""

    header: bytes
    account_proof: list[bytes]
    storage_proof: list[bytes]
    block_hash: bytes
    registry: bytes = REGISTRY
    code_hash: bytes = CODE
    log: bytes = LOG
    root: bytes = ROOTS[2]

    def fields(self) -> dict[str, object]:
        names = ("block_hash", "registry", "code_hash", "log", "root", "header")
        return {
            **{name: f"0x{getattr(self, name).hex()}" for name in names},
            "root": self.root.hex(),
            "account_proof": [f"0x{node.hex()}" for node in self.account_proof],
            "storage_proof": [f"0x{node.hex()}" for node in self.storage_proof],
        }


def ask(state: State, *, registry: bytes = REGISTRY, log: bytes = LOG, root: bytes) -> Question:
    header = state.header()
    return Question(
        header=header,
        account_proof=prove(state.accounts(), keccak256(registry)),
        storage_proof=prove(state.storage(), keccak256(slot_of(log, root))),
        block_hash=keccak256(header),
        registry=registry,
        log=log,
        root=root,
    )


def build_states() -> dict[str, object]:
    """Return states.json."""
    return {
        "about": "What does the registry hold for this root at the block of this hash (EIP-1186)?",
        "rules": RULES,
        "states": [*honest_cases(), *bent_cases(), *odd_states()],
    }


def holds(name: str, question: Question, word: int | None) -> Case:
    return valid(
        name,
        **question.fields(),
        number=NUMBER,
        timestamp=TIME,
        word=None if word is None else f"0x{word:064x}",
    )


def honest_cases() -> Iterator[Case]:
    for number in (0, 2, 4):
        root = ROOTS[number]
        yield holds(f"root {number}", ask(State(), root=root), WORDS[slot_of(LOG, root)])
    forks = {15: "before London", 16: "London", 17: "Shanghai", 20: "Cancun", 22: "a later fork"}
    for fork, name in forks.items():
        question = ask(State(fork=fork), root=ROOTS[2])
        yield holds(f"a header of {name}", question, WORDS[slot_of(LOG, ROOTS[2])])
    yield holds("a root that was never anchored", ask(State(), root=ABSENT), None)
    yield holds("a root of another log", ask(State(), log=OTHER_LOG, root=ROOTS[2]), None)
    yield holds("a registry that holds nothing", ask(State(slots=()), root=ROOTS[2]), None)
    rich = State(nonce=b"\xff" * 8, balance=b"\xff" * 32)
    yield holds("the longest account", ask(rich, root=ROOTS[0]), WORDS[slot_of(LOG, ROOTS[0])])
    full = word_of(2**48 - 1, 2**40 - 1, NUMBER, TIME, 2**72 - 1)
    yield holds("the largest word, of the block itself", ask(holding(full), root=ROOTS[2]), full)
    parents = word_of(1, 1, NUMBER + 1, TIME)  # a rollup's, whose block.number is its parent's
    yield holds("a word of a later block's number", ask(holding(parents), root=ROOTS[2]), parents)
    single = word_of(1, 1, 0, 0)
    yield holds("the smallest word", ask(holding(single), root=ROOTS[2]), single)


def holding(word: int) -> State:
    return State(slots=((slot_of(LOG, ROOTS[2]), rlp.encode(word)),))


def raw(value: bytes) -> State:
    return State(slots=((slot_of(LOG, ROOTS[2]), value),))


def bent_cases() -> Iterator[Case]:
    honest, root = ask(State(), root=ROOTS[2]), ROOTS[2]
    # The same block but for one word, as on another chain or before a reorganisation.
    other = ask(State(slots=(*State().slots[:2], *State().slots[3:])), root=root)
    mixed = ask(State(balance=b"\1"), root=root)
    edits: dict[str, tuple[str, dict[str, object]]] = {
        "another block's hash": ("block-hash", {"block_hash": other.block_hash}),
        "another block's header": ("block-hash", {"header": other.header}),
        "another block's header and hash": (
            "account-proof", {"header": other.header, "block_hash": other.block_hash}
        ),
        "the state root as the block's hash": ("block-hash", {"block_hash": root}),
        "a header with a byte more": (
            "header", {"header": honest.header + b"\0"}
        ),
        "no header": ("header", {"header": b""}),
        "another state's account": ("account-proof", {"account_proof": mixed.account_proof}),
        "another account's proof": (
            "account-proof",
            {"account_proof": prove(State().accounts(), keccak256(WALLET))},
        ),
        "no account proof": ("account-proof", {"account_proof": []}),
        "an account proof without its last node": (
            "account-proof", {"account_proof": honest.account_proof[:-1]}
        ),
        "an account proof with its last node twice": (
            "account-proof", {"account_proof": [*honest.account_proof, honest.account_proof[-1]]}
        ),
        "another slot's proof": (
            "storage-proof", {"storage_proof": ask(State(), root=ROOTS[0]).storage_proof}
        ),
        "the proof of an absent slot": (
            "storage-proof", {"storage_proof": other.storage_proof}
        ),
        "no storage proof": ("storage-proof", {"storage_proof": []}),
        "a storage proof with a node more": (
            "storage-proof", {"storage_proof": [*honest.storage_proof, honest.storage_proof[0]]}
        ),
        "a storage proof reversed": (
            "storage-proof", {"storage_proof": honest.storage_proof[::-1]}
        ),
        "the two proofs exchanged": (
            "account-proof",
            {"account_proof": honest.storage_proof, "storage_proof": honest.account_proof},
        ),
        "another registry": ("account-proof", {"registry": STRANGER}),
        "another log": ("storage-proof", {"log": OTHER_LOG}),
        "another root": ("storage-proof", {"root": ROOTS[3]}),
        "another code hash": ("code-hash", {"code_hash": keccak256(b"a newer registry's code")}),
    }  # fmt: skip
    for name, (rule, changes) in edits.items():
        yield invalid(name, rule, **replace(honest, **changes).fields())
    for name, rule, registry in (
        ("an address without an account", "account", NOBODY),
        ("a wallet's address", "code-hash", WALLET),
        ("a contract with other code", "code-hash", STRANGER),
    ):
        yield invalid(name, rule, **ask(State(), registry=registry, root=root).fields())
    yield unknown("a header of no fork", "fork", **ask(State(fork=19), root=root).fields())


def odd_states() -> Iterator[Case]:
    """States that the block's hash commits to, and that no client or registry makes."""
    storage = State().storage().root_hash
    accounts: dict[str, object] = {
        "an account of three items": [b"\1", b"", storage],
        "an account of five items": [b"\1", b"", storage, CODE, b""],
        "an account that is a string": b"account",
        "a nonce with a leading zero": [b"\0\1", b"", storage, CODE],
        "a nonce of nine bytes": [b"\1" * 9, b"", storage, CODE],
        "a nonce that is a list": [[], b"", storage, CODE],
        "a balance with a leading zero": [b"\1", b"\0", storage, CODE],
        "a storage root of 31 bytes": [b"\1", b"", storage[1:], CODE],
        "a code hash of 33 bytes": [b"\1", b"", storage, CODE + b"\0"],
        "a balance of 33 bytes": [b"\1", b"\1" * 33, storage, CODE],
        "an account of 111 bytes": [b"\1" * 9, b"\xff" * 32, storage, CODE],
    }
    for name, account in accounts.items():
        odd = State(account=rlp.encode(account))
        yield invalid(name, "account-form", **ask(odd, root=ROOTS[2]).fields())
    odd = State(account=rlp.encode([b"\1", b"", storage, CODE]) + b"\0")
    yield invalid("a byte after the account", "account-form", **ask(odd, root=ROOTS[2]).fields())
    values = {
        "a value of 33 bytes": rlp.encode(b"\1" * 33),
        "a value with a leading zero": rlp.encode(
            b"\0" + WORDS[slot_of(LOG, ROOTS[2])].to_bytes(31, "big")
        ),
        "a value of zero": rlp.encode(b""),
        "a value that is a zero byte": rlp.encode(b"\0"),
        "a value that is a list": rlp.encode([b"\1"]),
        "a byte after the value": rlp.encode(word_of(1, 1, 0, 0)) + b"\0",
        "a value that is no RLP": b"\xb8\1\1",
    }
    for name, value in values.items():
        yield invalid(name, "value-form", **ask(raw(value), root=ROOTS[2]).fields())
    words = {
        "a word without a size": ("word", word_of(0, 1, 10, TIME)),
        "a word without a sequence": ("word", word_of(1, 0, 10, TIME)),
        "a word of the next second": ("later", word_of(1, 1, NUMBER, TIME + 1)),
    }
    for name, (rule, word) in words.items():
        yield invalid(name, rule, **ask(holding(word), root=ROOTS[2]).fields())
