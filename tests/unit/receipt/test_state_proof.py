"""State proofs: from a block's hash to what the registry holds, whatever is bent on the way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.proven_states import ProvenState, check_state
from support.vectors.states import (
    ABSENT,
    CODE,
    LOG,
    NUMBER,
    REGISTRY,
    ROOTS,
    TIME,
    WORDS,
    Question,
    State,
    ask,
    slot_of,
)

from anchor.base.errors import MalformedError, MismatchError, NotTrustedError, UnknownVersionError
from anchor.base.types import Address, Hash32, LogId
from anchor.ethereum.header import parse_header
from anchor.receipt.state_proof import StateProof, check_account
from anchor.receipt.storage_proof import prove_word
from anchor.registry.storage import anchor_slot, decode_anchor, head_slot

HONEST = ask(State(), root=ROOTS[2])


def check(question: Question) -> ProvenState:
    """Ask as the caller of ``check_state`` would."""
    return check_state(
        StateProof(
            header=question.header,
            account_proof=tuple(question.account_proof),
            storage_proof=tuple(question.storage_proof),
        ),
        block_hash=Hash32(question.block_hash),
        registry=Address(question.registry),
        code_hash=Hash32(question.code_hash),
        log=LogId(question.log),
        root=Hash32(question.root),
    )


def test_a_proof_proves_the_anchor_and_names_the_block() -> None:
    word = WORDS[slot_of(LOG, ROOTS[2])]
    proven = check(HONEST)
    assert proven.anchor == decode_anchor(word.to_bytes(32, "big"))
    assert (proven.header.number, proven.header.timestamp) == (NUMBER, TIME)
    assert proven.header.hash == HONEST.block_hash


def test_an_absent_slot_is_no_anchor_and_not_a_mismatch() -> None:
    assert check(ask(State(), root=ABSENT)).anchor is None
    assert check(ask(State(slots=()), root=ABSENT)).anchor is None


def test_the_slot_is_computed_here_and_not_taken_from_anybody() -> None:
    assert anchor_slot(LogId(LOG), Hash32(ROOTS[0])) == slot_of(LOG, ROOTS[0])
    # Proofs of other slots of the same registry, all of them true.
    for root in (ROOTS[0], ROOTS[4], ABSENT):
        other = ask(State(), root=root)
        with pytest.raises((MalformedError, MismatchError)):
            check(replace(HONEST, storage_proof=other.storage_proof))


def test_a_single_slot_is_proven_as_a_word() -> None:
    proof = StateProof(
        header=HONEST.header,
        account_proof=tuple(HONEST.account_proof),
        storage_proof=tuple(HONEST.storage_proof),
    )
    pins: dict[str, Any] = {
        "block_hash": Hash32(HONEST.block_hash),
        "registry": Address(REGISTRY),
        "code_hash": Hash32(CODE),
    }
    header, root = check_account(proof, **pins)
    word = prove_word("storage", root, Hash32(slot_of(LOG, ROOTS[2])), proof.storage_proof)
    assert (header, int.from_bytes(word, "big")) == (
        parse_header(HONEST.header),
        WORDS[slot_of(LOG, ROOTS[2])],
    )
    with pytest.raises((MalformedError, MismatchError)):
        prove_word("storage", root, head_slot(LogId(LOG)), proof.storage_proof)


Bend = Callable[[Question, st.DataObject], Question]


def flipped(data: bytes, draw: st.DataObject) -> bytes:
    place = draw.draw(st.integers(0, len(data) - 1))
    bent = bytearray(data)
    bent[place] ^= draw.draw(st.integers(1, 255))
    return bytes(bent)


def in_proof(name: str) -> Bend:
    def bend(question: Question, draw: st.DataObject) -> Question:
        nodes = list(getattr(question, name))
        place = draw.draw(st.integers(0, len(nodes) - 1))
        nodes[place] = flipped(nodes[place], draw)
        return replace(question, **{name: nodes})

    return bend


def in_member(name: str) -> Bend:
    return lambda question, draw: replace(
        question, **{name: flipped(getattr(question, name), draw)}
    )


@settings(max_examples=examples(200))
@given(st.data())
@pytest.mark.parametrize(
    ("bend", "errors"),
    [
        (in_member("header"), (MalformedError, MismatchError, UnknownVersionError)),
        (in_member("block_hash"), (MismatchError,)),
        (in_member("registry"), (MalformedError, MismatchError, NotTrustedError)),
        (in_member("code_hash"), (NotTrustedError,)),
        (in_member("log"), (MalformedError, MismatchError)),
        (in_member("root"), (MalformedError, MismatchError)),
        (in_proof("account_proof"), (MismatchError,)),
        (in_proof("storage_proof"), (MismatchError,)),
    ],
    ids=["header", "block_hash", "registry", "code", "log", "root", "account", "storage"],
)
def test_no_single_changed_byte_leads_to_another_answer(
    bend: Bend, errors: tuple[type[Exception], ...], data: st.DataObject
) -> None:
    question = bend(HONEST, data)
    try:
        proven = check(question)
    except errors:
        return
    # Of another root the same nodes may prove an absence, which is as true.
    assert proven.anchor is None
    assert (question.log, question.root) != (HONEST.log, HONEST.root)


def test_what_checks_a_state_proof_loads_no_network_no_store_and_no_pydantic() -> None:
    script = "import sys, anchor.receipt.state_proof\nprint(*sorted(m for m in sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()
    unwanted = {"web3", "rlp", "trie", "sqlalchemy", "pydantic", "eth_abi", "requests", "socket"}
    assert not unwanted & set(loaded)
