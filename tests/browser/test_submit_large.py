"""Large files and large folders in the page for submitting: little memory, and nothing left out."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from support.browser_memory import MIB, watch_memory
from support.grown_logs import grow_log
from support.sign_in_providers import Platform, serve_platform
from support.submit_desk import open_submit_desk
from support.visitors import close_browsers, visit

pytestmark = pytest.mark.release


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with serve_platform(grow_log(tmp_path_factory.mktemp("grown"), [3])) as served:
        yield served
    close_browsers()


def digest_zeros(size: int) -> str:
    state, block = hashlib.sha256(), bytes(MIB)
    for _ in range(size // MIB):
        state.update(block)
    state.update(bytes(size % MIB))
    return state.hexdigest()


@pytest.mark.parametrize(
    "size",
    [
        100 * MIB,
        pytest.param(2 << 30, marks=pytest.mark.slow),
    ],
    ids=["100 MiB", "2 GiB"],
)
def test_a_large_file_is_submitted_within_little_memory(
    browser: Browser, platform: Platform, tmp_path: Path, size: int
) -> None:
    tenant = f"large{size}"
    with (tmp_path / "large.bin").open("wb") as stream:
        stream.truncate(size)
    member = visit(platform, **{tenant: "member"})
    with open_submit_desk(browser, platform, member, tenant) as desk:
        with watch_memory() as noted:
            started = time.perf_counter()
            desk.choose(tmp_path / "large.bin")
            desk.submit()
            desk.wait_for_counts(seconds=800, accepted=1)
            seconds = time.perf_counter() - started
        grown = max(noted) - noted[0]
        print(f"\n{size:,} bytes: {seconds:.1f} s, {size / seconds / 1e6:.0f} MB/s, "
              f"{grown / MIB:.0f} MiB more")  # fmt: skip
        assert grown < 64 * MIB
        (record,) = desk.records()
        assert record["digests"]["sha256"] == digest_zeros(size)
        assert record["size"] == size
        assert desk.said == []


@pytest.mark.parametrize(
    "count",
    [
        2_000,
        pytest.param(100_000, marks=pytest.mark.slow),
    ],
)
def test_every_file_of_a_folder_is_recorded_once(
    browser: Browser, platform: Platform, tmp_path: Path, count: int
) -> None:
    tenant = f"folder{count}"
    folder = tmp_path / "folder"
    for number in range(count):
        file = folder / f"part {number % 20}" / f"{number}.txt"
        if number < 20:
            file.parent.mkdir(parents=True)
        file.write_bytes(b"%d" % number)
    member = visit(platform, **{tenant: "member"})
    with open_submit_desk(browser, platform, member, tenant) as desk:
        started = time.perf_counter()
        desk.tab.set_input_files("#folder", folder, timeout=600_000)
        desk.wait_for_counts(seconds=3_000, hashed=count)
        hashed = time.perf_counter() - started
        desk.submit()
        desk.wait_for_counts(seconds=3_000, accepted=count)
        print(f"\n{count:,} files: {hashed:.1f} s until hashed, "
              f"{time.perf_counter() - started:.1f} s until accepted")  # fmt: skip
        desk.tab.get_by_role("button", name="Next").click()
        desk.tab.get_by_text(f"Page 2 of {count // 50}").wait_for()
        records = {record["name"]: record for record in desk.records()}
        assert len(desk.recorded()) == count
        assert records.keys() == {f"folder/part {n % 20}/{n}.txt" for n in range(count)}
        for number in (0, 777, count - 1):
            record = records[f"folder/part {number % 20}/{number}.txt"]
            assert record["digests"]["sha256"] == hashlib.sha256(b"%d" % number).hexdigest()
        started = time.perf_counter()
        desk.open()
        desk.wait_for_counts(seconds=60, accepted=count)
        print(f"{time.perf_counter() - started:.1f} s to open the list again")
        assert desk.said == []
