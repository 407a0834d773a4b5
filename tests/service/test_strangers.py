"""Limits by address for whoever shows no usable key, and whose address it is that counts."""

from __future__ import annotations

import json
import logging
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.copies import until
from support.nginx import HOST, write_nginx
from support.ports import free_port
from support.projects import Site, make_site
from support.raw_http import Address, ask, get, head, read_all, serving
from support.service import bearer, digest, make_key, serve
from support.tools import check_program
from support.webservers import open_tls

from anchor.base.errors import UsageError
from anchor.chain.devnet import open_devnet
from anchor.service.address_limits import TokenBuckets
from anchor.service.client_address import Peers, group_address
from anchor.service.settings import Settings

SETTINGS = Settings(
    anonymous_rate=0.01, anonymous_burst=5, refused_rate=0.01, refused_burst=4, max_per_peer=8,
    proxies=("127.0.1.0/24",),
)  # fmt: skip

Place = tuple[Site, Address, str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with open_devnet(anvil=None) as node:
        site = make_site(tmp_path_factory.mktemp("strangers") / "project", node, number=970)
    with serving(site.folder, SETTINGS) as address:
        yield site, address, make_key(site.folder)


def status(found: tuple[bytes, float]) -> int:
    return int(found[0].split()[1])


def forwarded(client: str) -> str:
    return f"X-Forwarded-For: {client}"


# Rules.


def test_a_bucket_gives_so_many_at_once_and_then_at_its_rate() -> None:
    now = [100.0]
    buckets = TokenBuckets(2.0, 3, clock=lambda: now[0])
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.wait("a") == 0.5 and buckets.wait("b") == 0.0
    now[0] += 0.5
    assert [buckets.take("a"), buckets.take("a")] == [0, 0.5]
    now[0] += 1_000
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_a_rate_of_nothing_limits_nobody() -> None:
    buckets = TokenBuckets(0.0, 1)
    assert [buckets.take("a") for _ in range(100)] == [0] * 100 and buckets.wait("a") == 0


def test_buckets_are_bounded_in_number() -> None:
    buckets = TokenBuckets(0.001, 1)
    for number in range(30_000):
        buckets.take(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(buckets._tokens) == 10_000


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_network_counts_as_one(address: str, group: str) -> None:
    assert group_address(address) == group


@pytest.mark.parametrize("proxy", ["", "localhost", "10.0.0.1/8", "10.0.0.0/33", "::1/200"])
def test_a_proxy_is_named_by_an_address_or_a_network(proxy: str) -> None:
    with pytest.raises(UsageError, match="not an address or network of a proxy"):
        Peers((proxy,))


# Strangers.


@pytest.mark.fault(
    "J2",
    how="an address asks without a key for more than its share",
    then="429, and when to come again; others and health checks are answered",
)
def test_an_address_asks_without_a_key_for_so_much(place: Place):
    _, address, key = place
    answers = [ask(address, get("/log"), peer="127.0.0.11") for _ in range(7)]
    assert [status(answer) for answer in answers] == [200] * 5 + [429] * 2
    wait = re.search(rb"retry-after: (\d+)", answers[-1][0].lower())
    # A request is allowed again 100 seconds after the first one, which was a moment ago.
    assert wait is not None and 50 < int(wait[1]) <= 100
    assert b"content-security-policy" in answers[-1][0].lower()
    for path in ("/healthz", "/readyz"):
        assert status(ask(address, get(path), peer="127.0.0.11")) == 200
    assert status(ask(address, get("/log"), peer="127.0.0.12")) == 200
    # A key has its tenant's quota instead, from the same address too.
    keyed = get("/v1/usage", f"Authorization: Bearer {key}")
    for _ in range(10):
        assert status(ask(address, keyed, peer="127.0.0.11")) == 200


@pytest.mark.parametrize("row", ["Bearer x", "Basic x", "x", "Bearer", ""])
def test_a_header_that_is_no_usable_key_lifts_no_limit(place: Place, row: str):
    _, address, _ = place
    peer = f"127.0.0.{201 + len(row)}"
    asked = get("/log", f"Authorization: {row}")
    answers = [status(ask(address, asked, peer=peer)) for _ in range(12)]
    assert answers[:5] == [200] * 5 and set(answers[5:]) <= {401, 429}, answers


def test_nginx_bounds_requests_with_any_header_by_address(tmp_path: Path):
    port = free_port()
    command = [check_program("nginx"), *write_nginx(tmp_path, port, free_port(), tmp_path)]
    written = tmp_path / "anchor.conf"
    text = written.read_text("utf-8").replace("rate=500r/s", "rate=1r/m")
    written.write_text(text.replace("zone=anchor_all burst=5000", "zone=anchor_all burst=2"))
    asked = f"GET /log HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: x\r\nConnection: close\r\n\r\n"
    codes = []
    with subprocess.Popen(command) as process:
        try:
            until(lambda: (tmp_path / "nginx.pid").exists())
            for _ in range(5):
                with open_tls(port) as connection:
                    connection.sendall(asked.encode())
                    codes.append(int(read_all(connection).split()[1]))
        finally:
            process.terminate()
    assert codes == [502] * 3 + [429] * 2  # there is no service behind it


def test_requests_with_a_key_take_nothing_from_those_without(place: Place):
    _, address, key = place
    keyed = get("/v1/usage", f"Authorization: Bearer {key}")
    for _ in range(10):
        assert status(ask(address, keyed, peer="127.0.0.220")) == 200
    answers = [status(ask(address, get("/log"), peer="127.0.0.220")) for _ in range(6)]
    assert answers == [200] * 5 + [429]


def test_an_address_that_ends_with_a_line_feed_leads_nowhere(place: Place):
    _, address, key = place
    for path in ("/healthz", "/log", "/openapi.json", "/tile/0/000", "/v1/usage"):
        asked = get(f"{path}%0a", f"Authorization: Bearer {key}")
        assert status(ask(address, asked)) == 404, path


def test_an_address_shows_so_many_keys_that_are_none(place: Place):
    _, address, key = place
    wrong = get("/v1/usage", f"Authorization: Bearer anchor_{'0' * 12}_{'0' * 64}")
    answers = [status(ask(address, wrong, peer="127.0.0.13")) for _ in range(6)]
    assert answers == [401] * 4 + [429] * 2
    assert status(ask(address, wrong, peer="127.0.0.14")) == 401
    right = get("/v1/usage", f"Authorization: Bearer {key}")
    assert status(ask(address, right, peer="127.0.0.14")) == 200


def test_behind_a_named_web_server_its_clients_count_one_by_one(place: Place):
    address = place[1]

    def look(stated: str, peer: str = "127.0.1.5") -> int:
        return status(ask(address, get("/log", forwarded(stated)), peer=peer))

    assert [look("198.51.100.1") for _ in range(6)] == [200] * 5 + [429]
    assert look("198.51.100.2") == 200
    # What a client writes itself stands further left, and changes nothing.
    assert look("203.0.113.9, 198.51.100.1") == 429
    assert look("198.51.100.1, 127.0.1.9") == 429  # through two named ones
    assert look("198.51.100.1, nonsense") == 200  # which only the web server's own address answers


def test_a_web_server_that_nobody_named_is_a_client_as_any_other(place: Place):
    address = place[1]
    answers = [
        status(ask(address, get("/log", forwarded(f"198.51.100.{n}")), peer="127.0.0.15"))
        for n in range(7)
    ]
    assert answers == [200] * 5 + [429] * 2


# The trail.


def events(caplog: pytest.LogCaptureFixture) -> list[dict[str, str]]:
    return [
        json.loads(record.getMessage())
        for record in caplog.records
        if record.name == "anchor.audit"
    ]


def form(token: str) -> bytes:
    body = f"key={token}".encode()
    more = (f"Content-Length: {len(body)}", "Connection: close")
    request = head("", "/login", "application/x-www-form-urlencoded", *more)
    return request.replace(b"Authorization: Bearer \r\n", b"") + body


def test_the_trail_says_who_signed_in_from_where_and_no_secret(
    place: Place, caplog: pytest.LogCaptureFixture
):
    site, address, reader = place
    admin = make_key(site.folder, "ops", "admin")
    caplog.set_level(logging.INFO)
    ask(address, form(admin), peer="127.0.0.20")
    ask(address, form(reader), peer="127.0.0.20")
    ask(address, form(f"anchor_{'a' * 12}_{'b' * 64}"), peer="127.0.0.21")
    ask(address, form("hunter2"), peer="127.0.0.21")
    admin_id, reader_id = admin.split("_")[1], reader.split("_")[1]
    assert events(caplog) == [
        {"event": "sign-in", "client": "127.0.0.20", "result": "accepted", "key": admin_id,
         "tenant": "ops"},
        {"event": "sign-in", "client": "127.0.0.20", "result": "refused", "key": reader_id,
         "tenant": "acme"},
        {"event": "key-refused", "client": "127.0.0.21", "claimed": "a" * 12},
        {"event": "sign-in", "client": "127.0.0.21", "result": "refused"},
        {"event": "key-refused", "client": "127.0.0.21", "claimed": None},
        {"event": "sign-in", "client": "127.0.0.21", "result": "refused"},
    ]  # fmt: skip
    for secret in (admin.split("_")[2], reader.split("_")[2], "b" * 64, "hunter2"):
        assert secret not in caplog.text


def test_each_request_is_logged_with_its_client_and_its_key(
    place: Place, caplog: pytest.LogCaptureFixture
):
    _, address, key = place
    caplog.set_level(logging.INFO)
    body = b'{"sha256":"%b"}' % digest(970).encode()
    more = (f"Content-Length: {len(body)}", "Connection: close", forwarded("2001:db8::7"))
    ask(address, head(key, "/v1/evidence", "application/json", *more) + body, peer="127.0.1.6")
    (line,) = [r.getMessage() for r in caplog.records if r.name == "anchor.service.requests"]
    assert line.startswith(f'201 POST "/v1/evidence" 2001:db8::7 acme {key.split("_")[1]} '), line


def test_what_commands_do_to_keys_is_in_the_projects_trail(place: Place):
    site = place[0]
    made = site.run("api-key", "create", "trail", "--per-day", "7", "--json").expect(0)
    token, id = json.loads(made.out)["key"], json.loads(made.out)["id"]
    site.run("api-key", "revoke", id).expect(0)
    path = site.folder / "audit.jsonl"
    found = [json.loads(line) for line in path.read_text("ascii").splitlines()]
    assert [item["event"] for item in found] == ["key-created", "quota-changed", "key-revoked"]
    assert found[0]["key"] == found[2]["key"] == id and found[0]["tenant"] == "trail"
    assert found[0]["scopes"] == ["read", "submit"] and found[0]["expires_at"] is not None
    assert found[1]["per_day"] == 7 and found[1]["per_minute"] is None
    assert all(item["user"] and item["at"].endswith("Z") for item in found)
    assert token.split("_")[2] not in path.read_text("ascii")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_change_that_cannot_be_noted_is_not_made(place: Place):
    site = place[0]
    path = site.folder / "audit.jsonl"
    kept = path.read_bytes() if path.exists() else b""
    path.unlink(missing_ok=True)
    path.mkdir()
    try:
        refused = site.run("api-key", "create", "unnoted")
        assert refused.code == 33 and "audit.jsonl cannot be written" in refused.err
    finally:
        path.rmdir()
        path.write_bytes(kept)
    assert site.rows("SELECT count(*) FROM api_keys WHERE tenant = 'unnoted'") == [(0,)]


@pytest.mark.parametrize(
    ("options", "days"), [((), 365), (("--days", "2"), 2), (("--never-expires",), None)]
)
def test_a_key_expires_unless_it_is_said_that_it_never_does(
    place: Place, options: tuple[str, ...], days: int | None
):
    site = place[0]
    made = site.run("api-key", "create", "expiring", *options, "--json").expect(0)
    id = json.loads(made.out)["id"]
    query = f"SELECT julianday(expires_at) - julianday(created_at) FROM api_keys WHERE id = '{id}'"
    ((found,),) = site.rows(query)
    assert found == days if days is None else abs(float(str(found)) - days) < 0.01


def test_a_key_cannot_expire_and_never_expire(place: Place):
    refused = place[0].run("api-key", "create", "acme", "--days", "1", "--never-expires")
    refused.expect(2)


# Two workers.


def test_signing_out_at_one_worker_ends_the_session_at_all(place: Place):
    site = place[0]
    admin = make_key(site.folder, "ops", "admin")
    with serve(site.folder, "--quiet", workers=2) as served:
        close = {"Connection": "close"}  # so that each request may come to another worker
        answer = served.http.post("/login", data={"key": admin}, headers=close)
        assert answer.status_code == 303
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        served.http.cookies.clear()

        def look() -> set[int]:
            headers = {"Cookie": cookie, **close}
            answers = {
                served.http.get("/dashboard", headers=headers).status_code for _ in range(12)
            }
            served.http.cookies.clear()
            return answers

        assert look() == {200}
        served.http.post("/logout", headers={"Cookie": cookie, **close})
        assert look() == {303}
        # Keys are not sessions.
        assert served.http.get("/metrics", headers=bearer(admin)).status_code == 200
    printed = "".join(path.read_text() for path in site.folder.glob("serve-*.err"))
    assert '"event":"sign-out"' in printed and admin.split("_")[2] not in printed
