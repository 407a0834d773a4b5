"""Strict JSON in, canonical JSON out.

Canonical means RFC 8785 (JSON Canonicalization Scheme).  Without floats, which are refused here,
that is the output of ``json`` without spaces, with members sorted by UTF-16 code units.  Parsing is
stricter than ``json.loads``: duplicate member names, floats, NaN, integers outside ±(2^53 - 1),
lone surrogates and documents larger or deeper than the bounds are refused, so that two parsers can
never understand a document differently (RFC 7493, I-JSON).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias, Union

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message

JsonValue: TypeAlias = Union[None, bool, int, str, "list[JsonValue]", "dict[str, JsonValue]"]

# RFC 8785 section 3.2.2.3 serialises numbers as IEEE 754 doubles; above this integers lose digits.
MAX_INTEGER = 2**53 - 1
# 2^53 has 16 digits and a sign; a longer literal is refused before Python converts it.
_MAX_INTEGER_CHARACTERS = 17
# Records and receipts nest four levels deep; this leaves room for later formats, not for attacks.
MAX_DEPTH = 16
# Maximum number of characters of foreign text that an error message quotes.
_MAX_QUOTED = 80

# Possessive, with an optional closing quote: matching an unterminated string takes linear time.
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_SURROGATES = re.compile("[\ud800-\udfff]")
_BRACKETS = re.compile(rb"[\[\]{}]")
_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))


# The decoder's messages that have a translation; any other message is quoted unchanged.
_FAULTS = {
    str(fault): fault
    for fault in (
        Message("json-fault-value"),
        Message("json-fault-comma"),
        Message("json-fault-colon"),
        Message("json-fault-name"),
        Message("json-fault-trailing-comma"),
        Message("json-fault-trailing-comma-in-list"),
        Message("json-fault-string-open"),
        Message("json-fault-control-character"),
        Message("json-fault-escape"),
        Message("json-fault-escape-unicode"),
        Message("json-fault-extra"),
    )
} | {"Unexpected UTF-8 BOM (decode using utf-8-sig)": Message("json-fault-byte-order-mark")}


class _Refused(Exception):
    """A refusal raised in a ``json`` hook; ``describe`` completes it with the document's name."""

    def __init__(self, describe: Callable[[str], Message]) -> None:
        super().__init__()
        self.describe = describe


def encode_canonical(value: JsonValue, *, subject: str) -> bytes:
    """Serialise ``value`` as RFC 8785 bytes.

    Raises:
        MalformedError: ``value`` holds a float, an integer beyond ±(2^53 - 1), or a lone surrogate.
    """
    return _ENCODER.encode(_checked(value, subject)).encode("utf-8")


def parse_strict(data: bytes, *, subject: str, max_bytes: int) -> JsonValue:
    """Parse one JSON document of at most ``max_bytes`` bytes of UTF-8.

    Raises:
        MalformedError: The document is not strict JSON: two parsers could understand it
            differently. The message names it ``subject``.
    """
    if len(data) > max_bytes:
        raise MalformedError(Message("document-too-long", subject=subject, limit=max_bytes))
    check_depth(data, subject=subject)
    try:
        value: JsonValue = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique_members,
            parse_int=_bounded_integer,
            parse_float=_refuse_float,
            parse_constant=_refuse_float,
        )
    except UnicodeDecodeError as error:
        raise MalformedError(
            Message("document-not-utf8", subject=subject, position=error.start)
        ) from error
    except json.JSONDecodeError as error:
        raise MalformedError(
            Message(
                "document-not-json",
                subject=subject,
                reason=_FAULTS.get(error.msg, error.msg),
                line=error.lineno,
                column=error.colno,
            )
        ) from error
    except _Refused as error:
        raise MalformedError(error.describe(subject)) from error
    _checked(value, subject)
    return value


def parse_canonical(data: bytes, *, subject: str, max_bytes: int) -> JsonValue:
    """Parse a document that must be in canonical form (RFC 8785), byte for byte."""
    value = parse_strict(data, subject=subject, max_bytes=max_bytes)
    if encode_canonical(value, subject=subject) != data:
        raise MalformedError(Message("json-not-canonical", subject=subject))
    return value


def check_depth(data: bytes, *, subject: str) -> None:
    """Check the depth of nesting before ``json.loads`` recurses into a document.

    ``json.loads`` relies on the recursion limit, which py-evm raises to 100,000, so that deeply
    nested brackets crash the process.
    """
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", data)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise MalformedError(Message("json-too-deep", subject=subject, limit=MAX_DEPTH))


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, member in pairs:
        if name in members:
            raise _refuse_twice(name)
        members[name] = member
    return members


def _refuse_twice(name: str) -> _Refused:
    return _Refused(
        lambda subject: Message("json-member-duplicate", subject=subject, name=name[:_MAX_QUOTED])
    )


def _bounded_integer(literal: str) -> int:
    if literal == "-0":
        raise _Refused(lambda subject: Message("json-negative-zero", subject=subject))
    if len(literal) > _MAX_INTEGER_CHARACTERS or abs(int(literal)) > MAX_INTEGER:
        raise _Refused(lambda subject: Message("json-integer-out-of-range", subject=subject))
    return int(literal)


def _refuse_float(literal: str) -> NoReturn:
    raise _Refused(
        lambda subject: Message("json-number-not-integer", subject=subject, literal=literal[:32])
    )


def _checked(value: JsonValue, subject: str) -> JsonValue:
    """Return the value with its members sorted; refuse JSON that this project does not allow.

    The recursion is bounded: the depth of parsed documents was limited to ``MAX_DEPTH`` before.
    """
    if isinstance(value, str):
        _check_text(value, subject)
    elif isinstance(value, dict):
        return {name: _checked(value[name], subject) for name in _sorted_names(value, subject)}
    elif isinstance(value, list):
        return [_checked(member, subject) for member in value]
    elif isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise MalformedError(Message("json-integer-out-of-range", subject=subject))
    elif value is not None:
        raise MalformedError(
            Message("json-value-foreign-type", subject=subject, type=type(value).__name__)
        )
    return value


def _sorted_names(members: dict[str, JsonValue], subject: str) -> list[str]:
    """Return the members' names in the order of RFC 8785 section 3.2.3."""
    for name in members:
        _check_text(name, subject)
    if all(map(str.isascii, members)):
        return sorted(members)
    # In the order of code points or UTF-8, names beyond U+FFFF would be sorted differently.
    return sorted(members, key=lambda name: name.encode("utf-16-be"))


def _check_text(text: str, subject: str) -> None:
    if not text.isascii() and _SURROGATES.search(text):
        raise MalformedError(Message("json-lone-surrogate", subject=subject))
