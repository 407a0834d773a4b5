"""``anchor watch-pages``: a page is recorded when it has changed, once, and kept from kills."""

from __future__ import annotations

import fcntl
import json
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright
from support.browser import find_chromium
from support.chinese_text import what_is_english
from support.command import ANCHOR, LAUNCHER, Ran, environment
from support.fixtures import MakeSite
from support.json_documents import check_document
from support.projects import Site
from support.store_contents import load_pieces
from support.web_site import WebSite

from anchor.chain.devnet import Devnet
from anchor.system.durable_files import is_temporary

PAGE = "<!doctype html><title>Prices</title><p>价格 {} 元</p>"
CHINESE = {"LANGUAGE": "", "LC_ALL": "", "LC_MESSAGES": "", "LANG": "zh_CN.UTF-8"}


@pytest.fixture
def site(new_site: MakeSite, embedded: Devnet) -> Site:
    return new_site(embedded)


def plan(site: Site, *urls: str, every: int = 60, more: str = "") -> None:
    pages = "".join(f'[[page]]\nurl = "{url}"\n' for url in urls)
    site.write("pages.toml", f"every = {every}\nwait = 0\ntimeout = 10\n{more}{pages}".encode())


def watch(site: Site, *words: str, code: int = 0, **options: Any) -> Ran:
    return site.run("watch-pages", "pages.toml", "--once", *words, **options).expect(code)


def bags(site: Site) -> list[str]:
    return sorted(path.name for path in (site.folder / "watched").iterdir() if path.is_dir())


@pytest.mark.release
def test_only_a_change_is_recorded_and_is_shown_side_by_side(site: Site, web: WebSite) -> None:
    web.altered["/prices"] = PAGE.format(100)
    plan(site, web.url("/prices"), more="sign_wacz = true\nfilm = true\n")
    (first,) = watch(site, "--json").document["pages"]
    assert (first["state"], first["reasons"]) == ("recorded", ["first capture of the page"])
    asked = len(web.asked)
    (same,) = watch(site, "--json").document["pages"]
    assert (same["state"], same["bag"]) == ("unchanged", None)
    assert set(web.asked[asked:]) == {"/prices", "/favicon.ico"}
    assert bags(site) == [first["bag"]] and len(load_pieces(site)) == 1

    web.altered["/prices"] = PAGE.format(120)
    ran = watch(site, env=CHINESE)
    for line in ran.out.splitlines():
        assert what_is_english(re.sub(r"http://\S+|localhost-\S+", "", line)) is None, line
    assert "字符不同" in ran.out
    assert len(bags(site)) == len(load_pieces(site)) == 2
    second = next(name for name in bags(site) if name != first["bag"])
    folder = site.folder / "watched"
    comparison = (folder / f"{second}.comparison.html").read_text("utf-8")
    assert "<del>100</del>" in comparison and "<ins>120</ins>" in comparison
    with zipfile.ZipFile(folder / second / "data" / "capture.wacz") as archive:
        assert "signedData" in json.loads(archive.read("datapackage-digest.json"))
    options = json.loads((folder / second / "data" / "capture.json").read_bytes())["options"]
    assert (options["wacz_signed"], options["film"]) == (True, True)
    _check_index(folder, second)
    site.anchor()
    site.run("prove", f"watched/{second}").expect(0)
    site.run("verify", f"watched/{second}").expect(0)


