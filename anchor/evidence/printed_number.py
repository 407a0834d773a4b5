"""Any number that is printed anywhere, as it is read: what it may be of.

Receipts, certificates and answers print preservation numbers, certificate numbers, digests of
records and files, leaf hashes, ids, roots and transaction hashes.  A hash does not tell which of
them it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.evidence.preservation_number import is_number, parse_number

_CERTIFICATE = re.compile(r"AC-(?:\d{8}-)?[0-9A-F]{16}", re.ASCII)
_HASH = re.compile(r"(?:0x)?([0-9a-f]{64})", re.ASCII)


class NumberKind(Enum):
    """What a number is of."""

    NUMBER = "preservation-number"
    CERTIFICATE = "certificate"
    RECORD = "record"
    SHA256 = "sha256"
    SM3 = "sm3"
    ID = "id"
    LEAF = "leaf"
    ROOT = "root"
    TRANSACTION = "transaction"


_WITHOUT_HASH = (NumberKind.NUMBER, NumberKind.CERTIFICATE)
_OF_HASHES = tuple(kind for kind in NumberKind if kind not in _WITHOUT_HASH)
_PREFIXES = {
    "sha256:": (NumberKind.RECORD, NumberKind.SHA256),
    "sm3:": (NumberKind.SM3,),
    "": _OF_HASHES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedNumber:
    """A number as it was read: its bytes, and what it may be of.

    The bytes of a certificate's number are its text in ASCII.
    """

    value: bytes
    kinds: tuple[NumberKind, ...]


def read_number(text: str) -> PrintedNumber:
    """Return the number in ``text``, whatever separates its symbols and whatever their case."""
    packed = "".join(text.split())
    if _CERTIFICATE.fullmatch(packed.upper()):
        return PrintedNumber(value=packed.upper().encode(), kinds=(NumberKind.CERTIFICATE,))
    lower = packed.lower()
    for prefix, kinds in _PREFIXES.items():
        digits = _HASH.fullmatch(lower.removeprefix(prefix)) if lower.startswith(prefix) else None
        if digits is not None:
            return PrintedNumber(value=bytes.fromhex(digits[1]), kinds=kinds)
    if not is_number(packed):
        raise MalformedError(Message("number-unreadable"), hint=Message("number-unreadable-hint"))
    return PrintedNumber(value=parse_number(packed), kinds=(NumberKind.NUMBER,))


def is_certificate_number(text: str) -> bool:
    """Return whether ``text`` has the form of a certificate's number."""
    return _CERTIFICATE.fullmatch("".join(text.split()).upper()) is not None


def read_number_or_none(text: str) -> PrintedNumber | None:
    """Return the number in ``text``, as ``read_number`` does, or None if there is none."""
    try:
        return read_number(text)
    except MalformedError:
        return None
