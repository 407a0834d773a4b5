"""The pages of cases in a real Chromium: axe, narrow and wide, and by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from support.accessibility import find_violations
from support.grown_logs import grow_log
from support.platform_tabs import open_tab
from support.service import digest
from support.sign_in_providers import Platform, serve_platform
from support.visitors import Visitor, close_browsers, visit

pytestmark = pytest.mark.needs_chromium
LONG = "一个很长的名称，没有任何空格" * 7 + "x" * 90


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    site = grow_log(tmp_path_factory.mktemp("grown"), [3])
    with serve_platform(site) as served:
        yield served
    close_browsers()


def submit(visitor: Visitor, number: int, name: str) -> str:
    """Submit evidence through the API of the site; return its preservation number."""
    answer = visitor.http.post(
        "/v1/evidence", json={"sha256": digest(number), "name": name},
        headers={"Origin": visitor.platform.url},
    )  # fmt: skip
    printed: str = answer.json()["number"]
    return printed


@pytest.mark.parametrize(
    ("theme", "width", "locale"), [("light", 1280, "en-GB"), ("dark", 390, "zh-CN")]
)
def test_a_case_is_made_and_filled_by_keyboard_and_every_page_of_it_fits(
    theme: str, width: int, locale: str, browser: Browser, platform: Platform, tmp_path: Path
) -> None:
    tenant = f"firm{width}"
    owner = visit(platform, LONG[:100], **{tenant: "owner"})
    visit(platform, "李", **{tenant: "reader"})
    numbers = [submit(owner, width + place, name) for place, name in enumerate((LONG, "合同.pdf"))]
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

        tab.goto(f"/tenants/{tenant}/cases")
        check("none")
        tab.locator("a.button").focus()
        tab.keyboard.press("Enter")
        tab.locator("#number").focus()
        for text in ("（2026）沪0105民初1234号", "", "上海市长宁区人民法院"):
            tab.keyboard.insert_text(text)
            tab.keyboard.press("Tab")
        tab.keyboard.insert_text(f"原告：{LONG[:150]}\n没有冒号")
        tab.locator("main form button").press("Enter")
        tab.locator("#title-error").wait_for()
        assert tab.locator("#number").input_value() == "（2026）沪0105民初1234号"
        check("refused")
        tab.locator("#title").fill("买卖合同纠纷 " + "x" * 100)
        tab.locator("#parties").fill("原告：张三\n被告：某某网络科技有限公司")
        tab.locator("main form button").press("Enter")
        tab.locator("#exhibits").wait_for()
        check("empty")
        for place, number in enumerate(numbers, 1):
            tab.locator("#evidence").fill(number)
            tab.locator("#label").fill(f"证据{place}")
            tab.locator("#purpose").fill("证明双方之间存在买卖合同关系，\n以及货物的价款。" * 3)
            tab.locator("#evidence").press("Enter")
            tab.locator(f"tbody tr:nth-child({place})").wait_for()
        tab.locator("#text").fill("已与对方律师通话。\n" + "y" * 120)
        tab.locator("#notes ~ form button").press("Enter")
        tab.locator("ol.list li").wait_for()
        tab.locator("#reason").fill("诉讼期间")
        tab.locator("#reason").press("Enter")
        tab.locator(".verdict:not(.chain)").wait_for()
        check("case")
        tab.locator("tbody tr:first-child a").press("Enter")
        tab.locator("#position").fill("2")
        check("exhibit")
        tab.locator("#position").press("Enter")
        tab.locator("#exhibits").wait_for()
        assert "证据2" in tab.locator("tbody tr:first-child").inner_text()
        tab.goto(f"/tenants/{tenant}/cases")
        check("cases")
        tab.goto(f"/tenants/{tenant}/search")
        tab.locator("#q").fill("合同")
        tab.locator("#q").press("Enter")
        tab.locator("tbody tr").first.wait_for()
        assert tab.locator("tbody tr").count() == 1 and tab.locator("ul.list li").count() == 1
        check("search")
        assert {url.partition("/tenants")[0].partition("/pages-")[0] for url in asked} <= {
            platform.url, f"{platform.url}/favicon.svg"
        }  # fmt: skip
