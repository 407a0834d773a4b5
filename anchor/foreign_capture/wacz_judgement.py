"""Judging a WACZ file (https://specs.webrecorder.net/wacz/1.1.1/), which is never unpacked."""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import BinaryIO

from anchor.bag.bag_format import check_name
from anchor.bag.bag_zip import open_entry
from anchor.bag.zip_directory import ReadAt, ZipEntry, read_directory
from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.foreign_capture.byte_reader import CHUNK_BYTES, ByteReader
from anchor.foreign_capture.capture_findings import CaptureFault, StatedCapture, parse_stated_time
from anchor.foreign_capture.foreign_json import get_text, list_objects, parse_object
from anchor.foreign_capture.wacz_index import judge_index
from anchor.foreign_capture.wacz_signature import judge_signature
from anchor.foreign_capture.warc_judgement import RecordPlaces, WarcJudge

PACKAGE = "datapackage.json"

_DIGEST = "datapackage-digest.json"
_MAX_JSON_BYTES = 1 << 25
_MAX_PAGE_LINE = 1 << 24
_ALGORITHMS = ("sha256", "sha384", "sha512", "sha1", "md5")
_WARC_ENDS = (".warc", ".warc.gz")
_INDEX_ENDS = (".cdx", ".cdxj", ".cdx.gz", ".cdxj.gz")


class WaczFile:
    """The entries of a WACZ file.

    Raises:
        MalformedError: It is no ZIP file, contradicts itself, is encrypted, or would unpack to far
            more than it holds.
    """

    def __init__(self, read_at: ReadAt, length: int) -> None:
        self._read_at = read_at
        self.entries, _ = read_directory(read_at, length, may_be_streamed=True)

    def names_package(self) -> bool:
        """Return whether it holds the description of a data package."""
        return any(entry.name == PACKAGE for entry in self.entries)

    def judge(self, stated: StatedCapture, roots: Sequence[bytes]) -> None:
        """Judge all entries, each read once, and add to what is found and stated."""
        _WaczJudge(self, stated, roots).judge()

    def open(self, entry: ZipEntry) -> BinaryIO:
        """Open an entry as a stream."""
        return open_entry(self._read_at, entry, entry.name)


class _HashedEntry:
    """Reads an entry through the hashes that are asked for."""

    def __init__(self, stream: BinaryIO, algorithm: str) -> None:
        self._stream = stream
        self.hash = hashlib.new(algorithm)
        self.crc = 0
        self.size = 0

    def read(self, most: int) -> bytes:
        """Return the next bytes."""
        try:
            data = self._stream.read(most)
        except MalformedError as error:  # of the ZIP file's compression
            raise CaptureFault(error.message) from error
        self.hash.update(data)
        self.crc = zlib.crc32(data, self.crc)
        self.size += len(data)
        return data


