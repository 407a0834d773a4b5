"""Captures of the pages of a site without a project."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anchor.capture.browser_session import find_browser
from anchor.capture.capture_files import write_capture_files
from anchor.capture.capture_options import CaptureOptions
from anchor.capture.page_capture import CapturedPage, capture_page


@dataclass(frozen=True, slots=True)
class Captured:
    """A captured page and the folder of its files."""

    page: CapturedPage
    folder: Path

    @property
    def account(self) -> dict[str, Any]:
        """Return ``capture.json``."""
        account: dict[str, Any] = json.loads((self.folder / "capture.json").read_bytes())
        return account

    @property
    def missing(self) -> list[tuple[str, str]]:
        """Return the last part of what was not captured, and the reason's code."""
        return [
            (each["subject"].rpartition("/")[2], each["code"].removeprefix("capture-missing-"))
            for each in self.account["not_captured"]
        ]

    def read(self, name: str) -> str:
        """Return the text of a file."""
        return (self.folder / name).read_text("utf-8")


class Camera:
    """Captures URLs into folders of their own."""

    def __init__(self, folder: Path) -> None:
        """Use a folder."""
        self._folder = folder
        self._count = 0

    def __call__(self, url: str, **options: Any) -> Captured:
        """Capture a URL with these options."""
        self._count += 1
        folder, scratch = (self._folder / f"{name}{self._count}" for name in ("data", "scratch"))
        folder.mkdir()
        scratch.mkdir()
        chosen = CaptureOptions(**{"wait_seconds": 0.2, **options})
        page = capture_page(
            url, folder, chosen, program=find_browser(), dns_servers=None, scratch=scratch
        )
        write_capture_files(page, folder, chosen, scratch=scratch)
        return Captured(page, folder)


def body_of(captured: Captured, url: str) -> bytes | None:
    """Return the body of the one response from a URL."""
    (exchange,) = (each for each in captured.page.exchanges if each.url == url)
    assert exchange.response is not None
    return exchange.response.body
