"""The tutorial of one's own evidence names what is on the pages, and leads to a verification."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from support.browser import browser
from support.command import start_anchor
from support.fixtures import anvil_path
from support.paths import ROOT
from support.web_tutorial import CHAIN, FILES, LABELS, OWNER, TYPED, Demonstration, Reader

from anchor.base.messages.catalogue import Language
from anchor.base.messages.message import Message, translate

__all__ = ["anvil_path", "browser"]

PAGES: dict[Language, str] = {
    "en": "own-evidence-by-the-web.md",
    "zh": "own-evidence-by-the-web.zh.md",
}


def read_page(language: Language) -> str:
    return (ROOT / "docs" / "tutorials" / PAGES[language]).read_text("utf-8")


def list_labels(language: Language) -> list[str]:
    return [translate(label, language) for label in LABELS]


@pytest.mark.parametrize("language", PAGES)
def test_what_the_tutorial_prints_in_bold_is_what_the_pages_say(language: Language) -> None:
    bold = re.findall(r"\*\*([^*]+)\*\*", read_page(language))
    assert bold == list_labels(language)


@pytest.mark.parametrize("language", PAGES)
def test_the_tutorial_says_what_is_typed(language: Language) -> None:
    typed = [text[language] for text in TYPED.values()]
    page = read_page(language)
    assert [text for text in (*FILES[language], *typed, CHAIN, OWNER) if text not in page] == []


@pytest.mark.release
@pytest.mark.needs_chromium
@pytest.mark.parametrize(("language", "locale"), [("en", "en-GB"), ("zh", "zh-CN")])
def test_a_reader_without_any_program_hands_over_evidence_that_is_verified(
    language: Language, locale: str, browser: Browser, anvil_path: Path, tmp_path: Path
) -> None:
    variables = {"ANCHOR_ANVIL": str(anvil_path), "TMPDIR": str(tmp_path)}
    arguments = ("serve", "--demo", "--port", "0", "--workers", "1")
    shown: list[str] = []
    with start_anchor(*arguments, cwd=tmp_path, log=tmp_path / "log", env=variables) as running:
        printed = running.printed(" with 1 processes", 300.0)
        context = browser.new_context(locale=locale, accept_downloads=True)
        try:
            reader = Reader(
                tab=context.new_page(),
                site=Demonstration.read(printed.splitlines()),
                language=language,
                folder=tmp_path,
                show=lambda name, _: shown.append(f"{name}-{language}.png"),
            )
            verdict = reader.follow()
        finally:
            context.close()
    assert verdict.lower() == translate(
        Message("verdict-verified-development-chain"), language
    ).lower()  # fmt: skip
    assert reader.labels == list_labels(language)
    assert re.findall(r"pictures/tutorial/([^)]+)", read_page(language)) == shown
