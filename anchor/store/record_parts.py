"""The parts of evidence records that are stored in columns, and records taken apart into them.

Only what ``encode_record`` makes is taken apart.  ``anchor._sha256`` (``anchor/native/``) does it;
an installation built without a C compiler lacks that module and uses Python, which returns the
same and is some twenty times slower.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from json.encoder import encode_basestring
from typing import NamedTuple

from anchor.base.digests import SHA256, SM3, Digests
from anchor.base.errors import AnchorError
from anchor.base.system.clock import format_time
from anchor.base.types import LogId
from anchor.evidence.not_before import NotBefore
from anchor.evidence.record import SCHEMA, encode_record
from anchor.log.batch_sha256 import IS_NATIVE

if IS_NATIVE:
    from anchor import _sha256

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT = r'"(?:[^"\\]|\\.)*"'
_LOG = r'(?:"log":"0x([0-9a-f]{64})",)?'
_BLOCK = r'(?:"not_before":(\{[^{}]*\}),)?'
# Any match is compared with what ``encode_record`` makes of it.
_MIDDLE = re.compile(rf'\}},{_LOG}(?:"media_type":({_TEXT}),)?"name":', re.DOTALL)
_JOINT = re.compile(rf',{_BLOCK}"recorded_at":"'.encode())
_MADE = re.compile(
    (
        r'\{"digests":\{(?:"sha256":"[0-9a-f]{64}",?)?(?:"sm3":"[0-9a-f]{64}")?'
        rf'(\}},{_LOG}(?:"media_type":{_TEXT},)?"name":)({_TEXT})(,{_BLOCK}"recorded_at":")[^"]*",'
        rf'"salt":"([0-9a-f]{{64}})","schema":"{SCHEMA}"(?:,"size":([0-9]{{1,16}}))?\}}'
    ).encode(),
    re.DOTALL,
)


class Parts(NamedTuple):
    """The parts of a record that its columns and its kind have."""

    log: str | None
    media_type: str | None
    not_before: str | None
    name: str
    salt: bytes
    size: int | None
    is_named_by_digest: bool


def split_record(
    record: bytes, sha256: bytes | None, sm3: bytes | None, recorded_at: str
) -> Parts | None:
    """Return the parts of a record with these digests and this time.

    Returns None unless ``encode_record`` makes the same bytes of the parts again.
    """
    if not IS_NATIVE:
        return _split_record(record, sha256, sm3, recorded_at)
    try:
        split = _sha256.split_record(record, sha256, sm3, recorded_at.encode())
    except UnicodeEncodeError:
        return None
    if split is None:
        return None
    middle, name, joint, salt, size, is_named_by_digest = split
    known, block = _parse_middle(middle), _parse_joint(joint)
    if known is None or block is None:
        return None
    return Parts(*known, *block, name, salt, size, is_named_by_digest)


def _split_record(
    record: bytes, sha256: bytes | None, sm3: bytes | None, recorded_at: str
) -> Parts | None:
    match = _MADE.fullmatch(record)
    if match is None:
        return None
    middle, _, quoted, joint, _, salt, digits = match.groups()
    known, block = _parse_middle(middle), _parse_joint(joint)
    if known is None or block is None:
        return None
    (log, media_type), (not_before,) = known, block
    try:
        name = json.loads(quoted.decode())
        size = None if digits is None else int(digits)
        again = encode_record(
            digests=Digests(sha256=sha256, sm3=sm3, size=size),
            name=name,
            media_type=media_type,
            salt=bytes.fromhex(salt.decode()),
            recorded_at=recorded_at,
            log=None if log is None else LogId(bytes.fromhex(log)),
            not_before=None if not_before is None else read_not_before(not_before),
        )
    except (ValueError, AnchorError):
        return None
    is_named_by_digest = name == name_by_digest(sha256, sm3)
    parts = Parts(
        log, media_type, not_before, name, bytes.fromhex(salt.decode()), size, is_named_by_digest
    )
    return parts if again == record else None


def encode_middle(log: str | None, media_type: str | None) -> bytes:
    """Return what is between the digests and the name of a record; ``log`` is in hex."""
    named = "" if log is None else f'"log":"0x{log}",'
    media = "" if media_type is None else f'"media_type":{encode_basestring(media_type)},'
    return f'}},{named}{media}"name":'.encode()


def encode_joint(not_before: str | None) -> bytes:
    """Return what is between the name and the time of a record; ``not_before`` is canonical."""
    block = "" if not_before is None else f'"not_before":{not_before},'
    return f',{block}"recorded_at":"'.encode()


@lru_cache(maxsize=1_024)
def read_not_before(text: str) -> NotBefore:
    """Return the block that a member ``not_before`` in its canonical form names."""
    return NotBefore.decode(text)


@lru_cache(maxsize=1_024)
def _parse_joint(joint: bytes) -> tuple[str | None] | None:
    """Return the block; None if ``encode_joint`` writes it differently."""
    match = _JOINT.fullmatch(joint)
    if match is None:
        return None
    try:
        not_before = None if match[1] is None else match[1].decode()
        if not_before is not None:
            read_not_before(not_before)
    except ValueError:
        return None
    return (not_before,)


@lru_cache(maxsize=1_024)
def _parse_middle(middle: bytes) -> tuple[str | None, str | None] | None:
    """Return the log and the media type; None if ``encode_middle`` writes them differently."""
    try:
        match = _MIDDLE.fullmatch(middle.decode())
        if match is None:
            return None
        log, quoted = match.groups()
        media_type = None if quoted is None else json.loads(quoted)
        is_same = encode_middle(log, media_type) == middle
    except ValueError:
        return None
    return (log, media_type) if is_same else None


def name_by_digest(sha256: bytes | None, sm3: bytes | None) -> str:
    """Return the name of a bare digest that was submitted without one."""
    if sha256 is not None:
        return f"{SHA256}:{sha256.hex()}"
    return f"{SM3}:{(sm3 or b'').hex()}"


@lru_cache(maxsize=1_024)
def parse_milliseconds(time: str) -> int | None:
    """Return a time in milliseconds since 1970; None if ``format_time`` writes it differently."""
    try:
        milliseconds = (datetime.fromisoformat(time) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, TypeError):
        return None
    return milliseconds if format_milliseconds(milliseconds) == time else None


@lru_cache(maxsize=1_024)
def format_milliseconds(milliseconds: int) -> str:
    """Return a time as ``format_time`` does; nothing if it is not in the years 1 to 9999."""
    try:
        return format_time(_EPOCH + timedelta(milliseconds=milliseconds))
    except OverflowError:
        return ""
