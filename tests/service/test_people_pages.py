"""The pages for people: account, invitations, members, keys and the audit trail."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import Connection
from support.chinese_text import what_is_english
from support.memory_projects import MemorySite
from support.nodes import wait_until
from support.service import digest
from support.sign_in_providers import Platform, serve_platform
from support.visitors import (
    OPERATOR,
    Visitor,
    close_browsers,
    invite,
    open_browser,
    visit,
)

from anchor.base.system.clock import utc_now
from anchor.people.actors import Actor
from anchor.people.roles import ROLES, Permission, Role, permissions_of_role
from anchor.service.app import make_app
from anchor.service.pages import (
    capture_page,
    case_link_page,
    case_list_page,
    case_page,
    events_page,
    evidence_list_page,
    exhibit_page,
    key_page,
    piece_page,
    search_page,
    submit_page,
    tenant_page,
    webhook_page,
)
from anchor.service.routes import metrics
from anchor.store.api_keys import find_key, load_keys
from anchor.store.browser_sessions import Holder, begin_session, end_sessions
from anchor.store.invitations import load_invitations
from anchor.store.memberships import (
    change_role,
    load_memberships,
)
from anchor.store.tenant_events import load_events
from anchor.store.tenant_keys import issue_key

EVIL = "<script>alert(1)</script>{{7133*7001}}\u202e"


@pytest.fixture(scope="module")
def platform(grown_copy: MemorySite) -> Iterator[Platform]:
    with serve_platform(grown_copy, open_sign_up=True) as served:
        yield served
    close_browsers()


def actions(platform: Platform, tenant: str) -> list[str]:
    with platform.project.database.read() as connection:
        return [event.action for event in load_events(connection, tenant, 100)][::-1]


# Who may do what: one table over every route of a tenant.

ROUTES: list[tuple[str, str, Permission | None, dict[str, str]]] = [
    ("GET", "/tenants/TENANT", None, {}),
    ("POST", "/tenants/TENANT/members", "manage", {"person": "none", "role": "reader"}),
    ("POST", "/tenants/TENANT/invitations", "manage", {"role": "reader"}),
    ("GET", f"/tenants/TENANT/evidence/{'0' * 64}", "read", {}),
    ("POST", f"/tenants/TENANT/evidence/{'0' * 64}/certificates", "submit", {}),
    ("POST", f"/tenants/TENANT/evidence/{'0' * 64}/erasure", "manage", {}),
    ("POST", f"/tenants/TENANT/evidence/{'0' * 64}/retention", "manage", {}),
    ("GET", "/tenants/TENANT/submit", "submit", {}),
    ("GET", "/tenants/TENANT/keys", "manage", {}),
    ("POST", "/tenants/TENANT/keys", "manage", {"scopes": "read"}),
    ("GET", "/tenants/TENANT/events", "audit", {}),
    ("GET", "/tenants/TENANT/evidence", "read", {}),
    ("GET", f"/tenants/TENANT/evidence/{'0' * 64}/receipt", "read", {}),
    ("GET", f"/tenants/TENANT/evidence/{'0' * 64}/package", "read", {}),
    ("GET", f"/tenants/TENANT/certificates/{'0' * 32}/pdf", "read", {}),
    ("GET", "/v1/evidence", "read", {}),
    ("GET", "/tenants/TENANT/search", "read", {}),
    ("GET", "/tenants/TENANT/cases", "status", {}),
    ("POST", "/tenants/TENANT/cases", "submit", {"number": ""}),
    ("GET", "/tenants/TENANT/cases/new", "submit", {}),
    ("GET", "/tenants/TENANT/cases/none", "status", {}),
    ("GET", "/tenants/TENANT/cases/none/edit", "submit", {}),
    ("POST", "/tenants/TENANT/cases/none/edit", "submit", {"number": ""}),
    ("POST", "/tenants/TENANT/cases/none/state", "submit", {"action": "close"}),
    ("POST", "/tenants/TENANT/cases/none/notes", "submit", {"text": "x"}),
    ("POST", "/tenants/TENANT/cases/none/members", "manage", {"person": "none"}),
    ("POST", "/tenants/TENANT/cases/none/links", "manage", {"recipient": "x"}),
    ("POST", "/tenants/TENANT/cases/none/exhibits", "submit", {"evidence": "x"}),
    ("GET", "/tenants/TENANT/cases/none/exhibits/none", "submit", {}),
    ("POST", "/tenants/TENANT/cases/none/exhibits/none", "submit", {"label": ""}),
    ("POST", "/v1/evidence", "submit", {}),
    ("POST", "/v1/bulk", "submit", {}),
    ("GET", f"/v1/evidence/{'0' * 64}", "status", {}),
    ("GET", f"/v1/evidence/{'0' * 64}/events", "status", {}),
    ("GET", f"/v1/evidence/{'0' * 64}/receipt", "read", {}),
    ("POST", f"/v1/evidence/{'0' * 64}/certificates", "submit", {}),
    ("POST", f"/v1/evidence/{'0' * 64}/erasure", "manage", {}),
    ("PUT", f"/v1/evidence/{'0' * 64}/retention", "manage", {}),
    ("DELETE", f"/v1/evidence/{'0' * 64}/retention", "manage", {}),
    ("GET", f"/v1/evidence/{'0' * 64}/certificates", "read", {}),
    ("GET", f"/v1/certificates/{'0' * 32}", "read", {}),
    ("GET", f"/v1/certificates/{'0' * 32}/files/pdf", "read", {}),
    ("POST", f"/v1/certificates/{'0' * 32}/revocation", "submit", {}),
    ("GET", "/v1/captures", "read", {}),
    ("POST", "/v1/captures", "submit", {}),
    ("GET", f"/v1/captures/{'0' * 32}", "read", {}),
    ("GET", "/tenants/TENANT/captures", "read", {}),
    ("POST", "/tenants/TENANT/captures", "submit", {}),
    ("GET", f"/tenants/TENANT/evidence/{'0' * 64}/picture", "read", {}),
    ("GET", "/v1/search?q=x", "read", {}),
    ("GET", "/v1/cases", "status", {}),
    ("POST", "/v1/cases", "submit", {}),
    ("GET", "/v1/cases/none", "status", {}),
    ("PATCH", "/v1/cases/none", "submit", {}),
    ("GET", "/v1/cases/none/package", "read", {}),
    ("GET", f"/v1/evidence/{'0' * 64}/package", "read", {}),
    ("GET", "/tenants/TENANT/cases/none/package", "read", {}),
    ("GET", "/v1/cases/none/notes", "status", {}),
    ("POST", "/v1/cases/none/notes", "submit", {}),
    ("GET", "/v1/cases/none/members", "status", {}),
    ("POST", "/v1/cases/none/members/none", "manage", {}),
    ("DELETE", "/v1/cases/none/members/none", "manage", {}),
    ("GET", "/v1/cases/none/links", "manage", {}),
    ("POST", "/v1/cases/none/links", "manage", {}),
    ("DELETE", "/v1/cases/none/links/none", "manage", {}),
    ("GET", "/v1/cases/none/exhibits", "status", {}),
    ("POST", "/v1/cases/none/exhibits", "submit", {}),
    ("PATCH", "/v1/cases/none/exhibits/none", "submit", {}),
    ("DELETE", "/v1/cases/none/exhibits/none", "submit", {}),
    ("POST", "/v1/uploads", "submit", {}),
    ("HEAD", f"/v1/uploads/{'0' * 32}", "submit", {}),
    ("PATCH", f"/v1/uploads/{'0' * 32}", "submit", {}),
    ("DELETE", f"/v1/uploads/{'0' * 32}", "submit", {}),
    ("GET", f"/v1/evidence/{'0' * 64}/copy", "read", {}),
    ("DELETE", f"/v1/evidence/{'0' * 64}/copy", "manage", {}),
    ("GET", f"/tenants/TENANT/evidence/{'0' * 64}/copy", "read", {}),
    ("POST", f"/tenants/TENANT/evidence/{'0' * 64}/copy", "manage", {}),
    ("GET", "/v1/heads", "read", {}),
    ("GET", "/v1/usage", "read", {}),
    ("GET", "/v1/tenants", "admin", {}),
    ("GET", "/v1/operator/tenants", "admin", {}),
    ("PUT", "/v1/operator/tenants/TENANT/quota", "admin", {}),
    ("PUT", "/v1/operator/tenants/TENANT/suspension", "admin", {}),
    ("DELETE", "/v1/operator/tenants/TENANT/suspension", "admin", {}),
    ("GET", "/v1/operator/jobs", "admin", {}),
    ("POST", "/v1/operator/jobs/1", "admin", {}),
    ("GET", "/v1/operator/outbox", "admin", {}),
    ("POST", "/v1/operator/outbox/none", "admin", {}),
    ("DELETE", "/v1/operator/outbox/none", "admin", {}),
    ("GET", "/v1/operator/storage", "admin", {}),
    ("GET", "/v1/operator/addresses", "admin", {}),
    ("POST", "/v1/operator/blocks", "admin", {}),
    ("DELETE", "/v1/operator/blocks/none", "admin", {}),
    ("GET", "/metrics", "admin", {}),
    ("GET", "/v1/members", "audit", {}),
    ("POST", "/v1/members/none", "manage", {}),
    ("DELETE", "/v1/members/none", "manage", {}),
    ("GET", "/v1/invitations", "manage", {}),
    ("POST", "/v1/invitations", "manage", {}),
    ("DELETE", "/v1/invitations/none", "manage", {}),
    ("GET", "/v1/keys", "manage", {}),
    ("POST", "/v1/keys", "manage", {}),
    ("DELETE", "/v1/keys/000000000000", "manage", {}),
    ("GET", "/tenants/TENANT/webhooks", "manage", {}),
    ("POST", "/tenants/TENANT/webhooks", "manage", {"url": "none"}),
    ("GET", f"/tenants/TENANT/webhooks/{'0' * 16}", "manage", {}),
    ("POST", f"/tenants/TENANT/webhooks/{'0' * 16}", "manage", {"do": "rotate"}),
    ("GET", "/v1/webhooks", "manage", {}),
    ("POST", "/v1/webhooks", "manage", {}),
    ("GET", "/v1/webhooks/none", "manage", {}),
    ("POST", "/v1/webhooks/none", "manage", {}),
    ("DELETE", "/v1/webhooks/none", "manage", {}),
    ("POST", "/v1/webhooks/none/secret", "manage", {}),
    ("GET", "/v1/webhooks/none/deliveries", "manage", {}),
    ("POST", "/v1/webhooks/none/deliveries/none", "manage", {}),
    ("GET", "/v1/final-evidence", "read", {}),
    ("GET", "/v1/audit-trail", "audit", {}),
    ("GET", "/v1/audit-trail/2020-01-01", "audit", {}),
]
# For everybody: what has a number, the notices about a record, and the protocol of uploads.
PUBLIC = {
    ("GET", "/v1/lookup/*"),
    ("POST", "/v1/lookup"),
    ("GET", "/v1/notices/*"),
    ("OPTIONS", "/v1/uploads"),
}


def test_the_table_names_every_route_of_a_tenant() -> None:
    def spell(path: str) -> str:
        path = re.sub(r"\{tenant\}", "TENANT", path)
        return re.sub(r"\{[^}]*\}", "*", path)

    parts = (
        case_list_page,
        case_page,
        case_link_page,
        exhibit_page,
        tenant_page,
        key_page,
        events_page,
    )
    more = (capture_page, evidence_list_page, piece_page, submit_page, search_page, webhook_page)
    pages = [part.router for part in (*parts, *more)]
    served = {
        (method, spell(route.path))
        for router in (*pages, metrics.router)
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    for path, operations in make_app().openapi()["paths"].items():
        if path.startswith("/v1/"):
            served |= {(method.upper(), spell(path)) for method in operations}
    place = r"/(none|1|0{12}|0{16}|0{32}|0{64}|2020-01-01|pdf)(?=/|$)"
    named = {(method, re.sub(place, "/*", path.partition("?")[0]))
             for method, path, _, _ in ROUTES}  # fmt: skip
    others = {("POST", "/tenants/TENANT/leave"), ("GET", "/submit"), *PUBLIC}
    assert served - others == named


@pytest.fixture(scope="module")
def visitors(platform: Platform) -> dict[Role, Visitor]:
    """One person in each role of a tenant."""
    return {role: visit(platform, role, acme=role) for role in ROLES}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("method", "path", "permission", "data"), ROUTES, ids=[f"{m} {p}" for m, p, _, _ in ROUTES]
)
def test_a_role_permits_what_the_table_says_and_nothing_else(
    visitors: dict[Role, Visitor], platform: Platform, role: Role,
    method: str, path: str, permission: Permission | None, data: dict[str, str],
) -> None:  # fmt: skip
    visitor = visitors[role]
    is_page = path.startswith("/tenants")
    body: dict[str, Any] = {"data": data} if is_page or method == "GET" else {"json": {}}
    if path == "/v1/bulk":
        body = {"content": b"", "headers": {"Content-Type": "application/x-ndjson"}}
    headers = {"Origin": platform.url} | body.pop("headers", {})
    if method == "GET":
        body = {}
    address = path.replace("TENANT", "acme")
    answer = visitor.http.request(method, address, headers=headers, **body)
    permitted = permission is None or permission in permissions_of_role(role)
    assert (answer.status_code != 403) == permitted, (answer.status_code, answer.text[:300])
    assert answer.status_code not in (401, 500, 503)
    # The same in a tenant that the person does not belong to is as in one that does not exist.
    for tenant in ("other", "nothing"):
        other = visitor.http.request(
            method,
            path.replace("TENANT", tenant),
            headers=headers | ({} if is_page else {"Anchor-Tenant": tenant}),
            **body,
        )
        assert other.status_code == 404, other.text[:300]
        assert tenant not in other.text.replace(f"/tenants/{tenant}", "")


@pytest.mark.parametrize(
    ("method", "path", "permission", "data"), ROUTES, ids=[f"{m} {p}" for m, p, _, _ in ROUTES]
)
def test_nobody_is_let_in_without_a_session_or_from_another_site(
    visitors: dict[Role, Visitor], platform: Platform,
    method: str, path: str, permission: Permission | None, data: dict[str, str],
) -> None:  # fmt: skip
    assert permission or not data
    address = path.replace("TENANT", "acme")
    body: dict[str, Any] = {} if method == "GET" else {"data": data}
    with platform.browser() as stranger:
        headers = {"Origin": platform.url}
        answer = stranger.request(method, address, headers=headers, **body)
        assert answer.status_code in (401, 303), answer.text[:300]
        if answer.status_code == 303:
            assert answer.headers["Location"].startswith("/login")
    owner = visitors["owner"].http
    before = len(actions(platform, "acme"))
    for lie in ({"Origin": "https://evil.example"}, {"Origin": "null"},
                {"Origin": platform.url, "Sec-Fetch-Site": "cross-site"}):  # fmt: skip
        if method in ("GET", "HEAD") and (
            path.startswith("/tenants") or "Sec-Fetch-Site" not in lie
        ):
            continue
        answer = owner.request(method, address, headers=lie, **body)
        assert answer.status_code in (403, 415), answer.text[:300]
    assert len(actions(platform, "acme")) == before


def test_a_session_submits_and_reads_through_the_api_of_its_own_site(platform: Platform) -> None:
    visitor = visit(platform, alpha="member", beta="reader")
    headers = {"Origin": platform.url}
    body = {"sha256": digest(1), "name": "a.pdf"}
    assert visitor.http.post("/v1/evidence", json=body, headers=headers).status_code == 400
    headers["Anchor-Tenant"] = "beta"
    assert visitor.http.post("/v1/evidence", json=body, headers=headers).status_code == 403
    headers["Anchor-Tenant"] = "alpha"
    assert visitor.http.post(
        "/v1/evidence", json=body, headers={"Anchor-Tenant": "alpha"}
    ).status_code == 403, "no Origin"  # fmt: skip
    answer = visitor.http.post("/v1/evidence", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    id = answer.json()["id"]
    for tenant, status in (("alpha", 200), ("beta", 404), ("gamma", 404)):
        answer = visitor.http.get(f"/v1/evidence/{id}", headers={"Anchor-Tenant": tenant})
        assert answer.status_code == status


def test_a_key_is_of_one_tenant(platform: Platform) -> None:
    with platform.project.database.write() as connection:
        key = issue_key(connection, "alpha", ["read"], OPERATOR, at=utc_now(), expires_at=None)
    with platform.browser(Authorization=f"Bearer {key}") as program:
        for tenant, status in (("alpha", 200), ("beta", 404)):
            answer = program.get("/v1/usage", headers={"Anchor-Tenant": tenant})
            assert answer.status_code == status


# Submitting.


def test_the_page_for_submitting_is_that_of_the_tenant_for_which_one_may(
    platform: Platform,
) -> None:
    with platform.browser() as stranger:
        assert stranger.get("/submit").headers["Location"] == "/login?next=%2Fsubmit"
    one = visit(platform, alpha="member", beta="reader")
    assert one.http.get("/submit").headers["Location"] == "/tenants/alpha/submit"
    assert one.http.get("/submit?lang=zh").headers["Location"] == "/tenants/alpha/submit?lang=zh"
    several = visit(platform, alpha="member", beta="owner", gamma="auditor")
    page = several.http.get("/submit")
    assert re.findall('href="/tenants/([a-z]+)/submit"', page.text) == ["alpha", "beta"]
    none = visit(platform, alpha="reader").http.get("/submit")
    assert none.status_code == 403 and "none of your roles" in none.text


def test_the_page_for_submitting_may_run_its_own_script_and_ask_its_own_site(
    platform: Platform,
) -> None:
    page = visit(platform, alpha="member").http.get("/tenants/alpha/submit")
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy and "connect-src 'self';" in policy
    assert "unsafe" not in policy and "require-trusted-types-for 'script'" in policy
    (path,) = re.findall('<script defer src="(/submit-[0-9a-f]{16}[.]js)"></script>', page.text)
    assert page.text.count("<script") == 1 and "<style" not in page.text
    with platform.browser() as anybody:
        script = anybody.get(path)
        assert script.headers["Content-Type"].startswith("text/javascript")
        assert script.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert script.headers["Content-Security-Policy"] == (
            "default-src 'none'; script-src 'wasm-unsafe-eval'; frame-ancestors 'none'"
        )
        assert anybody.get("/submit-0123456789abcdef.js").status_code == 404
        (style,) = re.findall('href="(/pages-[0-9a-f]{16}[.]css)"', page.text)
        size = len(page.content) + len(script.content) + len(anybody.get(style).content)
    assert size <= 100_000


# Account and sessions.


def test_the_account_says_who_is_signed_in_and_shows_no_markup_of_theirs(
    platform: Platform,
) -> None:
    visitor = visit(platform, EVIL + "x" * 50)
    page = visitor.http.get("/account")
    assert page.status_code == 200 and "<script>" not in page.text
    assert "49940133" not in page.text and "&lt;script&gt;" in page.text
    assert "You belong to no tenant yet" in page.text and "Create a tenant" in page.text


def test_without_a_tenant_one_of_ones_own_is_made_once(platform: Platform) -> None:
    visitor = visit(platform)
    answer = visitor.post("/account/tenants")
    assert answer.status_code == 303 and re.fullmatch(
        r"/tenants/t-[0-9a-f]{12}", answer.headers["Location"]
    )
    page = visitor.http.get(answer.headers["Location"])
    assert page.status_code == 200 and "Your role: owner" in page.text
    again = visitor.post("/account/tenants")
    assert again.status_code == 409 and "you belong to a tenant already" in again.text
    with platform.project.database.read() as connection:
        assert len(load_memberships(connection, visitor.id)) == 1


def test_where_sign_up_is_closed_nobody_makes_a_tenant(
    grown_copy: MemorySite,
) -> None:
    with serve_platform(grown_copy) as served:
        visitor = visit(served)
        assert "Create a tenant" not in visitor.http.get("/account").text
        assert visitor.post("/account/tenants").status_code == 403
        with served.project.database.read() as connection:
            assert load_memberships(connection, visitor.id) == []


def test_one_session_or_all_of_them_are_ended_and_nobody_elses(platform: Platform) -> None:
    visitor, other = visit(platform), visit(platform)
    at = utc_now()
    with platform.project.database.write() as connection:
        token = begin_session(connection, Holder(person=visitor.id), EVIL, at)
    second = open_browser(platform, token)
    page = visitor.http.get("/account").text
    assert "<script>" not in page
    ids = re.findall(r'name="session" value="([0-9a-f]{16})"', page)
    assert len(ids) == 2
    theirs = re.findall(r'name="session" value="([^"]*)"', other.http.get("/account").text)
    visitor.post("/account/sessions", {"session": theirs[0]})
    assert other.http.get("/account").status_code == 200
    visitor.post("/account/sessions", {"session": ids[0]})
    states = [client.get("/account").status_code for client in (visitor.http, second)]
    assert sorted(states) == [200, 303]
    left = visitor if states[0] == 200 else replace(visitor, http=second)
    answer = left.post("/account/sessions")
    assert answer.headers["Location"] == "/login"
    assert [client.get("/account").status_code for client in (visitor.http, second)] == [303, 303]
    assert other.http.get("/account").status_code == 200


def test_the_way_back_after_a_sign_in_is_the_page_asked_for(platform: Platform) -> None:
    with platform.browser() as stranger:
        answer = stranger.get("/tenants/acme/events?before=7")
        assert answer.headers["Location"] == "/login?next=%2Ftenants%2Facme%2Fevents%3Fbefore%3D7"


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nosuch", 404), ("PUT", "/login", 405)]
)
def test_a_browser_that_asks_for_no_page_gets_one_with_a_way_back(
    platform: Platform, method: str, path: str, status: int
) -> None:
    with platform.browser() as stranger:
        page = stranger.request(method, path, headers={"Accept": "text/html,*/*;q=0.8"})
        assert page.status_code == status
        assert page.headers["Content-Type"].startswith("text/html")
        assert 'role="alert"' in page.text and "<nav" in page.text
        for accepted, asked in (("*/*", path), ("text/html", "/v1/nosuch")):
            answer = stranger.request(method, asked, headers={"Accept": accepted})
            assert answer.headers["Content-Type"] == "application/problem+json"


# Invitations.


def test_an_invitation_is_accepted_once_and_its_token_is_not_logged(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    token = invite(platform, "guild", "auditor")
    with platform.browser() as stranger:
        page = stranger.get("/join", params={"token": token})
        assert page.status_code == 200 and "as auditor" in page.text
    first, second = visit(platform), visit(platform)
    page = first.http.get("/join", params={"token": token})
    assert "You are signed in as" in page.text
    answer = first.post("/join", {"token": token})
    assert answer.headers["Location"] == "/tenants/guild"
    assert second.post("/join", {"token": token}).status_code == 404
    assert second.http.get("/join", params={"token": token}).status_code == 404
    with platform.project.database.read() as connection:
        assert load_memberships(connection, second.id) == []
        assert [each.role for each in load_memberships(connection, first.id)] == ["auditor"]
    own = [record for record in caplog.records if record.name.startswith("anchor")]
    assert len(own) > 4 and not any(token in record.getMessage() for record in own)


def test_of_two_people_who_accept_at_the_same_moment_one_joins(platform: Platform) -> None:
    for _ in range(3):
        token = invite(platform, "race")
        people = [visit(platform), visit(platform)]
        barrier = threading.Barrier(2)
        answers: list[int] = []

        def accept(
            person: Visitor, token: str = token, barrier: threading.Barrier = barrier,
            answers: list[int] = answers,
        ) -> None:  # fmt: skip
            barrier.wait()
            answers.append(person.post("/join", {"token": token}).status_code)

        threads = [threading.Thread(target=accept, args=(person,)) for person in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [303, 404]


@pytest.mark.parametrize(
    "token",
    ["", "0" * 64, "é", "x" * 5_000, "0" * 63 + "\n"],
    ids=["none", "unknown", "no ASCII", "long", "a line"],
)
def test_a_link_that_is_none_is_a_page(platform: Platform, token: str) -> None:
    visitor = visit(platform)
    for answer in (
        visitor.http.get("/join", params={"token": token}),
        visitor.post("/join", {"token": token}),
    ):
        assert answer.status_code == 404 and 'role="alert"' in answer.text


def test_an_owner_invites_with_what_was_typed_kept_and_each_error_beside_its_field(
    platform: Platform,
) -> None:
    owner = visit(platform, shop="owner")
    typed = {"role": "king", "email": EVIL, "days": "0"}
    answer = owner.post("/tenants/shop/invitations", typed)
    assert answer.status_code == 422 and "there is no role" in answer.text
    typed["role"] = "auditor"
    answer = owner.post("/tenants/shop/invitations", typed)
    assert answer.status_code == 422 and "<script>" not in answer.text
    assert 'id="email-error"' in answer.text and 'id="days-error"' in answer.text
    assert '<option value="auditor" selected>' in answer.text and 'value="0"' in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text
    for days in ("", "-1", "1.5", "91", "1e1", "٣", "9" * 40):
        answer = owner.post("/tenants/shop/invitations", {"role": "reader", "days": days})
        assert answer.status_code == 422, days
    answer = owner.post(
        "/tenants/shop/invitations", {"role": "reader", "email": "B@x.org", "days": "90"}
    )
    (link,) = re.findall(r'value="(http[^"]*/join\?token=[0-9a-f]{64})"', answer.text)
    assert link.startswith(platform.url)
    page = owner.http.get("/tenants/shop").text
    assert link not in page and "b@x.org" in page
    (id,) = re.findall(r'name="withdraw" value="([0-9a-f]+)"', page)
    stranger = visit(platform, other="owner")
    assert stranger.post("/tenants/other/invitations", {"withdraw": id}).status_code == 404
    assert owner.post("/tenants/shop/invitations", {"withdraw": id}).status_code == 303
    assert visit(platform).http.get(link).status_code == 404
    with platform.project.database.read() as connection:
        assert load_invitations(connection, "shop", utc_now()) == []
    assert actions(platform, "shop")[-2:] == ["invitation-made", "invitation-withdrawn"]


# Members.


def test_roles_are_changed_at_once_and_the_last_owner_stays(platform: Platform) -> None:
    owner, member = visit(platform, firm="owner"), visit(platform, firm="member")
    path = "/tenants/firm/members"
    for role in ("reader", "remove"):
        answer = owner.post(path, {"person": owner.id, "role": role})
        assert answer.status_code == 422 and "only owner" in answer.text
    assert owner.post("/tenants/firm/leave").status_code == 422
    assert member.http.get("/tenants/firm/events").status_code == 403
    assert owner.post(path, {"person": member.id, "role": "auditor"}).status_code == 303
    assert member.http.get("/tenants/firm/events").status_code == 200
    assert owner.post(path, {"person": member.id, "role": "remove"}).status_code == 303
    assert member.http.get("/tenants/firm/events").status_code == 404
    assert member.http.get("/tenants/firm").status_code == 404
    assert owner.post(path, {"person": member.id, "role": "reader"}).status_code == 404
    assert owner.post(path, {"person": owner.id, "role": "queen"}).status_code == 422
    assert actions(platform, "firm")[-2:] == ["role-changed", "member-removed"]


def test_a_member_leaves(platform: Platform) -> None:
    visit(platform, firm2="owner")
    member = visit(platform, firm2="reader")
    assert member.post("/tenants/firm2/leave").headers["Location"] == "/account"
    assert member.http.get("/tenants/firm2").status_code == 404
    assert actions(platform, "firm2")[-1] == "member-left"


# Keys.


def test_a_key_is_shown_once_and_revoked(platform: Platform) -> None:
    owner = visit(platform, bank="owner")
    path = "/tenants/bank/keys"
    for data in ({}, {"scopes": "admin"}, {"scopes": ["read", "root"]}):
        answer = owner.post(path, data)
        assert answer.status_code == 422 and 'id="scopes-error"' in answer.text
    answer = owner.post(path, {"scopes": "read", "days": "9999"})
    assert answer.status_code == 422 and 'id="days-error"' in answer.text
    assert 'value="9999"' in answer.text and 'value="read" checked' in answer.text
    answer = owner.post(path, {"scopes": ["submit", "read"], "days": "30"})
    (token,) = re.findall(r'value="(anchor_[0-9a-f]{12}_[0-9a-f]{64})"', answer.text)
    assert token not in owner.http.get(path).text
    with platform.project.database.read() as connection:
        key = find_key(connection, token)
    assert key is not None and (key.tenant, key.scopes) == ("bank", ("submit", "read"))
    with platform.browser(Authorization=f"Bearer {token}") as program:
        assert program.get("/v1/usage").status_code == 200
    other = visit(platform, thief="owner")
    assert other.post("/tenants/thief/keys", {"revoke": key.id}).status_code == 404
    assert owner.post(path, {"revoke": key.id}).status_code == 303
    with platform.project.database.read() as connection:
        (stored,) = load_keys(connection, "bank")
    assert stored.revoked_at is not None
    assert actions(platform, "bank")[-2:] == ["key-created", "key-revoked"]


# The audit trail.


def test_the_audit_trail_is_read_page_by_page_and_names_people_safely(platform: Platform) -> None:
    owner = visit(platform, EVIL, court="owner")
    with platform.project.database.write() as connection:
        actor = Actor("person", owner.id)
        for _ in range(60):
            issue_key(connection, "court", ["read"], actor, at=utc_now(), expires_at=None)
    page = owner.http.get("/tenants/court/events").text
    assert "<script>" not in page and page.count("<tr>") == 51
    (older,) = re.findall(r'href="([^"]*before=\d+)" rel="next"', page)
    page = owner.http.get(older).text
    assert page.count("<tr>") == 1 + 12 and "tenant created" in page
    for before in ("x", "-1", "0", "9" * 30):
        assert owner.http.get(f"/tenants/court/events?before={before}").status_code == 200


# Forms.

# Names that are the same in Chinese: of tenants, of this program, of scopes and browsers.
NAMES = {"anchor", "pages", "pages · ", "guild", "Test", "read", "root"}


class Forms(HTMLParser):
    """Every field of a page with its label, and the page's own words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self._open: list[bool] = []
        self.labelled: set[str | None] = set()
        self.fields: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag not in ("meta", "link", "input", "br", "circle", "path"):
            self._open.append(tag in ("code", "bdi", "strong", "svg") or "lang" in named)
            if tag == "html":
                self._open[-1] = False
        self.ids += [str(named["id"])] if "id" in named else []
        if tag == "label":
            self.labelled.add(named.get("for"))
        if tag in ("input", "select") and named.get("type") != "hidden":
            self.fields.append(named)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("circle", "path"):
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not any(self._open):
            self.words.append(data.strip())


