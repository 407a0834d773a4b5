"""WARC files of warcio: intact ones pass, and each fault is found by its check."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import re
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from support.foreign_captures import SOFTWARE, add_response, write_warc
from support.timestamp_authority import run_openssl
from warcio.checker import Checker
from warcio.warcwriter import WARCWriter

from anchor.base.errors import MalformedError
from anchor.evidence.foreign_capture_group import ForeignCapture
from anchor.foreign_capture.capture_judgement import judge_capture

URL = "https://example.org/more"
BODY = b"the body of one answer"
Judge = Callable[[bytes], ForeignCapture]


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


@pytest.mark.parametrize("is_gzip", [True, False])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_intact_file_passes_and_states_who_made_it(
    judge: Judge, is_gzip: bool, version: str
) -> None:
    data = write_warc(gzip=is_gzip, version=version)
    capture = judge(data)
    assert results(capture) == {
        "warc-records": "pass",
        "warc-block-digests": "pass",
        "warc-payload-digests": "pass",
        "http-bodies": "pass",
        "uncovered": "not_checked",
    }
    assert (capture.form, capture.version_stated) == ("warc", f"WARC/{version}")
    assert capture.software_stated == SOFTWARE
    assert capture.first_stated == "2026-01-02T03:04:04.000Z"
    assert capture.last_stated == "2026-01-02T03:04:05.000Z"
    assert (capture.exchanges, capture.pages) == (2, None)
    assert capture.sha256 == hashlib.sha256(data).hexdigest()


def spell(body: bytes, name: str, *, is_hex: bool) -> str:
    digest = hashlib.new(name, body).digest()
    return f"{name}:{digest.hex() if is_hex else base64.b32encode(digest).decode()}"


@pytest.mark.parametrize("name", ["sha1", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("is_hex", [True, False])
def test_digests_of_both_spellings_are_compared(judge: Judge, name: str, is_hex: bool) -> None:
    for body, result in ((BODY, "pass"), (BODY + b".", "fail")):
        fields = {"WARC-Payload-Digest": spell(body, name, is_hex=is_hex)}
        capture = judge(write_warc(partial(add_response, url=URL, body=BODY, fields=fields)))
        assert results(capture)["warc-payload-digests"] == result
        assert results(capture)["warc-block-digests"] == "pass"


def chunk(body: bytes) -> bytes:
    return b"%x;ext=1\r\n%s\r\n5\r\n.....\r\n0\r\n\r\n" % (len(body), body)


CHUNKED = (("Transfer-Encoding", "chunked"),)


@pytest.mark.parametrize("is_decoded", [True, False])
def test_a_payload_digest_may_be_of_the_body_with_or_without_chunks(
    judge: Judge, is_decoded: bool
) -> None:
    body = chunk(BODY)
    fields = {
        "WARC-Payload-Digest": spell(BODY + b"....." if is_decoded else body, "sha1", is_hex=False)
    }
    add = partial(add_response, url=URL, body=body, headers=CHUNKED, fields=fields)
    capture = judge(write_warc(add))
    assert results(capture)["warc-payload-digests"] == "pass"
    assert results(capture)["http-bodies"] == "pass"


FAULTS = {
    "block digest": (
        partial(add_response, url=URL, body=BODY, fields={"WARC-Block-Digest": "sha1:" + "A" * 32}),
        "warc-block-digests",
        "fail",
        "record at byte",
    ),
    "digest of no form": (
        partial(add_response, url=URL, body=BODY, fields={"WARC-Block-Digest": "sha1:????"}),
        "warc-block-digests",
        "fail",
        URL,
    ),
    "unknown algorithm": (
        partial(add_response, url=URL, body=BODY, fields={"WARC-Block-Digest": "crc32:00000000"}),
        "warc-block-digests",
        "not_checked",
        "crc32",
    ),
    "cut off": (
        partial(add_response, url=URL, body=BODY, fields={"WARC-Truncated": "length"}),
        "warc-payload-digests",
        "not_checked",
        "cut off",
    ),
    "segment": (
        partial(add_response, url=URL, body=BODY, fields={"WARC-Segment-Number": "1"}),
        "warc-payload-digests",
        "not_checked",
        "in another record",
    ),
    "longer than stated": (
        partial(add_response, url=URL, body=BODY, headers=(("Content-Length", "5"),)),
        "http-bodies",
        "fail",
        "states '5'",
    ),
    "chunks that do not end": (
        partial(add_response, url=URL, body=chunk(BODY)[:-9], headers=CHUNKED),
        "http-bodies",
        "fail",
        "does not end",
    ),
    "chunks that were removed": (
        partial(add_response, url=URL, body=b"no chunks\n", headers=CHUNKED),
        "http-bodies",
        "not_checked",
        "without the chunked coding",
    ),
}


@pytest.mark.parametrize(("add", "name", "result", "said"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_found(
    judge: Judge, add: Callable[[WARCWriter], None], name: str, result: str, said: str
) -> None:
    capture = judge(write_warc(add))
    assert results(capture)[name] == result
    assert said in observed(capture, name)
    assert capture.result == ("fail" if result == "fail" else "not_checked")


PLAIN = write_warc(gzip=False)
PACKED = write_warc()
LENGTH = re.search(rb"Content-Length: \d+\r\n", PLAIN)[0]
BENT = {
    "ends in a record": (PLAIN[:-60], "ends within the record"),
    "longer record": (PLAIN.replace(LENGTH, LENGTH.replace(b": ", b": 1"), 1), "does not end"),
    "no length": (PLAIN.replace(LENGTH, LENGTH.replace(b": ", b": +"), 1), "no valid length"),
    "field twice": (PLAIN.replace(b"WARC-Date:", b"WARC-Type: a\r\nWARC-Date:", 1), "field twice"),
    "no field": (PLAIN.replace(b"WARC-Date:", b"WARC-Date", 1), "line that is no field"),
    "many fields": (
        PLAIN.replace(b"\r\n", b"\r\n" + b"".join(b"x%d: y\r\n" % n for n in range(250)), 1),
        "more than 200",
    ),
    "huge field": (
        PLAIN.replace(b"WARC-Date:", b"x: " + b"y" * 70_000 + b"\r\nWARC-Date:", 1),
        "longer than",
    ),
    "no record": (PLAIN + b"more", "begins at byte"),
    "gzip ends": (PACKED[:-4], "ends within the gzip member"),
    "gzip is damaged": (PACKED[:-6] + b"\0\0" + PACKED[-4:], "is damaged"),
    "rest behind gzip": (PACKED + b"rest", "is no gzip member"),
    "one member for all": (gzip.compress(PLAIN), "shares its gzip member"),
}


@pytest.mark.parametrize(("data", "said"), BENT.values(), ids=BENT)
def test_a_bent_structure_is_a_finding(judge: Judge, data: bytes, said: str) -> None:
    capture = judge(data)
    assert results(capture)["warc-records"] == "fail"
    assert said in observed(capture, "warc-records")


def test_every_change_of_content_that_warcio_notices_is_noticed_here(
    judge: Judge, tmp_path: Path
) -> None:
    body = PLAIN.index(b"Hello")
    bent = PLAIN[:body] + b"J" + PLAIN[body + 1 :]
    file = tmp_path / "bent.warc"
    file.write_bytes(bent)
    checker = Checker(type("Words", (), {"verbose": False, "inputs": [str(file)]})())
    checker.process_all()
    assert checker.exit_value == 1
    capture = judge(bent)
    assert (
        results(capture)["warc-block-digests"] == results(capture)["warc-payload-digests"] == "fail"
    )


def test_a_bomb_is_refused_in_bounded_memory(judge: Judge) -> None:
    record = b"WARC/1.1\r\nWARC-Type: resource\r\nContent-Length: 300000000\r\n\r\n"
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        file.write(record)
        for _ in range(100):
            file.write(bytes(1_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError, match="far more than captures do"):
            judge(packed.getvalue())
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def make_chain(folder: Path, host: str) -> bytes:
    """Return a certificate of ``host`` valid in 2026, and its issuer's, in PEM."""
    for name in ("ca", "leaf"):
        run_openssl(
            "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", folder / f"{name}.key"
        )
    dates = ("-not_before", "20260101000000Z", "-not_after", "20270101000000Z")
    run_openssl(
        "req",
        "-x509",
        "-key",
        folder / "ca.key",
        "-subj",
        "/CN=CA",
        "-out",
        folder / "ca.pem",
        *dates,
    )
    run_openssl(
        "req",
        "-new",
        "-key",
        folder / "leaf.key",
        "-subj",
        f"/CN={host}",
        "-out",
        folder / "leaf.csr",
    )
    (folder / "names").write_text(f"subjectAltName=DNS:{host}\n")
    run_openssl(
        "x509", "-req", "-in", folder / "leaf.csr", "-CA", folder / "ca.pem", "-CAkey",
        folder / "ca.key", "-set_serial", "1", "-extfile", folder / "names", "-out",
        folder / "leaf.pem", *dates,
    )  # fmt: skip
    return (folder / "leaf.pem").read_bytes() + (folder / "ca.pem").read_bytes()


