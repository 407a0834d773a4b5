"""The documentation's pages: each is in the navigation, and no Chinese page fell behind."""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

import pytest
from support.paths import ROOT

sys.path.append(str(ROOT / "scripts/_build"))
from build_site import mark_untranslated, move_links
from chinese_pages import find_behind, hash_english

DOCS = ROOT / "docs"
NAVIGATION = re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
CHINESE = sorted(DOCS.rglob("*.zh.md"))


def test_every_page_is_in_the_navigation() -> None:
    pages = {
        page.relative_to(DOCS).as_posix()
        for page in DOCS.rglob("*.md")
        if not page.name.endswith(".zh.md")
    }
    assert pages - set(NAVIGATION) == set()
    others = {name for name in NAVIGATION if not name.startswith("repository/")} - pages
    assert others == {"http-api.md", "python-api.md"}  # of scripts/_build/build_references.py


def test_no_chinese_page_fell_behind_its_english_page() -> None:
    behind = [page.name for page in find_behind(DOCS)]
    assert not behind, f"revise {behind}, then run scripts/_build/chinese_pages.py with their paths"
    assert len(CHINESE) >= 22


def test_a_chinese_page_is_behind_once_the_english_page_changes(tmp_path: Path) -> None:
    english, chinese = tmp_path / "page.md", tmp_path / "page.zh.md"
    english.write_text("# Page\n", "utf-8")
    chinese.write_text("# 页\n", "utf-8")
    assert list(find_behind(tmp_path)) == [chinese]
    digest = hashlib.sha256(english.read_bytes()).hexdigest()
    chinese.write_text(f"<!-- of the English page with SHA-256 {digest} -->\n\n# 页\n", "utf-8")
    assert list(find_behind(tmp_path)) == []
    english.write_text("# Page of today\n", "utf-8")
    assert list(find_behind(tmp_path)) == [chinese]


def test_another_hash_of_the_verifier_page_leaves_the_chinese_page_in_place(tmp_path: Path) -> None:
    english, chinese = tmp_path / "page.md", tmp_path / "page.zh.md"
    english.write_text(f"{'0' * 64}  verify.html\n", "utf-8")
    digest = hash_english(chinese)
    chinese.write_text(f"<!-- of the English page with SHA-256 {digest} -->\n\n# 页\n", "utf-8")
    english.write_text(f"{'1' * 64}  verify.html\n", "utf-8")
    assert list(find_behind(tmp_path)) == []
    english.write_text(f"{'1' * 64}  verify.html\nAnother sentence.\n", "utf-8")
    assert list(find_behind(tmp_path)) == [chinese]


@pytest.mark.parametrize("page", CHINESE, ids=lambda page: page.name)
def test_a_chinese_page_says_unchanged_and_never_that_something_is_authentic(page: Path) -> None:
    text = page.read_text("utf-8")
    claims = re.findall(
        r"[^。|\n]*(?:证明|确认|保证)(?:了)?(?:其|该|文件|内容|数据)?(?:的)?真实(?!时间)[^。|\n]*",
        text,
    )
    denied = re.compile(r"不|从不|并非|无法|另行|可以用来|异议|法院|审查|之前|是否")
    assert [claim for claim in claims if not denied.search(claim)] == []


@pytest.mark.parametrize("page", CHINESE, ids=lambda page: page.name)
def test_a_chinese_page_leads_to_pages_that_say_so_if_they_are_english(page: Path) -> None:
    for text, target in re.findall(
        r"(?<!!)\[([^\]]*)\]\(([^)#:]+\.md)[^)]*\)", page.read_text("utf-8")
    ):
        english = (page.parent / target).resolve()
        assert english.is_file(), f"{page.name} links to {target}"
        is_chinese = english.with_suffix(".zh.md").exists()
        assert is_chinese != text.endswith("（英文）"), f"{page.name}: {text}"


def test_links_that_leave_the_documentation_stay_in_the_site() -> None:
    page = DOCS / "roles" / "contributor.md"
    text = "[a](../faults.md#x) [b](../../CONTRIBUTING.md#y) [c](../../deploy) [d](https://e.org/f)"
    assert move_links(text, page, ROOT) == (
        "[a](../faults.md#x) [b](../repository/CONTRIBUTING.md#y) "
        "[c](../repository/deploy/index.md) [d](https://e.org/f)"
    )


def test_commands_that_look_like_links_are_left_alone() -> None:
    page = DOCS / "index.md"
    text = "```sh\necho [a](../README.md)\n```\n"
    assert move_links(text, page, ROOT) == text


def test_an_english_page_for_chinese_readers_says_that_it_is() -> None:
    assert mark_untranslated("# Costs\n\nText.\n") == (
        "# Costs\n\n> 本页尚无中文版，以下为英文原文。\n\nText.\n"
    )


def test_the_threat_model_names_tests_that_exist() -> None:
    text = (DOCS / "explanation" / "threat-model.md").read_text("utf-8")
    named = re.findall(r"`(tests/[^`]+)`", text)
    assert len(named) > 25
    assert [name for name in named if not (ROOT / name).is_file()] == []