def test_every_field_has_a_label_and_no_page_a_script_in_both_languages(
    platform: Platform,
) -> None:
    owner = visit(platform, pages="owner")
    issue = owner.post("/tenants/pages/keys", {"scopes": "read"})
    assert issue.status_code == 200
    for path in (
        "/login", "/account", "/tenants/pages", "/tenants/pages/keys", "/tenants/pages/events",
        f"/join?token={invite(platform, 'pages')}", "/tenants/none", "/join",
    ):  # fmt: skip
        for language in ("en", "zh"):
            page = owner.http.get(path, headers={"Accept-Language": language})
            assert "script" not in page.headers["Content-Security-Policy"]
            assert "<script" not in page.text and " style=" not in page.text
            forms = Forms(page.text)
            assert len(forms.ids) == len(set(forms.ids)), path
            for field in forms.fields:
                assert field.get("aria-label") or field.get("id") in forms.labelled or (
                    "hidden" in field
                ), (path, field)  # fmt: skip
            assert len(page.content) < 100_000
            if language == "zh":
                english = [left for word in forms.words if (left := what_is_english(word))]
                assert set(english) <= NAMES, path


@pytest.mark.parametrize(
    "body",
    [b"session=a&session=b", b"other=1", b"session=%ff", b"session", b"\xff", b"a=1&" * 50,
     b"session=%00"],
)  # fmt: skip
def test_a_form_that_is_none_is_a_page_in_words(platform: Platform, body: bytes) -> None:
    visitor = visit(platform)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": platform.url}
    answer = visitor.http.post("/account/sessions", content=body, headers=headers)
    assert answer.status_code == 400 and 'role="alert"' in answer.text
    headers["Content-Type"] = "application/json"
    answer = visitor.http.post("/account/sessions", content=body, headers=headers)
    assert answer.status_code == 415


