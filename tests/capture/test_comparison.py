"""``anchor capture --compare``: bags are verified first, and what differs is shown as text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from support.browser import browser, tab
from support.capture_bags import URL, make_account, make_capture, make_png, make_request
from support.chinese_text import what_is_english
from support.in_process import run_in_process

__all__ = ["browser", "tab"]

PICTURE = "screenshot-10x10.png"
VIEWS = {"page.txt": "Title\n\n价格 100 元\n".encode(), PICTURE: make_png((100, 100))}
LATER = {
    "page.txt": "Title\n\n价格 120 元\n".encode(),
    PICTURE: make_png((100, 100), boxes=((0, 0, 10, 10),)),
}


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return make_capture(tmp_path / "first", make_account(), VIEWS)


def make_second(folder: Path, views: Mapping[str, bytes] = LATER, **members: Any) -> Path:
    changed = {"title": "Another", "started_at": "2026-01-03T00:00:00Z", **members}
    return make_capture(folder / "second", make_account(**changed), views)


def compare(folder: Path, *words: str, code: int = 0) -> dict[str, Any]:
    arguments = ("capture", "--compare", "first", "second", "--json", *words)
    document: dict[str, Any] = run_in_process(*arguments, cwd=folder).expect(code).document
    assert document["format"] == "anchor-capture-comparison/1"
    return document


def test_what_differs_is_told_as_text_and_as_a_document(tmp_path: Path, first: Path) -> None:
    followed = [{"url": "https://example.org/two", "folder": "pages/001"}]
    requests = [make_request(URL, "ab", kind="Document"), make_request("https://x/new", "cc")]
    second = make_second(
        tmp_path, {**LATER, "pages/001/page.txt": b"Two\n"}, followed=followed, requests=requests
    )
    document = compare(tmp_path)
    assert document["complete"]
    assert {fact["name"]: (fact["first"], fact["second"]) for fact in document["facts"]} == {
        "title": ("Title", "Another"),
        "started_at": ("2026-01-02T03:04:05Z", "2026-01-03T00:00:00Z"),
    }
    (page,) = document["pages"]
    assert page["text"]["unified"] == [
        "@@ -1,3 +1,3 @@", " Title", " ", "-价格 100 元", "+价格 120 元"
    ]  # fmt: skip
    assert ["delete", "100"] in page["text"]["words"][0]
    assert page["pictures"][PICTURE] == {
        "share": 0.01, "changed_pixels": 100, "pixels": 10_000,
        "first_size": [100, 100], "second_size": [100, 100],
    }  # fmt: skip
    assert document["picture_share"] == 0.01
    assert document["pages_added"] == ["https://example.org/two"]
    assert [each["url"] for each in document["resources"]["added"]] == ["https://x/new"]
    assert [each["url"] for each in document["resources"]["changed"]] == [URL]
    manifest = (second / "manifest-sha256.txt").read_bytes()
    assert document["second"]["manifest_sha256"] == hashlib.sha256(manifest).hexdigest()

    ran = run_in_process("capture", "--compare", "first", "second", cwd=tmp_path).expect(0)
    assert "title of the page: Title → Another" in ran.out
    assert "1.00 % of the pixels differ" in ran.out
    assert "+ GET https://x/new" in ran.out


def test_what_a_comparison_prints_is_chinese(tmp_path: Path, first: Path) -> None:
    make_second(tmp_path, {"page.txt": LATER["page.txt"]})
    chinese = {"LANGUAGE": "", "LC_ALL": "", "LC_MESSAGES": "", "LANG": "zh_CN.UTF-8"}
    ran = run_in_process("capture", "--compare", "first", "second", cwd=tmp_path, env=chinese)
    assert "字符不同" in ran.expect(20).out
    for line in ran.out.splitlines():
        shown = re.sub(r"https://\S+|Title|Another|screenshot\S+", "", line)
        assert what_is_english(shown) is None, line


def test_equal_captures_do_not_differ(tmp_path: Path, first: Path) -> None:
    make_capture(tmp_path / "second", make_account(), VIEWS)
    document = compare(tmp_path)
    assert (document["text_share"], document["picture_share"], document["facts"]) == (0, 0, [])
    resources = document["resources"]
    assert resources.pop("same") == 2
    assert not any(resources.values())


def test_bodies_of_different_modes_are_not_compared(tmp_path: Path, first: Path) -> None:
    requests = [make_request(URL, "zz", kind="Document")]
    make_second(tmp_path, VIEWS, mode="recording-proxy", requests=requests)
    resources = compare(tmp_path)["resources"]
    assert resources["changed"] == []
    assert [each["url"] for each in resources["unknown"]] == [URL]


@pytest.mark.parametrize(
    "views",
    [{"page.txt": b"x"}, {**VIEWS, PICTURE: b"no picture"}, {PICTURE: VIEWS[PICTURE]}],
    ids=["no picture", "damaged picture", "no text"],
)
def test_a_view_that_cannot_be_compared_is_named_and_never_same(
    tmp_path: Path, first: Path, views: dict[str, bytes]
) -> None:
    make_second(tmp_path, views)
    document = compare(tmp_path, code=20)
    assert not document["complete"]
    (missing,) = document["pages"][0]["not_compared"]
    assert missing["name"] in (PICTURE, "page.txt")


def test_a_damaged_bag_is_refused_by_name(tmp_path: Path, first: Path) -> None:
    second = make_second(tmp_path)
    for path in sorted(path for path in second.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        for words in (("first", "second"), ("second", "first")):
            ran = run_in_process("capture", "--compare", *words, cwd=tmp_path)
            assert ran.code in (2, 10, 22), path
            assert "second: " in ran.err and path.name in ran.err
        path.write_bytes(whole)
    (second / "data" / "page.txt").unlink()
    run_in_process("capture", "--compare", "first", "second", cwd=tmp_path).expect(10)


def test_what_is_no_capture_is_refused(tmp_path: Path, first: Path) -> None:
    def refused(words: tuple[str, ...], code: int, *said: str) -> None:
        run_in_process("capture", *words, cwd=tmp_path).refused(code, *said)

    (tmp_path / "empty").mkdir()
    make_capture(tmp_path / "other", {"format": "anchor-capture-account/9"}, {})
    refused(("--compare", "first", "missing"), 2, "missing")
    refused(("--compare", "first", "empty"), 2, "empty")
    refused(("--compare", "first", "other"), 22, "anchor-capture-account/9")
    refused(("--compare", "first", "first", URL), 2, "no URL")
    refused(("--output", "page.html", URL), 2, "--compare")
    refused((), 2, "name the pages")
    bag = tmp_path / "first"
    refused(("--compare", "first", "first", "--output", "first/data/x.html"), 2, f"the bag {bag},")
    refused((URL, "-o", "first"), 2, f"the bag {bag},")
    for words in (("verifier", "-o", "first/v.html"), ("certify", "x.anchor.json", "-o", "first")):
        run_in_process(*words, cwd=tmp_path).refused(2, f"the bag {bag},")


HOSTILE = (
    "</pre><script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\">"
    "<link rel=stylesheet href=https://attacker.test/x>{{ 7 * 7 }}"
)


@pytest.fixture
def asked(tab: Page) -> Iterator[list[str]]:
    urls: list[str] = []
    tab.on("request", lambda request: urls.append(request.url))
    yield urls


def test_the_page_shows_both_sides_and_runs_nothing_of_them(
    tmp_path: Path, first: Path, tab: Page, asked: list[str]
) -> None:
    requests = [make_request(f"https://x/{HOSTILE}", "cc")]
    views = {**LATER, "page.txt": LATER["page.txt"] + HOSTILE.encode() + "\u202eevil\x00".encode()}
    make_second(tmp_path, views, title=HOSTILE + "\ud800", requests=requests, final_url=HOSTILE)
    written = compare(tmp_path, "--output", "page.html")["page"]
    page = (tmp_path / written).read_bytes()
    assert b"<script" not in page and b'onerror="' not in page
    tab.goto((tmp_path / written).as_uri())
    assert tab.title() == "Comparison of two web captures"
    assert tab.locator("del", has_text="100").count() == 1
    assert tab.locator("ins", has_text="120").count() == 1
    assert HOSTILE in (tab.locator("ins").all_inner_texts()[-1])
    assert tab.locator("figure img").count() == 3
    sizes = tab.eval_on_selector_all("img", "all => all.map((each) => each.naturalWidth)")
    assert sizes == [100, 100, 100]
    assert tab.evaluate("getComputedStyle(document.querySelector('del')).backgroundColor") != (
        "rgba(0, 0, 0, 0)"
    )
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    policy = tab.get_attribute("meta[http-equiv]", "content") or ""
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
