"""Passkeys in a real Chromium with its virtual authenticator, and answers that are led astray."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from playwright.sync_api import APIResponse, Browser, CDPSession, Page
from sqlalchemy import update
from support.accessibility import find_violations
from support.grown_logs import grow_log
from support.platform_tabs import open_tab
from support.sign_in_providers import Platform, serve_platform
from support.visitors import OPERATOR, Visitor, close_browsers, visit
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from anchor.base.system.clock import utc_now
from anchor.people.passkey_rules import MOST_PASSKEYS
from anchor.project.sign_in_config import SignInConfig
from anchor.service.passkey_challenges import OpenChallenge, decode_challenge, encode_challenge
from anchor.store.memberships import remove_member
from anchor.store.passkeys import load_passkeys, remove_passkey
from anchor.store.schema import passkeys, sessions
from anchor.store.tenant_accounts import resume_tenant, suspend_tenant
from anchor.store.tenant_events import load_events

CHALLENGES = {"make": "/account/passkeys/challenge", "use": "/login/passkey/challenge"}
COOKIE = "anchor_passkey"
# What a page's script asks the browser for, without sending the answer.
ASK = """async ([address, kind, given, bend]) => {
  const asked = given ?? await (await fetch(address, { method: "POST" })).json();
  const options = { ...asked, ...bend };
  const parse = kind === "make" ? "parseCreationOptionsFromJSON" : "parseRequestOptionsFromJSON";
  const publicKey = PublicKeyCredential[parse](options);
  const call = kind === "make" ? "create" : "get";
  return JSON.stringify((await navigator.credentials[call]({ publicKey })).toJSON());
}"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform under a name, which passkeys need; nobody asks its provider."""
    site = grow_log(tmp_path_factory.mktemp("grown"), [3])
    provider = SignInConfig(name="mock", label="Mock", issuer="http://localhost:1", client_id="x")
    with serve_platform(site, provider, host="localhost") as served:
        yield served
    close_browsers()


@dataclass
class Device:
    """A tab with an authenticator of its own."""

    tab: Page
    cdp: CDPSession
    id: str
    platform: Platform

    def credentials(self) -> list[dict[str, Any]]:
        answer = self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.id})
        credentials: list[dict[str, Any]] = answer["credentials"]
        return credentials

    def put(self, credential: dict[str, Any]) -> None:
        """Put a passkey into this authenticator, in place of its own with this id."""
        self.cdp.send("WebAuthn.clearCredentials", {"authenticatorId": self.id})
        named = {"authenticatorId": self.id, "credential": credential}
        self.cdp.send("WebAuthn.addCredential", named)

    def ask(self, kind: str = "use", options: Any = None, **bend: str) -> Any:
        """Return the authenticator's answer to a challenge of this site, without sending it."""
        address = CHALLENGES[kind]
        return json.loads(self.tab.evaluate(ASK, [address, kind, options, bend]))

    def verify_user(self, is_verified: bool) -> None:
        named = {"authenticatorId": self.id, "isUserVerified": is_verified}
        self.cdp.send("WebAuthn.setUserVerified", named)

    def send(self, answer: Any, path: str = "/login/passkey", **fields: str) -> APIResponse:
        """Send an answer as the page's form does."""
        form = {"credential": json.dumps(answer)} | fields
        return self.tab.request.post(
            path, form=form, headers={"Origin": self.platform.url}, max_redirects=0
        )

    def cookie(self) -> str:
        named = {str(each["name"]): each for each in self.tab.context.cookies(self.platform.url)}
        return str(named[COOKIE]["value"]).strip('"')

    def set_cookie(self, value: str) -> None:
        named = {"name": COOKIE, "value": value, "url": self.platform.url}
        self.tab.context.add_cookies([named])


@contextmanager
def open_device(
    browser: Browser, platform: Platform, token: str | None = None, **options: Any
) -> Iterator[Device]:
    with open_tab(browser, platform, token=token, **options) as tab:
        cdp = tab.context.new_cdp_session(tab)
        cdp.send("WebAuthn.enable")
        kind = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
            "hasUserVerification": True, "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }  # fmt: skip
        made = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": kind})
        yield Device(tab, cdp, made["authenticatorId"], platform)


