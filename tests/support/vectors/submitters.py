"""submitters.json: who sent an anchor, by the proof of the operator's key in the registry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import rlp
from support.tries import keccak256, prove
from support.vectors.cases import Case, invalid, unknown, valid
from support.vectors.states import (
    LOG,
    NUMBER,
    OTHER_LOG,
    OWNER,
    ROOTS,
    TIME,
    WORDS,
    Question,
    State,
    ask,
    slot_of,
    word_of,
)
from support.vectors.tries import LIST_BENDS

RULES = {
    "unproven": "where an operator sent the anchor, his key is proven: else nothing can be told",
    "needless": "where the log's owner sent it, no key is proven",
    "operator-proof": "the operator proof holds for the key's slot under the storage root",
    "value-form": "a slot's value is an integer in RLP, not zero and of at most 32 bytes",
    "key": "there is a key, of at most 20 bytes",
}

KEYS = {1: b"\x11" * 20, 2: b"\x22" * 20, 3: b"\0" * 17 + b"\1\2\3", 2**72 - 1: b"\xff" * 20}


def key_slot(log: bytes, operator: int) -> bytes:
    """The slot of ``operatorKeys[log][operator]`` (docs/spec/registry.md)."""
    return keccak256(operator.to_bytes(32, "big") + keccak256(log + (2).to_bytes(32, "big")))


@dataclass(frozen=True)
class Sent:
    """The anchor of one root, who sent it, and the proof of his key."""

    state: State
    question: Question
    operator_proof: list[bytes] | None

    def fields(self) -> dict[str, object]:
        proof = self.operator_proof
        nodes = None if proof is None else [f"0x{node.hex()}" for node in proof]
        return {**self.question.fields(), "operator_proof": nodes}


def holding(operator: int, **values: bytes) -> State:
    """A registry whose newest anchor is the operator's; ``values`` are odd values of keys."""
    word = word_of(12, 3, NUMBER - 10, TIME - 120, operator)
    slots = {slot: rlp.encode(value) for slot, value in WORDS.items()}
    slots[slot_of(LOG, ROOTS[2])] = rlp.encode(word)
    for number, key in KEYS.items():
        slots[key_slot(LOG, number)] = rlp.encode(int.from_bytes(key, "big"))
    slots[key_slot(OTHER_LOG, 1)] = rlp.encode(b"\x99" * 20)
    for name, value in values.items():
        slots[key_slot(LOG, int(name[1:]))] = value
    return State(slots=tuple(slots.items()))


def prove_slot(state: State, slot: bytes) -> list[bytes]:
    return prove(state.storage(), keccak256(slot))


def sent(state: State, operator: int | None, *, log: bytes = LOG) -> Sent:
    """Ask ``state``, and prove the key of ``operator`` in ``log``; None: of nobody."""
    proof = None if operator is None else prove_slot(state, key_slot(log, operator))
    return Sent(state, ask(state, root=ROOTS[2]), proof)


def build_submitters() -> dict[str, object]:
    """Return submitters.json."""
    return {
        "about": "Who sent the anchor of this root: the log's owner, or an operator (docs: step 9)",
        "rules": RULES,
        "submitters": [*honest_cases(), *bent_cases()],
    }


def by(name: str, given: Sent, operator: int, submitter: bytes) -> Case:
    return valid(
        name, **given.fields(), operator_id=f"0x{operator:x}", submitter=f"0x{submitter.hex()}"
    )


def honest_cases() -> Iterator[Case]:
    yield by("the log's owner", sent(holding(0), None), 0, OWNER)
    yield by("an operator", sent(holding(1), 1), 1, KEYS[1])
    yield by("an operator, whose slot is elsewhere", sent(holding(2), 2), 2, KEYS[2])
    yield by("a key that begins with zeros", sent(holding(3), 3), 3, KEYS[3])
    largest = 2**72 - 1
    given = sent(holding(largest), largest)
    yield by("the largest id, the largest key", given, largest, KEYS[largest])
    kept = (slot_of(LOG, ROOTS[2]), key_slot(LOG, 1))
    few = State(slots=tuple(pair for pair in holding(1).slots if pair[0] in kept))
    yield by("an operator of a registry that holds little", sent(few, 1), 1, KEYS[1])


def bent_cases() -> Iterator[Case]:
    state = holding(1)
    honest = sent(state, 1)
    proof = honest.operator_proof
    assert proof is not None
    yield unknown("an operator, whose key is not proven", "unproven", **sent(state, None).fields())
    for operator in (1, 2):
        owners = sent(holding(0), operator)
        yield invalid(f"the owner, and operator {operator} proven", "needless", **owners.fields())
    others = {
        "another operator's key": prove_slot(state, key_slot(LOG, 2)),
        "the operator's key in another log": prove_slot(state, key_slot(OTHER_LOG, 1)),
        "the anchor's own proof": honest.question.storage_proof,
        "the account's proof": honest.question.account_proof,
        "another state's proof": sent(holding(2), 1).operator_proof,
        "without the nodes that the storage proof has": proof[1:],
    }
    bends = {name: bend(list(proof)) for name, bend in LIST_BENDS.items() if name != "no nodes"}
    seen = [proof]
    for name, bent in {**others, **bends}.items():
        if bent not in seen:
            seen.append(bent)
            given = replace(honest, operator_proof=bent)
            yield invalid(name, "operator-proof", **given.fields())
    yield from odd_keys()


def odd_keys() -> Iterator[Case]:
    """Keys that no registry holds."""
    yield invalid("an operator without a key", "key", **sent(holding(4), 4).fields())
    for name, value in {
        "a key of 21 bytes": rlp.encode(b"\1" + bytes(20)),
        "a key of 32 bytes": rlp.encode(b"\xff" * 32),
    }.items():
        yield invalid(name, "key", **sent(holding(1, _1=value), 1).fields())
    for name, value in {
        "a key of 33 bytes": rlp.encode(b"\1" * 33),
        "a key with a leading zero": rlp.encode(b"\0" + b"\x11" * 20),
        "a key of zero": rlp.encode(b""),
        "a key that is a list": rlp.encode([b"\x11" * 20]),
        "a byte after the key": rlp.encode(b"\x11" * 20) + b"\0",
    }.items():
        yield invalid(name, "value-form", **sent(holding(1, _1=value), 1).fields())
