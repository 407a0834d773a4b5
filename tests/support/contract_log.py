"""A log for contract tests: real trees of the RFC reference, refusals compared in full."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ape
import pytest
from eth_abi import encode
from eth_utils import keccak
from support.rfc9162_reference import consistency_proof, root
from web3.exceptions import ContractCustomError

LEAVES = tuple(f"record {number}".encode() for number in range(64))
CLOSED = b"\xff" * 32
ZERO = bytes(32)
NO_ADDRESS = "0x" + "00" * 20
EMPTY_ANCHOR = (0, 0, 0, 0, 0)


def log_id(owner: Any, number: int) -> bytes:
    """uint96 number ‖ address owner."""
    return number.to_bytes(12, "big") + bytes.fromhex(owner.address[2:])


def root_of(size: int) -> bytes:
    """The root over the first ``size`` leaves."""
    return root(LEAVES[:size])


def proof_between(old: int, new: int) -> list[bytes]:
    """The consistency proof between two sizes."""
    return consistency_proof(old, LEAVES[:new])


def anchor_sizes(registry: Any, sender: Any, log: bytes, *sizes: int, after: int = 0) -> Any:
    """Anchor the trees of ``sizes`` one after another; return the last transaction's receipt."""
    receipt = None
    for size in sizes:
        proof = proof_between(after, size) if after else []
        receipt = registry.anchor(log, root_of(size), size, proof, sender=sender)
        after = size
    return receipt


@contextmanager
def refused(error: Any, **operands: Any) -> Iterator[None]:
    """Expect this custom error with exactly these operands.

    ``ape.reverts`` passes over an operand whose name the error does not have.
    """
    with ape.reverts(error) as info:
        yield
    assert type(info.value).__name__ == error.__name__
    assert info.value.inputs == operands


def check_view_refuses(method: Any, arguments: list[Any], error: Any, **operands: Any) -> None:
    """Expect a view to revert with this custom error and exactly these operands.

    ape-foundry loses the error of a call that is no transaction, so the node is asked directly.
    """
    contract = method.contract
    data = method.encode_input(*arguments).to_0x_hex()
    with pytest.raises(ContractCustomError) as caught:
        contract.provider.web3.eth.call({"to": contract.address, "data": data})
    types = [operand.type for operand in error.abi.inputs]
    values = [operands.pop(operand.name) for operand in error.abi.inputs]
    assert not operands
    expected = keccak(text=error.abi.selector)[:4] + encode(types, values)
    assert caught.value.data == "0x" + expected.hex()


def emitted(receipt: Any) -> list[tuple[str, dict[str, Any]]]:
    """The receipt's events in order, by name and operands."""
    return [(event.event_name, dict(event.event_arguments)) for event in receipt.events]


def slot(place: int, *keys: bytes) -> int:
    """Solidity's slot of ``mapping[keys…]`` at ``place``: keccak256(key ‖ slot), inside out."""
    word = place.to_bytes(32, "big")
    for key in keys:
        word = keccak(key.rjust(32, b"\0") + word)
    return int.from_bytes(word, "big")
