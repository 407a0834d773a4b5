"""``anchor capture --if-changed``: a page is recorded when it has changed, and kept from kills."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.browser import find_chromium
from support.chinese_text import what_is_english
from support.command import ANCHOR, CRASHING, Ran, environment
from support.fixtures import MakeSite
from support.paths import ROOT
from support.projects import Site
from support.store_contents import load_pieces
from support.tools import check_program
from support.web_site import WebSite

from anchor.bag.bag_folder import BagFolder
from anchor.bag.bag_validation import validate_bag
from anchor.base.system.durable_files import is_temporary
from anchor.chain.devnet import Devnet

PAGE = "<!doctype html><title>Prices</title><p>价格 {} 元</p>"
CHINESE = {"LANGUAGE": "", "LC_ALL": "", "LC_MESSAGES": "", "LANG": "zh_CN.UTF-8"}
WORDS = ("-o", "watched", "--if-changed", "0", "0.01", "--wait", "0", "--timeout", "10")


@pytest.fixture
def site(new_site: MakeSite, embedded: Devnet) -> Site:
    return new_site(embedded)


def watch(site: Site, *words: str, code: int = 0, **options: Any) -> Ran:
    return site.run("capture", *words, *WORDS, **options).expect(code)


def bags(site: Site) -> list[str]:
    return sorted(path.name for path in (site.folder / "watched").iterdir() if path.is_dir())


@pytest.mark.release
def test_only_a_change_is_recorded_and_is_named(site: Site, web: WebSite) -> None:
    url = web.url("/prices")
    web.altered["/prices"] = PAGE.format(100)
    (first,) = watch(site, url, "--json").document["captures"]
    assert first["change"] == {"last": None, "reasons": ["first capture of the page"]}
    asked = len(web.asked)
    document = watch(site, url, "--json").document
    assert document["unchanged"] == [{"url": url, "last": first["bag"]}]
    assert document["captures"] == []
    assert set(web.asked[asked:]) == {"/prices", "/favicon.ico"}
    assert [f"watched/{name}" for name in bags(site)] == [first["bag"]]
    assert len(load_pieces(site)) == 1

    web.altered["/prices"] = PAGE.format(120)
    ran = watch(site, url, env=CHINESE)
    for line in [line for line in ran.out.splitlines() if "不同" in line or "比对" in line]:
        assert what_is_english(line.replace(first["bag"], "")) is None, line
    assert "字符不同" in ran.out and first["bag"] in ran.out
    assert len(bags(site)) == len(load_pieces(site)) == 2
    (second,) = {f"watched/{name}" for name in bags(site)} - {first["bag"]}
    assert f"no change since {second}, nothing recorded" in watch(site, url).out
    site.anchor()
    site.run("prove", second).expect(0)
    site.run("verify", second).expect(0)


@pytest.mark.release
def test_a_page_that_fails_stops_no_other_and_a_changed_bag_is_no_measure(
    site: Site, web: WebSite
) -> None:
    web.altered["/other"] = PAGE.format(1)
    urls = ("http://localhost:1/", web.url("/silent-not"), web.url("/other"))
    document = watch(site, *urls, "--json", code=20).document
    assert [each["url"] for each in document["failed"]] == [urls[0]]
    assert [each["url"] for each in document["captures"]] == [*urls[1:]]
    # Somebody changes the bag that the next capture is compared with.
    bag = document["captures"][1]["bag"]
    (site.folder / bag / "data" / "page.txt").write_bytes(b"changed")
    again = watch(site, *urls, "--json", code=20).document
    assert [each["url"] for each in again["failed"]] == [urls[0]]
    assert [each["url"] for each in again["unchanged"]] == [urls[1]]
    (recorded,) = again["captures"]
    assert recorded["change"]["last"] == bag
    assert "page.txt" in recorded["change"]["reasons"][0]
    assert len(load_pieces(site)) == 3
    # Another bag, whole in itself, is not the one that was recorded under that name.
    (site.folder / recorded["bag"]).rename(site.folder / "away")
    (site.folder / document["captures"][0]["bag"]).rename(site.folder / recorded["bag"])
    (replaced,) = watch(site, urls[2], "--json").document["captures"]
    assert replaced["change"]["reasons"][0].endswith("is not the capture that was recorded")


def test_a_folder_that_cannot_be_written_is_named_for_each_page(site: Site) -> None:
    check_program("chromium")
    site.write("watched", b"")
    urls = ("http://localhost:1/", "http://localhost:2/")
    failed = watch(site, *urls, "--json", code=2).document["failed"]
    assert [each["url"] for each in failed] == [*urls]


RECORDER = ("anchor.capture.capture_recording", "CaptureRecorder", "enter", "1")
# When the process ends, and how many records are made by then.
MOMENTS = {"before": 0, "after": 1}


@pytest.mark.release
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.fault(
    "J19",
    how="the process ends before and after a changed page is recorded",
    then="what was captured is kept, and the next capture is compared with what was recorded last",
)
def test_a_killed_capture_is_lost_neither_as_a_bag_nor_as_the_last_record(
    site: Site, web: WebSite, moment: str
) -> None:
    recorded = MOMENTS[moment]
    url = web.url("/killed")
    web.altered["/killed"] = PAGE.format(1)
    watch(site, url)
    web.altered["/killed"] = PAGE.format(2)
    kill(site, (moment, *RECORDER), url)
    assert len(bags(site)) == 2
    assert len(load_pieces(site)) == 1 + recorded
    # The page is again what it was before: that is a change if the other state was recorded.
    web.altered["/killed"] = PAGE.format(1)
    document = watch(site, url, "--json").document
    assert len(document["captures"]) == recorded
    web.altered["/killed"] = PAGE.format(2)
    watch(site, url)
    assert len(load_pieces(site)) == 2 + 2 * recorded
    for name in bags(site):
        validate_bag(BagFolder(site.folder / "watched" / name))


@pytest.mark.release
def test_a_bag_that_was_being_deleted_is_no_bag_any_more(site: Site, web: WebSite) -> None:
    url = web.url("/killed")
    web.altered["/killed"] = PAGE.format(1)
    watch(site, url)
    # The first folder that is deleted is that of the browser.
    kill(site, ("before", "shutil", "-", "rmtree", "2"), url)
    assert len([name for name in bags(site) if not is_temporary(name)]) == 1
    assert len(bags(site)) == 2
    assert watch(site, url, "--json").document["captures"] == []


def kill(site: Site, effect: tuple[str, ...], url: str) -> None:
    done = subprocess.run(
        [*CRASHING, *effect, "capture", url, *WORDS],
        cwd=site.folder, env=environment(), check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 137, done.stderr


@pytest.mark.release
def test_the_line_for_cron_runs_in_the_environment_of_cron(
    site: Site, web: WebSite, tmp_path: Path
) -> None:
    web.altered["/terms"] = PAGE.format(1)
    page = (ROOT / "docs" / "capture.md").read_text("utf-8")
    (line,) = re.findall(r"^(?:[\d*,/-]+ ){5}(.*--if-changed.*)$", page, re.MULTILINE)
    program = tmp_path / "anchor"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(ANCHOR)} "$@"\n')
    program.chmod(0o755)
    for shown, here in (
        ("/opt/anchor/bin/anchor", str(program)),
        ("/srv/anchor", str(site.folder)),
        ("https://example.org/terms", web.url("/terms")),
        ("https://example.org/prices", web.url("/prices")),
    ):
        assert shown in line
        line = line.replace(shown, shlex.quote(here))
    bare = {"SHELL": "/bin/sh", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LOGNAME": "daemon"}
    bare["CHROMIUM"] = str(find_chromium())
    for expected in ("first capture of the page", "no change since"):
        done = subprocess.run(
            ["/bin/sh", "-c", line], cwd="/", env=bare, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(expected) == 2
    assert len(load_pieces(site)) == 2
