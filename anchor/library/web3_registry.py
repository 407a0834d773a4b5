"""The registry contract as web3.py's own object, for those who work with web3.py."""

from __future__ import annotations

from web3 import Web3
from web3.contract import Contract

from anchor.ethereum.keccak import format_address
from anchor.registry.artifact import load_artifact, registry_address
from anchor.types import Address


def registry_contract(w3: Web3, address: Address | None = None) -> Contract:
    """Return the registry with its ABI, to be called and filtered as any contract of web3.py.

    ``address`` None is the address that the CREATE2 proxy gives it on every chain.  Which code is
    there, if any, is not checked, and what one node answers is that node's word: to verify
    evidence, use ``anchor.verify``.
    """
    place = Web3.to_checksum_address(format_address(address or registry_address()))
    return w3.eth.contract(address=place, abi=load_artifact().abi)
