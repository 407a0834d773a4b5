"""Kinds: what many pieces of a run have in common, stored once for all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from anchor.base.canonical import check_depth
from anchor.base.errors import MalformedError
from anchor.store.record_parts import encode_joint, encode_middle, read_not_before

MADE, KEPT, LOST, ERASED = "made", "kept", "lost", "erased"
_MOST = 256
_LOG = re.compile("[0-9a-f]{64}")

Described: TypeAlias = tuple[int, bytes | None, bytes | None, bytes | None, bytes | None]
"""A kind as ``anchor/native/columns.h`` has it: flags, middle and joint of a record, time, prefix.
"""


KindValues: TypeAlias = tuple[
    str, bool, bool, bool, bool, bool, str | None, str | None, str | None, str | None, str | None
]


class Kind(NamedTuple):
    """What pieces of a run have in common.

    The record is made from the columns if ``content`` is ``made``; it is ``kept`` as it is, or it
    is ``lost`` or ``erased``.  The source is ``prefix`` and the name, or stands in its own column
    if ``prefix`` is None.  An identity begins with the first half of the digest, unless
    ``has_start``.  ``accepted_at`` is a time that is not in the format of ``format_time``, and
    ``not_before`` the record's member in its canonical form.
    """

    content: str
    has_sha256: bool = False
    has_sm3: bool = False
    has_size: bool = False
    has_start: bool = False
    is_named_by_digest: bool = False
    log: str | None = None
    media_type: str | None = None
    prefix: str | None = None
    accepted_at: str | None = None
    not_before: str | None = None


def encode_kinds(kinds: Sequence[Kind]) -> bytes:
    """Return the stored form of kinds: a list in JSON, without the members that are not set."""
    defaults = Kind._field_defaults
    members = [
        {
            name: value
            for name, value in kind._asdict().items()
            if name not in defaults or value != defaults[name]
        }
        for kind in kinds
    ]
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@lru_cache(maxsize=1_024)
def parse_kinds(shared: bytes) -> tuple[Kind, ...]:
    """Return the kinds in their stored form."""
    try:
        check_depth(shared, subject="kinds")
    except MalformedError as error:
        raise ValueError("not a list of kinds") from error
    kinds = tuple(Kind(**members) for members in json.loads(bytes.decode(shared)))
    if len(kinds) > _MOST or not all(map(_is_valid, kinds)):
        raise ValueError("not a valid kind")
    return kinds


def _is_valid(kind: Kind) -> bool:
    values: tuple[object, ...] = kind  # from JSON, so of any type
    content, flags, log, texts = values[0], values[1:6], values[6], values[7:]
    has_start = kind.has_sha256 or kind.has_sm3 or kind.has_start or content == ERASED
    return (
        content in (MADE, KEPT, LOST, ERASED)
        and all(isinstance(flag, bool) for flag in flags)
        and has_start
        and (log is None or (isinstance(log, str) and _LOG.fullmatch(log) is not None))
        and all(text is None or (isinstance(text, str) and _is_text(text)) for text in texts)
        and (kind.not_before is None or _names_block(kind.not_before))
    )


def _names_block(text: str) -> bool:
    try:
        read_not_before(text)
    except ValueError:
        return False
    return True


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


@lru_cache(maxsize=1_024)
def describe_kinds(shared: bytes) -> tuple[Described, ...]:
    """Return kinds in their stored form as the native code takes them."""
    return tuple(map(_describe, parse_kinds(shared)))


def _describe(kind: Kind) -> Described:
    flags = (
        kind.content == MADE, kind.content == KEPT, kind.content == ERASED, kind.has_sha256,
        kind.has_sm3, kind.has_size, kind.has_start, kind.is_named_by_digest,
    )  # fmt: skip
    return (
        sum(1 << place for place, flag in enumerate(flags) if flag),
        encode_middle(kind.log, kind.media_type),
        encode_joint(kind.not_before),
        None if kind.accepted_at is None else kind.accepted_at.encode(),
        None if kind.prefix is None else kind.prefix.encode(),
    )
