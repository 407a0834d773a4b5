"""What strangers may do to the service's connections: little, for seconds, and to nobody else."""

from __future__ import annotations

import logging
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from support.fixtures import MakeSite
from support.projects import Site, make_site
from support.raw_http import Address, ask, connect, get, head, read_all, serving
from support.service import digest, make_key

from anchor.chain.devnet import Devnet, open_devnet
from anchor.service.settings import Settings

SETTINGS = Settings(
    answer_seconds=2.0, max_per_peer=6, access_log=False, proxies=("127.0.1.0/24",),
)  # fmt: skip
HEALTH = get("/healthz")
PAGE = b"GET /verify.html HTTP/1.1\r\nHost: x\r\n\r\n"
ENDLESS = 64 << 20

Place = tuple[Site, Address, str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with open_devnet(anvil=None) as node:
        site = make_site(tmp_path_factory.mktemp("hostile") / "project", node, number=960)
    with serving(site.folder, SETTINGS) as address:
        yield site, address, make_key(site.folder)


def chunked(path: str, *more: str) -> bytes:
    rows = [
        f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json",
        "Transfer-Encoding: chunked", *more,
    ]  # fmt: skip
    return "\r\n".join([*rows, "", ""]).encode()


def send_without_end(connection: socket.socket, piece: bytes) -> int:
    """Send the same again and again; return how many bytes went before the connection broke."""
    sent = 0
    try:
        while sent < ENDLESS:
            connection.sendall(piece)
            sent += len(piece)
    except OSError:
        pass
    return sent


# Heads and trailers.


def test_a_trailer_is_no_header(place: Place):
    _, address, key = place
    body = b'{"sha256":"%b"}' % digest(1).encode()
    request = chunked("/v1/evidence") + b"%x\r\n%b\r\n0\r\n" % (len(body), body)
    found, _ = ask(address, request + f"Authorization: Bearer {key}\r\n\r\n".encode())
    assert found.startswith(b"HTTP/1.1 401"), found


def test_a_trailer_may_come_and_changes_nothing(place: Place):
    _, address, key = place
    body = b'{"sha256":"%b"}' % digest(2).encode()
    more = (f"Authorization: Bearer {key}", "Connection: close")
    request = chunked("/v1/evidence", *more) + b"%x\r\n%b\r\n0\r\n" % (len(body), body)
    found, _ = ask(address, request + b"Idempotency-Key: other\r\nContent-Encoding: x\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 201"), found


@pytest.mark.fault(
    "J2",
    how="trailers of a body go on without end",
    then="the connection is closed after 16 KiB of them",
)
@pytest.mark.parametrize("path", ["/nope", "/login", "/v1/evidence"])
@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"0\r\n", b"a: b\r\n" * 1_000),
        (b"0\r\n", b"name: " + b"x" * 60 + b"\r\n"),
        (b"0\r\nname: ", b"x" * 16_384),  # one field that does not end
        (b"", b"1;" + b"x" * 16_384),  # nor does the head of a chunk
    ],
    ids=["short", "long", "one", "extension"],
)
def test_trailers_without_end_are_cut(place: Place, path: str, start: bytes, piece: bytes):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with connect(place[1]) as connection:
        connection.sendall(chunked(path) + start)
        assert send_without_end(connection, piece) < 16 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024  # KiB


def test_sixty_four_kibibytes_of_trailers_close_the_connection(place: Place):
    _, address, key = place
    request = chunked("/v1/evidence", f"Authorization: Bearer {key}") + b"2\r\n{}\r\n0\r\n"
    with connect(address) as connection:
        connection.sendall(request)
        send_without_end(connection, b"a: b\r\n" * 11_000)
        found = read_all(connection)
    assert b" 200 " not in found and b" 201 " not in found


def test_a_body_of_very_many_small_pieces_is_taken(place: Place):
    _, address, key = place
    body = b'{"sha256":"%b"%b}' % (digest(3).encode(), b" " * 60_000)
    more = (f"Authorization: Bearer {key}", "Connection: close")
    pieces = b"".join(b"1\r\n%c\r\n" % letter for letter in body)
    found, _ = ask(address, chunked("/v1/evidence", *more) + pieces + b"0\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 201"), found


