"""Evidence records (``evidence-record/1``): the metadata and digests of one piece of evidence.

A record is stored and shipped as its exact RFC 8785 bytes; ``docs/spec/record.md`` is the
specification.  The leaf of a record is ``SHA-256(0x00 ‖ record bytes)`` (RFC 9162 section 2.1.1).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from json.encoder import encode_basestring
from pathlib import Path

from anchor.base.canonical import MAX_INTEGER, JsonValue, encode_canonical, parse_canonical
from anchor.base.digests import SHA256, SM3, Digests
from anchor.base.errors import MalformedError, UnknownVersionError
from anchor.base.messages.message import Message
from anchor.base.types import LogId, parse_hex
from anchor.evidence.checksums import decode_name
from anchor.evidence.not_before import MEMBER as NOT_BEFORE
from anchor.evidence.not_before import NotBefore, parse_not_before
from anchor.evidence.preservation_number import number_record

SCHEMA = "evidence-record/1"
# A record is one leaf and is part of every receipt; this bounds what a verifier reads.
MAX_RECORD_BYTES = 65_535
# Long enough for any path (PATH_MAX is 4,096 on Linux), short enough to print.
MAX_NAME_CHARACTERS = 4_096
SALT_BYTES = 32
# Made once: an audit parses a record for each leaf.
_RECORD = Message("evidence-record")

# Python 3.14 and later accept hour 24 as the next day's 0, which RFC 3339 does not allow.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)
_MEMBER_NAME = re.compile(r"[\x21-\x7e]+")
_REQUIRED = ("schema", "digests", "name", "salt", "recorded_at")
_MEMBERS = {*_REQUIRED, "size", "media_type", "log"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One parsed record; ``encoded`` are the bytes that were hashed.

    ``digests.size`` is None, and digests not given are None, for evidence recorded by its digest
    alone.  ``recorded_at`` is the operator's own clock: a claim, not a proof.  ``log`` is the log
    that the record was written for, if it names one; ``not_before`` the block that it names as
    older than itself.  ``statements`` are the names of members that the format does not know, among
    them a ``not_before`` of another form: the operator's own statements, which are not verified.
    """

    encoded: bytes
    digests: Digests
    name: str
    media_type: str | None
    salt: bytes
    recorded_at: datetime
    log: LogId | None = None
    not_before: NotBefore | None = None
    statements: tuple[str, ...] = ()

    @property
    def number(self) -> str:
        """Return the record's preservation number."""
        return number_record(self.encoded)


def encode_record(
    *,
    digests: Digests,
    name: str,
    media_type: str | None,
    salt: bytes,
    recorded_at: str,
    log: LogId | None = None,
    statements: Mapping[str, JsonValue] | None = None,
    not_before: NotBefore | None = None,
) -> bytes:
    """Return the canonical bytes of a record; ``recorded_at`` as ``format_time`` writes it.

    ``statements`` are further members, such as the groups of ``anchor.evidence.record_groups``.
    ``salt`` is 32 fresh random bytes, so that nobody can recover short or guessable evidence from
    its leaf by trying candidates.
    A run may encode millions of records, so the members are written directly in canonical order.

    Raises:
        MalformedError: The name is empty, too long or not text, the size is too large, or the
            record would have more than 65,535 bytes.
    """
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes")
    _parse_name(name)
    members = [f'"{SHA256}":"{digests.sha256.hex()}"'] if digests.sha256 is not None else []
    if digests.sm3 is not None:
        members.append(f'"{SM3}":"{digests.sm3.hex()}"')
    if digests.size is not None and not 0 <= digests.size <= MAX_INTEGER:
        raise MalformedError(Message("record-size-value-invalid", size=digests.size))
    named = "" if log is None else f'"log":"0x{log.hex()}",'
    media = "" if media_type is None else f'"media_type":{encode_basestring(media_type)},'
    block = "" if not_before is None else f'"{NOT_BEFORE}":{not_before.encode()},'
    size = "" if digests.size is None else f',"size":{digests.size}'
    try:
        encoded = (
            f'{{"digests":{{{",".join(members)}}},{named}{media}"name":{encode_basestring(name)},'
            f'{block}"recorded_at":"{recorded_at}","salt":"{salt.hex()}","schema":"{SCHEMA}"{size}}}'
        ).encode()
    except UnicodeEncodeError:
        raise MalformedError(Message("record-lone-surrogate")) from None
    if statements:
        encoded = encode_canonical({**statements, **json.loads(encoded)}, subject=_RECORD)
    if len(encoded) > MAX_RECORD_BYTES:
        raise MalformedError(Message("record-too-long", limit=MAX_RECORD_BYTES))
    return encoded