@contextmanager
def registered(
    browser: Browser, platform: Platform, tenant: str, **options: Any
) -> Iterator[tuple[Device, Visitor]]:
    """A device whose owner, a member of the tenant, has a passkey and is signed out."""
    visit(platform, **{tenant: "owner"})
    person = visit(platform, "Ann", **{tenant: "member"})
    with open_device(browser, platform, person.token, **options) as device:
        device.tab.goto("/account")
        answer = device.ask("make")
        assert device.send(answer, "/account/passkeys", do="add", name="Phone").status == 303
        device.tab.context.clear_cookies()
        device.tab.goto("/login")
        yield device, person


def actions(platform: Platform, tenant: str) -> list[str]:
    with platform.project.database.read() as connection:
        events = load_events(connection, tenant, 100)[::-1]
    return [event.action for event in events if event.action.startswith("passkey")]


def is_signed_in(device: Device) -> bool:
    names = [each["name"] for each in device.tab.context.cookies(device.platform.url)]
    return "anchor_session" in names


def is_refused(device: Device, answer: APIResponse, words: str, status: int = 400) -> bool:
    assert (answer.status, words in answer.text()) == (status, True), answer.text()
    return not is_signed_in(device)


NOT_ACCEPTED = "This passkey is not accepted here"


@pytest.mark.parametrize(("locale", "width"), [("en-GB", 1280), ("zh-CN", 390)])
def test_a_passkey_is_made_named_used_and_removed(
    browser: Browser, platform: Platform, locale: str, width: int
) -> None:
    tenant = f"made-{width}"
    person = visit(platform, "Ann", **{tenant: "owner"})
    with open_device(browser, platform, person.token, locale=locale, width=width) as device:
        tab = device.tab
        asked: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))

        def check() -> None:
            assert find_violations(tab) == []
            over = tab.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert over <= 0

        tab.goto("/account")
        check()
        tab.locator("#passkey-name").fill("x" * 100)
        tab.locator("#passkey button").click()
        tab.locator("ul li strong").wait_for()
        check()
        tab.locator("li input[name=name]").fill("手机")
        tab.locator("li form:has(input[value=rename]) button").click()
        tab.locator("strong:has-text('手机')").wait_for()
        tab.context.clear_cookies()
        tab.goto("/login?next=/tenants/" + tenant)
        check()
        tab.locator("#passkey button").click()
        tab.get_by_role("heading", name=tenant, exact=True).wait_for()
        tab.goto("/account")
        assert tab.locator("#passkey").count() == 0, "no passkey makes another one"
        check()
        with open_tab(browser, platform, token=person.token) as other:
            other.goto("/account")
            other.locator("form:has(input[value=remove]) button").click()
            other.locator("#passkey").wait_for()
        tab.goto("/account")
        assert "/login" in tab.url, "its sessions end with it"
        assert {url.split("/")[2] for url in asked} == {platform.url.split("/")[2]}
    assert actions(platform, tenant) == [
        "passkey-added", "passkey-renamed", "passkey-used", "passkey-removed"
    ]  # fmt: skip


def test_without_javascript_the_pages_say_what_passkeys_need(
    browser: Browser, platform: Platform
) -> None:
    person = visit(platform, noscript="owner")
    context = browser.new_context(base_url=platform.url, java_script_enabled=False)
    try:
        named = {"name": "anchor_session", "value": person.token, "url": platform.url}
        context.add_cookies([named])
        tab = context.new_page()
        for path in ("/login", "/account"):
            tab.goto(path)
            assert "Passkeys need JavaScript" in tab.inner_text("main")
            assert not tab.locator("#passkey").is_visible()
    finally:
        context.close()


def test_a_browser_that_uses_none_says_so_on_the_page(browser: Browser, platform: Platform) -> None:
    with open_device(browser, platform) as device:
        device.tab.goto("/login")
        device.verify_user(False)
        device.tab.locator("#passkey button").click()
        device.tab.locator("#passkey-failed").wait_for()
        assert find_violations(device.tab) == []


def bend_client_data(answer: Any, **changes: object) -> None:
    data = json.loads(base64url_to_bytes(answer["response"]["clientDataJSON"]))
    encoded = json.dumps(data | changes).encode()
    answer["response"]["clientDataJSON"] = bytes_to_base64url(encoded)


