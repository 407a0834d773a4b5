"""Judging an MHTML file (RFC 2557): its parts, their codings and their locations."""

from __future__ import annotations

import binascii
import re
from datetime import UTC
from email.message import Message as MailHeader
from email.parser import BytesHeaderParser
from email.utils import parsedate_to_datetime

from anchor.base.messages.message import Message
from anchor.foreign_capture.byte_reader import ByteReader
from anchor.foreign_capture.capture_findings import CaptureFault, CaptureFinding, StatedCapture

RELATED = "multipart/related"

# RFC 5322 allows 998 characters; parts in binary have longer lines.
_MAX_LINE_BYTES = 1 << 26
_MAX_HEADER_BYTES = 1 << 16
_MAX_CONTENT_TYPE = 1 << 11
_BAD_QUOTED = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|$)")
_CODINGS = ("7bit", "8bit", "binary", "base64", "quoted-printable")


def judge_mhtml(reader: ByteReader, stated: StatedCapture) -> None:
    """Read a file to its end, and add to what is found and stated."""
    structure = stated.find("mhtml-parts", Message("foreign-mhtml-parts"))
    locations = stated.find("mhtml-locations", Message("foreign-mhtml-locations"))
    try:
        header = read_mail_header(reader)
        boundary = header.get_boundary()
        if header.get_content_type() != RELATED or not boundary:
            raise CaptureFault(Message("foreign-mhtml-header"))
        stated.version = header.get("MIME-Version")
        stated.software = header.get("X-Mailer") or header.get("User-Agent") or header.get("From")
        _add_date(header, stated)
        stated.pages = 1
        root = header.get("Snapshot-Content-Location")
        places = _read_parts(reader, boundary.encode(), stated, structure, locations)
    except CaptureFault as fault:
        structure.add_failure(fault.message)
        return
    if root is not None and root.strip() not in places:
        locations.add_failure(Message("foreign-mhtml-root", location=root.strip()[:200]))


def read_mail_header(reader: ByteReader) -> MailHeader:
    """Return the header fields up to the empty line behind them."""
    lines: list[bytes] = []
    size = 0
    while size < _MAX_HEADER_BYTES:
        line = reader.take_line(_MAX_HEADER_BYTES)
        if not line:
            break
        if not line.rstrip(b"\r\n"):
            header = BytesHeaderParser().parsebytes(b"".join(lines))
            # Python takes the square of its length to find its parameters.
            if len(str(header.get("Content-Type", ""))) > _MAX_CONTENT_TYPE:
                break
            return header
        lines.append(line)
        size += len(line)
    raise CaptureFault(Message("foreign-mhtml-header"))


def _add_date(header: MailHeader, stated: StatedCapture) -> None:
    try:
        date = parsedate_to_datetime(str(header.get("Date", "")))
        stated.add_time(date.astimezone(UTC) if date.tzinfo is not None else None)
    except (ValueError, TypeError, OverflowError):
        return


def _read_parts(
    reader: ByteReader,
    boundary: bytes,
    stated: StatedCapture,
    structure: CaptureFinding,
    locations: CaptureFinding,
) -> set[str]:
    """Read all parts; return their locations."""
    places: set[str] = set()
    delimiter, end = b"--" + boundary, b"--" + boundary + b"--"
    line = reader.take_line(_MAX_LINE_BYTES)
    while line and line.rstrip() not in (delimiter, end):
        line = reader.take_line(_MAX_LINE_BYTES)
    while line.rstrip() == delimiter:
        header = read_mail_header(reader)
        stated.exchanges += 1
        number = stated.exchanges
        location = str(header.get("Content-Location", "")).strip()
        if location in places:
            locations.add_failure(Message("foreign-mhtml-double", location=location[:200]))
        elif location or "Content-ID" in header:
            locations.add_pass()
        else:
            locations.add_failure(Message("foreign-mhtml-no-location", number=number))
        places |= {location} - {""}
        line = _read_body(reader, header, number, (delimiter, end), structure)
    if line.rstrip() != end:
        raise CaptureFault(Message("foreign-mhtml-end"))
    while rest := reader.take_line(_MAX_LINE_BYTES):
        if rest.strip():
            raise CaptureFault(Message("foreign-mhtml-rest"))
    return places


def _read_body(
    reader: ByteReader,
    header: MailHeader,
    number: int,
    ends: tuple[bytes, bytes],
    structure: CaptureFinding,
) -> bytes:
    """Read the body of a part; return the line that ends it, or nothing at the end of the file."""
    coding = str(header.get("Content-Transfer-Encoding", "7bit")).strip().lower()
    is_valid = True
    is_padded = False
    while line := reader.take_line(_MAX_LINE_BYTES):
        if line.rstrip() in ends:
            break
        if coding == "base64" and line.strip():
            is_valid = is_valid and not is_padded and _is_base64(line.strip())
            is_padded = line.rstrip().endswith(b"=")
        elif coding == "quoted-printable":
            is_valid = is_valid and not _BAD_QUOTED.search(line)
    if coding not in _CODINGS:
        structure.add_gap(Message("foreign-mhtml-coding", number=number, coding=coding[:40]))
    elif header.get_content_maintype() == "multipart":
        structure.add_gap(Message("foreign-mhtml-nested", number=number))
    elif is_valid:
        structure.add_pass()
    else:
        structure.add_failure(Message("foreign-mhtml-body", number=number, coding=coding))
    return line


def _is_base64(line: bytes) -> bool:
    try:
        binascii.a2b_base64(line, strict_mode=True)
    except binascii.Error:
        return False
    return True
