"""Runs made from the plain lines of a bulk submission.

``anchor._sha256`` (``anchor/native/``) does the work; an installation built without a C compiler
lacks that module and uses Python, which gives the same results and is some twenty times slower.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from anchor.evidence.record import SALT_BYTES
from anchor.log.batch_sha256 import IS_NATIVE, Buffer
from anchor.operate.acceptance import guess_media_type
from anchor.service.problems import Problem
from anchor.service.submission import Origin
from anchor.store.columns import HASH, NewEvidence, Run, join_texts, make_run
from anchor.store.evidence_kinds import MADE, Kind

if IS_NATIVE:
    from anchor import _sha256

# The most kinds in a run, each of some hundred bytes, and the code of endings beyond them.
_MOST_KINDS = 128
NO_CODE = 255

Entry: TypeAlias = tuple[int, NewEvidence | Run | Problem]
"""The number of a line, from 1, and its piece or the error in it; or a run of new pieces from this
and the following lines."""


class RunKinds(dict[bytes, int]):
    """The kinds of a run of new pieces, and a code for each ending of their names.

    An ending is the part of a name that decides its media type; it is empty for pieces that their
    digest names.
    """

    def __init__(self, origin: Origin) -> None:
        super().__init__()
        self._kind = Kind(
            MADE,
            has_sha256=True,
            has_sm3=False,
            has_size=False,
            log=origin.log.hex(),
            prefix=origin.source(""),
            not_before=None if origin.not_before is None else origin.not_before.encode(),
        )
        self._codes: dict[Kind, int] = {}

    def __missing__(self, ending: bytes) -> int:
        kind = self._kind._replace(is_named_by_digest=True)
        if ending:
            kind = self._kind._replace(media_type=guess_media_type(ending.decode()))
        code = self._codes.get(kind, len(self._codes))
        if code == _MOST_KINDS:
            return NO_CODE
        self._codes[kind] = code
        self[ending] = code
        return code

    @property
    def kinds(self) -> list[Kind]:
        """The kinds, by their code."""
        return list(self._codes)


def make_new_run(
    kinds: RunKinds,
    codes: bytes,
    origin: Origin,
    *,
    sha256: bytes,
    names: bytes | None,
) -> Run:
    """Return the run of new pieces with these columns, each with a salt of its own."""
    return make_run(
        0,
        kinds=kinds.kinds,
        codes=codes,
        names=names,
        salts=origin.random_bytes(SALT_BYTES * len(codes)),
        accepted_at=origin.recorded_at,
        sha256=sha256,
        unique=origin.unique,
    )


def read_plain_lines(
    lines: bytearray, start: int, most: int, max_line: int, codes: RunKinds
) -> tuple[int, bytes, bytes, bytes | None]:
    """Read plain lines: a SHA-256, and a name in printable ASCII without JSON escapes.

    Returns where the rest begins, the digests, the codes of the names and the column of names.
    Reading ends before any other line, one of more than ``max_line`` bytes, and one whose name
    would be of a kind too many.
    """
    if IS_NATIVE:
        return _sha256.read_plain_lines(lines, start, most, max_line, codes)
    digests, names, read_codes, end = [], [], bytearray(), start
    while len(read_codes) < most:
        match = _PLAIN.match(lines, end)
        if match is None or match.end() - 1 - end > max_line:
            break
        digest, name = match.groups()
        code = codes[b"" if name is None else _find_ending(name)]
        if code == NO_CODE:
            break
        digests.append(bytes.fromhex(digest.decode()))
        names.append(name or b"")
        read_codes.append(code)
        end = match.end()
    return end, b"".join(digests), bytes(read_codes), join_texts(names)


_PLAIN = re.compile(
    rb'\{"sha256": ?"([0-9a-f]{64})"(?:, ?"name": ?"([ !#-\[\]-~]{1,1000})")?\}\r?\n'
)


def _find_ending(name: bytes) -> bytes:
    # The media type depends only on the last two suffixes, and on a character before them.
    parts = name.decode().rsplit(".", 2)
    return ".".join([parts[0][-1:], *parts[1:]]).encode()


def format_accepted(number: int, identities: Buffer, tail: bytes) -> bytes:
    """Return the answer to each new piece, in JSON; the first of them was in line ``number``.

    ``tail`` ends each answer.
    """
    if IS_NATIVE:
        return _sha256.format_accepted(number, identities, tail)
    form = b'{"line":%d,"id":"%b","state":"accepted","known":false%b'
    hexadecimal = bytes(identities).hex().encode()
    ids = [hexadecimal[at : at + 2 * HASH] for at in range(0, len(hexadecimal), 2 * HASH)]
    return b"".join(form % (line, id, tail) for line, id in enumerate(ids, number))
