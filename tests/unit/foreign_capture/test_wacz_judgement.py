"""WACZ files: one of py-wacz passes, each fault is found, and no byte is overlooked."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.foreign_captures import (
    Resource,
    describe_package,
    index_warc,
    list_resources,
    pack_wacz,
    write_warc,
)

from anchor.base.errors import AnchorError, MalformedError
from anchor.evidence.foreign_capture_group import ForeignCapture
from anchor.foreign_capture.capture_judgement import judge_capture

Judge = Callable[[bytes], ForeignCapture]
WARC = write_warc()
RESOURCES = list_resources(WARC)


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    def judge(data: bytes) -> ForeignCapture:
        file = tmp_path / "capture"
        file.write_bytes(data)
        return judge_capture(file)

    return judge


def results(capture: ForeignCapture) -> dict[str, str]:
    return {finding.id: finding.result for finding in capture.findings}


def observed(capture: ForeignCapture, name: str) -> str:
    return next(finding.observed for finding in capture.findings if finding.id == name)


def test_a_file_of_another_program_passes() -> None:
    capture = judge_capture(Path(__file__).parent / "py-wacz-0.6.0.wacz")
    assert (capture.version_stated, capture.software_stated) == ("1.1.1", "py-wacz 0.6.0")
    assert (capture.pages, capture.exchanges) == (1, 2)
    assert {name for name, result in results(capture).items() if result != "pass"} == {
        "wacz-signature",
        "uncovered",
    }


@pytest.mark.parametrize("deflate", [True, False])
def test_an_intact_file_passes(judge: Judge, deflate: bool) -> None:
    capture = judge(pack_wacz(RESOURCES, deflate=deflate))
    left = {name for name, result in results(capture).items() if result != "pass"}
    assert left == {"wacz-signature", "uncovered"}
    assert capture.result == "not_checked"


def test_entries_whose_sizes_follow_their_data_are_read(judge: Judge) -> None:
    class Stream(io.RawIOBase):
        """A file that cannot be sought in, as browsers write ZIP files."""

        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: Any, /) -> int:
            self.data += bytes(data)
            return len(data)

    stream = Stream()
    with (
        zipfile.ZipFile(io.BytesIO(pack_wacz(RESOURCES))) as packed,
        zipfile.ZipFile(stream, "w") as streamed,
    ):
        for entry in packed.infolist():
            streamed.writestr(entry, packed.read(entry))
    assert struct.unpack_from("<H", stream.data, 6)[0] & 8
    left = {name for name, result in results(judge(stream.data)).items() if result != "pass"}
    assert left == {"wacz-signature", "uncovered"}
    at = stream.data.index(b"PK\7\x08") + 5
    bent = stream.data[:at] + bytes([stream.data[at] ^ 1]) + stream.data[at + 1 :]
    with pytest.raises(MalformedError, match="the ZIP file"):
        judge(bent)


def replace(name: str, data: bytes) -> list[Resource]:
    return [(each, data if each == name else old) for each, old in RESOURCES]


def changed(**members: object) -> dict[str, Any]:
    package = describe_package(RESOURCES)
    package["resources"][0] |= members
    return package


PACKAGE = describe_package(RESOURCES)
LINE = index_warc(WARC)
OTHER = index_warc(WARC).replace(b"example.org/style", b"example.org/other")
FAULTS = {
    "content": (
        pack_wacz(replace("archive/sample.warc.gz", write_warc(version="1.0")), package=PACKAGE),
        "wacz-resources",
        "listed digest",
    ),
    "size": (pack_wacz(RESOURCES, package=changed(bytes=5)), "wacz-resources", "listed digest"),
    "missing": (pack_wacz(RESOURCES[:2], package=PACKAGE), "wacz-resources", "is not there"),
    "unlisted": (
        pack_wacz([*RESOURCES, ("more.txt", b"more")], package=PACKAGE),
        "wacz-resources",
        "is not listed",
    ),
    "without digest": (
        pack_wacz(RESOURCES, package=changed(hash="")),
        "wacz-resources",
        "without path or digest",
    ),
    "listed twice": (
        pack_wacz(RESOURCES, package=PACKAGE | {"resources": PACKAGE["resources"] * 2}),
        "wacz-resources",
        "twice",
    ),
    "no list": (
        pack_wacz(RESOURCES, package={"wacz_version": "1.1.1"}),
        "wacz-resources",
        "not a list",
    ),
    "digest of the list": (
        pack_wacz(RESOURCES, digest={"hash": "sha256:" + "0" * 64}),
        "wacz-digest",
        "stated digest",
    ),
    "other path": (
        pack_wacz(RESOURCES, digest={"path": "other.json"}),
        "wacz-digest",
        "stated digest",
    ),
    "signature of no form": (
        pack_wacz(RESOURCES, digest={"signedData": "x"}),
        "wacz-signature",
        "signedData",
    ),
    "parent folder": (pack_wacz([*RESOURCES, ("../above", b"x")]), "wacz-names", "above"),
    "absolute": (pack_wacz([*RESOURCES, ("/etc/passwd", b"x")]), "wacz-names", "passwd"),
    "page list": (
        pack_wacz(replace("pages/pages.jsonl", b'{"format": "x"}\n{"url": 5}\n')),
        "wacz-pages",
        "pages.jsonl",
    ),
    "index beside": (
        pack_wacz(replace("indexes/index.cdx", LINE.replace(b'"offset": "', b'"offset": "1'))),
        "wacz-index",
        "no record begins",
    ),
    "index of other": (
        pack_wacz(replace("indexes/index.cdx", OTHER)),
        "wacz-index",
        "another record",
    ),
    "index length": (
        pack_wacz(replace("indexes/index.cdx", LINE.replace(b'"length": "', b'"length": "9'))),
        "wacz-index",
        "another record",
    ),
    "index of no form": (
        pack_wacz(replace("indexes/index.cdx", b"org,example)/ 2026 {}\n")),
        "wacz-index",
        "no index entry",
    ),
    "record": (
        pack_wacz(replace("archive/sample.warc.gz", WARC[:-4])),
        "warc-records",
        "ends within",
    ),
}


@pytest.mark.parametrize(("data", "name", "said"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_found(judge: Judge, data: bytes, name: str, said: str) -> None:
    capture = judge(data)
    assert results(capture)[name] == "fail"
    assert said in observed(capture, name)
    assert capture.result == "fail"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_of_two_entries_is_found(judge: Judge) -> None:
    capture = judge(pack_wacz([*RESOURCES, RESOURCES[0]], package=PACKAGE))
    assert results(capture)["wacz-names"] == "fail"


def test_an_unknown_algorithm_is_not_checked(judge: Judge) -> None:
    capture = judge(pack_wacz(RESOURCES, package=changed(hash="blake3:" + "0" * 64)))
    assert results(capture)["wacz-resources"] == "not_checked"
    assert "blake3" in observed(capture, "wacz-resources")


def test_an_unsigned_file_without_digest_says_so(judge: Judge) -> None:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(pack_wacz(RESOURCES))) as packed,
        zipfile.ZipFile(file, "w") as without,
    ):
        for entry in packed.infolist()[:-1]:
            without.writestr(entry, packed.read(entry))
    assert results(judge(file.getvalue()))["wacz-digest"] == "not_checked"


WACZ = pack_wacz(RESOURCES)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(WACZ) - 1), st.integers(1, 255))
@example(WACZ.index(b"sample packer"), 1)
@example(10, 1)
@example(2441, 64)
def test_every_changed_byte_is_noticed_or_named_as_not_covered(
    tmp_path_factory: pytest.TempPathFactory, at: int, bits: int
) -> None:
    file = tmp_path_factory.getbasetemp() / "flipped"
    file.write_bytes(WACZ[:at] + bytes([WACZ[at] ^ bits]) + WACZ[at + 1 :])
    try:
        capture = judge_capture(file)
    except AnchorError:
        return
    if capture.result == "fail":
        return
    # What is left is a time, an attribute or a version of an entry, and the report says so.
    assert "times, attributes" in observed(capture, "uncovered")
    try:
        flipped = zipfile.ZipFile(file)
    except NotImplementedError:  # the version that an entry says it needs, which nothing depends on
        return
    with flipped, zipfile.ZipFile(io.BytesIO(WACZ)) as intact:
        assert [(e.filename, e.CRC, e.file_size) for e in intact.infolist()] == [
            (e.filename, e.CRC, e.file_size) for e in flipped.infolist()
        ]
        for entry in flipped.infolist():
            assert intact.read(entry.filename) == flipped.read(entry.filename)


def with_flag(data: bytes, flag: int) -> bytes:
    bent = bytearray(data)
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.index(mark) + place
        bent[at : at + 2] = struct.pack("<H", flag)
    return bytes(bent)


def bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("datapackage.json", b"{}")
        archive.writestr("zeros", bytes(100_000_000))
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (with_flag(WACZ, 1), "encrypted"),
        (bomb(), "far more than documents do"),
        (WACZ + b"more", "does not end with its directory"),
        (WACZ[:-1], "does not end with its directory"),
    ],
    ids=["encrypted", "bomb", "more", "cut"],
)
def test_zip_files_that_are_not_safe_to_read_are_refused(
    judge: Judge, data: bytes, said: str
) -> None:
    with pytest.raises(MalformedError, match=said):
        judge(data)


def test_many_entries_are_judged(judge: Judge) -> None:
    names = [f"files/{number}" for number in range(5_000)]
    empty = hashlib.sha256(b"").hexdigest()
    listed = [{"path": name, "hash": f"sha256:{empty}", "bytes": 0} for name in names]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("datapackage.json", json.dumps({"resources": listed}))
        for name in names:
            archive.writestr(name, b"")
    capture = judge(file.getvalue())
    assert observed(capture, "wacz-resources").startswith("5000 checked")
