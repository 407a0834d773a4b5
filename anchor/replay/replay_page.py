"""The page around a replay, served on the loopback: screenshot, state of the bag, receipt."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Final

from anchor.base.errors import AnchorError
from anchor.base.messages.catalogue import Language
from anchor.base.messages.message import Message
from anchor.base.system.regular_files import read_regular_file
from anchor.comparison.capture_bag import CaptureBag
from anchor.comparison.page_rendering import embed_png, render_page
from anchor.evidence.record import parse_record
from anchor.project.files import sidecar_path
from anchor.receipt.format import MAX_RECEIPT_BYTES, parse_receipt
from anchor.replay.pywb_server import RunningPywb

_TEMPLATES: Final = Path(__file__).parent / "templates"
_MAX_SCREENSHOT: Final = 1 << 26
# Without an answer, the browser's connection is closed.
_TIMEOUT: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayFacts:
    """What is shown of a capture beside its replay; ``receipt`` says what its receipt is worth."""

    capture: CaptureBag
    receipt: Message
    replay_url: str


def describe_receipt(capture: CaptureBag) -> Message:
    """Return whether the receipt beside the bag is one for its manifest; it is not verified."""
    path = sidecar_path(capture.path)
    try:
        receipt = parse_receipt(read_regular_file(path, MAX_RECEIPT_BYTES + 1))
        record = parse_record(receipt.record)
    except FileNotFoundError:
        return Message("replay-receipt-none")
    except (OSError, AnchorError):
        return Message("replay-receipt-unreadable", path=path.name)
    if record.digests.sha256 != capture.bag.manifest.sha256:
        return Message("replay-receipt-differs", path=path.name)
    return Message("replay-receipt-fits", path=path.name, number=receipt.number)


def render_replay(facts: ReplayFacts, language: Language) -> bytes:
    """Return the page."""
    capture = facts.capture
    names = capture.list_pictures("")
    picture = capture.read(names[0], _MAX_SCREENSHOT) if names else None
    return render_page(
        "replay.html",
        language,
        folder=_TEMPLATES,
        facts=facts,
        capture=capture,
        origin=facts.replay_url.partition("/capture/")[0],
        count=len(capture.bag.payload),
        command=shlex.join(("anchor", "verify", "--", capture.path.name)),
        picture=None if picture is None else embed_png(picture),
        words=MappingProxyType(
            {
                "title": Message("replay-title"),
                "replay": Message("replay-by-pywb"),
                "limits": Message("replay-limits"),
                "state": Message("replay-state"),
                "files": Message("replay-files", count=len(capture.bag.payload)),
                "manifest": Message("comparison-manifest"),
                "started": Message("group-capture-started-at"),
                "address": Message("group-capture-final-url"),
                "verify": Message("replay-verify"),
                "screenshot": Message("replay-screenshot"),
                "without": Message("replay-without-screenshot"),
            }
        ),
    )


@contextmanager
def serve_page(page: bytes) -> Iterator[str]:
    """Serve one page at a free port of the loopback until the block ends; yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(page))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def locate_replay(running: RunningPywb, capture: CaptureBag) -> str:
    """Return the address of the capture's own page in the replay."""
    facts = capture.account.facts
    return running.locate(facts["final_url"] or "", facts["started_at"] or "")


def _handler_of(page: bytes) -> type[BaseHTTPRequestHandler]:
    class PageHandler(BaseHTTPRequestHandler):
        timeout = _TIMEOUT

        def do_GET(self) -> None:
            """Answer with the page, to requests that name this address only."""
            port = self.connection.getsockname()[1]
            is_ours = self.headers.get("Host") == f"127.0.0.1:{port}" and self.path == "/"
            body = page if is_ours else b""
            self.send_response(200 if is_ours else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return PageHandler
