"""The pages in a real Chromium: for everybody, in light and dark, narrow and wide."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from support.accessibility import find_violations
from support.bent_receipts import honest_receipts, world
from support.desk import open_desk
from support.grown_logs import grow_log
from support.page_service import PageService, serve_pages

PAGES = {
    "login": "/login",
    "log": "/log",
    "leaf": "/log/leaf?of=70",
    "reversible leaf": "/log/leaf?of=310",
    "problem": "/log/leaf?of=nonsense",
    "consistency": "/log/consistency?old=4&new=311",
    "number": "/number",
    "number of nothing": "/number?of=" + "ab" * 32,
    "no number": "/number?of=nonsense",
    "api": "/docs",
    "about": "/about",
    "home": "/",
    "dashboard": "/dashboard",
    "account": "/account",
    "conformance": "/conformance",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageService]:
    site = grow_log(tmp_path_factory.mktemp("grown"), [3, 1, 300, 2, 5])
    with serve_pages(site, site.chain) as served:
        yield served


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageService]:
    """An empty log whose node is away."""
    site = grow_log(tmp_path_factory.mktemp("empty"), [])
    with serve_pages(site) as served:
        served.service.outside.snapshot(30)
        yield served


@dataclass
class Seen:
    """What a browser asked for, and what it complained of."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@contextmanager
def open_tab(
    browser: Browser,
    served: PageService,
    *,
    theme: str = "light",
    width: int = 1280,
    locale: str = "en-GB",
) -> Iterator[tuple[Page, Seen]]:
    """Open a tab that is signed in, without using the form."""
    context = browser.new_context(
        base_url=str(served.http.base_url),
        color_scheme="dark" if theme == "dark" else "light",
        viewport={"width": width, "height": 900},
        locale=locale,
        java_script_enabled=True,
    )
    tab = context.new_page()
    seen = Seen()
    tab.on("request", lambda request: seen.requests.append(request.url))
    tab.on(
        "console",
        lambda message: (
            seen.complaints.append(message.text)
            if message.type in ("error", "warning")
            and not any(status in message.text for status in ("404", "422"))
            else None
        ),
    )
    tab.on("pageerror", lambda error: seen.complaints.append(str(error)))
    try:
        yield tab, seen
    finally:
        context.close()


WORDS = {
    "en-GB": ("API key", "Sign in", "Operator's dashboard"),
    "zh-CN": ("接口密钥", "登录", "仪表盘"),
}


def sign_in(tab: Page, served: PageService, locale: str = "en-GB") -> None:
    label, button, heading = WORDS[locale]
    tab.goto("/dashboard")
    tab.get_by_label(label).fill(served.admin)
    tab.get_by_role("button", name=button).click()
    tab.get_by_role("heading", name=heading).wait_for()


@pytest.mark.parametrize("locale", WORDS)
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_for_everybody_and_fits(
    theme: str, width: int, locale: str, browser: Browser, served: PageService
) -> None:
    with open_tab(browser, served, theme=theme, width=width, locale=locale) as (tab, seen):
        sign_in(tab, served, locale)
        for name, path in PAGES.items():
            tab.goto(path)
            assert find_violations(tab) == [], name
            over = tab.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert over <= 0, f"{name} is {over} pixels too wide"
        assert seen.complaints == []
        assert {url.split("/")[2] for url in seen.requests} == {
            str(served.http.base_url).split("/")[2]
        }


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_of_an_empty_log_are_for_everybody_too(
    theme: str, browser: Browser, empty: PageService
) -> None:
    with open_tab(browser, empty, theme=theme, width=390) as (tab, _):
        sign_in(tab, empty)
        for path in ("/", "/dashboard", "/log"):
            tab.goto(path)
            assert find_violations(tab) == [], path


def test_one_signs_in_and_out_by_keyboard_alone(browser: Browser, served: PageService) -> None:
    with open_tab(browser, served) as (tab, _):
        tab.goto("/dashboard")
        tab.get_by_label("API key").focus()
        tab.keyboard.type("nonsense")
        tab.keyboard.press("Enter")
        tab.get_by_role("alert").wait_for()
        tab.get_by_label("API key").focus()
        tab.keyboard.type(served.admin)
        tab.keyboard.press("Enter")
        tab.get_by_role("heading", name="Operator's dashboard").wait_for()
        assert served.admin not in tab.url
        (cookie,) = tab.context.cookies()
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Lax"
        assert tab.evaluate("document.cookie") == ""
        tab.get_by_role("button", name="Sign out").press("Enter")
        tab.get_by_role("heading", name="Sign in").wait_for()
        assert tab.context.cookies() == []


def test_a_chinese_browser_sees_chinese_until_it_chooses_english(
    browser: Browser, served: PageService
) -> None:
    with open_tab(browser, served, locale="zh-CN") as (tab, _):
        tab.goto("/log")
        tab.get_by_role("link", name="English").click()
        tab.get_by_role("heading", name="Find a leaf").wait_for()
        tab.get_by_label("Leaf hash or index").fill("70")
        tab.get_by_role("button", name="Show its path").click()
        tab.get_by_role("heading", name="In the log, anchored (final)").wait_for()
        tab.get_by_role("link", name="中文").click()
        tab.get_by_role("heading", name="已编入日志，已锚定（已最终确定）").wait_for()


def test_the_first_stop_of_the_keyboard_leads_to_the_content(
    browser: Browser, served: PageService
) -> None:
    with open_tab(browser, served) as (tab, _):
        tab.goto("/log")
        tab.keyboard.press("Tab")
        link = tab.get_by_role("link", name="Skip to the content")
        assert link.evaluate("element => element === document.activeElement")
        assert link.bounding_box()["x"] >= 0, "it is seen while it has the focus"


def test_a_page_of_another_site_cannot_show_the_dashboard_in_a_frame_nor_sign_anybody_in(
    browser: Browser, served: PageService
) -> None:
    with open_tab(browser, served) as (tab, _):
        sign_in(tab, served)
        tab.goto("about:blank")
        base = str(served.http.base_url)
        tab.set_content(
            f'<iframe src="{base}"></iframe><form method=post action="{base}/login">'
            f'<input name=key value="{served.admin}"><button>go</button></form>'
        )
        frame = tab.frames[1]
        frame.wait_for_url("chrome-error://chromewebdata/")
        tab.context.clear_cookies()
        with tab.expect_navigation():
            tab.get_by_role("button", name="go").click()
        assert tab.context.cookies() == []


def test_the_verifier_page_verifies_under_the_headers_of_the_service(
    browser: Browser, served: PageService, tmp_path: Path
) -> None:
    honest = next(honest for honest in honest_receipts() if honest.given.block_hashes)
    file, receipt = tmp_path / "evidence", tmp_path / "evidence.anchor.json"
    file.write_bytes(world().files[honest.given.leaf])
    receipt.write_text(json.dumps(honest.document), "utf-8")
    desk = open_desk(browser)
    desk.open(f"{served.http.base_url}/verify.html")
    desk.give(file=file, receipt=receipt)
    named = "\n".join(f"0x{named.hex()}" for named in honest.given.block_hashes)
    desk.fill(hashes=named, chains="31337")
    desk.tab.check("#unpinned")
    assert desk.verify()["exit_code"] == 0
    assert desk.network == []
    assert desk.said == []
    desk.tab.context.close()
