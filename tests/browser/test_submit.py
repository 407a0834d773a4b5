"""Submitting in a real Chromium: hashed there, recorded once, followed until it is final."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Route
from support.accessibility import find_violations
from support.grown_logs import grow_log
from support.memory_projects import MemorySite
from support.sign_in_providers import Platform, serve_platform
from support.submit_desk import open_submit_desk, sign_in
from support.troubles import Effects
from support.visitors import close_browsers, visit

from anchor.base.system.clock import utc_now
from anchor.evidence.preservation_number import number_record
from anchor.store.browser_sessions import Holder, begin_session, end_sessions
from anchor.store.certificates import count_waiting


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> MemorySite:
    return grow_log(tmp_path_factory.mktemp("grown"), [3])


@pytest.fixture(scope="module")
def platform(site: MemorySite) -> Iterator[Platform]:
    with serve_platform(site) as served:
        yield served
    close_browsers()


def write(folder: Path, *names: str) -> list[Path]:
    files = [folder / name for name in names]
    for file in files:
        file.write_bytes(b"secret contents of " + file.name.encode())
    return files


def test_three_files_and_a_text_are_recorded_and_followed_until_they_are_final(
    browser: Browser, platform: Platform, site: MemorySite, tmp_path: Path
) -> None:
    member = visit(platform, acme="member", other="member")
    with open_submit_desk(browser, platform, member, "acme") as desk:
        with (tmp_path / "large").open("wb") as large:
            large.truncate(1_000_000)
        desk.choose(*write(tmp_path, "a.txt", "合同.docx"), tmp_path / "large")
        desk.tab.fill("#title", "What I saw")
        desk.tab.fill("#text", "First line\nsecond line, 证言")
        with desk.tab.expect_download() as download:
            desk.tab.get_by_role("button", name="Save as a file").click()
        assert download.value.suggested_filename == "What I saw.txt"
        saved = Path(download.value.path()).read_bytes()
        assert saved == "First line\nsecond line, 证言".encode()
        desk.wait_for_counts(hashed=4)
        assert desk.recorded() == []
        desk.submit()
        desk.wait_for_counts(accepted=4)
        desk.wait_for("a.txt", "accepted")
        number = desk.row("a.txt").locator(".hash:not(:empty)").inner_text()
        site.serve(Effects(), 100)
        desk.wait_for_counts(anchored=4)
        desk.wait_for("What I saw.txt", "anchored (final)")
        with desk.tab.expect_download() as download:
            desk.row("a.txt").get_by_role("button", name="Receipt").click()
        assert download.value.suggested_filename == "a.txt.anchor.json"
        receipt = json.loads(Path(download.value.path()).read_bytes())
        record = json.loads(receipt["record"])
        assert number == number_record(receipt["record"].encode())
        assert (
            record["digests"]["sha256"] == hashlib.sha256(b"secret contents of a.txt").hexdigest()
        )
        (text,) = [each for each in desk.records() if each["name"] == "What I saw.txt"]
        assert text["digests"]["sha256"] == hashlib.sha256(saved).hexdigest()
        assert text["kind"] == "statement"
        sent, size = desk.sent()
        assert b"secret" not in sent and b"First line" not in sent
        assert 500 < size < 5_000, "a line for each piece, and no byte of the large one"
        assert desk.hosts() == {platform.url.split("/")[2]}
        assert desk.said == []
        # As on a page of a service that decides by itself what is final.
        desk.tab.evaluate("document.getElementById('tool').dataset.finalByDepth = ''")
        desk.row("a.txt").get_by_role("button", name="Order a certificate").click()
        desk.wait_for("a.txt", "The certificate is being made.")
        desk.wait_for("a.txt", "anchored (counts as final; not confirmed by the nodes)")


def test_a_certificate_is_ordered_followed_and_saved(
    browser: Browser, platform: Platform, tmp_path: Path
) -> None:
    member = visit(platform, paper="member", other="member")
    with open_submit_desk(browser, platform, member, "paper") as desk:
        desk.choose(*write(tmp_path, "a.txt", "b.txt"))
        desk.submit()
        desk.wait_for_counts(accepted=2)
        # Without a node none is issued: the service's answers are put into its mouth after this.
        desk.row("a.txt").get_by_role("button", name="Order a certificate").click()
        desk.wait_for("a.txt", "The certificate is made once the anchor is final.")
        with platform.project.database.read() as connection:
            assert count_waiting(connection, "paper") == 1
        issued = {"id": "1" * 32, "state": "issued", "files": {"pdf": "0" * 64, "json": "0" * 64}}
        pages = {
            "": {"certificates": [], "next": "2026-01-01T00:00:00Z/1"},
            "after=2026-01-01T00%3A00%3A00Z%2F1": {"certificates": [issued], "next": None},
        }
        desk.tab.route(
            "**/certificates*",
            lambda route: route.fulfill(json=pages[urlsplit(route.request.url).query]),
        )
        desk.tab.route(
            "**/files/pdf",
            lambda route: route.fulfill(
                body=b"%PDF",
                headers={"Content-Disposition": 'attachment; filename="AC-1.pdf"'},
            ),
        )
        desk.row("b.txt").get_by_role("button", name="Order a certificate").click()
        with desk.tab.expect_download() as download:
            desk.row("b.txt").get_by_role("button", name="Certificate (PDF)").click()
        assert download.value.suggested_filename == "AC-1.pdf"
        assert Path(download.value.path()).read_bytes() == b"%PDF"
        assert desk.row("b.txt").get_by_role("button", name="Certificate").count() == 2


def test_a_double_click_records_each_piece_once(
    browser: Browser, platform: Platform, tmp_path: Path
) -> None:
    with open_submit_desk(browser, platform, visit(platform, twice="owner"), "twice") as desk:
        desk.choose(*write(tmp_path, "a", "b"))
        desk.wait_for_counts(hashed=2)
        desk.tab.evaluate("document.getElementById('submit').click()")
        desk.tab.evaluate("document.getElementById('submit').click()")
        desk.wait_for_counts(accepted=2)
        assert desk.tab.locator("#submit").is_disabled()
        # The same files again are on the list already.
        desk.choose(tmp_path / "a")
        desk.tab.get_by_text("On the list already").wait_for()
        assert desk.recorded() == ["a", "b"]


def test_what_was_sent_when_the_page_closed_is_sent_again_and_recorded_once(
    browser: Browser, platform: Platform, tmp_path: Path
) -> None:
    """The first answer is lost on the way, and the list goes on where it was."""
    with open_submit_desk(browser, platform, visit(platform, shut="member"), "shut") as desk:
        keys: list[str] = []

        def lose(route: Route) -> None:
            keys.append(route.request.headers["idempotency-key"])
            if len(keys) == 1:
                assert route.fetch().status == 200
                route.abort()
            else:
                route.continue_()

        desk.choose(*write(tmp_path, "a", "b", "c"))
        desk.wait_for_counts(hashed=3)
        with (tmp_path / "large").open("wb") as large:
            large.truncate(3_000_000_000)
        desk.choose(tmp_path / "large")
        desk.row("large").wait_for()
        desk.tab.route("**/v1/bulk", lose)
        desk.submit()
        desk.tab.get_by_text("The service does not answer").wait_for()
        assert desk.recorded() == ["a", "b", "c"]
        desk.open()
        desk.wait_for_counts(accepted=3)
        desk.wait_for("large", "choose this file again")
        desk.tab.get_by_text("Files to be chosen again").wait_for()
        assert len(keys) == 2 and keys[0] == keys[1]
        assert desk.recorded() == ["a", "b", "c"]
        with (tmp_path / "large").open("r+b") as large:
            large.truncate(1_000)
        desk.choose(tmp_path / "large")
        desk.wait_for("large", "ready to submit")
        assert desk.row("large").count() == 1
        desk.submit()
        desk.wait_for_counts(accepted=4)
        assert desk.recorded() == ["a", "b", "c", "large"]


def test_a_file_chosen_again_after_a_reload_goes_on_by_itself(
    browser: Browser, platform: Platform, tmp_path: Path
) -> None:
    with open_submit_desk(browser, platform, visit(platform, again="member"), "again") as desk:
        with (tmp_path / "large").open("wb") as large:
            large.truncate(400_000_000)
        desk.choose(tmp_path / "large")
        desk.submit()
        desk.row("large").locator("progress").wait_for()
        desk.open()
        desk.wait_for("large", "choose this file again")
        (kept,) = desk.kept()
        assert kept["batch"].startswith("page-") and kept["sha256"] is None
        assert not [value for value in kept.values() if isinstance(value, dict)], "no file is kept"
        desk.choose(tmp_path / "large")
        desk.wait_for_counts(accepted=1)
        (kept,) = desk.kept()
        assert len(desk.recorded()) == 1
        desk.row("large").wait_for()
        desk.tab.once("dialog", lambda dialog: dialog.accept())
        desk.tab.get_by_role("button", name="Clear the list").click()
        desk.row("large").wait_for(state="detached")
        assert desk.kept() == []
        desk.open()
        assert desk.tab.locator("#pieces > li").count() == 0


def test_whose_session_ends_in_the_middle_signs_in_and_goes_on(
    browser: Browser, platform: Platform, tmp_path: Path
) -> None:
    member = visit(platform, out="member")
    with open_submit_desk(browser, platform, member, "out") as desk:
        desk.choose(*write(tmp_path, "a"))
        desk.submit()
        desk.wait_for_counts(accepted=1)
        holder = Holder(person=member.id)
        with platform.project.database.write() as connection:
            end_sessions(connection, holder, utc_now())
        desk.choose(*write(tmp_path, "b"))
        desk.submit()
        desk.tab.get_by_text("You are signed out").wait_for()
        link = desk.tab.get_by_role("link", name="Sign in again").get_attribute("href")
        assert link == "/login?next=%2Ftenants%2Fout%2Fsubmit"
        assert desk.recorded() == ["a"]
        with platform.project.database.write() as connection:
            token = begin_session(connection, holder, "Test", utc_now())
        sign_in(desk.tab.context, platform, token)
        desk.open()
        desk.wait_for_counts(accepted=2)
        assert desk.recorded() == ["a", "b"]


def test_a_file_that_changes_while_it_is_hashed_is_named_and_not_submitted(
    browser: Browser, platform: Platform, tmp_path: Path
) -> None:
    with open_submit_desk(browser, platform, visit(platform, moved="member"), "moved") as desk:
        moving = tmp_path / "moving.bin"
        with moving.open("wb") as stream:
            stream.truncate(3_000_000_000)
        desk.choose(moving)
        desk.choose(*write(tmp_path, "still"))
        desk.submit()
        with moving.open("r+b") as stream:
            stream.write(b"changed")
        desk.row("moving.bin").locator(".problem").filter(has_text="not submitted").wait_for()
        desk.wait_for_counts(accepted=1)
        assert desk.recorded() == ["still"]
        desk.tab.select_option("#show", "amiss")
        assert desk.tab.locator("#pieces > li bdi").all_inner_texts() == ["moving.bin"]


def test_hostile_names_follow_the_rules_of_the_api_beside_each_file(
    browser: Browser, platform: Platform
) -> None:
    bidi, control, markup = "evidence\u202egpj.exe", "a\tb\x07", "<img src=x onerror=alert(1)>"
    with open_submit_desk(browser, platform, visit(platform, names="member"), "names") as desk:
        desk.drop_named(
            [(name, 1) for name in (bidi, control, markup, "x" * 10_000, "nul\0", "\udc00a")]
        )
        desk.wait_for_counts(hashed=6)
        problems = desk.tab.locator("#pieces .problem")
        assert "more than 4,096 characters" in problems.nth(3).inner_text()
        assert "NUL" in problems.nth(4).inner_text()
        assert desk.row("evidence\\u{202e}gpj.exe").is_visible()
        desk.submit()
        desk.wait_for_counts(accepted=4)
        assert desk.recorded() == [bidi, control, markup, "\ufffda"]
        # Without names nothing is wrong with them.
        desk.tab.uncheck("#names")
        desk.submit()
        desk.wait_for_counts(accepted=6)
        assert all(name.startswith("sha256:") for name in desk.recorded()[4:])


def spell_utc(local: str) -> str:
    """Return a time of this machine's zone, which is the browser's, in UTC."""
    time = datetime.fromisoformat(local).astimezone(UTC)
    return time.isoformat().replace("+00:00", "Z")


def test_what_is_stated_is_recorded_and_what_is_wrong_is_told_beside_the_field(
    browser: Browser, platform: Platform, tmp_path: Path
) -> None:
    with open_submit_desk(browser, platform, visit(platform, said="member"), "said") as desk:
        desk.choose(*write(tmp_path, "a.jpg"))
        desk.tab.get_by_text("Statements about this evidence").click()
        desk.tab.select_option("#kind", "photo")
        desk.tab.fill("#origin", "camera\u202e 7")
        desk.tab.fill("#method", "copied from the card by Ann")
        desk.tab.fill("#generation", "taken by the camera")
        desk.tab.fill("#storage", "on the card\non a disk of Ann's")
        desk.tab.fill("#witnesses", "王某")
        desk.tab.fill("#collectors", "李某\nBo")
        desk.tab.fill("#started", "2026-03-03T09:30")
        desk.tab.fill("#ended", "2026-03-03T09:00")
        desk.submit()
        desk.tab.locator("#origin-error").filter(has_text="one line").wait_for()
        assert desk.tab.locator("#origin").get_attribute("aria-invalid") == "true"
        assert desk.tab.locator("#ended-error").inner_text().endswith("ends before it starts")
        # A date that is typed in part has no value, and is not lost for that.
        desk.tab.fill("#ended", "")
        desk.tab.locator("#ended").press("1")
        desk.submit()
        desk.tab.locator("#ended-error").filter(has_text="the day and the time").wait_for()
        desk.tab.fill("#ended", "2026-03-03T10:00")
        assert desk.tab.input_value("#method") == "copied from the card by Ann"
        desk.tab.fill("#title", " ")
        desk.tab.get_by_role("button", name="Save as a file").click()
        assert desk.tab.locator("#title-error").inner_text() != ""
        assert desk.tab.locator("#text-error").inner_text() != ""
        assert desk.recorded() == []
        desk.tab.fill("#origin", "camera 7")
        desk.submit()
        desk.wait_for_counts(accepted=1)
        assert desk.tab.locator("#origin-error").inner_text() == ""
        (record,) = desk.records()
        assert record["kind"] == "photo"
        assert record["source"] == {
            "origin": "camera 7",
            "generation_mechanism": "taken by the camera",
            "storage_history": ["on the card", "on a disk of Ann's"],
        }
        assert record["collection"] == {
            "method": "copied from the card by Ann",
            "operators": [{"name": "李某"}, {"name": "Bo"}],
            "started_at": spell_utc("2026-03-03T09:30"),
            "ended_at": spell_utc("2026-03-03T10:00"),
            "witnesses": [{"name": "王某"}],
        }
        assert record["submitter"]["account"] == "said"
        assert record["submitter"]["actor"].startswith("person:")


def test_a_second_tab_does_not_work_on_the_same_list(browser: Browser, platform: Platform) -> None:
    with open_submit_desk(browser, platform, visit(platform, tabs="member"), "tabs") as desk:
        second = desk.tab.context.new_page()
        second.goto("/tenants/tabs/submit")
        second.locator("#elsewhere").wait_for()
        assert second.locator("#tool").is_hidden()


@pytest.mark.parametrize(
    ("theme", "width", "locale"), [("light", 1280, "en-GB"), ("dark", 390, "zh-CN")]
)
def test_the_page_is_for_everybody_and_fits(
    theme: str, width: int, locale: str, browser: Browser, platform: Platform, tmp_path: Path
) -> None:
    member = visit(platform, look="member", long="member")
    with open_submit_desk(
        browser, platform, member, "look", theme=theme, width=width, locale=locale
    ) as desk:

        def check(name: str) -> None:
            desk.tab.screenshot(path=tmp_path / f"{name}.png", full_page=True)
            assert find_violations(desk.tab) == [], name
            over = desk.tab.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert over <= 0, f"{name} is {over} pixels too wide"

        check("empty")
        desk.drop_named(
            [("a.txt", 5), ("long" * 300, 2_000_000), ("evil\u202e.txt", 0), ("x" * 5_000, 3)]
        )
        desk.tab.locator("#stated summary").click()
        desk.tab.locator("#pieces .problem:not(:empty)").wait_for()
        if locale == "zh-CN":
            assert desk.tab.inner_text("#summary").startswith("清单共 4 项")
        check("ready")
        desk.submit()
        desk.tab.locator("#pieces .hash:not(:empty)").nth(2).wait_for()
        check("accepted")
        desk.tab.goto("/submit")
        check("tenants")
        assert desk.said == []
