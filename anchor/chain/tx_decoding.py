"""Signed transactions read again from their bytes: what was signed, and by whom.

Only what this package signs is read: legacy transactions with EIP-155, and type 2 (EIP-1559) with
an empty access list.
"""

from __future__ import annotations

from dataclasses import dataclass

from anchor.errors import MalformedError
from anchor.ethereum.keccak import parse_address
from anchor.types import Address

_DYNAMIC_FEE = 0x02
_FIRST_EIP155 = 35


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTransaction:
    """What a raw transaction says.  ``chain_id`` None: valid on any chain; ``to`` None: creation.

    A legacy transaction's gas price is both fees.
    """

    sender: Address
    chain_id: int | None
    nonce: int
    to: Address | None
    value: int
    data: bytes
    max_fee: int
    priority_fee: int


def decode_transaction(raw: bytes) -> SignedTransaction:
    """Read a raw transaction and recover who signed it.

    Raises:
        MalformedError: The bytes are no legacy and no EIP-1559 transaction.
    """
    if is_dynamic(raw):
        chain, nonce, tip, fee, _, to, value, data, accesses, *_ = _fields(raw[1:], 12)
        if accesses:
            raise MalformedError("the transaction has an access list")
        chain_id: int | None = _number(chain)
    else:
        nonce, fee, _, to, value, data, v, *_ = _fields(raw, 9)
        tip, parity = fee, _number(v)
        chain_id = (parity - _FIRST_EIP155) // 2 if parity >= _FIRST_EIP155 else None
    if len(to) not in (0, 20):
        raise MalformedError("the transaction's receiver is no address")
    return SignedTransaction(
        sender=_recover_sender(raw),
        chain_id=chain_id,
        nonce=_number(nonce),
        to=Address(to) if to else None,
        value=_number(value),
        data=data,
        max_fee=_number(fee),
        priority_fee=_number(tip),
    )


def read_gas_limit(raw: bytes) -> int:
    """Return the most gas that a raw transaction may take; its signature is not looked at.

    Raises:
        MalformedError: The bytes are no legacy and no EIP-1559 transaction.
    """
    if is_dynamic(raw):
        return _number(_fields(raw[1:], 12)[4])
    return _number(_fields(raw, 9)[2])


def read_call_data(raw: bytes) -> bytes:
    """Return what a raw transaction hands to its receiver; its signature is not looked at.

    Raises:
        MalformedError: as ``read_gas_limit``.
    """
    return _fields(raw[1:], 12)[7] if is_dynamic(raw) else _fields(raw, 9)[5]


def read_receiver(raw: bytes) -> Address | None:
    """Return whom a raw transaction goes to, None for a creation; its signature is not looked at.

    Raises:
        MalformedError: as ``read_gas_limit``.
    """
    to = _fields(raw[1:], 12)[5] if is_dynamic(raw) else _fields(raw, 9)[3]
    if len(to) not in (0, 20):
        raise MalformedError("the transaction's receiver is no address")
    return Address(to) if to else None


def is_dynamic(raw: bytes) -> bool:
    """Return whether a raw transaction is of EIP-1559, with a fee and a tip."""
    return raw[:1] == bytes([_DYNAMIC_FEE])


def _recover_sender(raw: bytes) -> Address:
    from eth_account import Account

    try:
        return parse_address(Account.recover_transaction(raw), subject="the signer")
    except Exception as error:
        # Whatever eth-account and the curve's packages raise: it is no signed transaction.
        raise MalformedError("the transaction's signature is not valid") from error


def _fields(encoded: bytes, count: int) -> list[bytes]:
    fields, rest = _split_list(encoded)
    if rest or len(fields) != count:
        raise MalformedError(f"the transaction is no RLP list of {count} fields")
    return fields


def _split_list(encoded: bytes) -> tuple[list[bytes], bytes]:
    """Return the strings of one RLP list, and what follows it; an inner list must be empty."""
    if not encoded or encoded[0] < 0xC0:
        raise MalformedError("the transaction is no RLP list")
    body, rest = _take(encoded, 0xC0)
    fields = []
    while body:
        if body[0] < 0x80:
            field, body = body[:1], body[1:]
        elif body[0] < 0xC0:
            field, body = _take(body, 0x80)
            if len(field) == 1 and field[0] < 0x80:
                raise MalformedError("the transaction has a byte that RLP spells otherwise")
        else:
            field, body = _take(body, 0xC0)
            if field:
                raise MalformedError("the transaction has a list inside")
        fields.append(field)
    return fields, rest


def _take(encoded: bytes, offset: int) -> tuple[bytes, bytes]:
    """Return an RLP item's payload, and what follows; ``offset`` is 0x80 or 0xc0, by its kind."""
    length, start = encoded[0] - offset, 1
    if length > 55:
        start = 1 + length - 55
        digits = encoded[1:start]
        length = int.from_bytes(digits, "big")
        if digits[:1] in (b"", b"\0") or length <= 55:
            raise MalformedError("the transaction has a length that RLP spells otherwise")
    if start + length > len(encoded):
        raise MalformedError("the transaction ends early")
    return encoded[start : start + length], encoded[start + length :]


def _number(field: bytes) -> int:
    if field[:1] == b"\0" or len(field) > 32:
        raise MalformedError("the transaction has a number that RLP spells otherwise")
    return int.from_bytes(field, "big")
