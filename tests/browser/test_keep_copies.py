"""Keeping copies in a real Chromium: nothing leaves it unless ticked, what breaks off goes on."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Request, Route
from support.accessibility import find_violations
from support.copies import keep, objects
from support.grown_logs import grow_log
from support.memory_projects import MemorySite
from support.sign_in_providers import Platform, serve_platform
from support.submit_desk import SubmitDesk, open_submit_desk
from support.visitors import close_browsers, visit

from anchor.keeping.upload_rules import PART_BYTES
from anchor.service.worker import Service

ROOM = 200_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("copies")


@pytest.fixture(scope="module")
def site(folder: Path) -> MemorySite:
    return keep(grow_log(folder / "grown", [3]), folder, tenant_bytes=ROOM)


@pytest.fixture(scope="module")
def platform(site: MemorySite) -> Iterator[Platform]:
    with serve_platform(site) as served:
        yield served
    close_browsers()


def write(folder: Path, name: str, size: int) -> Path:
    """Write a file that does not compress and is not like any other."""
    path = folder / name
    with path.open("wb") as stream:
        block = hashlib.shake_128(name.encode()).digest(1 << 16)
        stream.write((block * (size // len(block) + 1))[:size])
    return path


def sizes_sent(desk: SubmitDesk) -> dict[str, int]:
    """Return how many bytes of a body each kind of request sent."""
    sizes: dict[str, int] = {}
    for request in desk.requests:
        kind = f"{request.method} {'/'.join(request.url.split('/')[3:5])}"
        length = int(request.all_headers().get("content-length", "0"))
        sizes[kind] = sizes.get(kind, 0) + length
    return sizes


def slow_down(service: Service, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Make the service store one part at once, and the others only after the event is set."""
    assert service.vault is not None
    write_part, going = service.vault.write_part, threading.Event()
    count = 0

    def wait(*args: object) -> object:
        nonlocal count
        count += 1
        if count > 1:
            assert going.wait(30)
        return write_part(*args)

    monkeypatch.setattr(service.vault, "write_part", wait)
    return going


def test_no_byte_of_a_file_leaves_the_browser_unless_ticked(
    browser: Browser, platform: Platform, folder: Path, tmp_path: Path
) -> None:
    member = visit(platform, shy="member")
    with open_submit_desk(browser, platform, member, "shy") as desk:
        assert not desk.tab.is_checked("#keep")
        desk.choose(write(tmp_path, "a.bin", 100_000))
        desk.submit()
        desk.wait_for_counts(accepted=1)
        assert not any("uploads" in request.url for request in desk.requests)
        body, count = desk.sent()
        assert count < 2_000 and (tmp_path / "a.bin").read_bytes()[:64] not in body
        desk.open()  # the box is not ticked again by itself
        assert not desk.tab.is_checked("#keep")
        desk.choose(tmp_path / "a.bin")
        desk.tab.wait_for_timeout(500)
        assert sum(sizes_sent(desk).values()) < 2_000
        assert objects(folder) == []
        desk.tab.check("#keep")
        desk.choose(write(tmp_path, "b.bin", 100_001))
        desk.submit()
        desk.wait_for("b.bin", "A copy is kept here, encrypted.")
        sizes = sizes_sent(desk)
        assert sizes["PATCH v1/uploads"] == 100_001
        assert desk.hosts() == {platform.url.split("/")[2]}
        assert desk.said == []
        desk.tab.goto(f"/tenants/shy/evidence/{desk_id(desk, 'b.bin')}")
        with desk.tab.expect_download() as download:
            desk.tab.get_by_role("link", name="Download the original").click()
        assert Path(download.value.path()).read_bytes() == (tmp_path / "b.bin").read_bytes()
        assert download.value.suggested_filename == "b.bin"
    (stored,) = objects(folder)
    block = (tmp_path / "b.bin").read_bytes()[:32]
    assert block not in stored.read_bytes()


def desk_id(desk: SubmitDesk, name: str) -> str:
    """Return the id of a piece, as the browser keeps it."""
    return str(next(entry["evidence"] for entry in desk.kept() if entry["name"] == name))


