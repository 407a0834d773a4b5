"""The registry contract as a web3.py object, for users of web3.py."""

from __future__ import annotations

from web3 import Web3
from web3.contract import Contract

from anchor.base.types import Address
from anchor.ethereum.keccak import format_address
from anchor.registry.artifact import load_artifact, registry_address


def registry_contract(w3: Web3, address: Address | None = None) -> Contract:
    """Return the registry with its ABI, to be called and filtered like any web3.py contract.

    ``address=None`` is the address that the CREATE2 proxy gives it on every chain.  The code at the
    address is not checked, and a single node's answer is unverified: to verify evidence, use
    ``anchor.verify``.
    """
    place = Web3.to_checksum_address(format_address(address or registry_address()))
    return w3.eth.contract(address=place, abi=load_artifact().abi)