def flip(answer: Any, member: str, place: int) -> None:
    data = bytearray(base64url_to_bytes(answer["response"][member]))
    data[place] ^= 1
    answer["response"][member] = bytes_to_base64url(bytes(data))


BENDS: dict[str, Callable[[Any], object]] = {
    "signature": lambda answer: flip(answer, "signature", -1),
    "counter": lambda answer: flip(answer, "authenticatorData", 36),
    "site": lambda answer: flip(answer, "authenticatorData", 0),
    "origin": lambda answer: bend_client_data(answer, origin="https://evil.example"),
    "challenge": lambda answer: bend_client_data(answer, challenge="AAAA"),
    "type": lambda answer: bend_client_data(answer, type="webauthn.create"),
    "handle": lambda answer: answer["response"].update(userHandle=bytes_to_base64url(b"0" * 16)),
    "no handle": lambda answer: answer["response"].pop("userHandle"),
    "credential": lambda answer: answer.update(id="AAAA", rawId="AAAA"),
    "empty": lambda answer: answer.clear(),
    "response": lambda answer: answer.update(response=7),
    "long": lambda answer: answer.update(rawId="A" * 100_000),
}


def test_answers_that_are_bent_sign_nobody_in_and_the_right_one_does_once(
    browser: Browser, platform: Platform
) -> None:
    with registered(browser, platform, "bent") as (device, person):
        answer = device.ask()
        for name, bend in BENDS.items():
            bent = json.loads(json.dumps(answer))
            bend(bent)
            assert is_refused(device, device.send(bent), NOT_ACCEPTED), name
        cookie = device.cookie()
        assert device.send(answer, next="//evil.example").headers["location"] == "/account"
        assert is_signed_in(device)
        device.tab.context.clear_cookies()
        device.set_cookie(cookie)
        assert is_refused(device, device.send(answer), "used before", 403)
        assert actions(platform, "bent") == ["passkey-added", "passkey-used"]
        with platform.project.database.read() as connection:
            assert load_passkeys(connection, person.id)[0].used_at is not None


def test_a_signature_over_another_site_or_without_verification_is_refused(
    browser: Browser, platform: Platform
) -> None:
    with registered(browser, platform, "signed") as (device, _):
        device.verify_user(False)
        answer = device.ask(userVerification="discouraged")
        assert is_refused(device, device.send(answer), NOT_ACCEPTED), "nobody was verified"
        device.verify_user(True)
        named = {"Origin": platform.url}
        options = device.tab.request.post(CHALLENGES["use"], headers=named).json()
        # A page of the same host, at another port: browsers let it use the passkeys of the host.
        page = "http://localhost:44444/"
        device.tab.route(page, lambda route: route.fulfill(body="", content_type="text/html"))
        device.tab.goto(page)
        answer = device.ask(options=options)
        assert is_refused(device, device.send(answer), NOT_ACCEPTED), "it was asked elsewhere"
        device.tab.goto("/login")
        assert device.send(device.ask(options=options)).status == 303


def test_a_challenge_that_is_late_foreign_or_forged_is_answered_in_vain(
    browser: Browser, platform: Platform
) -> None:
    secret = platform.service.settings.session_secret
    with registered(browser, platform, "late") as (device, _):
        answer = device.ask()
        right = device.cookie()
        challenge = decode_challenge(right, "", secret, time.time())
        assert challenge is not None
        late = OpenChallenge(challenge=challenge, session="", expires=int(time.time()) - 1)
        owned = replace(late, session="0" * 16, expires=int(time.time()) + 300)
        for value in (
            encode_challenge(late, secret), encode_challenge(owned, secret),
            encode_challenge(replace(owned, session=""), b"o" * 32), right[:-1], "", ".",
        ):  # fmt: skip
            device.set_cookie(value)
            assert is_refused(device, device.send(answer), "too late")
        device.set_cookie(right)
        assert device.send(answer).status == 303
        # Nor does a sign-in's challenge make a passkey, even in a session.
        token = visit(platform, late="member").token
        with open_device(browser, platform, token) as other:
            other.tab.goto("/account")
            made = other.ask("make")
            named = {"Origin": platform.url}
            assert other.tab.request.post(CHALLENGES["use"], headers=named).ok
            assert "too late" in other.send(made, "/account/passkeys", do="add").text()
        assert actions(platform, "late").count("passkey-added") == 1


