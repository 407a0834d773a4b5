"""A request that lasts rests on its key as long as it does, and on its tenant's slots."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import update
from support.nodes import wait_until
from support.projects import Site, make_site
from support.raw_http import Address, connect, head, read_all, read_until, serving
from support.service import digest, lines, make_key
from support.store_contents import load_pieces

from anchor.base.system.clock import utc_now
from anchor.chain.devnet import open_devnet
from anchor.project.config import load_config
from anchor.project.project import open_project
from anchor.service.caller_recheck import CallerRecheck
from anchor.service.settings import Settings
from anchor.store.api_keys import Quota, create_key, revoke_key
from anchor.store.schema import api_keys

SETTINGS = Settings(max_waits=5, access_log=False, body_seconds=20)
# Two seconds as promised, and what a busy machine adds.
SOON = 30.0

Place = tuple[Site, Address]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with open_devnet(anvil=None) as node:
        site = make_site(tmp_path_factory.mktemp("long") / "project", node, number=961)
    with serving(site.folder, SETTINGS) as address:
        yield site, address


def change(site: Site, work: Callable[..., object]) -> None:
    project = open_project(load_config(site.folder / "anchor.toml"))
    try:
        with project.database.write() as connection:
            work(connection)
    finally:
        project.database.close()


def revoke(site: Site, key: str) -> None:
    change(site, lambda connection: revoke_key(connection, key.split("_")[1], utc_now()))


def begin_bulk(address: Address, key: str) -> socket.socket:
    connection = connect(address)
    more = ("Transfer-Encoding: chunked", "Connection: close")
    connection.sendall(head(key, "/v1/bulk", "application/x-ndjson", *more))
    return connection


def send_lines(connection: socket.socket, numbers: range) -> None:
    body = lines(numbers)
    connection.sendall(b"%x\r\n%b\r\n" % (len(body), body))


def submit(address: Address, key: str, number: int) -> str:
    body = b'{"sha256":"%b"}' % digest(number).encode()
    more = (f"Content-Length: {len(body)}", "Connection: close")
    with connect(address) as connection:
        connection.sendall(head(key, "/v1/evidence", "application/json", *more) + body)
        answer = read_all(connection)
    assert b" 201 " in answer or b" 200 " in answer, answer
    id: str = json.loads(answer.partition(b"\r\n\r\n")[2])["id"]
    return id


def follow(address: Address, key: str, id: str, end: str = "/events") -> socket.socket:
    connection = connect(address)
    rows = [f"GET /v1/evidence/{id}{end} HTTP/1.1", "Host: x", f"Authorization: Bearer {key}"]
    connection.sendall("\r\n".join([*rows, "Connection: close", "", ""]).encode())
    return connection


def count_of(site: Site, tenant: str) -> int:
    return sum(piece.source.startswith(f"tenant:{tenant}/") for piece in load_pieces(site))


@pytest.mark.fault(
    "J11",
    how="a key is revoked while a bulk submission under it goes on",
    then="nothing more of it is taken in, and it ends with a problem 401 within seconds",
)
@pytest.mark.parametrize("goes_on", [True, False], ids=["sending", "silent"])
def test_a_revoked_key_ends_its_bulk_submission(place: Place, goes_on: bool):
    site, address = place
    tenant = f"bulk-{int(goes_on)}"
    key = make_key(site.folder, tenant)
    with begin_bulk(address, key) as connection:
        send_lines(connection, range(3))
        read_until(connection, b'"line":3,')
        revoke(site, key)
        revoked = time.monotonic()
        number = 3
        try:
            while goes_on and time.monotonic() - revoked < SOON:
                send_lines(connection, range(number, number + 1))
                number += 1
                time.sleep(0.05)
        except OSError:
            pass
        found = read_all(connection) if goes_on else read_until(connection, b'"status":401')
        if not goes_on:
            assert time.monotonic() - revoked < SOON
    assert found.count(b'"known":false') < SOON / 0.05  # what came in the seconds until it is heard
    taken = count_of(site, tenant)
    assert taken < SOON / 0.05, taken
    time.sleep(0.5)
    assert count_of(site, tenant) == taken


def test_a_key_that_expires_ends_its_bulk_submission(place: Place):
    site, address = place
    key = make_key(site.folder, "brief", expires_at="2999-01-01T00:00:00.000Z")
    with begin_bulk(address, key) as connection:
        send_lines(connection, range(1))
        read_until(connection, b'"line":1,')
        row = api_keys.c.id == key.split("_")[1]
        shorten = update(api_keys).where(row).values(expires_at=utc_now())
        change(site, lambda store: store.execute(shorten))
        found = read_until(connection, b'"problem"') + read_all(connection)
    assert b'"status":401' in found and b'"lines":' not in found


def test_a_quota_that_is_lowered_counts_for_what_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    site, address = place
    looks: list[CallerRecheck] = []
    original = CallerRecheck._look

    async def look(recheck: CallerRecheck) -> None:
        await original(recheck)
        looks.append(recheck)

    monkeypatch.setattr(CallerRecheck, "_look", look)
    key = make_key(site.folder, "lowered", limits=Quota(per_day=1_000))
    with begin_bulk(address, key) as connection:
        send_lines(connection, range(10))
        read_until(connection, b'"line":10,')
        limits = Quota(per_day=12)
        change(
            site,
            lambda connection: create_key(
                connection, "lowered", ["read"], created_at=utc_now(), limits=limits
            ),
        )
        before = len(looks)
        wait_until(lambda: len(looks) >= before + 2)  # the first may have begun before the change
        send_lines(connection, range(10, 20))
        connection.sendall(b"0\r\n\r\n")
        found = read_all(connection)
    assert b'"new":12,' in found, found
    assert count_of(site, "lowered") == 12


@pytest.mark.fault(
    "J11",
    how="a key is revoked while its holder follows events or waits for a state",
    then="the stream ends with a problem 401 within seconds, the wait is answered with it",
)
@pytest.mark.parametrize("end", ["/events", "?wait=60", "/receipt?wait=60"])
def test_a_revoked_key_ends_its_streams_and_waits(place: Place, end: str):
    site, address = place
    key = make_key(site.folder, "follower")
    with follow(address, key, submit(address, key, 500), end) as connection:
        if end == "/events":
            read_until(connection, b"event: state")
        else:
            time.sleep(0.5)
        revoke(site, key)
        revoked = time.monotonic()
        found = read_all(connection)
    assert time.monotonic() - revoked < SOON
    assert b'"status": 401' in found
    assert (b"event: problem\ndata: " if end == "/events" else b"HTTP/1.1 401") in found


@pytest.mark.fault(
    "J2",
    how="a tenant opens very many event streams at once",
    then="as many as its bound are answered, the others with 429",
)
def test_the_bound_of_waits_holds_for_event_streams_that_come_at_once(place: Place):
    _, address = place
    key = make_key(place[0].folder, "crowd")
    id = submit(address, key, 600)

    def count_answered() -> int:
        with ExitStack() as open_ones:
            streams = [open_ones.enter_context(follow(address, key, id)) for _ in range(60)]
            statuses = [read_until(stream, b"\r\n")[9:12] for stream in streams]
        answered = statuses.count(b"200")
        assert answered <= SETTINGS.max_waits
        assert statuses.count(b"429") == 60 - answered
        return answered

    assert count_answered() == SETTINGS.max_waits
    # Whoever goes leaves the slot to others.
    wait_until(lambda: count_answered() == SETTINGS.max_waits)
