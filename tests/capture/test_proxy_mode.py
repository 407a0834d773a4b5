"""Captures through the recording proxy: what servers sent, byte for byte."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import stat
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cameras import Camera, Captured, body_of
from support.command import ANCHOR, environment
from support.fixtures import MakeSite
from support.site_certificates import make_site_certificate
from support.web_site import BROTLI, FILES, SECRET, ZSTD, WebSite, serve_http2, serve_site
from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker

from anchor.base.errors import CannotCheckError
from anchor.capture import recording_proxy
from anchor.capture.recording_proxy import RecorderProgram
from anchor.chain.devnet import Devnet

pytestmark = pytest.mark.release


@pytest.fixture
def certificate(tmp_path: Path) -> bytes:
    """The certificate of a site, whose key and certificate are in ``site.pem``."""
    return make_site_certificate(tmp_path / "site.pem")


@pytest.fixture
def secure(
    certificate: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[WebSite]:
    """The site over TLS, whose certificate this machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "site.pem"))
    with serve_site(tmp_path / "site.pem") as running:
        yield running


def read_archive(captured: Captured) -> dict[str, tuple[Any, bytes, bytes]]:
    """Return each response's record, its headers' bytes and its body's, by URL."""
    with zipfile.ZipFile(captured.folder / "capture.wacz") as archive:
        packed = archive.read("archive/capture.warc.gz")
    warc = captured.folder.parent / "c.warc.gz"
    warc.write_bytes(packed)
    checker = Checker(type("Command", (), {"inputs": [str(warc)], "verbose": False}))
    checker.process_all()
    assert checker.exit_value == 0
    responses = {}
    for entry in ArchiveIterator(io.BytesIO(packed), no_record_parse=True):
        block = entry.raw_stream.read()
        if entry.rec_type == "warcinfo":
            assert b"reconstructed" not in block and b"recorded by a proxy" in block
        if entry.rec_type == "response":
            headers, _, body = block.partition(b"\r\n\r\n")
            url = entry.rec_headers.get_header("WARC-Target-URI")
            responses[url] = (entry.rec_headers, headers, body)
    return responses


def test_bodies_and_header_values_are_those_that_the_server_sent(
    camera: Camera, secure: WebSite, certificate: bytes, recorder: RecorderProgram
):
    captured = camera(secure.url("/coded"), recorder=recorder)
    assert captured.missing == []
    assert captured.read("page.txt").strip() == "by the coded script"
    archive = read_archive(captured)
    _, headers, body = archive[secure.url("/coded.css")]
    assert body == BROTLI
    assert b"\r\nContent-Encoding: br\r\n" in headers + b"\r\n"
    assert b"\r\nX-Odd: a  b\xe9\r\n" in headers + b"\r\n"
    assert archive[secure.url("/coded.js")][2] == ZSTD
    record, _, _ = archive[secure.url("/coded")]
    assert record.get_header("WARC-Protocol") == "http/1.1"
    assert record.get_header("WARC-IP-Address") == "127.0.0.1"
    # Certificate and address are those of the server, not those of the proxy.
    account = captured.account
    assert account["mode"] == "recording-proxy"
    assert account["certificates_presented_to"] == "recording-proxy"
    assert captured.page.certificate == certificate
    main = captured.page.main
    assert main is not None and main.response is not None
    assert main.response.is_secure
    assert main.response.port == int(secure.origin.rpartition(":")[2])
    for path in captured.folder.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def test_of_http_2_the_protocol_and_the_fields_are_stated(
    camera: Camera, tmp_path: Path, certificate: bytes, recorder: RecorderProgram
):
    with serve_http2(tmp_path / "site.pem") as origin:
        captured = camera(f"{origin}/", recorder=recorder, accepts_bad_certificates=True)
    assert captured.read("page.txt").split() == [
        "Over",
        "the",
        "second",
        "version",
        "and",
        "its",
        "script",
    ]
    record, headers, body = read_archive(captured)[f"{origin}/two.js"]
    assert record.get_header("WARC-Protocol") == "h2"
    assert body.startswith(b"\x1f\x8b") and b"x-odd: a  b\xe9" in headers
    assert captured.page.certificate == certificate


