"""Two tenants that have one of everything: nobody of the one meets anything of the other."""

from __future__ import annotations

import itertools
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from support.copies import keeping
from support.furnished_tenants import Tenant, furnish, upload_headers, wait_for
from support.memory_projects import MemorySite
from support.route_places import fill_in, find_places
from support.service import digest
from support.sign_in_providers import Platform, serve_platform
from support.visitors import close_browsers
from support.webhook_receiver import run_receiver

from anchor.project.notification_config import WebhookConfig
from anchor.service import pages
from anchor.service.app import make_app
from anchor.service.settings import CaptureSettings, Settings
from anchor.store.location import SqliteFile

# Whoever has a record or a number may ask about it: of no tenant.
PUBLIC = {"/v1/lookup", "/v1/lookup/{number}", "/v1/notices/{record}"}
# For keys of the operator alone: the matrix of roles shows that all others are refused.
OPERATOR = "/v1/operator/"

_HOOK = {"url": "https://receiver.example/", "events": ["key.created"]}
# A body that is right, so that nothing but the address is refused; `EVIDENCE` stands for an id.
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/v1/certificates/{certificate}/revocation"): {"reason": "crossed"},
    ("PATCH", "/v1/uploads/{upload}"): {},
    ("PUT", "/v1/evidence/{id}/retention"): {"until": "2099-01-01"},
    ("POST", "/v1/evidence/{id}/erasure"): {"basis": "other", "reason": "crossed"},
    ("PATCH", "/v1/cases/{case}"): {"title": "crossed", "state": "closed"},
    ("POST", "/v1/cases/{case}/notes"): {"text": "crossed"},
    ("POST", "/v1/cases/{case}/links"): {"label": "crossed"},
    ("POST", "/v1/cases/{case}/exhibits"): {"evidence": "EVIDENCE"},
    ("PATCH", "/v1/cases/{case}/exhibits/{exhibit}"): {"label": "crossed", "position": 1},
    ("POST", "/v1/members/{person}"): {"role": "owner"},
    ("POST", "/v1/webhooks/{id}"): _HOOK,
}
FORMS: dict[str, dict[str, str]] = {
    "/tenants/{tenant}/leave": {},
    "/tenants/{tenant}/members": {"person": "PERSON", "role": "owner"},
    "/tenants/{tenant}/invitations": {"role": "owner", "withdraw": ""},
    "/tenants/{tenant}/keys": {"scopes": "read", "days": "30"},
    "/tenants/{tenant}/webhooks": {"url": _HOOK["url"], "events": "key.created"},
    "/tenants/{tenant}/webhooks/{id}": {"do": "rotate"},
    "/tenants/{tenant}/evidence/{id}/certificates": {},
    "/tenants/{tenant}/evidence/{id}/erasure": {"basis": "other", "reason": "crossed"},
    "/tenants/{tenant}/evidence/{id}/copy": {"sure-copy": "yes"},
    "/tenants/{tenant}/evidence/{id}/retention": {"until": "2099-01-01"},
    "/tenants/{tenant}/captures": {"url": "https://example.org/", "sure": "yes"},
    "/tenants/{tenant}/cases": {"number": "crossed", "title": "crossed"},
    "/tenants/{tenant}/cases/{case}/edit": {"number": "crossed", "title": "crossed"},
    "/tenants/{tenant}/cases/{case}/state": {"action": "close"},
    "/tenants/{tenant}/cases/{case}/notes": {"text": "crossed"},
    "/tenants/{tenant}/cases/{case}/members": {"person": "PERSON"},
    "/tenants/{tenant}/cases/{case}/links": {"recipient": "crossed", "days": "14"},
    "/tenants/{tenant}/cases/{case}/exhibits": {"evidence": "EVIDENCE"},
    "/tenants/{tenant}/cases/{case}/exhibits/{exhibit}": {"label": "crossed"},
}
# Tables that the service itself writes meanwhile; of the jobs it is compared which there are.
RESTLESS = {"lease", "sessions", "usage", "jobs"}


@pytest.fixture(scope="module")
def world(
    grown_copy: MemorySite,
) -> Iterator[tuple[Platform, Tenant, Tenant]]:
    folder = grown_copy.config.folder
    site = grown_copy.configure(webhooks=WebhookConfig(allow_private=True), keeping=keeping(folder))
    # So many refusals from one address would be limited.
    spool = folder.parent / "spool"
    spool.mkdir()
    settings = Settings(
        anonymous_burst=100_000, refused_burst=100_000, captures=CaptureSettings(folder=spool)
    )
    with serve_platform(site, settings=settings) as served, run_receiver() as receiver:
        alpha = furnish(served, "alpha", 71_001, receiver)
        beta = furnish(served, "beta", 71_002, receiver)
        wait_for(lambda: [not (rows := dump(served))["jobs"] and not rows["announcements"]])
        yield served, alpha, beta
    close_browsers()


