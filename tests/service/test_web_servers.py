"""The service behind the web servers whose configurations are shipped: nginx and Caddy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from support.projects import Site, make_site
from support.raw_http import read_all
from support.service import Served, digest, lines, make_key, serve
from support.webservers import HOST, open_tls, web_server

from anchor.chain.devnet import open_devnet

pytestmark = pytest.mark.release


@dataclass(frozen=True)
class Front:
    """A web server in front of a service."""

    kind: str
    port: int
    site: Site
    served: Served
    key: str

    @property
    def host(self) -> str:
        return f"{HOST}:{self.port}"

    def ask(self, method: str, path: str, *rows: str, body: bytes = b"") -> bytes:
        """Send a request and return the whole answer."""
        head = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", "Connection: close", *rows]
        if body:
            head.append(f"Content-Length: {len(body)}")
        with open_tls(self.port) as connection:
            connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
            return read_all(connection)

    def printed(self) -> str:
        return "".join(path.read_text("utf-8") for path in self.site.folder.glob("serve-*.err"))


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def front(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp(request.param)
    with open_devnet(anvil=None) as node:
        site = make_site(folder / "project", node, number=975)
    with serve(site.folder, "--proxy", "127.0.0.1", workers=1) as served:
        port = urlsplit(served.url).port
        assert port is not None
        (folder / "front").mkdir()
        with web_server(request.param, folder / "front", port) as tls_port:
            yield Front(request.param, tls_port, site, served, make_key(site.folder))


def bearer(front: Front) -> str:
    return f"Authorization: Bearer {front.key}"


def test_it_is_answered_over_tls(front: Front):
    answer = front.ask("GET", "/healthz")
    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b'{"status":"alive"}')
    assert b"strict-transport-security: max-age=31536000" in answer.lower()
    assert front.ask("GET", "/log").startswith(b"HTTP/1.1 200")


def test_the_service_knows_its_clients_and_believes_none_of_what_they_say(front: Front):
    forged = ("X-Forwarded-For: 203.0.113.66", "X-Forwarded-Proto: gopher")
    assert front.ask("GET", "/log?page=1", *forged).startswith(b"HTTP/1.1 ")
    printed = front.printed()
    assert '"/log" 127.0.0.1 ' in printed and "203.0.113.66" not in printed
    assert "is not named" not in printed


def test_signing_in_makes_a_cookie_for_this_host_over_tls_alone(front: Front):
    admin = make_key(front.site.folder, "ops", "admin")
    form = "Content-Type: application/x-www-form-urlencoded"
    body = f"key={admin}".encode()
    origin = f"Origin: https://{front.host}"
    answer = front.ask("POST", "/login", form, origin, body=body).lower()
    assert answer.startswith(b"http/1.1 303")
    cookie = answer.partition(b"set-cookie: ")[2].partition(b"\r\n")[0]
    assert cookie.startswith(b"__host-anchor_session=") and b"secure" in cookie
    for other in (f"http://{front.host}", "https://elsewhere.example"):
        refused = front.ask("POST", "/login", form, f"Origin: {other}", body=body)
        assert refused.startswith(b"HTTP/1.1 403"), other


def test_a_submission_and_a_bulk_submission_go_through(front: Front):
    body = b'{"sha256":"%b"}' % digest(1).encode()
    answer = front.ask("POST", "/v1/evidence", bearer(front), "Content-Type: application/json",
                       body=body)  # fmt: skip
    assert answer.startswith(b"HTTP/1.1 201"), answer
    many = lines(range(100, 3_000))
    answer = front.ask("POST", "/v1/bulk", bearer(front), "Content-Type: application/x-ndjson",
                       body=many)  # fmt: skip
    assert b'"lines":2900,"new":2900' in answer


def test_bulk_answers_come_while_lines_are_sent(front: Front):
    head = [
        "POST /v1/bulk HTTP/1.1", f"Host: {front.host}", bearer(front), "Connection: close",
        "Content-Type: application/x-ndjson", "Transfer-Encoding: chunked", "", "",
    ]  # fmt: skip
    with open_tls(front.port) as connection:
        connection.sendall("\r\n".join(head).encode())
        for number in range(3):
            line = lines(range(5_000 + number, 5_001 + number))
            connection.sendall(b"%x\r\n%b\r\n" % (len(line), line))
            found = b""
            while b'"line":%d' % (number + 1) not in found:
                part = connection.recv(65_536)
                assert part
                found += part
        connection.sendall(b"0\r\n\r\n")
        assert b'"new":3' in read_all(connection)


def test_events_come_at_once(front: Front):
    body = b'{"sha256":"%b"}' % digest(7_000).encode()
    answer = front.ask("POST", "/v1/evidence", bearer(front), "Content-Type: application/json",
                       body=body)  # fmt: skip
    id = json.loads(answer[answer.index(b"{") : answer.rindex(b"}") + 1])["id"]
    rows = [f"GET /v1/evidence/{id}/events HTTP/1.1", f"Host: {front.host}", bearer(front), "", ""]
    with open_tls(front.port) as connection:
        connection.sendall("\r\n".join(rows).encode())
        found = b""
        while b"event: state" not in found:
            part = connection.recv(65_536)
            assert part, found
            found += part


def test_a_key_in_trailers_is_no_key(front: Front):
    body = b'{"sha256":"%b"}' % digest(8_000).encode()
    head = [
        "POST /v1/evidence HTTP/1.1", f"Host: {front.host}", "Connection: close",
        "Content-Type: application/json", "Transfer-Encoding: chunked", "Trailer: Authorization",
        "", "",
    ]  # fmt: skip
    with open_tls(front.port) as connection:
        connection.sendall("\r\n".join(head).encode())
        connection.sendall(b"%x\r\n%b\r\n0\r\n" % (len(body), body))
        connection.sendall(f"{bearer(front)}\r\n\r\n".encode())
        assert read_all(connection).startswith(b"HTTP/1.1 401")


def test_metrics_are_not_shown_elsewhere_without_a_key(front: Front):
    assert front.ask("GET", "/metrics").startswith(b"HTTP/1.1 401")


def test_nginx_bounds_what_strangers_send(front: Front):
    if front.kind != "nginx":
        return  # Caddy leaves it to the service, whose own bounds are tested elsewhere
    long = front.ask("GET", "/log", f"X: {'x' * 40_000}")
    assert long.startswith(b"HTTP/1.1 400")
    too_large = front.ask("POST", "/v1/evidence", bearer(front), "Content-Type: application/json",
                          body=b" " * 600_000)  # fmt: skip
    assert too_large.startswith(b"HTTP/1.1 413")