def _check_index(folder: Path, newest: str) -> None:
    """Open the page of changes: the pictures are there, and the links lead to files."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), chromium_sandbox=False
        )
        tab = browser.new_page()
        tab.goto((folder / "changes.html").as_uri())
        widths = tab.eval_on_selector_all("img", "all => all.map((each) => each.naturalWidth)")
        links = tab.eval_on_selector_all("a", "all => all.map((each) => each.href)")
        listed = tab.locator("h2").count()
        browser.close()
    assert listed == 2
    assert len(widths) == 3 and all(width > 0 for width in widths)
    names = [link.rstrip("/").rpartition("/")[2] for link in links]
    assert f"{newest}.comparison.html" in names
    assert all((folder / name).exists() for name in names)


@pytest.mark.release
def test_a_page_that_fails_stops_no_other_and_a_changed_bag_is_no_measure(
    site: Site, web: WebSite
) -> None:
    web.altered["/other"] = PAGE.format(1)
    plan(site, "http://localhost:1/", web.url("/silent-not"), web.url("/other"))
    document = watch(site, "--json", code=20).document
    assert [page["state"] for page in document["pages"]] == ["failed", "recorded", "recorded"]
    # Somebody changes the bag that the next capture is compared with.
    path = site.folder / "watched" / document["pages"][2]["bag"] / "data" / "page.txt"
    path.write_bytes(b"changed")
    again = watch(site, "--json", code=20).document["pages"]
    assert [page["state"] for page in again] == ["failed", "unchanged", "recorded"]
    assert "page.txt" in again[2]["reasons"][0]
    assert len(load_pieces(site)) == 3


WATCHER = ("anchor.page_watch.page_watcher", "PageWatcher")
MOMENTS = {
    "before it is pending": ("before", *WATCHER, "_save", "1"),
    "when it is pending": ("after", *WATCHER, "_save", "1"),
    "before it is recorded": ("before", "anchor.capture.capture_recording", "-", "enter_capture",
                              "1"),
    "when it is recorded": ("after", "anchor.capture.capture_recording", "-", "enter_capture", "1"),
    "when it is noted": ("after", *WATCHER, "_save", "2"),
    "before the page of changes": ("before", *WATCHER, "write_index", "2"),
}  # fmt: skip


@pytest.mark.release
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.fault(
    "J19",
    how="the process ends before each effect of a round",
    then="the next round records the change, once",
)
def test_a_killed_round_loses_no_change_and_records_none_twice(
    site: Site, web: WebSite, moment: str
) -> None:
    web.altered["/killed"] = PAGE.format(1)
    plan(site, web.url("/killed"))
    killed = [sys.executable, LAUNCHER, *MOMENTS[moment], "watch-pages", "pages.toml", "--once"]
    done = subprocess.run(
        killed, cwd=site.folder, env=environment(), check=False, capture_output=True, text=True
    )
    assert done.returncode == 137, done.stderr
    if moment != "before it is pending":
        # What the page showed is gone, and is recorded all the same.
        web.altered["/killed"] = PAGE.format(2)
    watch(site)
    expected = 1 if moment == "before it is pending" else 2
    assert len(bags(site)) == len(load_pieces(site)) == expected
    left = list((site.folder / "watched").iterdir())
    assert not [path for path in left if is_temporary(path.name)]
    index = (site.folder / "watched" / "changes.html").read_text("utf-8")
    assert all(f">{name}</a>" in index for name in bags(site))
    watch(site)
    assert len(load_pieces(site)) == expected


@pytest.mark.release
def test_the_loop_captures_at_intervals_and_ends_when_told(site: Site, web: WebSite) -> None:
    web.altered["/looped"] = PAGE.format(1)
    plan(site, web.url("/looped"), every=60)
    command = [*ANCHOR, "watch-pages", "pages.toml", "--json"]
    for state in ("recorded", None):
        with subprocess.Popen(
            command, cwd=site.folder, env=environment(), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            if state is not None:
                event = check_document(json.loads(process.stdout.readline()))
                assert event["format"] == "anchor-watch-pages-event/1"
                assert event["state"] == state
                held = site.run("watch-pages", "pages.toml", "--once")
                held.refused(32, "another process watches")
            else:
                # Started again within the interval, it asks nothing before the page is due.
                asked = len(web.asked)
                while not is_locked(site):
                    time.sleep(0.05)
                assert web.asked[asked:] == []
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def is_locked(site: Site) -> bool:
    """Whether the run has come as far as to watch."""
    for path in site.folder.glob("page-watch-*.lock"):
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    return False


def test_a_plan_that_is_wrong_is_refused_before_a_browser_starts(site: Site) -> None:
    site.run("watch-pages", "none.toml", "--once").refused(2, "none.toml")
    site.write("pages.toml", b"every = 1\n[[page]]\nurl = 'http://localhost/'\n")
    site.run("watch-pages", "pages.toml", "--once").refused(2, "every")