def list_routes() -> list[tuple[str, str]]:
    """Return method and path of each route of a tenant."""
    found = {
        (method.upper(), path)
        for path, operations in make_app().openapi()["paths"].items()
        for method in operations
        if method != "options"
        and path.startswith("/v1/")
        and path not in PUBLIC
        and not path.startswith(OPERATOR)
    }

    def walk(routes: Iterable[object]) -> None:
        for route in routes:
            if isinstance(route, APIRoute) and route.path.startswith("/tenants/"):
                found.update((method, route.path) for method in route.methods)
            elif inner := getattr(route, "original_router", None):
                walk(inner.routes)

    walk(pages.router.routes)
    return sorted(found)


def cross(path: str, own: Tenant, other: Tenant) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each address in which one place or more are another tenant's, and whose they are."""
    places = find_places(path)
    for owners in itertools.product((own, other), repeat=len(places)):
        if other in owners:
            values = {
                name: owner.ids[kind]
                for (name, kind), owner in zip(places.items(), owners, strict=True)
            }
            yield fill_in(path, values), values


def dump(platform: Platform) -> dict[str, list[Any]]:
    location = platform.project.config.store
    assert isinstance(location, SqliteFile)
    with closing(sqlite3.connect(location.path)) as store:
        tables = store.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        rows = {
            name: sorted(store.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
            for (name,) in tables
            if name not in RESTLESS and not name.startswith("sqlite_")
        }
        # The jobs about an upload and a capture stay until these end.
        jobs = "SELECT id FROM jobs WHERE kind NOT IN ('copy', 'capture') ORDER BY id"
        rows["jobs"] = store.execute(jobs).fetchall()
    return rows


def test_each_body_of_a_route_is_there() -> None:
    routes = list_routes()
    document = make_app().openapi()["paths"]
    needed = {
        (method, path)
        for method, path in routes
        if path.startswith("/v1/")
        and "{" in path
        and "requestBody" in document[path][method.lower()]
    }
    assert needed == set(BODIES)
    assert {path for method, path in routes if (method, path[:3]) == ("POST", "/te")} == set(FORMS)


def ask(
    http: httpx.Client, method: str, path: str, address: str, headers: dict[str, str],
    ids: dict[str, str],
) -> httpx.Response:  # fmt: skip
    """Send a request whose body names what belongs to ``ids``."""
    if method == "GET":
        return http.get(address, headers=headers)
    if path.startswith("/v1/uploads"):
        headers = headers | upload_headers(ids["evidence"])
        return http.request(method, address, headers=headers, content=b"xxxxx")
    is_page = path.startswith("/tenants/")
    given = FORMS[path] if is_page else BODIES.get((method, path))
    text = json.dumps(given).replace("EVIDENCE", ids["evidence"]).replace("PERSON", ids["person"])
    if is_page:
        headers = headers | {"Content-Type": "application/x-www-form-urlencoded"}
        return http.request(method, address, headers=headers, data=json.loads(text))
    body = {} if given is None else {"json": json.loads(text)}
    return http.request(method, address, headers=headers, **body)


@dataclass
class Crossing:
    """Somebody of one tenant, who asks for what is another one's."""

    own: Tenant
    other: Tenant
    role: str
    http: httpx.Client
    headers: dict[str, str]
    asked: int = 0
    wrong: list[str] = field(default_factory=list)

    def go(self, method: str, path: str) -> None:
        """Ask a route in every way that crosses the tenants' border."""
        is_page = path.startswith("/tenants/")
        if is_page and self.role == "key":
            return
        may_all = self.role in ("owner", "key")
        # A role that may not do this in its own tenant is told so, whatever it names.
        permitted = {404} if may_all else {404, 403}
        for address, values in cross(path, self.own, self.other):
            answer = self.note(method, path, address, self.headers, permitted)
            if self.role == "owner":  # the same is said where an id of nobody stands instead
                places = find_places(path)
                nobody = {
                    name: hide(value) if value == self.other.ids[places[name]] else value
                    for name, value in values.items()
                }
                ids = {kind: hide(id) for kind, id in self.other.ids.items()}
                instead = ask(self.http, method, path, fill_in(path, nobody), self.headers, ids)
                if instead.status_code != answer.status_code:
                    self.wrong.append(f"{method} {address} is not {instead.status_code}")
        if not is_page:  # the other tenant by its name, with its own ids
            values = {name: self.other.ids[kind] for name, kind in find_places(path).items()}
            headers = self.headers | {"Anchor-Tenant": self.other.name}
            self.note(method, path, fill_in(path, values), headers, {404})

    def note(
        self, method: str, path: str, address: str, headers: dict[str, str], permitted: set[int]
    ) -> httpx.Response:
        answer = ask(self.http, method, path, address, headers, self.other.ids)
        self.asked += 1
        if answer.status_code not in permitted or self.other.secret in answer.text:
            self.wrong.append(f"{self.role}: {method} {address} {answer.status_code}")
        return answer


def hide(id: str) -> str:
    """Return an id that looks alike and that nobody has."""
    return f"msg_{'0' * 32}" if id.startswith("msg_") else re.sub(r"[0-9a-z]", "0", id)


def test_whatever_is_anothers_is_answered_like_what_does_not_exist(
    world: tuple[Platform, Tenant, Tenant],
) -> None:
    platform, alpha, beta = world
    before = dump(platform)
    crossings = []
    with httpx.Client(base_url=platform.url, timeout=30, trust_env=False) as program:
        for own, other in ((alpha, beta), (beta, alpha)):
            named = {"Origin": platform.url, "Anchor-Tenant": own.name}
            crossings += [
                Crossing(own, other, role, person.http, named)
                for role, person in own.people.items()
            ]
            key = {"Authorization": f"Bearer {own.key}"}
            crossings.append(Crossing(own, other, "key", program, key))
        for crossing, (method, path) in itertools.product(crossings, list_routes()):
            crossing.go(method, path)
    wrong = [line for crossing in crossings for line in crossing.wrong]
    assert not wrong, (len(wrong), *wrong[:40])
    assert sum(crossing.asked for crossing in crossings) >= 500
    after = dump(platform)
    assert {name for name in before if before[name] != after[name]} == set()


def test_an_id_of_anothers_in_a_body_or_a_query_finds_nothing(
    world: tuple[Platform, Tenant, Tenant],
) -> None:
    platform, alpha, beta = world
    before = dump(platform)
    ids, own = beta.ids, alpha.people["owner"].http
    headers = {"Origin": platform.url, "Anchor-Tenant": "alpha"}
    case = f"/v1/cases/{alpha.ids['case']}"
    foreign = own.post("/v1/uploads", headers=headers | upload_headers(ids["evidence"]))
    assert foreign.status_code == 404
    number = beta.call("GET", f"/v1/evidence/{ids['evidence']}")["number"]
    for named in (ids["evidence"], number, digest(71_002)):
        answer = own.post(f"{case}/exhibits", json={"evidence": named}, headers=headers)
        nobody = own.post(f"{case}/exhibits", json={"evidence": "0" * 64}, headers=headers)
        assert answer.status_code == nobody.status_code and answer.status_code in (404, 422)
        page = own.post(
            f"/tenants/alpha/cases/{alpha.ids['case']}/exhibits", data={"evidence": named},
            headers={"Origin": platform.url},
        )  # fmt: skip
        assert 400 <= page.status_code < 500 and beta.secret not in page.text
    for path, name in (("members", "person"), (f"cases/{alpha.ids['case']}/members", "person")):
        page = own.post(
            f"/tenants/alpha/{path}", data={name: ids["person"], "role": "owner"},
            headers={"Origin": platform.url},
        )  # fmt: skip
        assert 400 <= page.status_code < 500 and beta.secret not in page.text
    cursors = [*ids.values(), number, digest(71_002), beta.secret, f"AC-{beta.secret}"]
    document = make_app().openapi()["paths"]
    for path, operations in document.items():
        if path in PUBLIC or "get" not in operations or not path.startswith("/v1/"):
            continue
        if path.startswith(OPERATOR):
            continue
        address = fill_in(path, {n: alpha.ids[k] for n, k in find_places(path).items()})
        for one in operations["get"].get("parameters", ()):
            if one["in"] != "query" or one["name"] in ("wait", "until", "state", "limit"):
                continue
            for cursor in cursors:
                query = {"q": "x"} | {one["name"]: cursor} if path == "/v1/search" else {
                    one["name"]: cursor}  # fmt: skip
                answer = own.get(address, params=query, headers=headers)
                assert answer.status_code < 500, (path, query, answer.text)
                shown = answer.text.replace(cursor, "")
                assert not any(id in shown for id in ids.values() if len(id) > 8), (path, query)
                assert beta.secret not in shown, (path, query)
    after = dump(platform)
    assert {name for name in before if before[name] != after[name]} == set()
