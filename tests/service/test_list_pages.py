"""Lists read page by page are the whole list, in its order, also if rows go meanwhile."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from support.memory_projects import MemorySite
from support.service import bearer, digest
from support.sign_in_providers import Platform, serve_platform
from support.visitors import OPERATOR, Visitor, close_browsers, open_browser, visit

from anchor.base.system.clock import utc_now
from anchor.service.pages import list_page, operator_page
from anchor.service.pages.language import Reader
from anchor.service.pages.site_chain import SiteChain
from anchor.store.api_keys import create_key
from anchor.store.browser_sessions import Holder, begin_session
from anchor.store.certificates import request_certificate, save_issue
from anchor.store.memberships import ensure_tenant
from anchor.store.tenant_keys import key_id_of

TENANTS = ("acme", "bolt", "crane", "delta", "east")


@pytest.fixture(scope="module")
def platform(grown_copy: MemorySite) -> Iterator[Platform]:
    with serve_platform(grown_copy) as served:
        yield served
    close_browsers()


@pytest.fixture(scope="module")
def owner(platform: Platform) -> Visitor:
    """The owner of a tenant with five of everything."""
    return visit(platform, "Ann", acme="owner")


@pytest.fixture(scope="module")
def addresses(platform: Platform, owner: Visitor) -> dict[str, str]:
    """The address of each list in pages that comes by time or by name, and its member."""
    headers = {"Origin": platform.url, "Anchor-Tenant": "acme"}

    def call(path: str, body: object = None) -> Any:
        answer = owner.http.post(f"/v1{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    case = call("/cases", {"number": "1", "title": "one"})["id"]
    piece = call("/evidence", {"sha256": digest(880_001)})["id"]
    for number in range(5):
        person = visit(platform, f"Bob{number}", acme="reader").id
        call(f"/cases/{case}/members/{person}")
        call("/keys", {"scopes": ["read"]})
        call("/invitations", {"role": "reader"})
        with platform.project.database.write() as connection:
            ensure_tenant(connection, TENANTS[number], OPERATOR, utc_now())
            order = request_certificate(
                connection, "acme", bytes.fromhex(piece), requested_by="x", at=utc_now()
            )
            save_issue(
                connection, order.id, number=f"AC-{number}", issued_at=utc_now(),
                files={"json": b"{}"},
            )  # fmt: skip
    return {
        "/v1/members": "members",
        "/v1/keys": "keys",
        "/v1/invitations": "invitations",
        f"/v1/cases/{case}/members": "members",
        f"/v1/evidence/{piece}/certificates": "certificates",
        "/v1/tenants": "tenants",
        "/v1/operator/tenants": "tenants",
    }


@pytest.fixture(scope="module")
def ask(platform: Platform, owner: Visitor) -> Iterator[httpx.Client]:
    """A program with a key that may read all of it."""
    scopes = ["admin", "manage", "read", "audit"]
    with platform.project.database.write() as connection:
        key = create_key(connection, "acme", scopes, created_at=utc_now())
    with httpx.Client(
        base_url=platform.url, headers=bearer(key), trust_env=False, timeout=60
    ) as http:
        yield http


def follow(ask: httpx.Client, address: str, name: str, limit: int) -> list[list[Any]]:
    """Return the rows of each page, as its ``Link`` leads to the next one."""
    answer = ask.get(address, params={"limit": limit})
    pages = []
    while True:
        assert len(pages) < 100, "the pages do not end"
        assert answer.status_code == 200, answer.text
        document = answer.json()
        pages.append(document[name])
        assert (document["next"] is None) == ("next" not in answer.links)
        if document["next"] is None:
            return pages
        answer = ask.get(answer.links["next"]["url"])


def test_the_pages_of_each_list_are_the_whole_list(
    ask: httpx.Client, addresses: dict[str, str]
) -> None:
    for address, name in addresses.items():
        (whole,) = follow(ask, address, name, 200)
        assert len(whole) >= 5, address
        for limit in (1, 2, 5):
            pages = follow(ask, address, name, limit)
            assert [row for page in pages for row in page] == whole, (address, limit)
            assert {len(page) for page in pages[:-1]} <= {limit}, (address, limit)


def test_a_row_that_went_does_not_end_the_list(
    platform: Platform, owner: Visitor, ask: httpx.Client, addresses: dict[str, str]
) -> None:
    first = ask.get("/v1/members", params={"limit": 2})
    leaver = first.json()["members"][-1]["person"]
    (whole,) = follow(ask, "/v1/members", "members", 200)
    headers = {"Origin": platform.url, "Anchor-Tenant": "acme"}
    removed = owner.http.delete(f"/v1/members/{leaver}", headers=headers)
    assert removed.status_code == 204
    following = ask.get("/v1/members", params={"limit": 200, "after": first.json()["next"]})
    assert following.json()["members"] == whole[2:]


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x"])
def test_a_wrong_limit_is_refused(ask: httpx.Client, addresses: dict[str, str], query: str) -> None:
    for address in addresses:
        assert ask.get(f"{address}?{query}").status_code == 422, address


@pytest.mark.parametrize("after", ["x", "2026-01-01", "2026-01-01T00:00:00Z/", "/1", "a/b/c"])
def test_a_malformed_position_is_refused(
    ask: httpx.Client, addresses: dict[str, str], after: str
) -> None:
    for address in (each for each in addresses if not each.endswith("/tenants")):
        assert ask.get(address, params={"after": after}).status_code == 422, address


# Pages for people: the list, its parameter, what names a row, and the first page's address.
SHOWN = {
    "members": ("after", r'name="person" value="([0-9a-f]+)"', "/tenants/acme"),
    "invitations": ("invitations", r'name="withdraw" value="([0-9a-f]+)"', "/tenants/acme"),
    "keys": ("after", r"<td class=\"keep\"><code>([0-9a-f]+)</code>", "/tenants/acme/keys"),
    "case": ("members", r'name="person" value="([0-9a-f]+)"', "CASE"),
    "others": ("others", r'<option value="([0-9a-f]+)"', "CASE"),
    "certificates": ("after", r'<span class="hash">(AC-[0-9])</span>', "PIECE"),
    "tenants": ("after", r'<tr><td class="keep"><bdi>([^<]+)</bdi>', "/operator"),
}


@pytest.fixture(scope="module")
def whole(platform: Platform, ask: httpx.Client, addresses: dict[str, str]) -> dict[str, list[str]]:
    """The whole lists, as the API has them."""
    for name in ("Cat", "Dan", "Eve"):
        visit(platform, name, acme="reader")

    def read(address: str, name: str, member: str) -> list[str]:
        return [row[member] for row in follow(ask, address, name, 200)[0]]

    case = next(each for each in addresses if "/cases/" in each)
    piece = next(each for each in addresses if "/evidence/" in each)
    members, joined = read("/v1/members", "members", "person"), read(case, "members", "person")
    return {
        "members": members,
        "invitations": read("/v1/invitations", "invitations", "id"),
        "keys": read("/v1/keys", "keys", "id"),
        "case": joined,
        "others": [each for each in members if each not in joined],
        "certificates": read(piece, "certificates", "number"),
        "tenants": read("/v1/operator/tenants", "tenants", "tenant"),
    }


@pytest.fixture(scope="module")
def operator(platform: Platform) -> httpx.Client:
    """The browser of an operator's key."""
    with platform.project.database.write() as connection:
        key = create_key(connection, "ops", ["admin"], created_at=utc_now())
        token = begin_session(connection, Holder(api_key=key_id_of(key)), "Test", utc_now())
    return open_browser(platform, token)


