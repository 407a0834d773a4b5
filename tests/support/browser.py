"""A real Chromium for the tests of pages: found on this machine, and driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.tools import miss

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> Path:
    """Return the Chromium that ``CHROMIUM`` names, else the first on PATH."""
    named = os.environ.get("CHROMIUM")
    found = next(filter(None, map(shutil.which, (named,) if named else _NAMES)), None)
    if found is None:
        miss("chromium", "on Debian: apt install chromium; or name one with CHROMIUM")
    return Path(found)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Run a headless Chromium; its sandbox is off only where root runs it, which it refuses."""
    from playwright.sync_api import sync_playwright

    chromium = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, chromium_sandbox=os.geteuid() != 0
        )
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium of one module's tests.

    Not of the session's: while Playwright runs, its thread has an event loop, and another test's
    ``asyncio.run`` would be refused.
    """
    with open_browser() as running:
        yield running


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """A page of the test's own, without cookies or storage of others; nothing opened in it yet."""
    context = browser.new_context()
    try:
        yield context.new_page()
    finally:
        context.close()
