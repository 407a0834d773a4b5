"""The constructor and the code it leaves."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from eth_utils import keccak
from support.contract_log import proof_between, root_of
from support.sha256less_evm import (
    Precompile,
    answering,
    call,
    deploy,
    intact,
    reverting_with,
)
from web3.exceptions import ContractLogicError

DIGEST = hashlib.sha256(b"").digest()
SHA256_MISSING = keccak(text="Sha256Missing()")[:4]
SHA256_FAILED = keccak(text="Sha256Failed()")[:4]


@pytest.fixture(scope="session")
def init_code(artifact: dict[str, Any]) -> bytes:
    return bytes.fromhex(artifact["bytecode"][2:])


def fill_in(artifact: dict[str, Any], chain_id: int) -> bytes:
    """The runtime code as a verifier computes it: the template with CHAIN_ID filled in."""
    code = bytearray.fromhex(artifact["deployedBytecode"][2:])
    for place in artifact["immutableReferences"]["CHAIN_ID"]:
        start, length = place["start"], place["length"]
        code[start : start + length] = chain_id.to_bytes(length, "big")
    return bytes(code)


def test_constructor_refuses_a_chain_without_the_precompile(init_code: bytes) -> None:
    outcome = deploy(init_code, None)
    assert outcome.reverted
    assert outcome.output == SHA256_MISSING


@pytest.mark.parametrize(
    "precompile",
    [
        pytest.param(answering(hashlib.sha256(b"\0").digest()), id="another digest"),
        pytest.param(answering(bytes(32)), id="zeros"),
        pytest.param(answering(DIGEST[:31]), id="31 bytes"),
        pytest.param(answering(DIGEST + b"\0"), id="33 bytes"),
        pytest.param(reverting_with(DIGEST), id="the digest as a revert's reason"),
    ],
)
def test_constructor_refuses_a_broken_precompile(init_code: bytes, precompile: Precompile) -> None:
    outcome = deploy(init_code, precompile)
    assert outcome.reverted
    assert outcome.output == SHA256_MISSING


def test_constructor_refuses_ether(registry: Any, artifact: dict[str, Any], owner: Any) -> None:
    creation = {"from": owner.address, "data": artifact["bytecode"]}
    eth = registry.provider.web3.eth
    assert eth.call(creation) != b""
    with pytest.raises(ContractLogicError):
        eth.call({**creation, "value": 1})


def test_constructor_leaves_the_artifacts_code_with_the_chain_id_filled_in(
    registry: Any, artifact: dict[str, Any]
) -> None:
    code = bytes(registry.provider.get_code(registry.address))
    assert code == fill_in(artifact, registry.provider.chain_id)


def test_constructor_leaves_another_code_hash_on_every_chain(
    artifact: dict[str, Any], init_code: bytes
) -> None:
    hashes = set()
    for chain_id in (1, 10, 31337, 11155111):
        outcome = deploy(init_code, intact, chain_id=chain_id)
        assert not outcome.reverted
        assert outcome.output == fill_in(artifact, chain_id)
        hashes.add(keccak(outcome.output))
    assert len(hashes) == 4


@pytest.mark.parametrize(
    "precompile",
    [
        pytest.param(None, id="missing"),
        pytest.param(answering(DIGEST[:31]), id="31 bytes"),
        pytest.param(reverting_with(DIGEST), id="failing"),
    ],
)
def test_hashing_refuses_to_go_on_when_the_precompile_fails(
    registry: Any, artifact: dict[str, Any], precompile: Precompile | None
) -> None:
    method = registry.verifyConsistency
    data = bytes(method.encode_input(5, root_of(5), 8, root_of(8), proof_between(5, 8)))
    code = fill_in(artifact, 1)
    assert call(code, data, intact).output == (1).to_bytes(32, "big")
    outcome = call(code, data, precompile)
    assert outcome.reverted
    assert outcome.output == SHA256_FAILED
