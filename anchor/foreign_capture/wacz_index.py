"""The index of a WACZ file (CDXJ): whether its entries point to the records that they name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from anchor.base.canonical import check_depth
from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.foreign_capture.byte_reader import GZIP, ByteReader, GzipReader
from anchor.foreign_capture.capture_findings import CaptureFault, CaptureFinding
from anchor.foreign_capture.warc_judgement import RecordPlaces, digest_uri

_MAX_LINE_BYTES = 1 << 20
# Between two records of a file without compression.
_LINE_ENDS = 4


def judge_index(
    reader: ByteReader, name: str, archives: Mapping[str, RecordPlaces], finding: CaptureFinding
) -> None:
    """Compare each entry of an index with the record at its place.

    Raises:
        MalformedError: It unpacks to far more than it holds.
    """
    try:
        for line in _read_lines(reader):
            if line.strip() and not line.startswith(b"!"):
                _judge_line(line, name, archives, finding)
    except CaptureFault as fault:
        finding.add_failure(fault.message)


def _read_lines(reader: ByteReader) -> Iterator[bytes]:
    if reader.peek(len(GZIP)) != GZIP:
        while line := reader.take_line(_MAX_LINE_BYTES):
            yield line
        return
    gzip = GzipReader(reader)
    while reader.peek(1):
        member = gzip.open_member()
        while line := member.take_line(_MAX_LINE_BYTES):
            yield line


def _judge_line(
    line: bytes, name: str, archives: Mapping[str, RecordPlaces], finding: CaptureFinding
) -> None:
    try:
        members = json.loads(line[line.index(b"{") :])
        check_depth(line, subject=name)
        url, file = str(members["url"]), str(members["filename"]).rpartition("/")[2]
        offset, length = int(members["offset"]), int(members["length"])
    except (ValueError, KeyError, TypeError, RecursionError, MalformedError):
        finding.add_failure(Message("foreign-index-line", name=name, line=repr(line[:80])))
        return
    archive = archives.get(file)
    if archive is not None and not archive.is_complete and offset not in archive.places:
        finding.add_gap(Message("foreign-index-many"))
        return
    place = None if archive is None else archive.places.get(offset)
    if place is None:
        finding.add_failure(
            Message("foreign-index-nowhere", url=url[:200], file=file[:80], offset=offset)
        )
    elif place[1] != digest_uri(url) or not place[0] <= length <= place[0] + _LINE_ENDS:
        finding.add_failure(
            Message("foreign-index-other", url=url[:200], file=file[:80], offset=offset)
        )
    else:
        finding.add_pass()
