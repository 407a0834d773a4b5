"""Submitting and verifying in Firefox ESR."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.bent_receipts import honest_receipts, world
from support.firefox import Firefox, run_firefox
from support.grown_logs import grow_log
from support.memory_projects import MemorySite
from support.sign_in_providers import Platform, serve_platform
from support.troubles import Effects
from support.visitors import close_browsers, visit

from anchor.base.messages.message import Message

pytestmark = pytest.mark.release
OPERATORS = {honest.name: honest for honest in honest_receipts()}["an operator's"]
FILE = world().files[6]
NAME = "evidence-6.txt"


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    with run_firefox(tmp_path_factory.mktemp("downloads")) as running:
        assert "firefox/" in running.do("version").lower()
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> MemorySite:
    return grow_log(tmp_path_factory.mktemp("grown"), [3])


@pytest.fixture(scope="module")
def platform(site: MemorySite) -> Iterator[Platform]:
    with serve_platform(site) as served:
        yield served
    close_browsers()


def complaints(firefox: Firefox) -> list[str]:
    """Return the errors in the console, but that an icon which no page names may not be loaded."""
    said: list[str] = firefox.do("said")
    return [line for line in said if line.startswith("error") and "/favicon.ico" not in line]


def test_two_files_and_a_text_are_recorded_and_their_receipt_is_saved(
    firefox: Firefox, platform: Platform, site: MemorySite, tmp_path: Path
) -> None:
    member = visit(platform, acme="member")
    files = [tmp_path / name for name in ("a.txt", "合同.docx")]
    for file in files:
        file.write_bytes(b"secret contents of " + file.name.encode())
    firefox.do("cookie", name="anchor_session", value=member.token, url=platform.url)
    firefox.do("open", url=f"{platform.url}/tenants/acme/submit")
    firefox.do("choose", selector="#files", paths=[str(file) for file in files])
    firefox.do("fill", selector="#title", text="What I saw")
    firefox.do("fill", selector="#text", text="First line, 证言")
    firefox.do("click", selector="#text-form button")
    firefox.do("wait", selector="#summary", text="Hashed: 3.")
    firefox.do("click", selector="#submit")
    firefox.do("wait", selector="#summary", text="Accepted: 3.")
    site.serve(Effects(), 100)
    firefox.do("wait", selector="#summary", text="Anchored: 3.")
    firefox.do("click", selector="#pieces > li:first-child ::-p-text(Receipt)")
    receipt = firefox.downloads / "a.txt.anchor.json"
    end = time.monotonic() + 30
    while not (receipt.exists() and receipt.stat().st_size):
        assert time.monotonic() < end, list(firefox.downloads.iterdir())
        time.sleep(0.1)
    record = json.loads(json.loads(receipt.read_bytes())["record"])
    assert record["digests"]["sha256"] == hashlib.sha256(files[0].read_bytes()).hexdigest()
    saved = firefox.downloads / "What I saw.txt"
    assert saved.read_bytes() == "First line, 证言".encode()
    assert complaints(firefox) == []


@pytest.mark.parametrize("changed", [False, True])
def test_the_page_says_whether_a_file_is_unchanged(
    firefox: Firefox, platform: Platform, tmp_path: Path, changed: bool
) -> None:
    file, receipt = tmp_path / NAME, tmp_path / f"{NAME}.anchor.json"
    file.write_bytes(FILE + b"!" * changed)
    receipt.write_text(json.dumps(OPERATORS.document), "utf-8")
    firefox.do("open", url=f"{platform.url}/verify.html?lang=en")
    firefox.do("choose", selector="#file", paths=[str(file)])
    firefox.do("choose", selector="#receipt", paths=[str(receipt)])
    named = "\n".join("0x" + block.hex() for block in OPERATORS.given.block_hashes)
    for selector, text in (("#hashes", named), ("#chains", "31337, 10")):
        firefox.do("fill", selector=selector, text=text)
    firefox.do("click", selector="#unpinned")
    firefox.do("click", selector="#verify")
    tone = firefox.do("text", selector=".word").lower()
    said = Message("verdict-mismatch") if changed else Message("verdict-verified")
    assert tone.startswith(str(said)), tone
    assert complaints(firefox) == []
