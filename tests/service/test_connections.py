"""A client that does not get on is closed, and one that goes leaves nothing half done."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from support.fixtures import MakeSite
from support.projects import Site
from support.raw_http import ask, head, read_until, serving
from support.service import digest, lines, make_key
from support.store_contents import count_pieces, count_waiting

from anchor.chain.devnet import Devnet
from anchor.service.settings import Settings

SETTINGS = Settings(max_backlog=50, max_bulk=100_000, max_bulks=1, access_log=False)

Place = tuple[Site, tuple[str, int], str]


@pytest.fixture
def place(request: pytest.FixtureRequest, new_site: MakeSite, embedded: Devnet) -> Iterator[Place]:
    """A service whose time limits are short only where a test waits for their end."""
    site = new_site(embedded)
    key = make_key(site.folder)
    with serving(site.folder, replace(SETTINGS, **getattr(request, "param", {}))) as address:
        yield site, address, key


def impatient(**seconds: float) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("place", [seconds], ids=["impatient"], indirect=True)


def bulk(key: str, *more: str) -> bytes:
    return head(key, "/v1/bulk", "application/x-ndjson", *more)


@pytest.mark.fault(
    "J2",
    how="a client connects to the service and sends no whole request",
    then="the connection is closed after seconds",
)
@pytest.mark.parametrize("begin", [b"", b"GET /heal", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
@impatient(header_seconds=0.5)
def test_a_request_whose_head_does_not_come_is_closed(place: Place, begin: bytes):
    found, seconds = ask(place[1], begin) if begin else ask(place[1])
    assert found == b""
    assert seconds < 15


def test_a_head_that_goes_on_for_ever_is_cut(place: Place):
    rows = b"".join(b"X-%d: %b\r\n" % (number, b"x" * 1_000) for number in range(60))
    found, _ = ask(place[1], b"GET /healthz HTTP/1.1\r\n" + rows)
    assert found == b"" or found.startswith(b"HTTP/1.1 400")


@impatient(body_seconds=0.6)
def test_a_body_that_does_not_come_is_answered_with_408(place: Place):
    _, address, key = place
    request = head(key, "/v1/evidence", "application/json", "Content-Length: 100")
    found, _ = ask(address, request + b'{"sha')
    assert found.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in found.lower()


@pytest.mark.fault(
    "J2",
    how="a submission's body comes a byte at a time",
    then="it is answered with 408, and the connection is closed",
)
@impatient(body_seconds=0.6)
def test_a_body_that_drips_is_answered_with_408(place: Place):
    _, address, key = place
    request = head(key, "/v1/evidence", "application/json", "Content-Length: 100")
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(request)
        while not select.select([connection], [], [], 0.2)[0]:
            connection.sendall(b"{")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 408")


@impatient(bulk_seconds=2.0)
def test_a_bulk_submission_that_stalls_keeps_what_was_answered(place: Place):
    site, address, key = place
    found, _ = ask(address, bulk(key, "Content-Length: 9999") + lines(range(10)) + b'{"sha')
    assert found.count(b'"known":false') == 10
    assert b'"status":408' in found and b'"lines":' not in found
    assert count_pieces(site) == 10


def test_lines_are_answered_while_more_of_them_are_to_come(place: Place):
    _, address, key = place
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(bulk(key, "Transfer-Encoding: chunked"))
        for number in range(3):
            line = lines(range(number, number + 1))
            connection.sendall(b"%x\r\n%b\r\n" % (len(line), line))
            read_until(connection, b'"line":%d' % (number + 1))
        connection.sendall(b"0\r\n\r\n")


def test_a_client_that_goes_in_the_middle_leaves_whole_lines_only(place: Place):
    site, address, key = place
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(bulk(key, "Content-Length: 99999") + lines(range(20)) + b'{"sha256":"')
        read_until(connection, b'"line":20')
    # The slot of the one who went is free again.
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found, _ = ask(address, bulk(key, "Content-Length: 0", "Connection: close"))
        if found.startswith(b"HTTP/1.1 200"):
            break
        time.sleep(0.1)
    assert found.startswith(b"HTTP/1.1 200"), found
    assert count_pieces(site) == 20
    assert count_waiting(site) == 20


def test_a_tenant_has_so_many_bulk_submissions_at_once_and_no_more(place: Place):
    _, address, key = place
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(bulk(key, "Content-Length: 9999") + lines(range(1)))
        read_until(connection, b'"line":1')
        found, _ = ask(address, bulk(key, "Content-Length: 0"))
    assert found.startswith(b"HTTP/1.1 429")
    assert b"retry-after" in found.lower()


def test_a_bulk_body_has_a_longest_length_said_or_not(place: Place):
    _, address, key = place
    found, _ = ask(address, bulk(key, "Content-Length: 100001"))
    assert found.startswith(b"HTTP/1.1 413")
    body = b" " * 100_001
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    found, _ = ask(address, bulk(key, "Transfer-Encoding: chunked", "Connection: close") + chunked)
    assert b'"status":413' in found


@pytest.mark.fault(
    "J2",
    how="more is submitted to the service than waits for a seal at most",
    then="503, and when to come again; nothing is taken in",
)
def test_a_full_backlog_is_answered_with_503_and_when_to_come_again(place: Place):
    _, address, key = place
    body = lines(range(60))
    ask(address, bulk(key, f"Content-Length: {len(body)}", "Connection: close") + body)
    more = ("Content-Length: 78", "Connection: close")
    request = head(key, "/v1/evidence", "application/json", *more)
    deadline = time.monotonic() + 60
    number = 100
    while time.monotonic() < deadline:
        value = b'{"sha256": "%b"}' % digest(number).encode()
        assert len(value) == 78
        found, _ = ask(address, request + value)
        if found.startswith(b"HTTP/1.1 503"):
            break
        number += 1
        time.sleep(0.1)
    assert found.startswith(b"HTTP/1.1 503"), found
    assert b"retry-after: 5" in found.lower()
    found, _ = ask(address, bulk(key, "Content-Length: 0", "Connection: close"))
    assert found.startswith(b"HTTP/1.1 503")


@pytest.mark.fault(
    "J2",
    how="a client submits in bulk and never reads the answers",
    then="it is given up after seconds; others are served",
)
@impatient(answer_seconds=0.8, bulk_seconds=2.0)
def test_a_client_that_never_reads_its_answers_is_given_up(place: Place):
    site, address, key = place
    with socket.create_connection(address, timeout=20) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        body = b"x\n" * 40_000
        connection.sendall(bulk(key, f"Content-Length: {len(body)}"))
        try:
            connection.sendall(body)
        except OSError:
            pass
        time.sleep(2)
    found, _ = ask(address, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 200")
    assert urlsplit(site.url).hostname == "127.0.0.1"