@pytest.mark.release
def test_an_upload_goes_on_after_a_pause_a_lost_answer_and_a_reload(
    browser: Browser, platform: Platform, folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    # More than the sockets on the way hold, which the service reads after the browser has gone.
    size = 6 * PART_BYTES + 5
    large = write(tmp_path, "large.bin", size)
    going = slow_down(platform.service, monkeypatch)
    before = len(objects(folder))
    with open_submit_desk(browser, platform, visit(platform, slow="member"), "slow") as desk:
        lost: list[str] = []

        def lose_one(route: Route, request: Request) -> None:
            if request.method == "HEAD" and not lost:
                lost.append(request.url)
                route.abort()
            else:
                route.continue_()

        desk.tab.route("**/v1/uploads/*", lose_one)
        desk.tab.check("#keep")
        desk.choose(large)
        desk.submit()
        while len(objects(folder)) == before:
            desk.tab.wait_for_timeout(50)  # which lets the routed request pass
        desk.row("large.bin").get_by_role("button", name="Pause the upload").click()
        desk.wait_for("large.bin", "The upload of the copy is paused")
        going.set()
        desk.open()
        desk.wait_for("large.bin", "Choose this file again to go on")
        assert "their copies goes on: 1." in desk.tab.inner_text("#missing-copies")
        desk.choose(large)
        desk.wait_for("large.bin", "A copy is kept here, encrypted.")
        assert desk.tab.inner_text("#missing-copies") == ""
        assert len(lost) == 1
        offsets = [
            int(request.all_headers()["upload-offset"])
            for request in desk.requests
            if request.method == "PATCH"
        ]
        assert offsets[0] == 0 and offsets[-1] >= PART_BYTES
        assert [line for line in desk.said if "Failed to load resource" not in line] == []


def test_no_room_and_other_trouble_are_told_beside_the_file(
    browser: Browser, platform: Platform, tmp_path: Path
) -> None:
    with open_submit_desk(browser, platform, visit(platform, full="member"), "full") as desk:
        assert platform.service.vault is not None
        config = platform.service.vault.config
        desk.tab.check("#keep")
        object.__setattr__(config, "tenant_bytes", 10)
        try:
            desk.choose(write(tmp_path, "c.bin", 100))
            desk.submit()
            desk.wait_for("c.bin", "there is no room for this one")
            object.__setattr__(config, "tenant_bytes", ROOM)
            desk.row("c.bin").get_by_role("button", name="Go on with the upload").click()
            desk.wait_for("c.bin", "A copy is kept here, encrypted.")
            object.__setattr__(config, "tenant_bytes", 100)
            desk.open()
            assert desk.tab.locator("#keep").count() == 0
            assert "used up" in desk.tab.inner_text("#options ~ div")
        finally:
            object.__setattr__(config, "tenant_bytes", ROOM)


@pytest.mark.parametrize(
    ("theme", "width", "locale"), [("light", 1280, "en-GB"), ("dark", 390, "zh-CN")]
)
def test_the_pages_with_copies_are_for_everybody_and_fit(
    theme: str, width: int, locale: str, browser: Browser, platform: Platform, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    going = slow_down(platform.service, monkeypatch)
    tenant = f"look{width}"
    with open_submit_desk(
        browser, platform, visit(platform, **{tenant: "owner"}), tenant,
        theme=theme, width=width, locale=locale,
    ) as desk:  # fmt: skip

        def check(name: str) -> None:
            desk.tab.screenshot(path=tmp_path / f"{name}.png", full_page=True)
            assert find_violations(desk.tab) == [], name
            over = desk.tab.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert over <= 0, f"{name} is {over} pixels too wide"

        desk.tab.check("#keep")
        desk.choose(write(tmp_path, "a.bin", 2 * PART_BYTES))
        desk.submit()
        desk.row("a.bin").locator("button[data-action=pause-copy]").wait_for()
        check("sending")
        going.set()
        page = f"/tenants/{tenant}/evidence/{desk_id(desk, 'a.bin')}"
        desk.tab.locator("#pieces button[data-action=pause-copy]").wait_for(state="detached")
        desk.tab.wait_for_timeout(2_500)
        check("kept")
        desk.tab.goto(page)
        check("piece")
        desk.tab.locator("section[aria-labelledby=copy] button").click()
        desk.tab.locator("#sure-copy[aria-invalid]").wait_for()
        desk.tab.check("#sure-copy")
        desk.tab.locator("section[aria-labelledby=copy] button").click()
        desk.tab.locator("section[aria-labelledby=copy]").wait_for(state="detached")


@pytest.mark.slow
def test_two_gigabytes_that_are_interrupted_go_on_where_they_stopped(
    browser: Browser, platform: Platform, folder: Path, tmp_path: Path
) -> None:
    size = 2 << 30
    large = write_large(tmp_path / "two.bin", size)
    assert platform.service.vault is not None
    object.__setattr__(platform.service.vault.config, "tenant_bytes", 8 << 30)
    with open_submit_desk(browser, platform, visit(platform, two="member"), "two") as desk:
        desk.tab.check("#keep")
        desk.choose(large)
        desk.submit()
        desk.wait_for_counts(seconds=600, accepted=1)
        memory = resident()
        started = time.perf_counter()
        highest = memory
        while sum(path.stat().st_size for path in objects(folder)) < size // 2:
            highest = max(highest, resident())
            time.sleep(0.2)
        desk.tab.context.set_offline(True)
        time.sleep(1)
        broken = sum(path.stat().st_size for path in objects(folder))
        desk.tab.context.set_offline(False)
        desk.open()
        desk.choose(large)
        while not desk.row("two.bin").filter(has_text="encrypted").count():
            highest = max(highest, resident())
            assert time.perf_counter() - started < 1_200
            desk.tab.wait_for_timeout(200)
        seconds = time.perf_counter() - started
        begun = [
            int(request.all_headers()["upload-offset"])
            for request in desk.requests
            if request.method == "PATCH"
        ]
    print(
        f"\n2 GiB sent and compared in {seconds:.0f} s, broken off at {broken >> 20} MiB; "
        f"requests began at {[offset >> 20 for offset in begun]} MiB; "
        f"this process grew by {(highest - memory) >> 20} MiB"
    )
    assert sum(1 for offset in begun if offset == 0) == 1
    assert highest - memory < 200 << 20


def write_large(path: Path, size: int) -> Path:
    block = hashlib.shake_128(b"large").digest(1 << 20)
    with path.open("wb") as stream:
        for number in range(size >> 20):
            stream.write(number.to_bytes(8, "big") + block[8:])
    return path


def resident() -> int:
    """Return how much memory this process has, in which the service runs."""
    text = Path("/proc/self/status").read_text()
    return 1024 * int(text.partition("VmRSS:")[2].split()[0])