@pytest.mark.parametrize("name", SHOWN)
def test_the_page_of_each_list_leads_through_all_of_it(
    platform: Platform,
    owner: Visitor,
    operator: httpx.Client,
    addresses: dict[str, str],
    whole: dict[str, list[str]],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (list_page, operator_page):
        monkeypatch.setattr(module, "LIST_ROWS", 2)
    parameter, pattern, path = SHOWN[name]
    paths = {"CASE": "/cases/", "PIECE": "/evidence/"}
    if path in paths:
        api = next(each for each in addresses if paths[path] in each)
        path = "/tenants/acme" + api.removeprefix("/v1").rpartition("/")[0]
    http = operator if name == "tenants" else owner.http
    first = f"{path}?lang=zh&kept=1"
    rows, address = [], first
    while address:
        answer = http.get(address)
        assert answer.status_code == 200, answer.text
        assert "lang=zh" in address and "kept=1" in address
        page = re.findall(pattern, answer.text)
        assert 1 <= len(page) <= 2, (address, page)
        rows += page
        links = [html.unescape(each) for each in re.findall('href="([^"#]*)', answer.text)]
        if address != first and name != "others":
            assert first in links
        address = next((each for each in links if re.search(f"&{parameter}=[^&]*$", each)), "")
        assert len(rows) < 100, "the pages do not end"
    assert rows == whole[name]
    assert len(rows) > 2


def test_a_page_of_a_list_that_does_not_exist_is_not_found(owner: Visitor) -> None:
    for query in ("after=x", "invitations=2026", "after=2026-01-01T00:00:00Z/'"):
        assert owner.http.get(f"/tenants/acme?{query}").status_code == 404


def test_a_parameter_with_a_nul_names_no_page() -> None:
    query = (("before", "a\0b"), ("after", "c"))
    site = SiteChain(warning=None, proves_time=True, finality=None)
    reader = Reader(language="en", is_chosen=False, path="/", query=query, site=site)
    assert [reader.asked(name) for name in ("before", "after", "members")] == ["", "c", ""]
