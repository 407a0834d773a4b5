"""The fixtures of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.fixtures import embedded, new_site
from support.web_site import WebSite, serve_site

__all__ = ["embedded", "new_site"]


@pytest.fixture(scope="module")
def web() -> Iterator[WebSite]:
    """The site without TLS."""
    with serve_site() as running:
        yield running
