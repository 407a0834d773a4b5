"""Preservation numbers: 80 bits of a record's SHA-256, as people read, type and scan them.

A number has 16 symbols of Crockford's base32 (https://www.crockford.com/base32.html) and a check
symbol from the same 32, in groups: ``BZPE-PSQZ-S1QK-HPAJ-0``.  The check symbol is the remainder of
the 80 bits, followed by five zero bits, modulo x^5 + x^2 + 1.  It reveals every single wrong
symbol, and every exchange of two symbols (not only of neighbours): the weights of the 17 places
are different powers of a primitive element of GF(32).  Crockford's own check symbol, modulo 37,
reveals no more, and would be one of ``*~$=U`` in every seventh number, which file names, addresses
and command lines do not carry.

The number names a record; it proves nothing.  Two records may have the same number: whoever looks
one up gets all of them.  ``docs/preservation-number.md`` is the specification.
"""

from __future__ import annotations

import hashlib

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""The symbols of the values 0 to 31: no I, L, O or U."""

NUMBER_BYTES = 10
"""How many bytes of the record's SHA-256 a number holds."""

SYMBOLS = NUMBER_BYTES * 8 // 5 + 1
"""How many symbols a number has, with its check symbol."""

PATTERN = "^([0-9A-HJKMNP-TV-Z]{4}-){4}[0-9A-HJKMNP-TV-Z]$"
"""A number as it is printed, for the schemas of documents."""

_GROUP = 4
_GENERATOR = 0b100101  # x^5 + x^2 + 1
_VALUES = {symbol: value for value, symbol in enumerate(ALPHABET)}
# What people write for a symbol: lower case, and letters that look like digits.
_READ_AS = str.maketrans({"I": "1", "L": "1", "O": "0"})
_SEPARATORS = frozenset(" -")


def number_record(record: bytes) -> str:
    """Return the preservation number of a record, from its exact bytes."""
    return format_number(hashlib.sha256(record).digest()[:NUMBER_BYTES])


def format_number(digest: bytes) -> str:
    """Return the number of a record whose SHA-256 begins with these 10 bytes."""
    if len(digest) != NUMBER_BYTES:
        raise ValueError(f"a number holds {NUMBER_BYTES} bytes, not {len(digest)}")
    bits = int.from_bytes(digest, "big")
    values = [bits >> 5 * at & 31 for at in reversed(range(SYMBOLS - 1))]
    symbols = "".join(ALPHABET[value] for value in (*values, _find_remainder((*values, 0))))
    return "-".join(symbols[at : at + _GROUP] for at in range(0, SYMBOLS, _GROUP))


def parse_number(text: str) -> bytes:
    """Return the 10 bytes with which the SHA-256 of the numbered record begins.

    Lower case is read as upper case, I and L as 1, and O as 0; spaces and hyphens are ignored.
    """
    symbols = _read_symbols(text)
    foreign = next((symbol for symbol in symbols if symbol not in _VALUES), None)
    if foreign is not None:
        raise MalformedError(Message("preservation-number-symbol-unknown", symbol=foreign))
    if len(symbols) != SYMBOLS:
        raise MalformedError(
            Message("preservation-number-length-wrong", expected=SYMBOLS, actual=len(symbols))
        )
    values = [_VALUES[symbol] for symbol in symbols]
    if _find_remainder(values) != 0:
        raise MalformedError(
            Message("preservation-number-check-wrong"),
            hint=Message("preservation-number-check-wrong-hint"),
        )
    bits = 0
    for value in values[:-1]:
        bits = bits << 5 | value
    return bits.to_bytes(NUMBER_BYTES, "big")


def is_number(text: str) -> bool:
    """Return whether ``text`` has the form of a number, with any check symbol."""
    symbols = _read_symbols(text)
    return len(symbols) == SYMBOLS and all(symbol in _VALUES for symbol in symbols)


def _read_symbols(text: str) -> str:
    """Return the symbols of a number as it is printed, without what separates them."""
    kept = "".join(each for each in text if each not in _SEPARATORS)
    return kept.upper().translate(_READ_AS) if kept.isascii() else kept


def _find_remainder(values: list[int] | tuple[int, ...]) -> int:
    """Return the remainder of the values' bits, five each, modulo the generator."""
    remainder = 0
    for value in values:
        for bit in (16, 8, 4, 2, 1):
            remainder = remainder << 1 | bool(value & bit)
            if remainder & 32:
                remainder ^= _GENERATOR
    return remainder
