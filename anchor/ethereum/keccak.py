"""Keccak-256, Ethereum's hash (not the later SHA3-256), and EIP-55 checksum addresses."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Protocol

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.base.types import Address, Hash32


class _Hash(Protocol):
    def digest(self) -> bytes: ...


def hash_keccak256(data: bytes) -> Hash32:
    """Return the Keccak-256 of ``data``."""
    return Hash32(_new_keccak(data).digest())


def _openssl_keccak(data: bytes) -> _Hash:
    return hashlib.new("keccak-256", data)


def _pycryptodome_keccak(data: bytes) -> _Hash:
    from Crypto.Hash import keccak

    return keccak.new(digest_bits=256, data=data)


def _choose_keccak() -> Callable[[bytes], _Hash]:
    # OpenSSL 3.2 and later has it, though hashlib.algorithms_available does not list it.
    try:
        _openssl_keccak(b"")
    except ValueError:
        return _pycryptodome_keccak
    return _openssl_keccak


_new_keccak = _choose_keccak()


EMPTY_CODE_HASH = hash_keccak256(b"")
"""The code hash of an address without code (EIP-1052)."""


def format_address(address: Address) -> str:
    """Format an address with its EIP-55 checksum."""
    digits = address.hex()
    checksum = hash_keccak256(digits.encode("ascii")).hex()
    return "0x" + "".join(
        digit.upper() if int(check, 16) >= 8 else digit
        for digit, check in zip(digits, checksum, strict=False)
    )


def parse_address(text: str, *, subject: str) -> Address:
    """Parse an address from user input: in one case throughout, or with a correct checksum."""
    digits = text[2:]
    if not text.startswith("0x") or len(digits) != 40 or not _is_hex(digits):
        raise MalformedError(Message("address-malformed", subject=subject))
    address = Address(bytes.fromhex(digits))
    if digits not in (digits.lower(), digits.upper()) and text != format_address(address):
        raise MalformedError(
            Message("address-checksum-wrong", subject=subject, address=text),
            hint=Message("address-checksum-hint"),
        )
    return address


def _is_hex(digits: str) -> bool:
    return set(digits) <= set("0123456789abcdefABCDEF")
