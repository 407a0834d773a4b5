"""The compiled registry as package data, with the code hash and address derived from it.

Users need no compiler; ``scripts/_build/build_artifact.py --check`` rebuilds the artifact byte for
byte.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from anchor.base.types import Address, ChainId, Hash32
from anchor.ethereum.keccak import hash_keccak256
from anchor.ethereum.rlp import encode_integer, encode_rlp

# EIP-1014 deployments go through this proxy, which has the same address on every chain that has
# it: github.com/Arachnid/deterministic-deployment-proxy.
CREATE2_PROXY = Address(bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c"))
CREATE2_PROXY_CODE_HASH = Hash32(
    bytes.fromhex("2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989")
)
# Zero, because each chain needs the registry only once.
CREATE2_SALT = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """The compiler's output for ``contracts/AnchorRegistry.sol``."""

    contract: str
    compiler_version: str
    abi: list[dict[str, Any]]
    init_code: bytes
    runtime_template: bytes
    chain_id_places: tuple[int, ...]


@cache
def load_artifact() -> Artifact:
    """Read the artifact from the package."""
    data = json.loads(_read("AnchorRegistry.json"))
    return Artifact(
        contract=data["contract"],
        compiler_version=data["compiler"]["version"],
        abi=data["abi"],
        init_code=bytes.fromhex(data["bytecode"].removeprefix("0x")),
        runtime_template=bytes.fromhex(data["deployedBytecode"].removeprefix("0x")),
        chain_id_places=tuple(place["start"] for place in data["immutableReferences"]["CHAIN_ID"]),
    )


@cache
def load_standard_input() -> bytes:
    """Return the compiler's standard JSON input for the artifact, byte for byte as stored.

    To verify the source, block explorers compile it with ``compiler_version``.
    """
    return _read("AnchorRegistry.standard-input.json")


@cache
def load_manifest() -> bytes:
    """Return sources and artifact as an EthPM manifest (EIP-2678), as stored, which ape reads."""
    return _read("AnchorRegistryManifest.json")


def _read(name: str) -> bytes:
    return (resources.files("anchor.registry") / "data" / name).read_bytes()


def runtime_code(chain_id: ChainId) -> bytes:
    """Return the code of a deployment on ``chain_id``: the template with CHAIN_ID filled in."""
    artifact = load_artifact()
    code = bytearray(artifact.runtime_template)
    for place in artifact.chain_id_places:
        code[place : place + 32] = chain_id.to_bytes(32, "big")
    return bytes(code)


@cache
def expected_code_hash(chain_id: ChainId) -> Hash32:
    """Return the code hash of the registry on ``chain_id``."""
    return hash_keccak256(runtime_code(chain_id))


@cache
def registry_address() -> Address:
    """Return the address that the CREATE2 proxy gives the registry, on every chain (EIP-1014)."""
    init_code_hash = hash_keccak256(load_artifact().init_code)
    preimage = b"\xff" + CREATE2_PROXY + CREATE2_SALT + init_code_hash
    return Address(hash_keccak256(preimage)[12:])


# EIP-2681: the highest nonce of an account.
_MAX_NONCE = 2**64 - 2


def create_address(sender: Address, nonce: int) -> Address:
    """Return the address of the contract that ``sender`` creates with its transaction ``nonce``.

    The last 20 bytes of Keccak-256 over RLP([sender, nonce]) (Yellow Paper, section 7).
    """
    if not 0 <= nonce <= _MAX_NONCE:
        raise ValueError(f"nonce {nonce} is outside 0 … 2^64 - 2")
    return Address(hash_keccak256(encode_rlp((sender, encode_integer(nonce))))[12:])
