"""The deployment record (``anchor-deployment/1``): where the registry is on one chain.

One file for each chain, ``deployments/<chain id>/AnchorRegistry.json`` beside the configuration.
It is for people, explorers and scripts: no verdict depends on it.  The members that identify the
deployment are compared with chain and project; those about its transaction are null if unknown.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from anchor.base.canonical import parse_strict
from anchor.base.errors import ChainGuardError, MalformedError, UnknownVersionError
from anchor.base.messages.message import Message
from anchor.base.types import Address, ChainId, Hash32, parse_hex
from anchor.ethereum.keccak import format_address, hash_keccak256, parse_address
from anchor.registry.artifact import (
    CREATE2_PROXY,
    CREATE2_SALT,
    load_artifact,
    load_standard_input,
    registry_address,
)

FORMAT = "anchor-deployment/1"
# Records have less than 2 KiB; this bounds the read if the file is a wrong one.
MAX_RECORD_BYTES = 64 << 10

_IDENTITY = (
    "address", "chain_id", "code_hash", "contract", "create2", "genesis", "init_code_hash",
)  # fmt: skip
_MEMBERS = {"format", "transaction", "compiler", *_IDENTITY}
_TRANSACTION_MEMBERS = {"hash", "block_number", "block_hash", "deployer", "gas_used"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployingTransaction:
    """The transaction that deployed the registry, and the block that included it."""

    hash: Hash32
    block_number: int
    block_hash: Hash32
    deployer: Address
    gas_used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRecord:
    """One deployment of this release's registry; ``transaction`` is None if it is unknown."""

    registry: Address
    chain_id: ChainId
    genesis: Hash32
    code_hash: Hash32
    transaction: DeployingTransaction | None

    @property
    def identity(self) -> dict[str, Any]:
        """Return the members that identify the deployment, as they are in the file."""
        artifact = load_artifact()
        standard = self.registry == registry_address()
        proxy = {"proxy": format_address(CREATE2_PROXY), "salt": _hex(CREATE2_SALT)}
        return {
            "contract": artifact.contract,
            "address": format_address(self.registry),
            "chain_id": self.chain_id,
            "genesis": _hex(self.genesis),
            "code_hash": _hex(self.code_hash),
            "init_code_hash": _hex(hash_keccak256(artifact.init_code)),
            "create2": proxy if standard else None,
        }


def encode_deployment_record(record: DeploymentRecord) -> bytes:
    """Return the record's bytes: sorted members, equal bytes for equal deployments."""
    transaction = record.transaction
    document = record.identity | {
        "format": FORMAT,
        "compiler": {
            "version": load_artifact().compiler_version,
            "standard_input_sha256": hashlib.sha256(load_standard_input()).hexdigest(),
        },
        "transaction": transaction
        and {
            "hash": _hex(transaction.hash),
            "block_number": transaction.block_number,
            "block_hash": _hex(transaction.block_hash),
            "deployer": format_address(transaction.deployer),
            "gas_used": transaction.gas_used,
        },
    }
    return (json.dumps(document, sort_keys=True, indent=1) + "\n").encode("ascii")


def check_deployment_record(
    data: bytes, expected: DeploymentRecord, *, subject: str
) -> DeployingTransaction | None:
    """Check that a record is about ``expected``'s deployment; return the transaction it names."""
    members = parse_strict(data, subject=subject, max_bytes=MAX_RECORD_BYTES)
    if not isinstance(members, dict):
        raise MalformedError(Message("deployment-record-malformed", subject=subject))
    if members.get("format") != FORMAT:
        raise UnknownVersionError(
            Message("deployment-record-format-unknown", subject=subject, format=FORMAT)
        )
    if members.keys() != _MEMBERS:
        odd = sorted(members.keys() ^ _MEMBERS)[0]
        raise MalformedError(
            Message("deployment-record-member-wrong", subject=subject, member=odd[:40])
        )
    for name, value in expected.identity.items():
        if members[name] != value or type(members[name]) is not type(value):
            raise ChainGuardError(
                Message(
                    "deployment-record-differs",
                    subject=subject,
                    member=name,
                    stated=_show(members[name]),
                    expected=_show(value),
                ),
                hint=Message("deployment-record-differs-hint"),
            )
    return _parse_transaction(members["transaction"], subject)


def _parse_transaction(members: Any, subject: str) -> DeployingTransaction | None:
    if members is None:
        return None
    if not isinstance(members, dict) or members.keys() != _TRANSACTION_MEMBERS:
        raise MalformedError(Message("deployment-record-transaction-malformed", subject=subject))
    for name in ("block_number", "gas_used"):
        if type(members[name]) is not int or members[name] < 0:
            raise MalformedError(
                Message("deployment-record-not-number", subject=subject, member=name)
            )
    for name in ("hash", "block_hash", "deployer"):
        if not isinstance(members[name], str):
            raise MalformedError(
                Message("deployment-record-not-text", subject=subject, member=name)
            )
    return DeployingTransaction(
        hash=_parse_hash(members["hash"], subject),
        block_number=members["block_number"],
        block_hash=_parse_hash(members["block_hash"], subject),
        deployer=parse_address(
            members["deployer"], subject=Message("deployment-record-deployer", subject=subject)
        ),
        gas_used=members["gas_used"],
    )


def _parse_hash(text: str, subject: str) -> Hash32:
    return Hash32(
        parse_hex(
            text, length=32, subject=Message("deployment-record-hash", subject=subject), prefix=True
        )
    )


def _show(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)[:120]


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
