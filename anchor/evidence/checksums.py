r"""Lists of checksums, as ``sha256sum`` and ``cksum`` of GNU coreutils print them.

The format is that of the coreutils manual, sections "md5sum invocation" and "cksum invocation",
as of coreutils 9.7.

File names are bytes; evidence names are Unicode text.  A byte that is not part of valid UTF-8
becomes ``\x`` and two lower-case hex digits, and a backslash that would read as such an escape
becomes ``\x5c``.  All else is unchanged.  So different names stay different, and `encode_name`
restores the exact bytes.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator

from anchor.base.digests import SHA256, SM3, parse_algorithms
from anchor.base.errors import MalformedError, UnknownVersionError
from anchor.base.messages.message import Message

# Linux opens no path above 4,096 bytes (PATH_MAX) and escaping at most doubles it; the digest, the
# tag and the punctuation take fewer than 128 more.
MAX_LINE_BYTES = 2 * 4096 + 128

_TAGS = {b"SHA256": SHA256, b"SM3": SM3}
_DIGEST = re.compile(rb"[0-9a-fA-F]{64}")
_UNTAGGED = re.compile(rb"([0-9a-fA-F]{64}) [ *](.+)", re.DOTALL)
# The name may itself hold ") = ", so the digest is what follows the last one.
_TAGGED = re.compile(rb"([A-Za-z0-9/-]+) \((.+)\) = ([0-9a-zA-Z+/=]+)", re.DOTALL)
_LINE_ESCAPE = re.compile(rb"\\(.?)", re.DOTALL)
_LINE_ESCAPES = {b"n": b"\n", b"r": b"\r", b"\\": b"\\"}

# What `decode_name` writes: the escaped backslash, or one byte that is not ASCII.
_NAME_ESCAPE = re.compile(rb"\\x(5c|[89a-f][0-9a-f])")


def parse_checksum_lines(
    lines: Iterable[bytes | str], *, subject: str, untagged: str = SHA256
) -> Iterator[tuple[str, str, bytes]]:
    r"""Yield ``(name, algorithm, digest)`` for each line of a list of checksums.

    Accepted are ``HEX  name``, ``HEX *name``, ``SHA256 (name) = HEX`` and ``SM3 (name) = HEX``.  If
    a line starts with a backslash, ``\n``, ``\r`` and ``\\`` in its name are escapes.  A line
    without a tag does not state its algorithm: the caller names it as ``untagged``.
    Empty lines, lines that start with ``#`` and a carriage return at the end are ignored, as
    ``sha256sum --check`` does; so is a byte order mark before the first line.  The digest has 32
    bytes; the name is the result of `decode_name`.
    Lines of type ``str`` may contain surrogates from ``errors="surrogateescape"``.

    A file is best read with ``iter(lambda: file.readline(MAX_LINE_BYTES + 1), b"")``, so that one
    endless line cannot fill the memory.

    Raises:
        MalformedError: A line has another form. The message names ``subject`` and the line.
        UnknownVersionError: A well-formed tagged line names another algorithm.
    """
    parse_algorithms((SHA256, untagged))
    for number, line in enumerate(lines, start=1):
        where = Message("checksum-line-number", subject=subject, number=number)
        content = _line_content(line, where)
        if number == 1:
            content = content.removeprefix(BOM_UTF8)
        if content and not content.startswith(b"#"):
            yield _parse_line(content, untagged, where)


def decode_name(raw: bytes) -> str:
    """Return a file name as Unicode text, with invalid bytes escaped as this module describes."""
    try:
        if b"\\x" not in raw:
            return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    guarded = _NAME_ESCAPE.sub(lambda match: b"\\x5c" + match[0][1:], raw)
    return guarded.decode("utf-8", "backslashreplace")


def encode_name(name: str) -> bytes:
    """Return the bytes that `decode_name` made ``name`` from."""
    return _NAME_ESCAPE.sub(
        lambda match: bytes.fromhex(match[1].decode("ascii")), name.encode("utf-8")
    )


def _line_content(line: bytes | str, where: str) -> bytes:
    if isinstance(line, str):
        try:
            line = line.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise MalformedError(Message("checksum-line-lone-surrogate", line=where)) from error
    if len(line) > MAX_LINE_BYTES:
        raise MalformedError(Message("checksum-line-too-long", line=where, limit=MAX_LINE_BYTES))
    content = line.removesuffix(b"\n").removesuffix(b"\r")
    if b"\n" in content or b"\0" in content:
        raise MalformedError(Message("checksum-line-raw-control", line=where))
    return content


def _parse_line(content: bytes, untagged: str, where: str) -> tuple[str, str, bytes]:
    is_escaped = content.startswith(b"\\")
    body = content[1:] if is_escaped else content
    if match := _UNTAGGED.fullmatch(body):
        algorithm, digits, name = untagged, match[1], match[2]
    elif match := _TAGGED.fullmatch(body):
        tag, name, digits = match.groups()
        if tag not in _TAGS:
            raise UnknownVersionError(
                Message("checksum-line-unknown-tag", line=where, tag=tag[:32].decode("ascii"))
            )
        algorithm = _TAGS[tag]
        if not _DIGEST.fullmatch(digits):
            raise MalformedError(Message("checksum-line-digest-malformed", line=where))
    else:
        raise MalformedError(Message("checksum-line-malformed", line=where))
    if is_escaped:
        name = _unescape(name, where)
    return decode_name(name), algorithm, bytes.fromhex(digits.decode("ascii"))


def _unescape(name: bytes, where: str) -> bytes:
    for match in _LINE_ESCAPE.finditer(name):
        if match[1] not in _LINE_ESCAPES:
            raise MalformedError(Message("checksum-line-unknown-escape", line=where))
    return _LINE_ESCAPE.sub(lambda match: _LINE_ESCAPES[match[1]], name)
