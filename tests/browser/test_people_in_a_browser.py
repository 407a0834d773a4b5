"""The pages for people in a real Chromium: axe, narrow and wide, and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser
from support.accessibility import find_violations
from support.grown_logs import grow_log
from support.platform_tabs import open_tab
from support.service import digest
from support.sign_in_providers import Platform, run_mock, serve_platform
from support.visitors import Visitor, close_browsers, invite, visit
from support.webservers import web_server

from anchor.base.system.clock import utc_now
from anchor.project.notification_config import MailConfig
from anchor.project.sign_in_config import SignInConfig
from anchor.store.database import open_database
from anchor.store.mail_choices import ensure_token
from anchor.store.sealing import seal
from anchor.store.webhooks import load_webhooks

LONG = "a very long name of a person who has many names and wrote all of them down here, in one go"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    site = grow_log(tmp_path_factory.mktemp("grown"), [3])
    mail = MailConfig(host="localhost", port=1, security="none", sender="anchor@a.example")
    site.config = replace(site.config, mail=mail)
    with run_mock() as mock:
        other = SignInConfig(
            name="other", label="另一个登录方式", issuer="http://localhost:1", client_id="x"
        )
        with serve_platform(site, mock, other, open_sign_up=True) as served:
            yield served
    close_browsers()


def share_case(owner: Visitor) -> tuple[str, str]:
    """Return the paths of a case with two exhibits and of a link to it."""
    words = {
        "number": f"（2026）浙0192民初{owner.id}号",
        "title": LONG,
        "authority": "杭州互联网法院",
        "parties": f"原告：Ann Lee\n被告：{'x' * 150}",
    }
    path: str = owner.post("/tenants/acme/cases", words).headers["Location"]
    headers = {"Origin": owner.platform.url, "Anchor-Tenant": "acme"}
    for number, name in ((1, "合同.pdf"), (2, f"{'x' * 150}.pdf")):
        body = {"sha256": digest(number), "sm3": digest(number), "name": name}
        piece = owner.http.post("/v1/evidence", json=body, headers=headers).json()
        entered = {"evidence": piece["id"], "label": f"证据{number}", "purpose": LONG * 3}
        owner.post(f"{path}/exhibits", entered)
        if number == 1:
            project = owner.platform.project
            with closing(open_database(project.config.store)) as database, database.hold_lease():
                seal(database, utc_now(), project.tiles)
    api = f"/v1/cases/{path.rpartition('/')[2]}/links"
    made = owner.http.post(api, json={"label": LONG}, headers=headers).json()
    return path, made["link"]


@pytest.mark.parametrize(
    ("theme", "width", "locale"), [("light", 1280, "en-GB"), ("dark", 390, "zh-CN")]
)
def test_every_page_is_for_everybody_and_fits(
    theme: str, width: int, locale: str, browser: Browser, platform: Platform, tmp_path: Path
) -> None:
    owner = visit(platform, LONG, acme="owner")
    visit(platform, "x" * 100, acme="auditor")
    owner.post("/tenants/acme/keys", {"scopes": "read"})
    owner.post("/tenants/acme/invitations", {"role": "reader", "email": f"{'x' * 90}@example.org"})
    for events in ("key.created", "member.joined"):
        url = f"https://receiver.example/{'x' * 90}"
        owner.post("/tenants/acme/webhooks", {"url": url, "events": events})
    with platform.project.database.read() as connection:
        webhook = load_webhooks(connection, "acme")[0].id
    with platform.project.database.write() as connection:
        token = ensure_token(connection, owner.id)
    owner.post("/tenants/acme/keys", {"scopes": "read"})
    stranger = visit(platform)
    join = f"/join?token={invite(platform, 'guild', 'auditor')}"
    case, shared = share_case(owner)
    with open_tab(browser, platform, theme, width, locale, owner.token) as tab:
        asked: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))

        def check(name: str) -> None:
            tab.screenshot(path=tmp_path / f"{name}.png", full_page=True)
            assert find_violations(tab) == [], name
            over = tab.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert over <= 0, f"{name} is {over} pixels too wide"

        for name, path in {
            "login": "/login", "account": "/account", "tenant": "/tenants/acme",
            "keys": "/tenants/acme/keys", "events": "/tenants/acme/events", "join": join,
            "unknown": "/tenants/none", "webhooks": "/tenants/acme/webhooks",
            "webhook": f"/tenants/acme/webhooks/{webhook}",
            "unsubscribe": f"/unsubscribe?token={token}", "case": case, "shared": shared,
            "ended": f"/shared?token={'0' * 64}",
        }.items():  # fmt: skip
            tab.goto(path)
            check(name)
        tab.goto("/tenants/acme")
        tab.locator("#email").fill("nonsense")
        tab.locator("#days").fill("0")
        tab.locator("#invite + form button").click()
        tab.locator("#email-error").wait_for()
        assert tab.locator("#email").input_value() == "nonsense"
        check("refused")
        tab.locator("#email").fill("")
        tab.locator("#days").fill("3")
        tab.locator("#invite + form button").click()
        assert re.search("/join[?]token=[0-9a-f]{64}$", tab.locator("#link").input_value())
        check("invited")
        tab.goto("/tenants/acme/webhooks")
        tab.locator("#url").fill("http://192.168.0.1/")
        tab.locator("#make + form button").click()
        tab.locator("#url-error").wait_for()
        assert tab.locator("#url").input_value() == "http://192.168.0.1/"
        check("webhook-refused")
        tab.locator("#url").fill("https://receiver.example/new")
        tab.locator("#make + form button").click()
        assert tab.locator("#secret").input_value().startswith("whsec_")
        check("webhook-made")
        tab.goto(case)
        tab.locator("#days").fill("91")
        tab.locator("#recipient").fill("杭州互联网法院")
        tab.locator("#days").press("Enter")
        tab.locator("#days-error").wait_for()
        assert tab.locator("#recipient").input_value() == "杭州互联网法院"
        check("link-refused")
        tab.locator("#days").fill("90")
        tab.locator("#days").press("Enter")
        assert re.search("/shared[?]token=[0-9a-f]{64}$", tab.locator("#link").input_value())
        check("link-made")
        tab.goto("/tenants/acme/keys")
        tab.locator("#make + form button").click()
        assert tab.locator("#token").input_value().startswith("anchor_")
        check("made")
        assert {url.split("/")[2] for url in asked} == {platform.url.split("/")[2]}
    for token in (stranger.token, None):
        with open_tab(browser, platform, theme, width, locale, token) as tab:
            for path in ("/account", join, shared):
                tab.goto(path)
                assert find_violations(tab) == []


def test_somebody_signs_in_joins_and_leaves_by_keyboard(
    browser: Browser, platform: Platform
) -> None:
    visit(platform, club="owner")
    with open_tab(browser, platform) as tab:
        tab.goto(f"/join?token={invite(platform, 'club', 'reader')}")
        tab.get_by_role("link", name="Sign in with Mock").focus()
        tab.keyboard.press("Enter")
        tab.get_by_placeholder("sub").first.fill("li")
        tab.keyboard.press("Enter")
        tab.get_by_role("button", name="Join").focus()
        tab.keyboard.press("Enter")
        tab.get_by_role("heading", name="club", exact=True).wait_for()
        assert "Your role: reader" in tab.inner_text("main")
        cookies = {str(cookie["name"]): cookie for cookie in tab.context.cookies(platform.url)}
        assert list(cookies) == ["anchor_session"]
        assert cookies["anchor_session"]["httpOnly"]
        assert tab.evaluate("document.cookie") == ""
        tab.get_by_role("button", name="Leave").focus()
        tab.keyboard.press("Enter")
        tab.get_by_role("heading", name="Account").wait_for()
        assert "You belong to no tenant yet" in tab.inner_text("main")
        tab.get_by_role("button", name="End all my sessions").focus()
        tab.keyboard.press("Enter")
        tab.get_by_role("link", name="Sign in with Mock").wait_for()


def test_no_token_of_a_link_is_in_a_log_of_the_web_server(
    browser: Browser, platform: Platform, tmp_path: Path
) -> None:
    invitation = invite(platform, "guild", "owner")
    person = visit(platform).id
    with platform.project.database.write() as connection:
        mail = ensure_token(connection, person)
    shared = "5e" * 32
    port = urlsplit(platform.url).port
    assert port is not None
    with web_server("nginx", tmp_path, port, tmp_path / "published") as tls_port:
        site = f"https://127.0.0.1:{tls_port}"
        context = browser.new_context(base_url=site, ignore_https_errors=True)
        tab = context.new_page()
        tab.goto(f"/unsubscribe?token={mail}")
        tab.goto(f"/shared?token={shared}")
        tab.goto(f"/join?token={invitation}")
        sign_in = tab.locator("ul.choices a").first.get_attribute("href")
        assert sign_in is not None and "next=%2Fjoin" in sign_in and invitation not in sign_in
        context.request.get(sign_in, max_redirects=0)
        tab.goto("/join")  # back from the provider
        assert "as owner" in tab.locator("main").inner_text()
        # Refused by nginx, which writes the request into the log of errors.
        long = context.request.post(f"/join?token={invitation}", data=b" " * 600_000)
        assert long.status == 413
        long = context.request.post("/v1/evidence?x=named", data=b" " * 600_000)
        assert long.status == 413
        plain = re.search(
            r"listen (127[.]0[.]0[.]1:[0-9]+);", (tmp_path / "anchor.conf").read_text()
        )
        assert plain is not None
        moved = httpx.get(f"http://{plain[1]}/join?token={invitation}", timeout=60)
        assert moved.status_code == 301 and invitation in moved.headers["Location"]
        context.close()
    logs = {path.name: path.read_text("utf-8") for path in tmp_path.glob("*.log")}
    access = logs["anchor.log"]
    for named in ("GET /join ", "GET /unsubscribe ", "GET /shared ", "GET /login/start ", ".css "):
        assert named in access, named
    assert "/v1/evidence?x=named" in logs["error.log"]
    secrets = {invitation, mail, shared}
    assert len(secrets) == 3 and all(len(each) > 30 for each in secrets)
    assert [name for name, text in logs.items() for each in secrets if each in text] == []