def test_a_copy_of_a_passkey_is_refused_and_told_in_the_audit_trail(
    browser: Browser, platform: Platform
) -> None:
    with registered(browser, platform, "copied") as (device, _):
        (copy,) = device.credentials()
        for _ in range(2):
            assert device.send(device.ask()).status == 303
            device.tab.context.clear_cookies()
            device.tab.goto("/login")
        device.put(copy | {"signCount": 1})
        assert is_refused(device, device.send(device.ask()), "there is a copy of it", 403)
        assert actions(platform, "copied")[-1] == "passkey-refused"
        # The counter that was stored stands, and a later one is accepted.
        device.put(copy | {"signCount": 100})
        assert device.send(device.ask()).status == 303


def test_who_has_no_tenant_or_a_suspended_one_is_not_signed_in(
    browser: Browser, platform: Platform
) -> None:
    with registered(browser, platform, "paused") as (device, person):
        database = platform.project.database
        with database.write() as connection:
            suspend_tenant(connection, "paused", "unpaid", OPERATOR, utc_now())
        refusal = "belong to a tenant that is not suspended"
        assert is_refused(device, device.send(device.ask()), refusal, 403)
        with database.write() as connection:
            resume_tenant(connection, "paused", OPERATOR, utc_now())
        assert device.send(device.ask()).status == 303
        device.tab.context.clear_cookies()
        device.tab.goto("/login")
        with database.write() as connection:
            remove_member(connection, "paused", person.id, OPERATOR, utc_now())
        assert is_refused(device, device.send(device.ask()), refusal, 403)
        with database.write() as connection:
            (passkey,) = load_passkeys(connection, person.id)
            assert remove_passkey(connection, person.id, passkey.id, utc_now())
        assert is_refused(device, device.send(device.ask()), NOT_ACCEPTED)


def test_only_a_fresh_sign_in_changes_passkeys_and_only_ones_own(
    browser: Browser, platform: Platform
) -> None:
    with registered(browser, platform, "fresh") as (_, person):
        with platform.project.database.read() as connection:
            (passkey,) = load_passkeys(connection, person.id)
        other = visit(platform, fresh="owner")
        named = {"do": "remove", "passkey": passkey.id}
        assert other.post("/account/passkeys", named).status_code == 404
        assert other.post("/account/passkeys", named | {"do": "steal"}).status_code == 400
        with platform.project.database.write() as connection:
            old = update(sessions).where(sessions.c.person == person.id)
            connection.execute(old.values(begun_at="2020-01-01T00:00:00.000Z"))
        assert person.post("/account/passkeys", named).status_code == 403
        assert person.post("/account/passkeys/challenge").status_code == 403
        page = person.http.get("/account").text
        assert "less than ten minutes ago" in page and "Phone" in page
        with platform.project.database.write() as connection:
            old = update(sessions).where(sessions.c.person == person.id)
            connection.execute(old.values(begun_at=utc_now()))
        assert person.post("/account/passkeys", named).status_code == 303


def test_nobody_has_more_passkeys_than_there_may_be(browser: Browser, platform: Platform) -> None:
    with registered(browser, platform, "many") as (_, person):
        with platform.project.database.write() as connection:
            row = connection.execute(passkeys.select()).mappings().first()
            assert row is not None
            for number in range(MOST_PASSKEYS - 1):
                more = {
                    "id": f"{number}-{person.id}",
                    "credential": f"{number}-{person.id}".encode(),
                    "person": person.id,
                }
                connection.execute(passkeys.insert().values(dict(row) | more))
        answer = person.post("/account/passkeys/challenge")
        assert (answer.status_code, "the most there can be" in answer.text) == (409, True)
        assert "the most there can be" in person.http.get("/account").text


def test_other_sites_get_no_challenge(platform: Platform) -> None:
    person = visit(platform, sites="owner")
    for path in ("/login/passkey/challenge", "/account/passkeys/challenge"):
        answer = person.http.post(path, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403
