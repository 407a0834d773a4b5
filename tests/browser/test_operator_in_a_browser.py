"""The operator's page with everything on it, in a real Chromium: axe, narrow and wide."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from sqlalchemy import insert
from support.accessibility import find_violations
from support.grown_logs import grow_log
from support.platform_tabs import open_tab
from support.sign_in_providers import Platform, serve_platform
from support.visitors import OPERATOR, close_browsers, visit

from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.store.api_keys import create_key
from anchor.store.browser_sessions import Holder, begin_session
from anchor.store.jobs import describe_trouble, order_job
from anchor.store.limited_addresses import add_limited
from anchor.store.schema import deliveries, jobs
from anchor.store.tenant_keys import key_id_of
from anchor.store.webhooks import create_webhook

LONG = "x" * 150


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with serve_platform(grow_log(tmp_path_factory.mktemp("grown"), [3])) as served:
        visit(served, LONG, acme="owner")
        visit(served, "Ann", guild="owner")
        fill(served)
        yield served
    close_browsers()


def fill(platform: Platform) -> None:
    """Enter a failing job, messages that wait and that were given up, and a limited address."""
    with platform.project.database.write() as connection:
        order_job(connection, "unheard-of", LONG, due_at="2999-01-01T00:00:00.000Z")
        trouble = describe_trouble(Message("jobs-not-looked-at", reason=LONG))
        connection.execute(jobs.update().values(failures=2, trouble=trouble))
        hook = create_webhook(
            connection, "acme", f"https://receiver.example/{LONG}", ("key.created",), OPERATOR,
            utc_now(), secret="whsec_AAAA",
        ).id  # fmt: skip
        for state in ("failed", "waiting"):
            connection.execute(
                insert(deliveries).values(
                    message=f"msg_{state}", tenant="acme", webhook=hook, event="key.created",
                    body="{}", made_at=utc_now(), begun_at=utc_now(), state=state, attempts=3,
                    tried_at=utc_now(), due_at="2999-01-01T00:00:00.000Z", trouble="status",
                    status=503,
                )
            )  # fmt: skip
        add_limited(connection, {"2001:db8::/64": 12_345}, at=utc_now(), forget_before="")


@pytest.fixture(scope="module")
def token(platform: Platform) -> str:
    """The session of an operator's key."""
    with platform.project.database.write() as connection:
        key = create_key(connection, "ops", ["admin"], created_at=utc_now())
        return begin_session(connection, Holder(api_key=key_id_of(key)), "Test", utc_now())


@pytest.mark.parametrize(
    ("theme", "width", "locale"), [("light", 1280, "en-GB"), ("dark", 390, "zh-CN")]
)
def test_the_operators_page_is_for_everybody_and_fits(
    theme: str, width: int, locale: str, browser: Browser, platform: Platform, token: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    with open_tab(browser, platform, theme, width, locale, token) as tab:

        def check(name: str, *words: str) -> None:
            tab.screenshot(path=tmp_path / f"{name}.png", full_page=True)
            assert find_violations(tab) == [], name
            over = tab.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert over <= 0, f"{name} is {over} pixels too wide"
            shown = tab.inner_text("main")
            assert [each for each in words if each not in shown] == []

        tab.goto("/operator")
        check(
            "whole", "guild", "msg_failed", "msg_waiting", "2001:db8::/64", "12,345", "unheard-of"
        )
        tab.locator("#days").fill("0")
        tab.locator("#network").fill("nonsense")
        tab.locator("button[value=block]").click()
        tab.locator("#network-error").wait_for()
        assert tab.locator("#network").input_value() == "nonsense"
        check("refused")
        tab.locator("#network").fill(f"198.51.100.{width % 200}")
        tab.locator("#why").fill(LONG)
        tab.locator("#days").fill("3")
        tab.locator("button[value=block]").click()
        tab.locator("button[value=unblock]").first.wait_for()
        tab.locator("#suspend-tenant").fill("guild")
        tab.locator("#reason").fill("unpaid")
        tab.locator("button[value=suspend]").click()
        tab.locator("button[value=resume]").wait_for()
        check("acted", f"198.51.100.{width % 200}")
        tab.locator("button[value=resume]").click()
        tab.locator("button[value=resume]").wait_for(state="detached")
