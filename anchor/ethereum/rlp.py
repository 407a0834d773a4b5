"""Recursive Length Prefix, Ethereum's serialisation (Yellow Paper, appendix B), read strictly.

An item is a byte string or a tuple of items.  Each item has one encoding, and any other is
rejected, so that equal items have equal bytes and a hash of an encoding identifies its content.
"""

from __future__ import annotations

from typing import TypeAlias, Union

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message

RlpItem: TypeAlias = Union[bytes, "tuple[RlpItem, ...]"]

# A branch may hold an extension that holds a branch that holds a leaf, all within 32 bytes: a trie
# node nests four deep, a header one.  Deeper nesting is rejected.
MAX_DEPTH = 8

# The first byte of an item: a string of up to 55 bytes, a longer one, and the same for lists.
_STRING, _LONG_STRING, _LIST, _LONG_LIST = 0x80, 0xB8, 0xC0, 0xF8
_LONGEST_SHORT = 55


def encode_rlp(value: RlpItem) -> bytes:
    """Return the RLP of a value."""
    if isinstance(value, bytes):
        if len(value) == 1 and value[0] < _STRING:
            return value
        return _prefix(len(value), _STRING) + value
    payload = b"".join(map(encode_rlp, value))
    return _prefix(len(payload), _LIST) + payload


def decode_rlp(data: bytes, *, subject: str, max_bytes: int) -> RlpItem:
    """Decode ``data``, which must be one item of at most ``max_bytes``.

    Raises:
        MalformedError: ``data`` is not the canonical encoding of one item. The message names
            ``subject``.
    """
    if len(data) > max_bytes:
        raise MalformedError(Message("document-too-long", subject=subject, limit=max_bytes))
    value, end = _decode(data, 0, len(data), 0, subject)
    if end != len(data):
        raise MalformedError(Message("rlp-trailing-bytes", subject=subject, position=end))
    return value


def encode_integer(value: int) -> bytes:
    """Return the byte string of a non-negative integer: big-endian, without leading zeros."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def parse_integer(value: RlpItem, *, subject: str, max_bits: int) -> int:
    """Parse a byte string as an integer below 2^``max_bits``.

    Raises:
        MalformedError: ``value`` is a list, has a leading zero, or too many bytes.
    """
    if not isinstance(value, bytes):
        raise MalformedError(Message("rlp-list-not-integer", subject=subject))
    if value[:1] == b"\0":
        raise MalformedError(Message("rlp-integer-leading-zero", subject=subject))
    if len(value) * 8 > max_bits:
        raise MalformedError(Message("rlp-integer-too-large", subject=subject, limit=max_bits))
    return int.from_bytes(value, "big")


def parse_bytes(value: RlpItem, *, subject: str, length: int) -> bytes:
    """Return ``value`` if it is a byte string of exactly ``length`` bytes."""
    if not isinstance(value, bytes) or len(value) != length:
        raise MalformedError(Message("rlp-string-wrong-length", subject=subject, length=length))
    return value


def _prefix(length: int, short: int) -> bytes:
    if length <= _LONGEST_SHORT:
        return bytes([short + length])
    digits = encode_integer(length)
    return bytes([short + _LONGEST_SHORT + len(digits)]) + digits


def _decode(data: bytes, at: int, end: int, depth: int, subject: str) -> tuple[RlpItem, int]:
    """Return the item that starts at ``at`` within a parent that ends at ``end``, and its end."""
    if depth > MAX_DEPTH:
        raise MalformedError(Message("rlp-too-deep", subject=subject, limit=MAX_DEPTH))
    if at >= end:
        raise MalformedError(Message("rlp-item-missing", subject=subject, position=at))
    first = data[at]
    if first < _STRING:
        return data[at : at + 1], at + 1
    short = _STRING if first < _LIST else _LIST
    start, length = _read_length(data, at, end, first - short, subject)
    stop = start + length
    if short == _LIST:
        return _decode_list(data, start, stop, depth, subject), stop
    if length == 1 and data[start] < _STRING:
        raise MalformedError(Message("rlp-prefix-superfluous", subject=subject, position=at))
    return data[start:stop], stop


def _decode_list(data: bytes, at: int, stop: int, depth: int, subject: str) -> RlpItem:
    values = []
    while at < stop:
        value, at = _decode(data, at, stop, depth + 1, subject)
        values.append(value)
    return tuple(values)


def _read_length(data: bytes, at: int, end: int, form: int, subject: str) -> tuple[int, int]:
    """Return the payload's start and length.

    ``form`` is the prefix byte less its type's lowest value: the length itself up to 55, or else
    55 plus the number of bytes that encode the length.
    """
    start, length = at + 1, form
    if form > _LONGEST_SHORT:
        start += form - _LONGEST_SHORT
        digits = data[at + 1 : min(start, end)]
        length = int.from_bytes(digits, "big")
        if digits[:1] == b"\0" or length <= _LONGEST_SHORT:
            raise MalformedError(Message("rlp-length-not-minimal", subject=subject, position=at))
    if length > end - start:
        raise MalformedError(Message("rlp-item-truncated", subject=subject, position=at))
    return start, length
