"""The browser of the page tests: found, and missed with a clear sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page
from support.browser import find_chromium


def test_a_page_can_be_opened_and_read(tab: Page) -> None:
    tab.set_content("<h1>Evidence</h1>")
    assert tab.inner_text("h1") == "Evidence"


def test_a_browser_is_named_or_on_the_path_and_else_missed_with_a_clear_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "google-chrome"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    assert find_chromium() == program
    monkeypatch.setenv("CHROMIUM", "missing")
    with pytest.raises(pytest.skip.Exception, match="apt install chromium"):
        find_chromium()