class _WaczJudge:
    def __init__(self, file: WaczFile, stated: StatedCapture, roots: Sequence[bytes]) -> None:
        self._file = file
        self._stated = stated
        self._roots = roots
        self._names = stated.find("wacz-names", Message("foreign-wacz-names"))
        self._members = stated.find("zip-members", Message("foreign-zip-members"))
        self._resources = stated.find("wacz-resources", Message("foreign-wacz-resources"))
        self._digest = stated.find("wacz-digest", Message("foreign-wacz-digest"))
        self._index = stated.find("wacz-index", Message("foreign-wacz-index"))
        self._pages = stated.find("wacz-pages", Message("foreign-wacz-pages"))
        self._warc = WarcJudge(stated)
        self._archives: dict[str, RecordPlaces] = {}
        self._listed: dict[str, tuple[str, str, object]] = {}

    def judge(self) -> None:
        counts = Counter(entry.name for entry in self._file.entries)
        for name, count in counts.items():
            self._judge_name(name, count)
        self._judge_package()
        for name in sorted(self._listed.keys() - counts.keys()):
            self._resources.add_failure(Message("foreign-resource-missing", name=name[:200]))
        # Archives first, so that indexes can be compared with them.
        for entry in sorted(self._file.entries, key=lambda each: not _is_archive(each.name)):
            self._judge_entry(entry)

    def _judge_name(self, name: str, count: int) -> None:
        try:
            check_name(name)
        except MalformedError as error:
            self._names.add_failure(error.message)
            return
        if count > 1:
            self._names.add_failure(Message("foreign-name-double", name=name[:200]))
        else:
            self._names.add_pass()

    def _read_json(self, name: str) -> bytes | None:
        """Return the bytes of a small entry; None if there is none of this name."""
        entry = next((each for each in self._file.entries if each.name == name), None)
        if entry is None:
            return None
        if entry.size > _MAX_JSON_BYTES:
            raise CaptureFault(Message("foreign-json-invalid", name=name))
        with closing(self._file.open(entry)) as stream:
            return stream.read()

    def _judge_package(self) -> None:
        try:
            data = self._read_json(PACKAGE) or b""
        except MalformedError as error:
            self._resources.add_failure(error.message)
            return
        try:
            package = parse_object(data, PACKAGE)
            self._stated.version = get_text(package, "wacz_version")
            self._stated.software = get_text(package, "software")
            for resource in list_objects(package, "resources"):
                self._add_resource(get_text(resource, "path"), resource)
        except CaptureFault as fault:
            self._resources.add_failure(fault.message)
        self._judge_digest(data)

    def _add_resource(self, path: str | None, resource: dict[str, object]) -> None:
        algorithm, colon, value = str(resource.get("hash", "")).partition(":")
        if path is None or path in self._listed or not colon:
            self._resources.add_failure(Message("foreign-resource-form", name=str(path)[:200]))
        if path is not None:
            self._listed[path] = algorithm.lower(), value.lower(), resource.get("bytes")

    def _judge_digest(self, package: bytes) -> None:
        """Judge what states the digest of ``datapackage.json``, and its signature."""
        try:
            data = self._read_json(_DIGEST)
            if data is None:
                self._digest.add_gap(Message("foreign-wacz-no-digest"))
                return
            members = parse_object(data, _DIGEST)
        except MalformedError as error:
            self._digest.add_failure(error.message)
            return
        actual = f"sha256:{hashlib.sha256(package).hexdigest()}"
        if members.get("path") != PACKAGE or members.get("hash") != actual:
            self._digest.add_failure(Message("foreign-wacz-digest-differs"))
        else:
            self._digest.add_pass()
        signed = members.get("signedData")
        if isinstance(signed, dict):
            judge_signature(signed, actual, self._stated, self._roots)
        else:
            finding = self._stated.find("wacz-signature", Message("foreign-wacz-signature"))
            if signed is None:
                finding.add_gap(Message("foreign-signature-none"))
            else:
                finding.add_failure(Message("foreign-signature-member", name="signedData"))

    def _judge_entry(self, entry: ZipEntry) -> None:
        listed = self._listed.get(entry.name)
        algorithm = listed[0] if listed is not None and listed[0] in _ALGORITHMS else "sha256"
        with closing(self._file.open(entry)) as stream:
            hashed = _HashedEntry(stream, algorithm)
            try:
                self._read_entry(entry, ByteReader(hashed.read))
                while hashed.read(CHUNK_BYTES):
                    pass
            except CaptureFault as fault:
                self._members.add_failure(fault.message)
                if listed is not None:
                    self._resources.add_failure(
                        Message("foreign-resource-differs", name=entry.name[:200])
                    )
                return
        if hashed.crc == entry.crc:
            self._members.add_pass()
        else:
            self._members.add_failure(Message("foreign-zip-crc", name=entry.name[:200]))
        if listed is not None:
            self._compare(entry, hashed, *listed)
        elif entry.name not in (PACKAGE, _DIGEST):
            self._resources.add_failure(Message("foreign-resource-unlisted", name=entry.name[:200]))

    def _read_entry(self, entry: ZipEntry, reader: ByteReader) -> None:
        name = entry.name.rpartition("/")[2]
        if _is_archive(entry.name):
            self._archives[name] = self._warc.judge(reader)
        elif entry.name.startswith("indexes/") and name.endswith(_INDEX_ENDS):
            judge_index(reader, entry.name[:80], self._archives, self._index)
        elif entry.name == "pages/pages.jsonl":
            self._judge_pages(reader, entry.name)

    def _judge_pages(self, reader: ByteReader, name: str) -> None:
        """Count the pages, each a line of JSON behind a header."""
        try:
            is_header = True
            while line := reader.take_line(_MAX_PAGE_LINE):
                if not line.strip():
                    continue
                page = parse_object(line, name)
                if is_header:
                    is_header = False
                    self._stated.pages = 0
                elif get_text(page, "url") is None:
                    raise CaptureFault(Message("foreign-json-invalid", name=name))
                else:
                    self._stated.pages = (self._stated.pages or 0) + 1
                    self._pages.add_pass()
                    self._stated.add_time(parse_stated_time(page.get("ts")))
        except CaptureFault as fault:
            self._pages.add_failure(fault.message)

    def _compare(
        self, entry: ZipEntry, hashed: _HashedEntry, algorithm: str, value: str, size: object
    ) -> None:
        if algorithm not in _ALGORITHMS:
            self._resources.add_gap(
                Message("foreign-resource-algorithm", name=entry.name[:200], actual=algorithm[:40])
            )
        elif size != hashed.size or not hmac.compare_digest(
            value.encode(), hashed.hash.hexdigest().encode()
        ):
            self._resources.add_failure(Message("foreign-resource-differs", name=entry.name[:200]))
        else:
            self._resources.add_pass()


def _is_archive(name: str) -> bool:
    return name.startswith("archive/") and name.endswith(_WARC_ENDS)