def test_carried_certificates_are_for_their_host_and_time_and_in_order(
    judge: Judge, tmp_path: Path
) -> None:
    pem = make_chain(tmp_path, "*.example.org")
    halves = pem.partition(b"-----END CERTIFICATE-----\n")
    cases = {
        ("www.example.org", pem, "2026-01-02T03:04:05Z"): "2 checked",
        ("example.com", pem, "2026-01-02T03:04:05Z"): "not for 'example.com'",
        ("a.b.example.org", pem, "2026-01-02T03:04:05Z"): "not for",
        ("www.example.org", pem, "2027-01-02T03:04:05Z"): "not at the stated time",
        ("www.example.org", (halves[0] + halves[1]) * 2, "2026-01-02T03:04:05Z"): "not issued by",
        (
            "www.example.org",
            pem.replace(b"MII", b"MIJ", 1),
            "2026-01-02T03:04:05Z",
        ): "cannot be read",
    }
    for (host, chain, time), said in cases.items():
        add = partial(
            add_response, url=f"file:///{host}.pem", body=chain, kind="resource",
            fields={"WARC-Date": time},
        )  # fmt: skip
        capture = judge(write_warc(add))
        assert said in observed(capture, "tls-certificates")
        assert (results(capture)["tls-certificates"] == "pass") == ("checked" in said)


@pytest.mark.parametrize(
    "data", [b"", b"PK\x05\x06" + bytes(18), b"{}", b"<html>", gzip.compress(b"other"), b"\x1f\x8b"]
)
def test_what_is_no_capture_is_refused(judge: Judge, data: bytes) -> None:
    with pytest.raises(MalformedError, match="is no web capture"):
        judge(data)