def test_a_refused_certificate_is_no_page_of_the_proxy(
    camera: Camera, tmp_path: Path, certificate: bytes, recorder: RecorderProgram
):
    with serve_site(tmp_path / "site.pem") as site:
        with pytest.raises(CannotCheckError, match="Certificate verify failed") as refusal:
            camera(site.url("/"), recorder=recorder)
        assert "--accept-bad-certificates" in str(refusal.value.hint)
        assert site.asked == []
        captured = camera(site.url("/login"), recorder=recorder, accepts_bad_certificates=True)
    main = captured.page.main
    assert main is not None and main.response is not None
    assert not main.response.is_secure
    assert captured.page.certificate == certificate


def test_a_server_that_does_not_answer_is_no_page_of_the_proxy(
    camera: Camera, recorder: RecorderProgram
):
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unheard.getsockname()[1]}"
        for scheme in ("http", "https"):
            with pytest.raises(CannotCheckError, match="Connect call failed"):
                camera(f"{scheme}://{address}/", recorder=recorder)


def test_a_body_beyond_the_limit_is_named_and_smaller_ones_are_kept(
    camera: Camera, web: WebSite, recorder: RecorderProgram
):
    captured = camera(web.url("/heavy"), max_bytes=1 << 16, recorder=recorder)
    assert captured.missing == [("large", "too-large")]
    assert body_of(captured, web.url("/large")) is None
    assert body_of(captured, web.url("/style.css")) == FILES["/style.css"][2]


def test_a_body_too_large_for_the_browsers_protocol_is_kept_by_the_proxy(
    camera: Camera, web: WebSite, recorder: RecorderProgram
):
    reconstructed = camera(web.url("/whole"))
    assert reconstructed.missing == [("video", "large-body")]
    assert body_of(reconstructed, web.url("/video")) is None
    recorded = camera(web.url("/whole"), recorder=recorder)
    assert recorded.read("page.txt").strip() == "20000000"
    assert body_of(recorded, web.url("/video")) == bytes(20_000_000)
    (missing,) = recorded.account["not_captured"]
    assert missing["subject"] == f"network.har {web.url('/video')}"


def test_a_stream_that_does_not_end_is_named(
    camera: Camera, web: WebSite, recorder: RecorderProgram
):
    captured = camera(web.url("/socket"), recorder=recorder, timeout=5.0)
    assert {name for name, _ in captured.missing} >= {"events", "ws"}


def keys_of(folder: Path) -> list[Path]:
    return [*folder.glob("**/proxy/keys"), *folder.glob("**/proxy/keys/*")]


def test_the_proxys_keys_are_private_and_gone_afterwards(
    camera: Camera, web: WebSite, tmp_path: Path, recorder: RecorderProgram,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    modes: list[tuple[str, int]] = []
    inner = recording_proxy.hash_public_key

    def look(certificate: bytes) -> str:
        modes.extend((path.name, stat.S_IMODE(path.stat().st_mode)) for path in keys_of(tmp_path))
        return inner(certificate)

    monkeypatch.setattr(recording_proxy, "hash_public_key", look)
    camera(web.url("/login"), recorder=recorder)
    assert ("keys", 0o700) in modes
    assert ("mitmproxy-ca.pem", 0o600) in modes
    assert keys_of(tmp_path) == []


def test_the_record_states_the_mode_and_a_kill_leaves_no_key(
    new_site: MakeSite, embedded: Devnet, web: WebSite, recorder: RecorderProgram
):
    site = new_site(embedded)
    words = ("capture", "--json", web.url("/"), "--wait", "0.2", "--mode", "proxy")
    (captured,) = site.run(*words, env={"MITMDUMP": recorder.path}).expect(0).document["captures"]
    bag = site.folder / captured["bag"]
    site.anchor()
    site.run("prove", bag).expect(0)
    receipt = json.loads(bag.with_name(f"{bag.name}.anchor.json").read_bytes())
    assert json.loads(receipt["record"])["capture"]["mode"] == "recording-proxy"
    site.run("verify", bag).expect(0)

    with subprocess.Popen(
        [*ANCHOR, *words, "-o", "killed"], cwd=site.folder,
        env=environment() | {"MITMDUMP": recorder.path},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        end = time.monotonic() + 90
        while not list(site.folder.glob("killed/**/mitmproxy-ca.pem")):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    end = time.monotonic() + 60
    while keys_of(site.folder / "killed") and time.monotonic() < end:
        time.sleep(0.05)
    assert keys_of(site.folder / "killed") == []