def test_a_session_that_ends_while_it_waits_loses_its_request(platform: Platform) -> None:
    visitor = visit(platform, wait="member")
    headers = {"Origin": platform.url}
    body = {"sha256": digest(7), "name": "w.pdf"}
    id = visitor.http.post("/v1/evidence", json=body, headers=headers).json()["id"]
    answers: list[int] = []

    def wait() -> None:
        answers.append(visitor.http.get(f"/v1/evidence/{id}", params={"wait": 20}).status_code)

    def lose(change: Callable[[Connection], object]) -> None:
        thread = threading.Thread(target=wait)
        thread.start()
        wait_until(lambda: platform.service.recheck._leases)
        with platform.project.database.write() as connection:
            change(connection)
        thread.join(60)
        assert not thread.is_alive()

    lose(lambda store: change_role(store, "wait", visitor.id, "auditor", OPERATOR, utc_now()))
    with platform.project.database.write() as connection:
        change_role(connection, "wait", visitor.id, "member", OPERATOR, utc_now())
    lose(lambda store: end_sessions(store, Holder(person=visitor.id), utc_now()))
    assert answers == [401, 401]


# The same by program.


def test_a_program_manages_a_tenant_by_a_key_with_that_scope(platform: Platform) -> None:
    owner, member = visit(platform, prog="owner"), visit(platform, prog="member")
    with platform.project.database.write() as connection:
        key = issue_key(connection, "prog", ["manage"], OPERATOR, at=utc_now(), expires_at=None)
    with platform.browser(Authorization=f"Bearer {key}") as program:
        people = program.get("/v1/members").json()["members"]
        assert [(each["person"], each["role"]) for each in people] == [
            (owner.id, "owner"),
            (member.id, "member"),
        ]
        answer = program.post(f"/v1/members/{owner.id}", json={"role": "reader"})
        assert answer.status_code == 409 and answer.json()["id"] == "tenant-last-owner"
        assert program.delete(f"/v1/members/{owner.id}").status_code == 409
        assert program.post(f"/v1/members/{member.id}", json={"role": "owner"}).status_code == 204
        assert program.delete(f"/v1/members/{owner.id}").status_code == 204
        assert program.delete(f"/v1/members/{owner.id}").status_code == 404
        made = program.post("/v1/invitations", json={"role": "reader", "email": "C@x.org"})
        assert made.status_code == 201
        assert owner.http.get(made.json()["link"]).status_code == 200
        (invitation,) = program.get("/v1/invitations").json()["invitations"]
        assert invitation["email"] == "c@x.org" and "token" not in invitation
        path = f"/v1/invitations/{invitation['id']}"
        assert [program.delete(path).status_code for _ in range(2)] == [204, 404]
        made = program.post("/v1/keys", json={"scopes": ["read", "audit"], "days": 1})
        assert made.status_code == 201
        listed = program.get("/v1/keys").json()["keys"]
        assert [each["scopes"] for each in listed] == [["manage"], ["read", "audit"]]
        assert made.json()["key"] not in str(listed)
        assert program.delete(f"/v1/keys/{made.json()['id']}").status_code == 204
        first = program.get("/v1/audit-trail", params={"limit": 2}).json()
        assert [each["action"] for each in first["events"]] == ["key-revoked", "key-created"]
        rest = program.get("/v1/audit-trail", params={"before": first["next"]}).json()
        assert rest["events"][-1]["action"] == "tenant-created" and rest["next"] is None
        assert rest["events"][0]["actor"].startswith("key:")
        events = [*first["events"], *rest["events"]]
        day = events[0]["at"][:10]
        lines = program.get(f"/v1/audit-trail/{day}")
        assert f'"audit-trail-{day}.jsonl"' in lines.headers["Content-Disposition"]
        of_day = [each for each in events if each["at"].startswith(day)]
        assert lines.content.count(b"\n") == len(of_day)
        assert re.fullmatch(
            r'</v1/evidence/[0-9a-f]{64}>; rel="describedby"', lines.headers["Link"]
        )


