"""The whole way of evidence through the demonstration's pages, from the front page on.

The pictures under docs/ are taken here: ANCHOR_TESTS_PICTURES names the folder.  The size of the
largest file is ANCHOR_TESTS_LARGE_BYTES.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest
from eth_utils import keccak
from playwright.sync_api import Browser, Download, Locator, Page
from support.command import start_anchor

from anchor.base.messages.catalogue import Language
from anchor.base.messages.message import Message, translate

pytestmark = pytest.mark.release

PICTURES = os.environ.get("ANCHOR_TESTS_PICTURES")
LARGE = int(os.environ.get("ANCHOR_TESTS_LARGE_BYTES", "50000000"))
SECONDS = 300


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, anvil_path: Path) -> Iterator[str]:
    """Serve the demonstration."""
    folder = tmp_path_factory.mktemp("demonstration")
    variables = {"ANCHOR_ANVIL": str(anvil_path), "TMPDIR": str(folder)}
    arguments = ("serve", "--demo", "--port", "0", "--workers", "1")
    with start_anchor(*arguments, cwd=folder, log=folder / "log", env=variables) as running:
        shown = running.printed(" with 1 processes", SECONDS)
        url = re.findall(r" at (http://127\.0\.0\.1:\d+)", shown)[0]
        yield url


@dataclass
class Visitor:
    """Somebody in front of one tab; ``clicks`` counts theirs."""

    tab: Page
    language: Language
    folder: Path
    clicks: int = 0

    def say(self, id: str, **values: object) -> str:
        return translate(Message(id, **values), self.language)

    def click(self, place: Locator) -> None:
        place.click(timeout=1_000 * SECONDS)
        self.clicks += 1

    def button(self, id: str, within: Page | Locator | None = None, **values: object) -> Locator:
        return (within or self.tab).get_by_role("button", name=self.say(id, **values))

    def follow(self, id: str) -> None:
        self.click(self.tab.get_by_role("main").get_by_role("link", name=self.say(id)))

    def choose(self, place: Locator, *files: Path) -> None:
        with self.tab.expect_file_chooser() as asked:
            self.click(place)
        asked.value.set_files(files)

    def save(self, place: Locator) -> Path:
        with self.tab.expect_download(timeout=1_000 * SECONDS) as asked:
            self.click(place)
        download: Download = asked.value
        path = self.folder / download.suggested_filename
        download.save_as(path)
        return path

    def wait_for_pieces(self, id: str, count: int) -> None:
        """Wait until so many pieces are in this state."""
        pieces = self.tab.locator("#pieces > li").filter(has_text=self.say(id))
        pieces.nth(count - 1).wait_for(timeout=1_000 * SECONDS)

    def picture(self, name: str, at: str = "body") -> None:
        """Take a picture of the window from this place on, if pictures are to be kept."""
        if PICTURES:
            self.tab.locator(at).evaluate("place => place.scrollIntoView()")
            self.tab.screenshot(path=Path(PICTURES) / f"{name}-{self.language}.png")


@pytest.fixture(params=[("en", 1280), ("zh", 390)], ids=["en-desktop", "zh-phone"])
def visitor(
    request: pytest.FixtureRequest, browser: Browser, address: str, tmp_path: Path
) -> Iterator[Visitor]:
    language, width = request.param
    context = browser.new_context(
        base_url=address,
        locale="zh-CN" if language == "zh" else "en-GB",
        viewport={"width": width, "height": 900},
        accept_downloads=True,
    )
    try:
        yield Visitor(context.new_page(), language, tmp_path)
    finally:
        context.close()


def write_files(folder: Path, language: Language) -> list[Path]:
    """Write two small files and a large one, with contents of their own."""
    made = folder / "files"
    made.mkdir()
    files = [made / name for name in ("chat.txt", "合同.docx", "film.mp4")]
    for file in files:
        file.write_bytes(f"{language} {file.name}".encode())
    os.truncate(files[-1], LARGE)
    return files


def verify(visitor: Visitor, *given: tuple[str, Path], receipt: Path) -> str:
    """Give files to the verifier page, vouch for the receipt's block, and return the verdict."""
    tab = visitor.tab
    tab.goto("/")
    visitor.follow("home-verify-button")
    for kind, path in given:
        tab.set_input_files(f"#{kind}", path)
        tab.locator(f"#{kind}-chosen").filter(has_text=path.name).wait_for()
    tab.locator("#hashes").fill(find_block_hash(receipt))
    tab.locator("#chains").fill("31337")
    visitor.click(tab.locator("#unpinned"))
    visitor.click(tab.locator("#verify"))
    tab.locator("#headline").wait_for(timeout=1_000 * SECONDS)
    return tab.inner_text(".word").lower()


