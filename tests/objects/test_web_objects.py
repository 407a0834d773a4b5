"""Objects behind HTTP, from servers that do not tell the truth."""

from __future__ import annotations

import base64
import hashlib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from support.nginx import make_certificate

from anchor.base.errors import CannotCheckError, UsageError
from anchor.base.objects.object_store import ListedObject
from anchor.base.objects.object_url import parse_object_url
from anchor.base.objects.store_choice import open_object_store
from anchor.objects import object_hashing
from anchor.objects.object_hashing import HashingRules, ObjectRow, hash_objects

DATA = b"evidence" * 100_000
PLACES = {
    "elsewhere": "/whole/elsewhere",
    "round": "/round",
    "plain": "http://127.0.0.1:9/whole",
}
SECRET = base64.b64encode(b"me:p@ss").decode()


class Server(BaseHTTPRequestHandler):
    """Answers as the path says; ``asked`` has each path's number of requests."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[dict[str, int]] = {}

    def log_message(self, *arguments: object) -> None:
        pass

    def send(self, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.asked[self.path] = count = self.asked.get(self.path, 0) + 1
        assert self.headers["Accept-Encoding"] == "identity"
        assert "Range" not in self.headers
        match self.path.removeprefix("/").split("/")[0]:
            case "whole":
                self.send(200, DATA, ETag='"one"')
            case "empty":
                self.send(200, b"")
            case "short":
                self.send(200, DATA, len(DATA) + 7)
                self.close_connection = True
            case "short-once":
                self.send(200, DATA, len(DATA) + (7 if count == 1 else 0))
                self.close_connection = True
            case "failing-once" | "busy-once" if count > 1:
                self.send(200, DATA)
            case "failing-once" | "failing":
                self.send(500, b"")
            case "busy-once" | "busy":
                self.send(503, b"")
            case "packed":
                self.send(200, b"\x1f\x8b", Content_Encoding="gzip")
            case "elsewhere" | "round" | "plain" as name:
                self.send(302, b"", Location=PLACES[name])
            case "http:":
                assert self.headers["Proxy-Authorization"] == f"Basic {SECRET}"
                self.send(200, DATA)
            case "changed":
                is_other = self.headers.get("If-Match") not in (None, '"two"')
                self.send(412 if is_other else 200, b"" if is_other else DATA, ETag='"two"')
            case status:
                self.send(int(status), b"")


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that close their connections early."""


@contextmanager
def serve(files: tuple[Path, Path] | None = None) -> Iterator[str]:
    with QuietServer(("127.0.0.1", 0), Server) as server:
        if files is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*files)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        scheme = "http" if files is None else "https"
        try:
            yield f"{scheme}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serve() as url:
        yield url


@pytest.fixture
def new_store() -> Iterator[None]:
    """Make a test's store anew, from its environment."""
    open_object_store.cache_clear()
    yield
    open_object_store.cache_clear()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_hashing, "_FIRST_WAIT", 0.001)


def read(url: str, *, revision: str | None = None, patience: float = 1.0) -> ObjectRow:
    listed = ListedObject(url=parse_object_url(url), size=None, revision=revision)
    rules = HashingRules(algorithms=("sha256",), patience=patience)
    (row,) = hash_objects([listed], rules)
    return row


@pytest.mark.parametrize(
    ("path", "requests"),
    [
        ("whole/a%20b?x=1", 1),
        ("whole//%FF%0A/x", 1),
        ("short-once", 2),
        ("failing-once", 2),
        ("busy-once", 2),
    ],
)
def test_an_object_is_read_even_if_it_takes_another_request(
    address: str, path: str, requests: int
) -> None:
    row = read(f"{address}/{path}")
    assert row.error is None and row.digests is not None
    assert (row.digests.sha256, row.size) == (hashlib.sha256(DATA).digest(), len(DATA))
    assert Server.asked[f"/{path}"] == requests
    assert row.revision == ('etag:"one"' if path.startswith("whole") else None)


def test_an_empty_object_and_one_elsewhere_are_objects(address: str) -> None:
    assert read(f"{address}/empty").size == 0
    assert read(f"{address}/elsewhere").size == len(DATA)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("short", "end before the length"),
        ("packed", "compressed"),
        ("round", "redirects too often"),
        ("404", "no longer there"),
        ("410", "no longer there"),
        ("401", "may not read"),
        ("403", "may not read"),
        ("204", "answered 204"),
        ("206", "answered 206"),
        ("failing", "answered 500"),
    ],
)
def test_a_reason_takes_the_place_of_the_digest(address: str, path: str, reason: str) -> None:
    row = read(f"{address}/{path}")
    assert row.digests is None and reason in str(row.error)


def test_an_object_in_another_version_than_the_known_one_is_refused(address: str) -> None:
    assert read(f"{address}/changed", revision='etag:"two"').error is None
    assert "changed" in str(read(f"{address}/changed", revision='etag:"one"').error)
    # A server that ignores the condition is found out by its own tag.
    assert "changed" in str(read(f"{address}/whole", revision='etag:"two"').error)


@pytest.mark.parametrize("url", ["{address}/busy", "http://127.0.0.1:9/x"])
def test_a_server_that_answers_nobody_stops_the_run(address: str, url: str) -> None:
    with pytest.raises(CannotCheckError, match=r"http://127\.0\.0\.1:\d+ cannot be read now"):
        read(url.format(address=address), patience=0.05)


@pytest.mark.usefixtures("new_store")
def test_an_object_of_tls_is_not_read_from_elsewhere_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = make_certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(files[0]))
    with serve(files) as address:
        assert read(f"{address}/elsewhere").size == len(DATA)
        assert "without TLS" in str(read(f"{address}/plain").error)


@pytest.mark.usefixtures("new_store")
def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    with (
        serve(make_certificate(tmp_path)) as address,
        pytest.raises(CannotCheckError, match="SSLError"),
    ):
        read(f"{address}/whole", patience=0.05)


@pytest.mark.usefixtures("new_store")
def test_a_proxy_that_was_named_is_used_with_its_password(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCHOR_PROXY", address.replace("://", "://me:p%40ss@"))
    assert read("http://store.invalid/whole").size == len(DATA)
    assert Server.asked["http://store.invalid/whole"] == 1


@pytest.mark.usefixtures("new_store")
def test_a_proxy_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANCHOR_PROXY", "ftp://proxy")
    with pytest.raises(UsageError, match="ProxySchemeUnknown"):
        read("http://store.invalid/whole")