@pytest.mark.parametrize(
    ("path", "body", "pointers"),
    [
        ("/v1/keys", {"scopes": ["admin"]}, ["/scopes/0"]), ("/v1/keys", {}, ["/scopes"]),
        ("/v1/keys", {"scopes": [], "days": 0}, ["/scopes", "/days"]),
        ("/v1/keys", {"scopes": ["read"], "days": "1"}, ["/days"]),
        ("/v1/keys", {"scopes": ["read"], "tenant": "acme"}, ["/tenant"]),
        ("/v1/invitations", {"role": "king", "email": 1}, ["/role", "/email"]),
        ("/v1/invitations", {"role": "reader", "email": "x"}, ["/email"]),
        ("/v1/invitations", {"role": "reader", "days": 91}, ["/days"]),
        ("/v1/members/none", {"role": None, "a/b~c": 1}, ["/role", "/a~1b~0c"]),
        ("/v1/members/none", [], [""]),
    ],
)  # fmt: skip
def test_a_body_that_is_wrong_is_told_by_its_member(
    visitors: dict[Role, Visitor], platform: Platform, path: str, body: object, pointers: list[str]
) -> None:
    answer = visitors["owner"].http.post(path, json=body, headers={"Origin": platform.url})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers


def test_a_body_that_is_no_json_is_400(visitors: dict[Role, Visitor], platform: Platform) -> None:
    headers = {"Origin": platform.url, "Content-Type": "application/json"}
    for body in (b"", b"{", b'{"role":"reader","role":"owner"}', b"[" * 10_000, b"\xff"):
        answer = visitors["owner"].http.post("/v1/invitations", content=body, headers=headers)
        assert answer.status_code == 400


def test_a_method_that_an_address_lacks_is_answered_with_all_it_has(platform: Platform) -> None:
    with platform.browser() as program:
        for path, methods in (("/v1/keys", "GET, POST"), ("/v1/members/x", "DELETE, POST")):
            answer = program.request("PATCH", path)
            assert (answer.status_code, answer.headers["Allow"]) == (405, methods)