def unpack_receipt(package: Path) -> Path:
    """Return the receipt that a packed folder holds."""
    with ZipFile(package) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".anchor.json"))
        return Path(archive.extract(name, package.parent / "unpacked"))


def find_block_hash(receipt: Path) -> str:
    """Return the hash of the block that the receipt's anchor rests on."""
    anchor = json.loads(receipt.read_text("utf-8"))["anchors"][0]
    return "0x" + keccak(hexstr=anchor["state"]["header"]).hex()


def test_three_files_are_recorded_certified_and_verified(visitor: Visitor) -> None:
    begun, tab = time.monotonic(), visitor.tab
    files = write_files(visitor.folder, visitor.language)
    tab.goto("/")
    visitor.picture("front-page")
    visitor.follow("home-record-button")
    tab.wait_for_url("**/login**")
    visitor.click(visitor.button("sample-sign-in-as", role=Message("role-member")))
    visitor.choose(tab.locator("label[for=files]"), *files)
    visitor.wait_for_pieces("submit-state-ready", 3)
    visitor.click(tab.locator("#submit"))
    visitor.wait_for_pieces("submit-state-final", 3)
    row = tab.locator("#pieces > li", has_text="chat.txt")
    visitor.click(visitor.button("submit-certify", row))
    certificate = visitor.save(visitor.button("submit-certificate-file", row, kind="PDF"))
    clicks, seconds = visitor.clicks, time.monotonic() - begun
    print(f"\n{visitor.language}: {clicks} clicks and {seconds:.0f} s to a certificate")
    assert certificate.read_bytes().startswith(b"%PDF")
    assert clicks <= 6
    visitor.picture("anchored", "#list")
    receipt = visitor.save(visitor.button("submit-receipt", row))
    number = row.locator(".hash").inner_text()

    tab.goto("/")
    tab.locator("#of").fill(number)
    visitor.click(visitor.button("number-button"))
    tab.get_by_role("heading", name=visitor.say("number-verdict-final")).wait_for()
    visitor.picture("number", "main")

    proven = visitor.say("verdict-verified-development-chain").lower()
    verdict = verify(visitor, ("file", files[0]), ("receipt", receipt), receipt=receipt)
    assert verdict.startswith(proven), verdict
    visitor.picture("verified", "#headline")
    tab.goto("/tenants/sample/evidence")
    visitor.click(tab.get_by_role("link", name="chat.txt", exact=True).first)
    visitor.picture("piece")
    package = visitor.save(tab.get_by_role("link", name=visitor.say("piece-package-download")))
    packed = unpack_receipt(package)
    verdict = verify(visitor, ("file", files[0]), ("receipt", packed), receipt=packed)
    assert verdict.startswith(proven), verdict
    changed = visitor.folder / "changed.txt"
    changed.write_bytes(files[0].read_bytes() + b"!")
    verdict = verify(visitor, ("file", changed), ("receipt", receipt), receipt=receipt)
    assert verdict.startswith(visitor.say("verdict-mismatch")), verdict
    visitor.picture("changed", "#headline")