def parse_record(encoded: bytes) -> Record:
    """Parse a record from its exact bytes.

    Members that this version does not know are allowed: the leaf authenticates them as well, and
    later versions of the schema may add some.

    Raises:
        MalformedError: The bytes are not canonical, or a member is missing or has the wrong form.
        UnknownVersionError: The record has another schema, or only digests of unknown algorithms.
    """
    value = parse_canonical(encoded, subject=_RECORD, max_bytes=MAX_RECORD_BYTES)
    if not isinstance(value, dict):
        raise MalformedError(Message("record-not-object"))
    if "schema" in value and value["schema"] != SCHEMA:
        stated = str(value["schema"])[:80]
        raise UnknownVersionError(Message("record-schema-unknown", stated=stated, expected=SCHEMA))
    for member in _REQUIRED:
        if member not in value:
            raise MalformedError(Message("record-member-missing", member=member))
    for member in ("size", "media_type", "log"):
        if value.get(member, SCHEMA) is None:
            raise MalformedError(Message("record-member-null", member=member))
    _check_member_names(value)
    media_type = value.get("media_type")
    if media_type is not None and not isinstance(media_type, str):
        raise MalformedError(Message("record-media-type-not-string"))
    known, size = _parse_digests(value["digests"]), _parse_size(value.get("size"))
    name, salt = _parse_name(value["name"]), _parse_hex_member(value["salt"], "salt")
    recorded_at = _parse_time(value["recorded_at"])
    log = LogId(_parse_hex_member(value["log"], "log", prefix=True)) if "log" in value else None
    not_before = parse_not_before(value.get(NOT_BEFORE))
    known_members = _MEMBERS if not_before is None else {*_MEMBERS, NOT_BEFORE}
    # Checked after all errors of form, so that a record with several faults has one outcome.
    if not known:
        raise _unknown_algorithms(value["digests"])
    return Record(
        encoded=encoded,
        digests=Digests(sha256=known.get(SHA256), sm3=known.get(SM3), size=size),
        name=name,
        media_type=media_type,
        salt=salt,
        recorded_at=recorded_at,
        log=log,
        not_before=not_before,
        statements=tuple(sorted(set(value) - known_members)),
    )


def find_named_block(encoded: bytes) -> NotBefore | None:
    """Return the block that a record names; None if it names none, or is no record."""
    if b'"not_before":' not in encoded:  # which is quick, of millions of records
        return None
    try:
        return parse_record(encoded).not_before
    except (MalformedError, UnknownVersionError):
        return None


def _parse_digests(digests: JsonValue) -> dict[str, bytes]:
    """Return the digests whose algorithms are known."""
    if not isinstance(digests, dict) or not digests:
        raise MalformedError(Message("record-digests-empty"))
    return {
        algorithm: _parse_hex_member(digests[algorithm], f"digests.{algorithm}")
        for algorithm in (SHA256, SM3)
        if algorithm in digests
    }


def _unknown_algorithms(digests: JsonValue) -> UnknownVersionError:
    names = ", ".join(sorted(digests) if isinstance(digests, dict) else [])[:80]
    return UnknownVersionError(Message("record-digests-unknown", names=names))


def _parse_size(size: JsonValue) -> int | None:
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        raise MalformedError(Message("record-size-invalid"))
    return size


def _parse_name(name: JsonValue) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARACTERS:
        raise MalformedError(Message("record-name-length", limit=MAX_NAME_CHARACTERS))
    return name


def _parse_hex_member(value: JsonValue, member: str, *, prefix: bool = False) -> bytes:
    if not isinstance(value, str):
        raise MalformedError(Message("record-member-not-string", member=member))
    return parse_hex(value, length=32, subject=_name_member(member), prefix=prefix)


@cache
def _name_member(member: str) -> Message:
    return Message("record-member", member=member)


def _parse_time(value: JsonValue) -> datetime:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise MalformedError(Message("record-time-malformed"))
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise MalformedError(Message("record-time-no-date")) from error


def _check_member_names(value: Mapping[str, JsonValue]) -> None:
    pending: list[JsonValue] = [dict(value)]
    while pending:
        nested = pending.pop()
        if isinstance(nested, dict):
            for name, member in nested.items():
                if not _MEMBER_NAME.fullmatch(name):
                    raise MalformedError(Message("record-member-name-invalid", name=name))
                pending.append(member)
        elif isinstance(nested, list):
            pending.extend(nested)


def source_of(path: Path) -> str:
    """Return a file's source name in the store: its absolute path, with the folder resolved.

    A symbolic link to a file keeps its own name.
    """
    resolved = os.path.join(os.path.realpath(path.parent), path.name)
    # The store keeps text; bytes that are not text are escaped as in names.
    return decode_name(os.fsencode(resolved))
