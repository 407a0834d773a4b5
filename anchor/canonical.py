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
from typing import Any, NoReturn, TypeAlias, Union

from anchor.errors import MalformedError

JsonValue: TypeAlias = Union[None, bool, int, str, "list[JsonValue]", "dict[str, JsonValue]"]

# RFC 8785 section 3.2.2.3 serialises numbers as IEEE 754 doubles; above this integers lose digits.
MAX_INTEGER = 2**53 - 1
# 2^53 has 16 digits and a sign; a longer literal is refused before Python converts it.
_MAX_INTEGER_CHARACTERS = 17
# Records and receipts nest four levels deep; this leaves room for later formats, not for attacks.
MAX_DEPTH = 16
# The most characters of a foreign text that an error message quotes.
_MAX_QUOTED = 80

# Possessive, with an optional closing quote: an unterminated string takes one pass, not n.
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_SURROGATES = re.compile("[\ud800-\udfff]")
_BRACKETS = re.compile(rb"[\[\]{}]")
_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))


class _Refused(Exception):
    """An exception that carries the reason of a refusal out of the JSON decoder's hooks."""


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
        raise MalformedError(
            f"{subject} has {len(data):,} bytes; at most {max_bytes:,} are allowed"
        )
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
        raise MalformedError(f"{subject} is not UTF-8 (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise MalformedError(
            f"{subject} is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from error
    except _Refused as error:
        raise MalformedError(f"{subject} {error}") from error
    _checked(value, subject)
    return value


def parse_canonical(data: bytes, *, subject: str, max_bytes: int) -> JsonValue:
    """Parse a document that must be in canonical form (RFC 8785), byte for byte."""
    value = parse_strict(data, subject=subject, max_bytes=max_bytes)
    if encode_canonical(value, subject=subject) != data:
        raise MalformedError(f"{subject} is not in canonical form (RFC 8785)")
    return value


def check_depth(data: bytes, *, subject: str) -> None:
    """Check the depth of nesting before ``json.loads`` recurses into a document.

    ``json.loads`` relies on the recursion limit, which py-evm raises to 100,000, so that deeply
    nested brackets crash the process.

    Raises:
        MalformedError: The document has more than ``MAX_DEPTH`` levels.
    """
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", data)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise MalformedError(f"{subject} nests deeper than {MAX_DEPTH} levels")


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, member in pairs:
        if name in members:
            raise _Refused(f"has the member {name[:_MAX_QUOTED]!r} twice")
        members[name] = member
    return members


def _bounded_integer(literal: str) -> int:
    if literal == "-0":
        raise _Refused("holds -0, which is not an integer's canonical spelling")
    if len(literal) > _MAX_INTEGER_CHARACTERS or abs(int(literal)) > MAX_INTEGER:
        raise _Refused("holds an integer outside ±(2^53 - 1)")
    return int(literal)


def _refuse_float(literal: str) -> NoReturn:
    raise _Refused(f"holds the number {literal[:32]}; only integers are allowed")


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
            raise MalformedError(f"{subject} holds an integer outside ±(2^53 - 1)")
    elif value is not None:
        raise MalformedError(f"{subject} holds a {type(value).__name__}, which JSON cannot carry")
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
        raise MalformedError(f"{subject} holds a lone surrogate, which is not a character")
