"""Decoding of signed transactions: their fields, and the sender recovered from the signature.

Only the kinds that this package signs are decoded: legacy transactions with EIP-155, and type 2
(EIP-1559) with an empty access list.
"""

from __future__ import annotations

from dataclasses import dataclass

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.base.types import Address
from anchor.ethereum.keccak import parse_address
from anchor.ethereum.rlp import decode_rlp, parse_bytes, parse_integer

_DYNAMIC_FEE = 0x02
_FIRST_EIP155 = 35
# No client's pool accepts a larger transaction.
_MAX_BYTES = 128 << 10

_LEGACY_FIELDS = ("nonce", "max_fee", "gas", "to", "value", "data", "v", "r", "s")
_DYNAMIC_FIELDS = (
    "chain_id", "nonce", "priority_fee", "max_fee", "gas", "to", "value", "data", "access_list",
    "y_parity", "r", "s",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTransaction:
    """A decoded transaction.  ``chain_id`` None: valid on any chain; ``to`` None: creation.

    A legacy transaction's gas price is the value of both fees.
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
    """Decode a raw transaction and recover its sender.

    Raises:
        MalformedError: The bytes are not a legacy or EIP-1559 transaction, or the signature is not
            valid.
    """
    fields = _read_fields(raw)
    if is_dynamic(raw):
        chain_id: int | None = _integer(fields["chain_id"])
    else:
        parity = _integer(fields["v"])
        chain_id = (parity - _FIRST_EIP155) // 2 if parity >= _FIRST_EIP155 else None
    return SignedTransaction(
        sender=_recover_sender(raw),
        chain_id=chain_id,
        nonce=_integer(fields["nonce"]),
        to=_receiver(fields["to"]),
        value=_integer(fields["value"]),
        data=fields["data"],
        max_fee=_integer(fields["max_fee"]),
        priority_fee=_integer(fields["priority_fee" if is_dynamic(raw) else "max_fee"]),
    )


def read_gas_limit(raw: bytes) -> int:
    """Return a raw transaction's gas limit; the signature is not checked."""
    return _integer(_read_fields(raw)["gas"])


def read_call_data(raw: bytes) -> bytes:
    """Return a raw transaction's call data; the signature is not checked."""
    return _read_fields(raw)["data"]


def read_receiver(raw: bytes) -> Address | None:
    """Return a raw transaction's receiver, None for a creation; the signature is not checked."""
    return _receiver(_read_fields(raw)["to"])


def is_dynamic(raw: bytes) -> bool:
    """Return whether a raw transaction is of type 2 (EIP-1559), with a maximum fee and a tip."""
    return raw[:1] == bytes([_DYNAMIC_FEE])


def _recover_sender(raw: bytes) -> Address:
    from eth_account import Account

    try:
        return parse_address(Account.recover_transaction(raw), subject=Message("tx-signer"))
    except Exception as error:
        # Any error of eth-account or the curve packages means an invalid signature.
        raise MalformedError(Message("tx-signature-invalid")) from error


def _read_fields(raw: bytes) -> dict[str, bytes]:
    names, encoded = (_DYNAMIC_FIELDS, raw[1:]) if is_dynamic(raw) else (_LEGACY_FIELDS, raw)
    items = decode_rlp(encoded, subject=Message("tx-subject"), max_bytes=_MAX_BYTES)
    if not isinstance(items, tuple) or len(items) != len(names):
        raise MalformedError(Message("tx-not-list", count=len(names)))
    fields = {}
    for name, field in zip(names, items, strict=True):
        if name == "access_list" and field != ():
            raise MalformedError(Message("tx-has-access-list"))
        if isinstance(field, bytes):
            fields[name] = field
        elif name != "access_list":
            raise MalformedError(Message("tx-field-is-list", name=name))
    return fields


def _integer(field: bytes) -> int:
    return parse_integer(field, subject=Message("tx-field"), max_bits=256)


def _receiver(field: bytes) -> Address | None:
    if not field:
        return None
    return Address(parse_bytes(field, subject=Message("tx-receiver"), length=20))
