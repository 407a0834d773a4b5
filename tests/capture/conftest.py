"""The fixtures of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cameras import Camera
from support.fixtures import embedded, new_site
from support.foreign_programs import MITMPROXY, install_program
from support.web_site import WebSite, serve_site

from anchor.capture.recording_proxy import RECORDER_VARIABLE, RecorderProgram, find_recorder

__all__ = ["embedded", "new_site"]


@pytest.fixture
def camera(tmp_path: Path) -> Camera:
    """Captures into folders of the test."""
    return Camera(tmp_path)


@pytest.fixture(scope="session")
def recorder() -> RecorderProgram:
    """The program of the recording proxy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(RECORDER_VARIABLE, str(install_program(*MITMPROXY) / "mitmdump"))
        return find_recorder()


@pytest.fixture
def ffmpeg() -> str:
    """The program that makes films."""
    return "ffmpeg"


@pytest.fixture(scope="module")
def web() -> Iterator[WebSite]:
    """The site without TLS."""
    with serve_site() as running:
        yield running
