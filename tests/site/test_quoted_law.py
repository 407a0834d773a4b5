"""The pages on rules of evidence quote articles as they were compared with their sources."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from support.paths import ROOT

_FOLDER = ROOT / "docs" / "explanation"
PAGES = (_FOLDER / "rules-of-evidence.md", _FOLDER / "rules-of-evidence.zh.md")
# Heading on the English page, on the Chinese page, and SHA-256 of the paragraphs with \n between.
ARTICLES = {
    ("Article 16", "第十六条"): "3755d4ca32173404b17e85210046212c4c5ae5be358d239241e2f80ef332fe36",
    ("Article 17", "第十七条"): "c09c364ed2cb2da0465983c5a970b540560829d1b2ec346ee4cfffa64532e16b",
    ("Article 18", "第十八条"): "8948decab2a5df49156f6dcc49e2c979258167d57ebf282a80d5bcd0b3ab2976",
    ("Article 19", "第十九条"): "64290b5b1608350db54cf597ad3f45647f1755ff8dbb9512b6df426e5f188516",
    ("Article 15", "第十五条"): "38dc53c3ab81a4436060c2cee0634b2b3383e1296974ea81edf2b3f52fd2e0da",
    (
        "Article 93",
        "第九十三条",
    ): "2fe286587a544beafad53d3c61211676f39d364ca6c781799c22e95a13c56b5d",
    (
        "Article 94",
        "第九十四条",
    ): "2b5a380e08f5150d105a2bd675db77a7fb30f98d625da0375ff758ad46f64139",
    ("Article 11", "第十一条"): "5731a80594185453ff1759300ae52cecdd6b38559a6c1d1061fe873794bf6eb8",
}


def read_quotations(page: Path) -> dict[str, str]:
    """Return the quotation that begins each section of a page, by heading."""
    found = re.findall(r"^#+ (.+)\n\n((?:>.*\n)+)", page.read_text("utf-8"), re.MULTILINE)
    return {
        heading: "\n".join(re.findall(r"^> (.+)", text, re.MULTILINE)) for heading, text in found
    }


@pytest.mark.parametrize("language", range(len(PAGES)), ids=["en", "zh"])
def test_articles_are_quoted_word_by_word(language: int) -> None:
    quoted = read_quotations(PAGES[language])
    assert {
        heading: hashlib.sha256(text.encode()).hexdigest() for heading, text in quoted.items()
    } == {headings[language]: digest for headings, digest in ARTICLES.items()}
