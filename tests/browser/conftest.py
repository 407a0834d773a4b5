"""The fixtures of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from support.certificate_fixtures import issued
from support.fixtures import anvil_path, module_anvil

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["anvil_path", "issued", "module_anvil"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium that all of these tests share, because none of them runs an event loop itself."""
    from support.browser import open_browser  # pytest has to load the plugin first

    with open_browser() as running:
        yield running
