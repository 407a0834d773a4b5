"""JSON lines of a bulk submission: split from the arriving bytes, and parsed into rows."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

from anchor.evidence.record import SALT_BYTES, SCHEMA
from anchor.log.merkle import hash_leaf
from anchor.messages.message import Message
from anchor.operate.acceptance import guess_media_type
from anchor.service.problems import Problem
from anchor.service.submission import Origin, read_submission
from anchor.store.evidence import NewEvidence

Line: TypeAlias = tuple[int, bytes | None]
"""A line's number, from 1, and its bytes; None if it was too long to keep."""

Entry: TypeAlias = tuple[int, NewEvidence | Problem]
"""A line's number, and its row or the error in it."""


class LineSplitter:
    """A splitter of arriving bytes into lines, which buffers at most one line of maximal length."""

    def __init__(self, max_line: int) -> None:
        self._max_line = max_line
        self._rest = b""
        self._number = 0
        self._is_skipping = False

    def feed(self, data: bytes) -> list[Line]:
        """Return the lines that end in ``data``; blank lines are numbered and left out."""
        parts = data.split(b"\n")
        if len(parts) == 1:
            self._keep(parts[0])
            return []
        lines = self._end(parts[0])
        for part in parts[1:-1]:
            self._number += 1
            if len(part) > self._max_line:
                lines.append((self._number, None))
            elif part and not part.isspace():
                lines.append((self._number, part))
        self._keep(parts[-1])
        return lines

    def finish(self) -> list[Line]:
        """Return the last line, if it has no line end."""
        return self._end(b"") if self._rest or self._is_skipping else []

    def _keep(self, part: bytes) -> None:
        if self._is_skipping:
            return
        if len(self._rest) + len(part) > self._max_line:
            self._rest, self._is_skipping = b"", True
        else:
            self._rest += part

    def _end(self, part: bytes) -> list[Line]:
        self._keep(part)
        line, was_skipping = self._rest, self._is_skipping
        self._rest, self._is_skipping = b"", False
        self._number += 1
        if was_skipping:
            return [(self._number, None)]
        return [(self._number, line)] if line and not line.isspace() else []


def read_lines(lines: Sequence[Line], origin: Origin, *, max_line: int) -> list[Entry]:
    """Return the row or the error of each line; an invalid line does not affect the others."""
    # One system call for the random bytes of all lines.
    salts = origin.random_bytes(SALT_BYTES * len(lines)).hex().encode()
    reader = _PlainReader(origin)
    entries: list[Entry] = []
    for place, (number, line) in enumerate(lines):
        if line is None:
            entries.append(
                (number, Problem(413, Message("submission-line-too-long", limit=max_line)))
            )
            continue
        match = _PLAIN.fullmatch(line)
        if match is not None:
            salt = salts[2 * SALT_BYTES * place : 2 * SALT_BYTES * (place + 1)]
            entries.append((number, reader.read(match, salt)))
            continue
        try:
            entries.append((number, read_submission(line, origin, max_bytes=max_line)))
        except Problem as problem:
            entries.append((number, problem))
    return entries


# The form of nearly every line, which needs no JSON parser: a SHA-256, and a name without
# JSON escapes.  ``read_submission`` returns the same in four times the time; with orjson, which
# also accepts duplicate members, it would still take twice the time.
_PLAIN = re.compile(rb'\{"sha256": ?"([0-9a-f]{64})"(?:, ?"name": ?"([ !#-\[\]-~]{1,1000})")?\}\r?')


class _PlainReader:
    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._recorded_at = origin.recorded_at.encode()
        self._log = f'"log":"0x{origin.log.hex()}",'.encode()
        self._source = origin.source("").encode()
        unique = origin.unique
        self._unique = b"\0\0\0\0\0\0\0\0" + len(unique).to_bytes(8, "big") + unique

    def read(self, match: re.Match[bytes], salt: bytes) -> NewEvidence:
        """Return the row of a line; ``salt`` is hex."""
        digest, name = match.groups()
        if name is None:
            name = b"sha256:" + digest
        media, schema = _media_member(_ending(name)), _SCHEMA_MEMBER
        form = b'{"digests":{"sha256":"%b"},%b%b"name":"%b","recorded_at":"%b","salt":"%b",%b}'
        record = form % (digest, self._log, media, name, self._recorded_at, salt, schema)
        sha256 = bytes.fromhex(digest.decode())
        source = self._source + name
        described = b"%b%b%b%b%b" % (
            len(source).to_bytes(8, "big"), source, _DIGEST_LENGTH, sha256, self._unique,
        )  # fmt: skip
        return NewEvidence(
            identity=sha256[:16] + hashlib.sha256(described).digest()[:16],
            source=source.decode(),
            sha256=sha256,
            sm3=None,
            record=record,
            leaf=hash_leaf(record),
            accepted_at=self._origin.recorded_at,
        )


_SCHEMA_MEMBER = f'"schema":"{SCHEMA}"'.encode()
_DIGEST_LENGTH = (32).to_bytes(8, "big")


def _ending(name: bytes) -> bytes:
    # The media type depends only on the last two suffixes, and on a name before them.
    parts = name.rsplit(b".", 2)
    return b".".join([parts[0][-1:], *parts[1:]])


@lru_cache(maxsize=4_096)
def _media_member(ending: bytes) -> bytes:
    guessed = guess_media_type(ending.decode())
    return b"" if guessed is None else f'"media_type":"{guessed}",'.encode()
