"""Blocked addresses and networks, and those that exceeded limits, in two workers of one store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import httpx
import pytest
from sqlalchemy import update
from support.memory_projects import MemorySite
from support.service import bearer
from support.sign_in_providers import Platform, serve_platform
from support.visitors import OPERATOR

from anchor.base.messages.catalogue import Language
from anchor.base.messages.message import Message, translate
from anchor.base.system.clock import utc_now
from anchor.base.units import format_stored_time
from anchor.people.lifetimes import later
from anchor.service.address_limits import LimitedCounts
from anchor.service.block_list import BlockList, read_network
from anchor.service.problems import Problem
from anchor.service.settings import Settings
from anchor.store.api_keys import create_key
from anchor.store.blocked_networks import BlockedNetwork, block_network, load_blocked
from anchor.store.limited_addresses import MOST_LIMITED, add_limited, load_limited
from anchor.store.schema import blocked_networks

SETTINGS = Settings(proxies=("127.0.0.1",), anonymous_rate=0.01, anonymous_burst=5)
OWN = "198.51.100.77"
FAR = "2999-01-01T00:00:00.000Z"


@pytest.fixture(scope="module")
def workers(grown_copy: MemorySite) -> Iterator[tuple[Platform, Platform]]:
    with (
        serve_platform(grown_copy, settings=SETTINGS) as one,
        serve_platform(grown_copy, settings=SETTINGS) as other,
    ):
        yield one, other


@pytest.fixture(scope="module")
def admin(workers: tuple[Platform, Platform]) -> str:
    with workers[0].project.database.write() as connection:
        return create_key(connection, "ops", ["admin"], created_at=utc_now())


def ask(
    platform: Platform,
    path: str,
    client: str,
    method: str = "GET",
    body: object = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> httpx.Response:
    given = {"X-Forwarded-For": client, **headers}
    with httpx.Client(base_url=platform.url, trust_env=False, headers=given, timeout=60) as http:
        return http.request(method, path, json=body)


def manage(
    platform: Platform, admin: str, method: str, path: str, body: object = None
) -> httpx.Response:
    return ask(platform, path, OWN, method, body, bearer(admin))


def wait_for(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_blocked_network_is_refused_by_all_workers_until_the_block_ends(
    workers: tuple[Platform, Platform], admin: str, grown_copy: MemorySite
) -> None:
    one, other = workers
    body = {"network": "203.0.113.0/24", "reason": "guesses <numbers>", "days": 2}
    made = manage(one, admin, "POST", "/v1/operator/blocks", body)
    assert made.status_code == 201 and made.json()["network"] == "203.0.113.0/24"
    until = made.json()["until"]
    assert later(utc_now(), 2 * 86_400 - 600) < until < later(utc_now(), 2 * 86_400 + 1)
    refused = ask(one, "/log", "203.0.113.9")
    assert refused.status_code == 403 and refused.json()["id"] == "address-blocked"
    wait_for(lambda: ask(other, "/log", "203.0.113.9").status_code == 403)
    languages: tuple[tuple[str, Language], ...] = (("en", "en"), ("zh-CN", "zh"))
    for language, said in languages:
        page = ask(
            other, "/", "203.0.113.200",
            headers={"Accept": "text/html", "Accept-Language": language},
        )  # fmt: skip
        words = Message("address-blocked", until=format_stored_time(until))
        assert page.status_code == 403 and translate(words, said) in page.text
        assert "guesses" not in page.text
    key = ask(other, "/v1/usage", "203.0.113.9", headers=bearer(admin))
    assert key.status_code == 403 and key.json()["id"] == "address-blocked"
    for path in ("/healthz", "/readyz"):
        assert ask(other, path, "203.0.113.9").status_code == 200
    assert ask(other, "/log", "203.0.114.1").status_code == 200
    forged = ask(other, "/log", "203.0.113.9, 192.0.2.44")
    assert forged.status_code == 200, "only the last address that no proxy has counts"
    with serve_platform(grown_copy, settings=SETTINGS) as restarted:
        assert ask(restarted, "/log", "203.0.113.9").status_code == 403
    (listed,) = manage(other, admin, "GET", "/v1/operator/addresses").json()["blocked"]
    assert listed == made.json()
    path = f"/v1/operator/blocks/{listed['id']}"
    assert manage(other, admin, "DELETE", path).status_code == 204
    assert manage(other, admin, "DELETE", path).status_code == 404
    assert ask(other, "/log", "203.0.113.9").status_code == 200
    wait_for(lambda: ask(one, "/log", "203.0.113.8").status_code == 200)
    lines = (grown_copy.config.folder / "audit.jsonl").read_text("utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    noted = [(each["event"], each["network"]) for each in events if "network" in each]
    assert noted == [("address-blocked", "203.0.113.0/24"), ("address-unblocked", "203.0.113.0/24")]
    assert events[-2]["reason"] == "guesses <numbers>" and events[-2]["until"] == until


def test_a_block_ends_by_itself(workers: tuple[Platform, Platform], admin: str) -> None:
    one, _ = workers
    body = {"network": "192.0.2.5", "reason": "x", "days": 1}
    assert manage(one, admin, "POST", "/v1/operator/blocks", body).status_code == 201
    assert ask(one, "/log", "192.0.2.5").status_code == 403
    with one.project.database.write() as connection:
        connection.execute(update(blocked_networks).values(until="2020-01-01T00:00:00.000Z"))
    wait_for(lambda: ask(one, "/log", "192.0.2.5").status_code == 200)
    assert manage(one, admin, "GET", "/v1/operator/addresses").json()["blocked"] == []


@pytest.mark.parametrize(
    ("network", "id"),
    [
        ("198.51.100.0/24", "operator-network-own"),
        ("0.0.0.0/0", "operator-network-own"),
        ("203.0.113.1/24", "operator-network-invalid"),
        ("::ffff:1.2.3.4", "operator-network-invalid"),
        ("somewhere", "operator-network-invalid"),
    ],
)
def test_what_is_no_network_or_the_operators_own_is_not_blocked(
    workers: tuple[Platform, Platform], admin: str, network: str, id: str
) -> None:
    body = {"network": network, "reason": "x", "days": 1}
    answer = manage(workers[0], admin, "POST", "/v1/operator/blocks", body)
    assert answer.status_code == 422 and answer.json()["id"] == id
    assert answer.json()["errors"][0]["pointer"] == "/network"
    assert ask(workers[0], "/v1/operator/addresses", OWN, headers=bearer(admin)).is_success


def test_addresses_over_a_limit_are_listed_with_how_often(
    workers: tuple[Platform, Platform], admin: str
) -> None:
    for worker, times in zip(workers, (9, 7), strict=True):
        answers = [ask(worker, "/log", "2001:db8:7::1").status_code for _ in range(times)]
        assert answers == [200] * 5 + [429] * (times - 5)

    def count() -> int:
        listed = manage(workers[0], admin, "GET", "/v1/operator/addresses").json()["limited"]
        (row,) = [each for each in listed if each["address"] == "2001:db8:7::/64"] or [{}]
        return int(row.get("refusals", 0))

    wait_for(lambda: count() == 6)


def test_an_address_is_found_by_each_network_it_is_in() -> None:
    blocks = BlockList(
        BlockedNetwork(id=str(n), network=network, reason="", made_by="", made_at="", until=FAR)
        for n, network in enumerate(("10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"))
    )
    at = utc_now()
    for address in ("10.1.2.3", "192.0.2.7", "::ffff:10.0.0.1", "2001:db8:9::1", "2001:db8::1%e"):
        assert blocks.find(address, at) == FAR, address
    for address in ("11.0.0.1", "192.0.2.8", "2001:db9::1", "", "unix"):
        assert blocks.find(address, at) is None, address
    assert blocks.find("10.1.2.3", "3000-01-01T00:00:00.000Z") is None
    assert read_network("10.0.0.1", "unix") == "10.0.0.1/32"
    with pytest.raises(Problem):
        read_network("10.0.0.0/8", "::ffff:10.0.0.1")


def test_both_lists_are_bounded(workers: tuple[Platform, Platform]) -> None:
    counts = LimitedCounts()
    for number in range(MOST_LIMITED + 50):
        counts.note(f"10.0.{number >> 8}.{number & 255}")
    counts.note("10.0.0.0")
    taken = counts.take()
    assert len(taken) == MOST_LIMITED and taken["10.0.0.0"] == 2 and counts.take() == {}
    with workers[0].project.database.write() as connection:
        early, late = "2026-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z"
        add_limited(connection, {"192.0.2.99": 3}, at=early, forget_before=early)
        add_limited(connection, taken, at=late, forget_before=early)
        kept = load_limited(connection, 2 * MOST_LIMITED)
        assert len(kept) == MOST_LIMITED and "192.0.2.99" not in {each.address for each in kept}
        for number in range(3):
            block_network(connection, "10.9.0.0/16", str(number), OPERATOR, at=early, until=late)
        assert [each.reason for each in load_blocked(connection, early)] == ["2"]
        connection.rollback()
