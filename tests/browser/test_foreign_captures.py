"""MHTML and HAR as a real Chromium writes them pass all that can be checked in them."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from anchor.evidence.foreign_capture_group import ForeignCapture
from anchor.foreign_capture.capture_judgement import judge_capture

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGE = "<!doctype html><meta charset=utf-8><title>正文</title><link rel=stylesheet href=/a.css>中文"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        is_style = self.path == "/a.css"
        body = gzip.compress(b"p { color: red }") if is_style else PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/css" if is_style else "text/html")
        if is_style:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def failed(capture: ForeignCapture) -> dict[str, str]:
    return {each.id: each.observed for each in capture.findings if each.result != "pass"}


def test_what_chromium_saves_passes(browser: Browser, url: str, tmp_path: Path) -> None:
    har, mhtml = tmp_path / "page.har", tmp_path / "page.mhtml"
    context = browser.new_context(record_har_path=har, record_har_content="embed")
    page = context.new_page()
    page.goto(url)
    snapshot = context.new_cdp_session(page).send("Page.captureSnapshot", {"format": "mhtml"})
    mhtml.write_bytes(snapshot["data"].encode())
    context.close()
    saved = judge_capture(mhtml)
    assert (saved.form, saved.software_stated) == ("mhtml", "<Saved by Blink>")
    assert failed(saved).keys() == {"uncovered"}
    recorded = judge_capture(har)
    assert (recorded.form, recorded.pages) == ("har", 1)
    assert recorded.exchanges >= 2
    assert recorded.software_stated is not None
    assert recorded.software_stated.startswith("Playwright")
    assert recorded.result != "fail"
