"""WARC, CDXJ, WACZ and HAR of made-up exchanges, and what redaction leaves of them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from warcio.archiveiterator import ArchiveIterator

from anchor.capture.har_file import build_har
from anchor.capture.redaction import REDACTED, redact_exchange
from anchor.capture.wacz_file import WaczPage, write_wacz
from anchor.capture.warc_file import encode_index, write_warc
from anchor.capture.web_exchange import WebExchange, WebResponse

RESPONSE = WebResponse(
    status=200,
    reason="OK",
    protocol="h2",
    headers=(
        ("Content-Type", "text/html"),
        ("Content-Encoding", "br"),
        ("content-length", "3"),
        ("Set-Cookie", "id=secret-1; Path=/"),
        ("Set-Cookie", "secret-2"),
        ("X-Folded", "one\r\ntwo"),
    ),
    address="192.0.2.1",
    port=443,
    mime_type="text/html",
    is_secure=True,
    body="正文".encode(),
)
EXCHANGE = WebExchange(
    url="https://Example.test/a?b=2&a=1",
    method="POST",
    kind="Document",
    started_at=1_790_000_000.25,
    seconds=0.5,
    headers=(("Cookie", "id=secret-1; plain"), ("Authorization", "Basic secret-3")),
    is_as_sent=True,
    body=b"q=1",
    response=RESPONSE,
)


def read(data: bytes) -> list[tuple[Any, bytes]]:
    return [(entry, entry.raw_stream.read()) for entry in ArchiveIterator(io.BytesIO(data))]


def write(*exchanges: WebExchange) -> tuple[bytes, bytes]:
    file = io.BytesIO()
    entries = write_warc(file, exchanges, {"software": "x"}, name="c.warc.gz")
    return file.getvalue(), encode_index(entries, name="c.warc.gz")


def test_a_response_keeps_its_original_codings_under_other_names():
    data, _ = write(EXCHANGE)
    (_, _), (response, payload), (request, posted) = read(data)
    assert payload == RESPONSE.body
    headers = response.http_headers
    assert headers.get_header("x-orig-content-encoding") == "br"
    assert headers.get_header("x-orig-content-length") == "3"
    assert headers.get_header("Content-Length") == str(len(payload))
    assert headers.get_header("Content-Encoding") is None
    assert headers.get_header("X-Folded") == "one two"
    assert response.rec_headers.get_header("WARC-Date") == "2026-09-21T14:13:20.250000Z"
    assert response.rec_headers.get_header("WARC-IP-Address") == "192.0.2.1"
    assert response.rec_headers.get_header("WARC-Truncated") is None
    assert request.http_headers.statusline == "/a?b=2&a=1 HTTP/1.1"
    assert posted == b"q=1"
    concurrent = request.rec_headers.get_header("WARC-Concurrent-To")
    assert concurrent == response.rec_headers.get_header("WARC-Record-ID")


def test_a_body_that_was_not_captured_is_marked_and_a_request_without_answer_left_out():
    lost = replace(EXCHANGE, response=replace(RESPONSE, body=None))
    data, index = write(lost, replace(EXCHANGE, response=None))
    (_, _), (response, payload), _ = read(data)
    assert payload == b""
    assert response.rec_headers.get_header("WARC-Truncated") == "unspecified"
    assert len(index.splitlines()) == 1


def test_the_index_leads_to_each_response():
    other = replace(EXCHANGE, url="http://a.test:8080/")
    data, index = write(EXCHANGE, other)
    lines = index.decode().splitlines()
    assert [line.split(" ")[0] for line in lines] == ["test,a:8080)/", "test,example)/a?a=1&b=2"]
    for line in lines:
        members = json.loads(line[line.index("{") :])
        start, length = int(members["offset"]), int(members["length"])
        ((entry, _),) = read(data[start : start + length])
        assert entry.rec_headers.get_header("WARC-Target-URI") == members["url"]
        assert entry.rec_headers.get_header("WARC-Payload-Digest") == members["digest"]


def test_a_wacz_names_the_digest_of_everything_in_it(tmp_path: Path):
    warc = tmp_path / "c.warc.gz"
    warc.write_bytes(b"warc")
    page = WaczPage(
        url="https://a/", title="标题", text="\ud800", captured_at="2026-01-01T00:00:00Z"
    )
    write_wacz(
        tmp_path / "c.wacz", warc=warc, index=b"index\n", pages=[page], software="x",
        created_at="2026-01-01T00:00:00Z", title="t",
    )  # fmt: skip
    with zipfile.ZipFile(tmp_path / "c.wacz") as archive:
        package = archive.read("datapackage.json")
        for each in json.loads(package)["resources"]:
            data = archive.read(each["path"])
            assert each["hash"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
            assert each["bytes"] == len(data)
        digest = json.loads(archive.read("datapackage-digest.json"))
        lines = [json.loads(line) for line in archive.read("pages/pages.jsonl").splitlines()]
    assert digest["hash"] == f"sha256:{hashlib.sha256(package).hexdigest()}"
    assert lines[0]["format"] == "json-pages-1.0"
    assert (lines[1]["title"], lines[1]["text"]) == ("标题", "?")


def test_a_har_holds_bodies_and_addresses():
    har = build_har(
        [EXCHANGE, replace(EXCHANGE, response=None)], software=("x", "1"), browser=("y", "2")
    )
    first, second = har["log"]["entries"]
    assert base64.b64decode(first["response"]["content"]["text"]) == RESPONSE.body
    assert first["serverIPAddress"] == "192.0.2.1"
    assert first["request"]["queryString"] == [
        {"name": "b", "value": "2"}, {"name": "a", "value": "1"},
    ]  # fmt: skip
    assert second["response"]["status"] == 0
    large = replace(EXCHANGE, response=replace(RESPONSE, body=bytes((1 << 20) + 1)))
    (entry,) = build_har([large], software=("x", "1"), browser=("y", "2"))["log"]["entries"]
    content = entry["response"]["content"]
    assert "text" not in content
    assert (content["size"], content["comment"]) == ((1 << 20) + 1, "the body is in the WARC file")


def test_redaction_keeps_names_and_attributes_and_no_value():
    redacted = redact_exchange(EXCHANGE)
    data, _ = write(redacted)
    unpacked = b"".join(str(entry.http_headers).encode() + payload for entry, payload in read(data))
    assert b"secret" not in unpacked
    assert redacted.headers == (
        ("Cookie", f"id={REDACTED}; {REDACTED}"), ("Authorization", f"Basic {REDACTED}"),
    )  # fmt: skip
    assert redacted.response is not None
    assert redacted.response.headers[3:5] == (
        ("Set-Cookie", f"id={REDACTED}; Path=/"), ("Set-Cookie", REDACTED),
    )  # fmt: skip
