"""Files larger than one wants in memory: hashed in pieces, while the page goes on answering."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from support.bent_receipts import named_hashes
from support.browser_memory import MIB, watch_memory
from support.desk import open_desk
from support.records import build_record
from support.world import World

import anchor.page
from anchor.base.digests import digest_stream
from anchor.base.messages.message import Message, translate
from anchor.receipt.format import encode_receipt

PAGE = (Path(anchor.page.__file__).parent / "verify.html").as_uri()


def make_case(folder: Path, size: int) -> tuple[Path, Path, str]:
    """Write a file of ``size`` bytes and its receipt; name the block that proves it."""
    file = folder / "large.bin"
    with file.open("wb") as stream:
        stream.write(b"begin")
        stream.truncate(size - 3)
        stream.seek(0, os.SEEK_END)
        stream.write(b"end")
    with file.open("rb") as stream:
        digests = digest_stream(stream, ("sha256", "sm3"))
    record = build_record(
        digests=digests,
        name=file.name,
        media_type=None,
        salt=bytes(32),
        recorded_at=datetime(2026, 9, 21, tzinfo=UTC),
    )
    here = World()
    here = World([*here.records[:6], record.encoded, *here.records[7:]])
    anchor = here.prove(here.anchor(6, 9))
    receipt = folder / "large.bin.anchor.json"
    receipt.write_bytes(encode_receipt(here.receipt(6, anchor)))
    (block,) = named_hashes([anchor])
    return file, receipt, "0x" + block.hex()


@pytest.mark.release
@pytest.mark.parametrize(
    "size",
    [100_000_000, pytest.param(1 << 30, marks=pytest.mark.slow)],
    ids=["100 MB", "1 GiB"],
)
def test_a_large_file_is_verified_within_little_memory(
    browser: Browser, tmp_path: Path, size: int
) -> None:
    file, receipt, block = make_case(tmp_path, size)
    desk = open_desk(browser)
    desk.open(PAGE)
    desk.give(receipt=receipt)
    desk.fill(hashes=block, chains="31337")
    desk.tab.check("#unpinned")
    with watch_memory() as noted:
        started = time.perf_counter()
        desk.give(file=file)
        desk.tab.get_by_text(Message("page-file-ready", name="large.bin", size=size)).wait_for()
        desk.tab.click("#verify")
        # Meanwhile it is usable: another language is there at once.
        desk.tab.get_by_role("button", name="中文").click()
        assert desk.tab.inner_text("h1") == translate(Message("page-title"), "zh")
        desk.tab.wait_for_selector("#headline", timeout=600_000)
        seconds = time.perf_counter() - started
    grown = max(noted) - noted[0]
    print(f"\n{size:,} bytes: {seconds:.2f} s from file to verdict, {grown / MIB:.0f} MiB more")
    assert "核验通过" in desk.tab.inner_text(".word")
    assert grown < 400 * MIB
    assert desk.said == []
    desk.tab.context.close()


@pytest.mark.release
def test_another_file_in_the_meantime_is_the_one_that_is_verified(
    browser: Browser, tmp_path: Path
) -> None:
    file, receipt, block = make_case(tmp_path, 20_000_000)
    other = tmp_path / "other.bin"
    with other.open("wb") as stream:
        stream.truncate(200_000_000)
    desk = open_desk(browser)
    desk.open(PAGE)
    desk.give(file=other, receipt=receipt)
    desk.fill(hashes=block, chains="31337")
    desk.tab.check("#unpinned")
    desk.give(file=file)
    ready = Message("page-file-ready", name="large.bin", size=20_000_000)
    desk.tab.get_by_text(ready).wait_for()
    page = desk.verify()
    assert (page["exit_code"], page["files"][0]["file"]) == (0, "large.bin")
    desk.tab.context.close()


@pytest.mark.release
def test_a_file_that_is_cut_while_it_is_read_is_told_and_gives_no_verdict(
    browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "shrinking.bin"
    size = 8_000_000_000
    with file.open("wb") as stream:
        stream.truncate(size)
    desk = open_desk(browser)
    desk.open(PAGE)
    desk.give(file=file)
    # The page has seen the whole file, and takes many seconds to read it.
    desk.tab.get_by_text(Message("page-file-ready", name="shrinking.bin", size=size)).wait_for()
    os.truncate(file, 0)
    unread = Message("page-file-unreadable", name="shrinking.bin", reason="")
    desk.tab.get_by_text(unread.strip()).wait_for()
    assert Message("page-file-missing") in desk.complaint()
    desk.tab.context.close()
