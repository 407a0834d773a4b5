"""Where a plain deployment goes, and the record of a deployment: pure rules, no chain."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from anchor.base.errors import AnchorError, ExitCode
from anchor.base.types import Address, ChainId, Hash32
from anchor.ethereum.keccak import format_address, hash_keccak256
from anchor.registry.artifact import (
    CREATE2_PROXY,
    create_address,
    expected_code_hash,
    load_artifact,
    load_standard_input,
    registry_address,
)
from anchor.registry.deployment_record import (
    MAX_RECORD_BYTES,
    DeployingTransaction,
    DeploymentRecord,
    check_deployment_record,
    encode_deployment_record,
)

# Known from mainnet and from every tutorial: the first four contracts of one account, and the
# devnets' first contract.
VECTORS = [
    ("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0", 0, "cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"),
    ("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0", 1, "343c43a37d37dff08ae8c4a11544c718abb4fcf8"),
    ("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0", 2, "f778b86fa74e846c4f0a1fbd1335fe81c00a0c91"),
    ("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0", 3, "fffd933a0bc612844eaf0c6fe3e5b8e9b6c1d19c"),
    ("f39fd6e51aad88f6f4ce6ab8827279cfffb92266", 0, "5fbdb2315678afecb367f032d93f642f64180aa3"),
]


@pytest.mark.parametrize(("sender", "nonce", "created"), VECTORS)
def test_a_created_contracts_address_is_the_known_one(
    sender: str, nonce: int, created: str
) -> None:
    assert create_address(Address(bytes.fromhex(sender)), nonce).hex() == created


@given(
    st.binary(min_size=20, max_size=20),
    st.integers(0, 2**64 - 2) | st.sampled_from([0, 1, 127, 128, 255, 256, 2**16, 2**64 - 2]),
)
def test_a_created_contracts_address_is_what_rlp_makes_of_it(sender: bytes, nonce: int) -> None:
    expected = hash_keccak256(rlp.encode([sender, nonce]))[12:]
    assert create_address(Address(sender), nonce) == expected


@pytest.mark.parametrize("nonce", [-1, 2**64 - 1])
def test_a_nonce_no_account_can_have_is_a_bug_of_ours(nonce: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        create_address(Address(bytes(20)), nonce)


CHAIN = ChainId(31337)
TRANSACTION = DeployingTransaction(
    hash=Hash32(b"\x01" * 32),
    block_number=7,
    block_hash=Hash32(b"\x02" * 32),
    deployer=Address(b"\x03" * 20),
    gas_used=1_000_000,
)
RECORD = DeploymentRecord(
    registry=registry_address(),
    chain_id=CHAIN,
    genesis=Hash32(b"\x04" * 32),
    code_hash=expected_code_hash(CHAIN),
    transaction=TRANSACTION,
)
PLAIN = dataclasses.replace(RECORD, registry=Address(b"\x05" * 20), transaction=None)


def test_a_record_says_what_was_deployed_and_how() -> None:
    document = json.loads(encode_deployment_record(RECORD))
    assert document == {
        "format": "anchor-deployment/1",
        "contract": "contracts/AnchorRegistry.sol:AnchorRegistry",
        "address": format_address(registry_address()),
        "chain_id": 31337,
        "genesis": "0x" + "04" * 32,
        "code_hash": "0x" + expected_code_hash(CHAIN).hex(),
        "init_code_hash": "0x" + hash_keccak256(load_artifact().init_code).hex(),
        "create2": {"proxy": format_address(CREATE2_PROXY), "salt": "0x" + "00" * 32},
        "transaction": {
            "hash": "0x" + "01" * 32,
            "block_number": 7,
            "block_hash": "0x" + "02" * 32,
            "deployer": format_address(Address(b"\x03" * 20)),
            "gas_used": 1_000_000,
        },
        "compiler": {
            "version": load_artifact().compiler_version,
            "standard_input_sha256": hashlib.sha256(load_standard_input()).hexdigest(),
        },
    }
    assert json.loads(encode_deployment_record(PLAIN))["create2"] is None


@pytest.mark.parametrize("record", [RECORD, PLAIN])
def test_a_record_is_sorted_and_read_back(record: DeploymentRecord) -> None:
    data = encode_deployment_record(record)
    document = json.loads(data)
    assert data == (json.dumps(document, sort_keys=True, indent=1) + "\n").encode()
    assert data == encode_deployment_record(record)
    assert check_deployment_record(data, record, subject="it") == record.transaction


def bent(**changes: Any) -> bytes:
    return json.dumps(json.loads(encode_deployment_record(RECORD)) | changes).encode()


def refusal(data: bytes) -> AnchorError:
    with pytest.raises(AnchorError) as caught:
        check_deployment_record(data, RECORD, subject="it")
    return caught.value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("address", format_address(Address(b"\x05" * 20))),
        ("address", format_address(registry_address()).lower()),
        ("chain_id", 1),
        ("genesis", "0x" + "05" * 32),
        ("code_hash", "0x" + "05" * 32),
        ("init_code_hash", "0x" + "05" * 32),
        ("contract", "contracts/Other.sol:Other"),
        ("create2", None),
        ("create2", {"proxy": format_address(CREATE2_PROXY), "salt": "0x" + "01" * 32}),
    ],
)
def test_a_record_of_another_deployment_is_refused_by_the_member(name: str, value: Any) -> None:
    error = refusal(bent(**{name: value}))
    assert error.exit_code is ExitCode.CHAIN_GUARD
    assert f"it says {name} " in error.message


def test_a_number_is_not_taken_for_a_truth_value() -> None:
    first = dataclasses.replace(RECORD, chain_id=ChainId(1))
    document = json.loads(encode_deployment_record(first))
    with pytest.raises(AnchorError, match="chain_id true"):
        check_deployment_record(
            json.dumps(document | {"chain_id": True}).encode(), first, subject="it"
        )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 70_000,
        b" " * (MAX_RECORD_BYTES + 1),
        json.dumps({"format": "anchor-deployment/1"}).encode(),
        bent(extra=1),
        bent(transaction=1),
        bent(transaction={}),
        bent(transaction={**json.loads(bent())["transaction"], "hash": "0x01"}),
        bent(transaction={**json.loads(bent())["transaction"], "hash": 1}),
        bent(transaction={**json.loads(bent())["transaction"], "block_number": "7"}),
        bent(transaction={**json.loads(bent())["transaction"], "gas_used": -1}),
        bent(transaction={**json.loads(bent())["transaction"], "gas_used": True}),
        bent(transaction={**json.loads(bent())["transaction"], "deployer": "0x00"}),
    ],
)
def test_what_is_no_record_is_malformed(data: bytes) -> None:
    error = refusal(data)
    assert error.exit_code is ExitCode.USAGE
    assert error.message.startswith("it")


@pytest.mark.parametrize("format", ["anchor-deployment/2", None, 1])
def test_a_record_of_another_version_is_not_guessed_at(format: object) -> None:
    assert refusal(bent(format=format)).exit_code is ExitCode.UNKNOWN_VERSION
