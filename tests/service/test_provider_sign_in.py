"""Sign-in with providers: real ones of PyPI, bent ones, and browsers that are led astray."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from support.memory_projects import MemorySite
from support.sign_in_providers import (
    CLIENT,
    Bend,
    BentProvider,
    Platform,
    authorise,
    begin,
    confirm,
    query_of,
    run_bent,
    run_certified,
    run_mock,
    serve_platform,
    sign_in,
)

from anchor.base.system.clock import utc_now
from anchor.service import provider_client
from anchor.service.pages.page_routes import HOME, local_address
from anchor.service.settings import Settings
from anchor.service.sign_in_cookies import (
    begin_sign_in,
    cookie_name,
    decode_sign_in,
    encode_sign_in,
)
from anchor.store.browser_sessions import Holder, load_sessions
from anchor.store.persons import PersonRow, parse_person
from anchor.store.schema import people, sessions

EVIL = "<script>alert(1)</script>\u202e"
USERS = (
    {"sub": "ann", "name": "Ann", "email": "a@x.org", "email_verified": True},
    {"sub": "evil", "name": EVIL + "x" * 10_000, "email": "<a@x.org>"},
)


@pytest.fixture(scope="module")
def bent() -> Iterator[BentProvider]:
    with run_bent() as provider:
        yield provider


@pytest.fixture(scope="module")
def platform(grown_copy: MemorySite, bent: BentProvider) -> Iterator[Platform]:
    """The platform with a mock, a second one, and a provider that bends its answers."""
    with (
        run_mock(*USERS) as mock,
        run_mock(name="second") as second,
        serve_platform(grown_copy, mock, second, bent.config) as served,
    ):
        yield served


def persons(platform: Platform) -> list[PersonRow]:
    with platform.project.database.read() as connection:
        return [parse_person(row) for row in connection.execute(select(people))]


def count_sessions(platform: Platform) -> int:
    with platform.project.database.read() as connection:
        return len(connection.execute(select(sessions.c.id)).all())


def is_refused(answer: httpx.Response, status: int = 400) -> bool:
    """Return whether an answer is a page in words that signs nobody in."""
    cookies = answer.headers.get_list("Set-Cookie")
    return (
        answer.status_code == status
        and answer.headers["Content-Type"] == "text/html; charset=utf-8"
        and 'role="alert"' in answer.text
        and not any("anchor_session=" in cookie for cookie in cookies)
    )


def test_a_person_signs_in_and_is_the_same_one_the_next_time(platform: Platform) -> None:
    with platform.browser() as browser:
        address = begin(browser)
        asked = query_of(address)
        assert asked["code_challenge_method"] == "S256" and asked["response_type"] == "code"
        assert asked["scope"] == "openid profile email" and asked["client_id"] == CLIENT
        assert asked["redirect_uri"] == f"{platform.url}/login/callback/mock"
        assert len(asked["state"]) >= 32 and len(asked["nonce"]) >= 32
        answer = browser.get(authorise(address, "ann"))
        assert (answer.status_code, answer.headers["Location"]) == (303, HOME)
        cookies = answer.headers.get_list("Set-Cookie")
        (session,) = [cookie for cookie in cookies if cookie.startswith("anchor_session=")]
        assert "HttpOnly" in session and "SameSite=lax" in session
        assert [name for name in browser.cookies if name.startswith("anchor_sign_in")] == []
        sign_in(browser, "ann")
        sign_in(browser, "ann", provider="second")
    names = [(person.name, person.email, person.email_verified) for person in persons(platform)]
    # The same subject at another provider is somebody else.
    assert names.count(("Ann", "a@x.org", True)) == 1 and ("ann", None, False) in names


def test_a_name_that_is_markup_or_too_long_is_cut(platform: Platform) -> None:
    with platform.browser() as browser:
        assert sign_in(browser, "evil").status_code == 303
    (person,) = [person for person in persons(platform) if person.name.startswith("<script>")]
    assert len(person.name) == 100 and "\u202e" not in person.name and person.email is None


def test_nobody_is_contacted_before_the_user_chooses(
    platform: Platform, bent: BentProvider
) -> None:
    bent.requests.clear()
    with platform.browser() as browser:
        page = browser.get("/login").text
        assert 'href="/login/start?provider=bent&amp;next=%2Faccount"' in page
        for site in ("cross-site", "same-site"):
            answer = browser.get(
                "/login/start", params={"provider": "bent"}, headers={"Sec-Fetch-Site": site}
            )
            assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
        assert is_refused(browser.get("/login/start?provider=other"), 404)
        assert is_refused(browser.get("/login/callback/other?state=a&code=b"), 404)
    assert bent.requests == []


def test_a_code_that_was_used_signs_nobody_in_again(platform: Platform) -> None:
    with platform.browser() as browser:
        address = begin(browser)
        kept = dict(browser.cookies)
        back = authorise(address, "ann")
        assert browser.get(back).status_code == 303
        assert is_refused(browser.get(back))
        browser.cookies.clear()
        for name, value in kept.items():
            browser.cookies.set(name, value, "127.0.0.1")
        before = count_sessions(platform)
        answer = browser.get(back)
        assert is_refused(answer) and "used already" in answer.text
        assert count_sessions(platform) == before


def test_an_answer_belongs_to_the_browser_that_asked(platform: Platform) -> None:
    with platform.browser() as browser, platform.browser() as victim:
        back = authorise(begin(browser), "ann")
        answers = [victim.get(back)]  # a sign-in of somebody else's
        begin(victim)
        answers.append(victim.get(back))
        state = query_of(back)["state"]
        for wrong in (state[:-1], f"{state[:-1]}~", state.upper(), "", "é" * 40, "x" * 5_000):
            query = query_of(back) | {"state": wrong}
            answers.append(browser.get("/login/callback/mock", params=query))
        answers.append(browser.get(back.replace("/mock?", "/second?")))
        for answer in answers:
            assert is_refused(answer) and "not begun in this browser" in answer.text
        assert browser.get(back).status_code == 303, "what was refused used nothing up"


def test_two_tabs_sign_in_one_after_the_other(platform: Platform) -> None:
    with platform.browser() as browser:
        first, second = begin(browser, back="/log"), begin(browser, back="/account")
        for address, page in ((second, "/account"), (first, "/log")):
            answer = browser.get(authorise(address, "ann"))
            assert (answer.status_code, answer.headers["Location"]) == (303, page)


def test_sign_ins_that_are_not_finished_leave_few_cookies(platform: Platform) -> None:
    with platform.browser() as browser:
        for _ in range(12):
            address = begin(browser)
        assert len(browser.cookies) <= 5
        assert browser.get(authorise(address, "ann")).status_code == 303


def test_who_declines_is_told_so(platform: Platform) -> None:
    with platform.browser() as browser:
        for language, words in (("en", "Nobody was signed in"), ("zh", "未登录")):
            query = {"error": "access_denied", "error_description": EVIL}
            query["state"] = query_of(begin(browser))["state"]
            headers = {"Accept-Language": language}
            answer = browser.get("/login/callback/mock", params=query, headers=headers)
            assert is_refused(answer) and words in answer.text and "alert(1)" not in answer.text
        assert is_refused(browser.get(authorise(begin(browser), None)))


def test_signing_in_gives_a_new_session_and_ends_the_former_one(platform: Platform) -> None:
    with platform.browser() as browser:
        browser.cookies.set("anchor_session", "0" * 64, "127.0.0.1")
        sign_in(browser, "ann")
        first = browser.cookies["anchor_session"]
        assert first != "0" * 64
        sign_in(browser, "evil")
        assert browser.cookies["anchor_session"] != first
    (ann,) = [person for person in persons(platform) if person.name == "Ann"]
    with platform.browser() as browser:
        browser.cookies.set("anchor_session", first, "127.0.0.1")
        assert browser.get("/account").headers.get("Location", "").startswith("/login")
    with platform.project.database.read() as connection:
        ids = [each.id for each in load_sessions(connection, Holder(person=ann.id), utc_now())]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example",
        "/\t/evil", "javascript:alert(1)", "/%0d%0aSet-Cookie:a", "http:/evil.example", "",
        "///evil.example", "/ /evil.example", "/é", "/" + "a" * 600, "/\u2028/evil.example",
        "evil.example", "/a\n",
    ],
)  # fmt: skip
def test_after_a_sign_in_nobody_is_sent_to_another_site(platform: Platform, address: str) -> None:
    expected = address if address == "/%0d%0aSet-Cookie:a" else HOME
    assert local_address(address) == expected
    with platform.browser() as browser:
        page = browser.get("/login", params={"next": address}).text
        targets = re.findall(r'href="([^"]*)"', page)
        assert all(target[:1] in "/#" and target[1:2] != "/" for target in targets)
        answer = browser.get(authorise(begin(browser, back=address), "ann"))
        assert answer.headers["Location"] == expected


def bend_claims(**changes: Any) -> Bend:
    def bend(claims: dict[str, Any], _header: dict[str, Any]) -> None:
        claims.update(changes)

    return bend


@pytest.mark.parametrize(
    "bend",
    [
        bend_claims(iss="https://evil.example"), bend_claims(aud="other"), bend_claims(exp=1),
        bend_claims(nonce="other"), bend_claims(sub="é"), bend_claims(iat=9_999_999_999),
        lambda _claims, _header: "a.b.c", lambda _claims, _header: 7,
    ],
)  # fmt: skip
def test_a_provider_that_bends_its_token_signs_nobody_in(
    platform: Platform, bent: BentProvider, bend: Bend
) -> None:
    with platform.browser() as browser:
        asked = query_of(begin(browser, "bent"))
        bent.nonce, bent.bend = asked["nonce"], bend
        query = {"state": asked["state"], "code": "c"}
        before = count_sessions(platform)
        try:
            answer = browser.get("/login/callback/bent", params=query)
            assert is_refused(answer)
            assert count_sessions(platform) == before
        finally:
            bent.bend = bend_claims()


def test_an_issuer_that_is_stated_is_the_chosen_one(platform: Platform, bent: BentProvider) -> None:
    with platform.browser() as browser:
        for stated, status in (("https://evil.example", 400), ("", 400), (bent.issuer, 303)):
            asked = query_of(begin(browser, "bent"))
            bent.nonce = asked["nonce"]
            query = {"state": asked["state"], "code": "c", "iss": stated}
            assert browser.get("/login/callback/bent", params=query).status_code == status


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ((400, b'{"error":"invalid_grant","error_description":"<script>"}'), 400),
        ((500, b"oops"), 503), ((200, b"[]"), 503), ((200, b"{}"), 400), ((200, b"\xff"), 503),
        ((200, b"[" * 100_000), 503), ((200, b"a" * 300_000), 503), ((302, b""), 503),
        ((200, b'{"id_token":{}}'), 400), ((401, b"no"), 503),
        ((401, b'{"error":"invalid_client"}'), 503),
    ],
)  # fmt: skip
def test_a_token_endpoint_that_answers_badly_is_a_page(
    platform: Platform, bent: BentProvider, answer: tuple[int, bytes], status: int
) -> None:
    with platform.browser() as browser:
        asked = query_of(begin(browser, "bent"))
        bent.token_answer = answer
        try:
            query = {"state": asked["state"], "code": "c"}
            page = browser.get("/login/callback/bent", params=query)
            assert is_refused(page, status) and "<script>" not in page.text
        finally:
            bent.token_answer = None


def test_a_provider_that_is_away_is_a_page_while_it_is_still_silent(
    grown_copy: MemorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_client, "_TIMEOUT", 0.5)
    with run_bent() as slow, run_bent() as wrong:
        slow.is_silent = True
        wrong.metadata = {"token_endpoint": "http://evil.example/token"}
        gone = replace(wrong.config, name="gone", issuer="http://localhost:1")
        named = (replace(slow.config, name="slow"), replace(wrong.config, name="wrong"), gone)
        with serve_platform(grown_copy, *named) as served, served.browser() as browser:
            for provider in named:
                answer = browser.get("/login/start", params={"provider": provider.name})
                assert is_refused(answer, 503) and answer.headers["Retry-After"]


def test_a_provider_that_changed_its_keys_is_asked_for_them_again_but_not_each_time(
    platform: Platform, bent: BentProvider
) -> None:
    with platform.browser() as browser:

        def come_back(kid: str) -> int:
            asked = query_of(begin(browser, "bent"))
            bent.nonce = asked["nonce"]
            bent.bend = lambda _claims, header: header.update(kid=kid)
            query = {"state": asked["state"], "code": "c"}
            return browser.get("/login/callback/bent", params=query).status_code

        assert come_back("one") == 303
        bent.requests.clear()
        assert [come_back("two") for _ in range(3)] == [400, 400, 400]
        assert bent.requests.count("/keys") == 1
        bent.bend = bend_claims()


def test_the_cookie_of_a_sign_in_cannot_be_made_up_or_made_longer() -> None:
    begun = begin_sign_in("mock", "/log", 1_000.0)
    value = encode_sign_in(begun, b"s" * 32)
    assert decode_sign_in(value, b"s" * 32, 1_599.0) == begun
    assert decode_sign_in(value, b"s" * 32, 1_600.0) is None
    assert decode_sign_in(value, b"o" * 32, 1_001.0) is None
    text, _, signature = value.partition(".")
    other = encode_sign_in(replace(begun, next="/"), b"s" * 32).partition(".")[0]
    for forged in (
        f"{other}.{signature}", text, f"{text}.", f"{text}.{'0' * 64}", "", ".", "é.é",
        f"{text}.{signature}\n", f"{text}=.{signature}",
    ):  # fmt: skip
        assert decode_sign_in(forged, b"s" * 32, 1_001.0) is None
    assert cookie_name("a;b=c\n-d", is_secure=True) == "__Host-anchor_sign_in_abcd"


def test_behind_a_web_server_every_cookie_is_secure_and_of_this_host_only(
    grown_copy: MemorySite, bent: BentProvider
) -> None:
    settings = Settings(proxies=("127.0.0.0/8",))
    with (
        serve_platform(grown_copy, bent.config, settings=settings) as served,
        served.browser(**{"X-Forwarded-Proto": "https"}) as browser,
    ):
        answer = browser.get("/login/start?provider=bent")
        (cookie,) = answer.headers.get_list("Set-Cookie")
        assert cookie.startswith("__Host-anchor_sign_in_")
        assert "Secure" in cookie and "Path=/" in cookie and "Domain" not in cookie
        asked = query_of(answer.headers["Location"])
        bent.nonce = asked["nonce"]
        query = {"state": asked["state"], "code": "c"}
        name, _, value = cookie.partition(";")[0].partition("=")
        plain = {"Cookie": f"{name.removeprefix('__Host-')}={value}"}
        assert is_refused(browser.get("/login/callback/bent", params=query, headers=plain))
        own = {"Cookie": f"{name}={value}"}
        answer = browser.get("/login/callback/bent", params=query, headers=own)
        assert answer.status_code == 303
        (session,) = [
            each for each in answer.headers.get_list("Set-Cookie") if "anchor_session" in each
        ]
        assert session.startswith("__Host-anchor_session=") and "Secure" in session


@pytest.mark.release
def test_the_certified_provider_signs_a_person_in_and_refuses_a_code_twice(
    grown: MemorySite, tmp_path: Path
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with (
        run_certified(url) as provider,
        serve_platform(grown.copy_to(tmp_path / "p"), provider, listener=listener) as served,
        served.browser() as browser,
    ):
        address = begin(browser, "certified")
        kept = dict(browser.cookies)
        back = confirm(address, "ann")
        assert "iss=" in back, "it names itself (RFC 9207)"
        wrong = back.partition("&iss=")[0] + "&iss=https%3A%2F%2Fevil.example"
        assert is_refused(browser.get(wrong))
        assert browser.get(back).status_code == 303
        (person,) = persons(served)
        assert (person.name, person.email, person.email_verified) == (
            "ann",
            "ann@example.org",
            False,
        )
        browser.cookies.clear()
        for name, value in kept.items():
            browser.cookies.set(name, value, "127.0.0.1")
        answer = browser.get(back)
        assert is_refused(answer) and "used already" in answer.text