@pytest.mark.parametrize("size", [33_000, 40_000, 200_000])
@pytest.mark.parametrize("what", ["one header", "many headers", "address"])
def test_a_long_head_is_refused_also_when_it_comes_at_once(place: Place, size: int, what: str):
    path, rows = "/healthz", ""
    if what == "one header":
        rows = f"X: {'x' * size}\r\n"
    elif what == "many headers":
        rows = "X: y\r\n" * (size // 6)
    else:
        path += "?" + "x" * size
    found, _ = ask(place[1], f"GET {path} HTTP/1.1\r\nHost: x\r\n{rows}\r\n".encode())
    assert found.startswith(b"HTTP/1.1 400") or found == b"", found[:100]


def test_a_head_of_thirty_thousand_bytes_is_read(place: Place):
    found, _ = ask(place[1], get("/healthz", f"X: {'x' * 30_000}"))
    assert found.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("hosts", ["", "Host: x\r\nHost: x\r\n", "Host: x\r\nHost: y\r\n"])
def test_a_request_has_one_host(place: Place, hosts: str):
    found, _ = ask(place[1], f"GET /healthz HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n".encode())
    assert found.startswith(b"HTTP/1.1 400")


def test_http_1_0_needs_no_host(place: Place):
    found, _ = ask(place[1], b"GET /healthz HTTP/1.0\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 200")


# Connections.


def stick(address: Address, peer: str, count: int, requests: int = 1) -> list[socket.socket]:
    """Ask for pages over many connections, and read none of them."""
    stuck = []
    for _ in range(count):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.settimeout(20)
        connection.bind((peer, 0))
        connection.connect(address)
        connection.sendall(PAGE * requests)
        stuck.append(connection)
    return stuck


@pytest.mark.release
@pytest.mark.fault(
    "J2",
    how="many clients ask for pages over hundreds of connections, and read none",
    then="each is closed after seconds; health checks and others are answered meanwhile",
)
def test_clients_that_never_read_hold_nothing_for_long(new_site: MakeSite, embedded: Devnet):
    settings = Settings(max_connections=200, max_per_peer=50, answer_seconds=12, access_log=False)
    site = new_site(embedded)
    with serving(site.folder, settings) as address, ExitStack() as open_ones:
        for number in range(10):
            for connection in stick(address, f"127.0.2.{number + 1}", 50, requests=8):
                open_ones.callback(connection.close)
        for _ in range(5):
            found, seconds = ask(address, HEALTH)
            assert found.startswith(b"HTTP/1.1 200"), found
            assert seconds < 10  # less than a client that does not read may take
        found, _ = ask(address, get("/readyz"))
        assert found.startswith(b"HTTP/1.1 200"), found
        deadline = time.monotonic() + 60
        while not (page := ask(address, get("/log"))[0]).startswith(b"HTTP/1.1 200"):
            assert time.monotonic() < deadline, page
            time.sleep(0.5)


def test_a_client_that_reads_slowly_gets_its_whole_answer(place: Place):
    (connection,) = stick(place[1], "127.0.0.1", 1, requests=4)
    with connection:
        connection.sendall(get("/healthz"))
        found = b""
        while part := connection.recv(16_384):
            found += part
            time.sleep(0.1)  # longer than answer_seconds in all
        assert found.count(b"HTTP/1.1 200") == 5
        assert found.endswith(b'{"status":"alive"}')


def test_a_few_requests_may_be_in_line_and_the_connection_ends_after_them(place: Place):
    with connect(place[1]) as connection:
        connection.sendall(PAGE * 75)
        found = read_all(connection)
    assert 1 < found.count(b"HTTP/1.1 200 OK") <= 6
    assert found.rstrip().endswith(b"</html>")


def test_a_peer_has_so_many_connections_and_others_have_theirs(place: Place):
    address = place[1]
    with ExitStack() as open_ones:
        for _ in range(SETTINGS.max_per_peer):
            open_ones.enter_context(connect(address, "127.0.0.2"))
        found, _ = ask(address, get("/log"), peer="127.0.0.2")
        assert found.startswith(b"HTTP/1.1 503") and b"retry-after: 5" in found.lower()
        assert b"application/problem+json" in found
        assert ask(address, HEALTH, peer="127.0.0.2")[0].startswith(b"HTTP/1.1 200")
        assert ask(address, get("/log"), peer="127.0.0.3")[0].startswith(b"HTTP/1.1 200")
    deadline = time.monotonic() + 60
    while not ask(address, get("/log"), peer="127.0.0.2")[0].startswith(b"HTTP/1.1 200"):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_web_server_in_front_is_no_peer(place: Place):
    with ExitStack() as open_ones:
        for _ in range(3 * SETTINGS.max_per_peer):
            open_ones.enter_context(connect(place[1], "127.0.1.7"))
        assert ask(place[1], get("/log"), peer="127.0.1.7")[0].startswith(b"HTTP/1.1 200")


def test_clients_that_go_while_they_are_answered_leave_no_traceback(
    place: Place, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)
    for number in range(30):
        (connection,) = stick(place[1], "127.0.0.4", 1, requests=1 + number % 4)
        time.sleep(0.05 * (number % 4))
        if number % 2:  # with a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
    with connect(place[1], "127.0.0.4") as connection:
        connection.sendall(head(place[2], "/v1/evidence", "application/json", "Content-Length: 9"))
    time.sleep(1)
    assert ask(place[1], HEALTH)[0].startswith(b"HTTP/1.1 200")
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
