"""Tabs of a real browser on the pages of a platform, signed in or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page
from support.sign_in_providers import Platform


@contextmanager
def open_tab(
    browser: Browser, platform: Platform, theme: str = "light", width: int = 1280,
    locale: str = "en-GB", token: str | None = None,
) -> Iterator[Page]:  # fmt: skip
    """Open a tab, with the session of a token."""
    context = browser.new_context(
        base_url=platform.url,
        color_scheme="dark" if theme == "dark" else "light",
        viewport={"width": width, "height": 900},
        locale=locale,
    )
    if token is not None:
        context.add_cookies([{"name": "anchor_session", "value": token, "url": platform.url}])
    try:
        yield context.new_page()
    finally:
        context.close()
