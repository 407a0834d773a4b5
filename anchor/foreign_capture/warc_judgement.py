"""Judging a WARC file: the digests that its records state, their lengths, and their HTTP bodies."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from anchor.base.messages.message import Message
from anchor.foreign_capture.byte_reader import CHUNK_BYTES, ByteReader
from anchor.foreign_capture.capture_findings import (
    CaptureFault,
    CaptureFinding,
    StatedCapture,
    parse_stated_time,
)
from anchor.foreign_capture.carried_certificates import (
    MAX_PEM_BYTES,
    PEM_MARK,
    judge_certificates,
)
from anchor.foreign_capture.http_message import ChunkedBody, parse_header, read_header
from anchor.foreign_capture.warc_records import WarcReader, WarcRecord

_ALGORITHMS = {
    "sha1": "sha1", "sha-1": "sha1", "sha256": "sha256", "sha-256": "sha256",
    "sha384": "sha384", "sha-384": "sha384", "sha512": "sha512", "sha-512": "sha512",
}  # fmt: skip
_HTTP = re.compile(r"application/http\b", re.IGNORECASE)
_MAX_INFO_BYTES = 1 << 16
# Beyond that number an index is not compared with the records.
_MAX_PLACES = 1_000_000


@dataclass(slots=True)
class RecordPlaces:
    """Where the records of one WARC file begin: the length and a digest of the URI by offset."""

    places: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    is_complete: bool = True

    def add(self, offset: int, length: int, uri: str) -> None:
        """Note a record, up to a bound."""
        if len(self.places) < _MAX_PLACES:
            self.places[offset] = length, digest_uri(uri)
        else:
            self.is_complete = False


def digest_uri(uri: str) -> bytes:
    """Return a short digest of a URI, so that the places of many records fit into memory."""
    return hashlib.blake2b(uri.encode("utf-8", "replace"), digest_size=8).digest()


class _Stated:
    """A digest that a record states, and the hash of the bytes that it is about."""

    def __init__(self, text: str) -> None:
        name, _, value = text.partition(":")
        self.algorithm = _ALGORITHMS.get(name.strip().lower())
        self.text = text
        self.hash = hashlib.new(self.algorithm or "sha256")
        self._value = value.strip()

    def matches(self, *digests: bytes) -> bool:
        """Return whether the stated value, in base32 or hex, is one of these digests."""
        size = self.hash.digest_size
        try:
            if len(self._value) == 2 * size:
                return bytes.fromhex(self._value) in digests
            padded = self._value.rstrip("=").upper()
            return base64.b32decode(padded + "=" * (-len(padded) % 8)) in digests
        except (ValueError, binascii.Error):
            return False


class WarcJudge:
    """Judges WARC files of one capture, and adds to what is found and stated."""

    def __init__(self, stated: StatedCapture) -> None:
        self._stated = stated
        self._records = stated.find("warc-records", Message("foreign-warc-records"))
        self._blocks = stated.find("warc-block-digests", Message("foreign-warc-block-digests"))
        self._payloads = stated.find(
            "warc-payload-digests", Message("foreign-warc-payload-digests")
        )
        self._bodies = stated.find("http-bodies", Message("foreign-http-bodies"))
        self.uncovered = 0

    def judge(self, stream: ByteReader) -> RecordPlaces:
        """Read a file to its end, or to the first fault of its structure.

        Raises:
            MalformedError: It unpacks to far more than it holds.
        """
        reader = WarcReader(stream)
        places = RecordPlaces()
        previous: WarcRecord | None = None

        def note_place() -> None:
            if previous is not None and previous.is_first_of_member:
                places.add(previous.offset, reader.end - previous.offset, previous.uri)

        try:
            for record in reader.read():
                note_place()
                self._judge_record(record)
                self._note_member(record, is_gzip=reader.is_gzip)
                previous = record
            note_place()
        except CaptureFault as fault:
            self._records.add_failure(fault.message)
        return places

    def _note_member(self, record: WarcRecord, *, is_gzip: bool) -> None:
        if is_gzip and not record.is_first_of_member:
            self._records.add_failure(Message("foreign-gzip-shared", offset=record.offset))
        else:
            self._records.add_pass()

    def _judge_record(self, record: WarcRecord) -> None:
        stated, fields = self._stated, record.fields
        stated.version = stated.version or record.version
        kind = fields.get("warc-type", "").lower()
        if kind != "warcinfo":
            stated.add_time(parse_stated_time(fields.get("warc-date")))
        if kind in ("response", "revisit"):
            stated.exchanges += 1
        block = _Stated(fields["warc-block-digest"]) if "warc-block-digest" in fields else None
        payload = (
            _Stated(fields["warc-payload-digest"]) if "warc-payload-digest" in fields else None
        )
        content = _Content(record, block)
        start = content.read(payload)
        if kind == "warcinfo":
            stated.software = stated.software or _find_software(start)
        if start.startswith(PEM_MARK) and kind in ("response", "resource", "metadata"):
            self._judge_certificates(record, start)
        if block is None:
            self.uncovered += 1
        else:
            _compare(self._blocks, record, block, block.hash.digest())
        is_whole = kind != "revisit" and "warc-segment-number" not in fields
        if payload is not None and "warc-truncated" in fields:
            self._payloads.add_gap(Message("foreign-record-truncated", uri=record.uri[:200]))
        elif payload is not None and is_whole:
            _compare(self._payloads, record, payload, *content.payload_digests)
        elif payload is not None:
            self._payloads.add_gap(Message("foreign-payload-elsewhere", uri=record.uri[:200]))
        if content.is_http and is_whole and "warc-truncated" not in fields:
            content.judge_lengths(self._bodies)

    def _judge_certificates(self, record: WarcRecord, pem: bytes) -> None:
        finding = self._stated.find("tls-certificates", Message("foreign-tls-certificates"))
        host = urlsplit(record.uri).path.rpartition("/")[2].removesuffix(".pem")
        judge_certificates(finding, pem, host, parse_stated_time(record.fields.get("warc-date")))


def _compare(finding: CaptureFinding, record: WarcRecord, stated: _Stated, *actual: bytes) -> None:
    where = record.uri[:200] or record.fields.get("warc-type", "?")
    if stated.algorithm is None:
        finding.add_gap(Message("foreign-digest-algorithm", uri=where, digest=stated.text[:80]))
    elif stated.matches(*actual):
        finding.add_pass()
    else:
        finding.add_failure(
            Message(
                "foreign-digest-differs", uri=where, offset=record.offset, digest=stated.text[:200]
            )
        )


def _find_software(info: bytes) -> str | None:
    for line in info.decode("utf-8", "replace").splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip().lower() == "software" and value.strip():
            return value.strip()
    return None


class _Content:
    """Reads the block of a record once: through its hash, and apart from an HTTP header."""

    def __init__(self, record: WarcRecord, whole: _Stated | None) -> None:
        self._record = record
        self._whole = whole
        self._size = 0
        self._header: dict[str, str] = {}
        self._chunked: ChunkedBody | None = None
        self._has_header = True
        self.is_http = bool(_HTTP.match(record.fields.get("content-type", "")))
        self.payload_digests: tuple[bytes, ...] = ()

    def read(self, payload: _Stated | None) -> bytes:
        """Read the block; return the beginning of its payload."""
        block, data = self._record.block, b""
        if self.is_http:
            header, data, self._has_header = read_header(block)
            self._feed(header)
            self._header = parse_header(header)
            if self._header.get("transfer-encoding", "").lower() == "chunked":
                self._chunked = ChunkedBody()
        raw = None if payload is None else payload.hash
        plain = None if raw is None else raw.copy()
        start = b""
        data = data or block.read(CHUNK_BYTES)
        while data:
            self._feed(data)
            self._size += len(data)
            start += data[: max(0, MAX_PEM_BYTES - len(start))]
            if raw is not None:
                raw.update(data)
            if self._chunked is not None:
                for piece in self._chunked.feed(data):
                    if plain is not None:
                        plain.update(piece)
            data = block.read(CHUNK_BYTES)
        digests = [] if raw is None else [raw.digest()]
        if plain is not None and self._chunked is not None and self._chunked.is_ended:
            digests.append(plain.digest())
        self.payload_digests = tuple(digests)
        return start

    def _feed(self, data: bytes) -> None:
        if self._whole is not None:
            self._whole.hash.update(data)

    def judge_lengths(self, finding: CaptureFinding) -> None:
        """Compare the body with the length or the coding that its header states."""
        uri = self._record.uri[:200]
        if not self._has_header:
            finding.add_failure(Message("foreign-http-header", uri=uri))
            return
        if self._chunked is not None:
            if self._chunked.is_ended:
                finding.add_pass()
            elif self._chunked.is_valid and self._size:
                finding.add_failure(Message("foreign-http-chunks-end", uri=uri))
            else:
                finding.add_gap(Message("foreign-http-not-chunked", uri=uri))
            return
        length = self._header.get("content-length")
        # The answer to HEAD, and status 304, state the length of a body that they do not have.
        if length is None or not self._size:
            return
        if length == str(self._size):
            finding.add_pass()
        else:
            finding.add_failure(
                Message("foreign-http-length", uri=uri, stated=length[:20], actual=self._size)
            )
