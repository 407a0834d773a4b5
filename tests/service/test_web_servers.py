"""The service behind the web servers whose configurations are shipped: nginx and Caddy."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.command import snapshot
from support.paths import DEPLOY
from support.projects import Site, make_site
from support.publications import publish, submissions
from support.raw_http import read_all
from support.service import Served, digest, lines, make_key, serve
from support.webservers import HOST, open_tls, web_server

from anchor.chain.devnet import open_devnet
from anchor.operate.acceptance import accept

pytestmark = pytest.mark.release


@dataclass(frozen=True)
class Front:
    """A web server in front of a service."""

    kind: str
    port: int
    site: Site
    served: Served
    key: str
    published: Path

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
    published = folder / "published"
    with open_devnet(anvil=None) as node:
        site = make_site(folder / "project", node, number=975)
        with site.open() as project:
            accept(project, submissions(800))
        site.round(wait_for="final")
        publish(site, published)
        (published / "tile/0/002").unlink()
        with site.open() as project:
            accept(project, submissions(300))
        site.run("seal").expect(0)
    with serve(site.folder, "--proxy", "127.0.0.1", workers=1) as served:
        port = urlsplit(served.url).port
        assert port is not None
        (folder / "front").mkdir()
        with web_server(request.param, folder / "front", port, published) as tls_port:
            key = make_key(site.folder)
            yield Front(request.param, tls_port, site, served, key, published)


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


def body(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def headers(answer: bytes) -> dict[str, str]:
    rows = answer.partition(b"\r\n\r\n")[0].decode().splitlines()[1:]
    return {name.lower(): value for name, _, value in (row.partition(": ") for row in rows)}


def test_full_tiles_come_from_the_published_folder_as_the_service_answers_them(front: Front):
    for path in ("/tile/0/000", "/tile/0/001"):
        answer, alone = front.ask("GET", path), front.served.http.get(path)
        assert answer.startswith(b"HTTP/1.1 200")
        assert body(answer) == alone.content == (front.published / path[1:]).read_bytes()
        found = headers(answer)
        assert "etag" in found and "etag" not in alone.headers  # the service was not asked
        for name in (
            "cache-control", "content-length", "content-type", "cross-origin-resource-policy",
            "x-content-type-options",
        ):  # fmt: skip
            assert found[name] == alone.headers[name], name
        assert found["strict-transport-security"] == "max-age=31536000"
        assert "content-encoding" not in found


def test_a_full_tile_can_be_asked_about(front: Front):
    head = front.ask("HEAD", "/tile/0/000", "Accept-Encoding: gzip, br")
    assert head.startswith(b"HTTP/1.1 200") and not body(head)
    found = headers(head)
    assert found["content-length"] == "8192" and "content-encoding" not in found
    same = front.ask("GET", "/tile/0/000", f"If-None-Match: {found['etag']}")
    assert same.startswith(b"HTTP/1.1 304") and not body(same)
    assert "immutable" in headers(same)["cache-control"]
    part = front.ask("GET", "/tile/0/000", "Range: bytes=32-63")
    assert part.startswith(b"HTTP/1.1 206") and body(part) == body(
        front.ask("GET", "/tile/0/000")
    )[32:64]  # fmt: skip


def test_the_service_answers_for_all_other_files_of_the_log(front: Front):
    for path in ("/checkpoint", "/anchors/000", "/tile/0/003.p/32", "/tile/0/000.p/8"):
        answer, alone = front.ask("GET", path), front.served.http.get(path)
        assert (body(answer), alone.status_code) == (alone.content, 200), path
        assert headers(answer)["cache-control"] == alone.headers["cache-control"]
    # The first one is full in the project's own folder, where heads are not yet final.
    assert (front.site.folder / "tiles/tile/0/003").stat().st_size == 8192
    for path in ("/tile/0/003", "/tile/0/004.p/76", "/tile/1/000", "/tile/0/x000/000"):
        answer = front.ask("GET", path)
        assert answer.startswith(b"HTTP/1.1 404"), path
        assert headers(answer)["content-type"] == "application/problem+json"
        assert headers(answer)["cache-control"] == "no-store"
    posted = front.ask("POST", "/tile/0/000", body=b"x")
    assert posted.startswith(b"HTTP/1.1 405"), posted
    assert headers(posted)["content-type"] == "application/problem+json"


def test_the_service_answers_for_a_tile_that_is_not_in_the_folder(front: Front):
    assert not (front.published / "tile/0/002").exists()
    answer, alone = front.ask("GET", "/tile/0/002"), front.served.http.get("/tile/0/002")
    assert answer.startswith(b"HTTP/1.1 200") and len(body(answer)) == 8192
    assert body(answer) == alone.content
    found = headers(answer)
    assert "etag" not in found and found["cache-control"] == alone.headers["cache-control"]


def test_nothing_but_full_tiles_is_read_from_the_folder(front: Front):
    folder, secret = front.published, b"not for strangers" * 2
    published = {f"/{name}" for name in snapshot(folder)}
    for name in (
        "../secret", "secret", "checkpoint.old", "tile/secret", "tile/6/000", "tile/0/0000",
        "tile/0/000.bak", "tile/0/000.p/8", "tile/0/000.p/007", "tile/0/x000.p/000",
        "tile/0/.anchor-0123456789abcdef.tmp",
    ):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(secret)
    if front.kind == "nginx":  # Caddy follows links, which only the publisher could make there
        (folder / "tile/0/900").symlink_to(folder.parent / "secret")
        (folder / "tile/0/x001").symlink_to(folder / "tile/0")
    there = {f"/{path.relative_to(folder).as_posix()}" for path in folder.rglob("*")}
    unclean = (
        "/tile/", "/tile/0/", "/tile/0/000/", "/tile/0/x001/000", "/TILE/0/000", "/../secret",
        "/tile/../secret", "/tile/0/../../../secret", "/tile/0/000/../../../secret",
        "/tile/%2e%2e/secret", "/tile/0/..%2f..%2fsecret", "/tile/0/%2e%2e%2f%2e%2e%2fsecret",
        "/tile/0/..\\..\\secret", "/tile/0/000;/../secret", "/tile/0/000%00",
        "/tile/0/000%00/../secret", "/tile/0/000%20", "/tile/0/000%0d%0aX:%20y", "/tile/0/000%0a",
    )  # fmt: skip
    for path in (*sorted(there - published), *unclean):
        answer = front.ask("GET", path)
        assert secret not in answer, path
        if path == "/tile/0/000.p/8":
            assert body(answer) == (folder / "tile/0/000").read_bytes()[: 8 * 32]
        else:
            assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404")), (path, answer)


def test_full_tiles_may_be_read_faster_than_the_rest(front: Front):
    row = f"HEAD /tile/0/000 HTTP/1.1\r\nHost: {front.host}\r\nConnection: %s\r\n\r\n"
    with open_tls(front.port) as connection:
        connection.sendall((row % "keep-alive" * 899 + row % "close").encode())
        assert read_all(connection).count(b"HTTP/1.1 200") == 900


def test_nginx_bounds_what_strangers_send(front: Front):
    if front.kind != "nginx":
        return  # Caddy leaves it to the service, whose own bounds are tested elsewhere
    long = front.ask("GET", "/log", f"X: {'x' * 40_000}")
    assert long.startswith(b"HTTP/1.1 400")
    too_large = front.ask("POST", "/v1/evidence", bearer(front), "Content-Type: application/json",
                          body=b" " * 600_000)  # fmt: skip
    assert too_large.startswith(b"HTTP/1.1 413")


def test_nginx_says_when_to_come_again(front: Front):
    if front.kind != "nginx":
        return
    row = f"HEAD /nothing HTTP/1.1\r\nHost: {front.host}\r\nConnection: %s\r\n\r\n"
    refused: list[bytes] = []
    for _ in range(30):  # a machine that is busy may answer slower than the bound
        with open_tls(front.port) as connection:
            connection.sendall((row % "keep-alive" * 700 + row % "close").encode())
            answered = read_all(connection).split(b"\r\n\r\n")
        refused = [part for part in answered if part.startswith(b"HTTP/1.1 429 ")]
        if refused:
            break
    found = headers(refused[0])
    assert found["retry-after"] == "1" and found["cache-control"] == "no-store"
    assert found["content-type"] == "application/problem+json"
    assert found["strict-transport-security"] == "max-age=31536000"
    time.sleep(1.1)
    assert front.ask("GET", "/healthz").startswith(b"HTTP/1.1 200")
    # The bound of tiles, which takes long to reach: what has error pages of its own inherits none.
    tiles = (DEPLOY / "nginx.conf").read_text("utf-8").partition('location ~ "^/tile/')[2]
    assert "error_page       429 = @busy;" in tiles.partition("}\n")[0]
