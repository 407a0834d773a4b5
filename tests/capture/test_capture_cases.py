"""The cases of a web site, each captured whole or with what is missing named."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.site_certificates import make_site_certificate
from support.web_site import PNG, SECRET, WebSite, serve_site

from anchor.capture import browser_session
from anchor.capture.browser_session import find_browser
from anchor.capture.capture_files import write_capture_files
from anchor.capture.capture_options import CaptureOptions
from anchor.capture.page_capture import CapturedPage, capture_page
from anchor.errors import CannotCheckError

pytestmark = pytest.mark.release


@dataclass(frozen=True, slots=True)
class Captured:
    page: CapturedPage
    folder: Path

    @property
    def account(self) -> dict[str, Any]:
        account: dict[str, Any] = json.loads((self.folder / "capture.json").read_bytes())
        return account

    @property
    def missing(self) -> list[tuple[str, str]]:
        return [
            (each["subject"].rpartition("/")[2], each["code"].removeprefix("capture-missing-"))
            for each in self.account["not_captured"]
        ]

    def read(self, name: str) -> str:
        return (self.folder / name).read_text("utf-8")


class Camera:
    """Captures URLs into folders of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def __call__(self, url: str, **options: Any) -> Captured:
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


@pytest.fixture
def camera(tmp_path: Path) -> Camera:
    return Camera(tmp_path)


def body_of(captured: Captured, url: str) -> bytes | None:
    (exchange,) = (each for each in captured.page.exchanges if each.url == url)
    assert exchange.response is not None
    return exchange.response.body


def test_an_error_page_is_captured_with_its_status(camera: Camera, web: WebSite):
    captured = camera(web.url("/nowhere"))
    assert captured.account["status"] == 404
    assert "No such page" in captured.read("page.txt")


def test_text_of_any_script_is_kept_as_bytes_and_as_text(camera: Camera, web: WebSite):
    chinese = camera(web.url("/gbk"))
    assert chinese.page.title == "电子证据"
    assert "中文正文" in chinese.read("page.txt")
    assert "中文正文".encode("gbk") in (body_of(chinese, web.url("/gbk")) or b"")
    arabic = camera(web.url("/rtl"))
    assert "نص الصفحة" in arabic.read("page.txt")


def test_pictures_below_the_window_are_loaded_and_in_the_screenshot(camera: Camera, web: WebSite):
    captured = camera(web.url("/lazy"), viewports=((800, 600),))
    assert body_of(captured, web.url("/picture.png?lazy")) == PNG
    picture = (captured.folder / "screenshot-800x600.png").read_bytes()
    assert int.from_bytes(picture[20:24], "big") > 4_000


def test_an_endless_page_ends_and_says_so(camera: Camera, web: WebSite, monkeypatch: Any):
    monkeypatch.setattr(browser_session, "_MAX_SCREENS", 15)
    captured = camera(web.url("/endless"))
    assert captured.missing == [
        ("endless", "growing"), ("screenshot-1280x800.png", "height"),
    ]  # fmt: skip
    picture = (captured.folder / "screenshot-1280x800.png").read_bytes()
    assert int.from_bytes(picture[20:24], "big") == 16_384


def test_streams_workers_and_windows_are_named(camera: Camera, web: WebSite):
    captured = camera(web.url("/socket"))
    assert captured.missing == [("events", "stream"), ("ws", "stream")]
    assert camera(web.url("/worker")).missing == [("worker", "worker")]
    assert camera(web.url("/window")).missing == [("frame", "window")]


def test_a_dialog_is_dismissed_and_recorded(camera: Camera, web: WebSite):
    captured = camera(web.url("/alert"))
    steps = {step["step"]: step for step in captured.account["steps"]}
    assert steps["dialog-dismissed"]["message"] == "now"
    assert "After" in captured.read("page.txt")


def test_downloads_are_kept_within_the_limit(camera: Camera, web: WebSite):
    saved = camera(web.url("/saves"))
    assert (saved.folder / "downloads" / "report 1.bin").read_bytes() == b"saved" * 1_000
    assert saved.missing == []
    alone = camera(web.url("/file"))
    assert (alone.folder / "downloads" / "report 1.bin").read_bytes() == b"saved" * 1_000
    assert not (alone.folder / "dom.html").exists()
    large = camera(web.url("/file"), max_bytes=1_000)
    assert not (large.folder / "downloads").exists()
    assert large.missing == [("file", "too-large")]


def test_a_body_beyond_the_limit_is_named(camera: Camera, web: WebSite):
    captured = camera(web.url("/large"), max_bytes=1 << 16)
    assert captured.missing == [("large", "too-large")]
    assert body_of(captured, web.url("/large")) is None


def test_a_server_that_drips_is_captured_in_part_and_one_that_is_silent_not_at_all(
    camera: Camera, web: WebSite
):
    captured = camera(web.url("/slow"), timeout=3.0)
    assert captured.missing == [("drip", "unended"), ("slow", "load")]
    assert "Shown" in captured.read("page.txt")
    with pytest.raises(CannotCheckError, match="no answer"):
        camera(web.url("/silent"), timeout=2.0)
    with socket.socket() as unheard, pytest.raises(CannotCheckError, match="ERR_CONNECTION_REF"):
        unheard.bind(("127.0.0.1", 0))
        camera(f"http://127.0.0.1:{unheard.getsockname()[1]}/")


def test_a_page_that_never_yields_is_ended(camera: Camera, web: WebSite, monkeypatch: Any):
    monkeypatch.setattr(browser_session, "_GRACE", 1.0)
    captured = camera(web.url("/stuck"), timeout=3.0, wait_seconds=1.0)
    assert ("screenshot-1280x800.png", "artefact") in captured.missing
    assert body_of(captured, web.url("/stuck")) is not None


def test_cookies_are_kept_only_if_asked(camera: Camera, web: WebSite):
    for keeps in (False, True):
        captured = camera(web.url("/login"), keeps_cookies=keeps)
        held = [
            path.name
            for path in captured.folder.rglob("*")
            if path.is_file() and SECRET.encode() in path.read_bytes()
        ]
        assert bool(held) is keeps, held


@pytest.mark.parametrize("expired", [False, True])
def test_a_bad_certificate_is_refused_or_kept_as_such(
    camera: Camera, tmp_path: Path, expired: bool
):
    certificate = make_site_certificate(tmp_path / "site.pem", expired=expired)
    with serve_site(tmp_path / "site.pem") as site:
        with pytest.raises(CannotCheckError, match="ERR_CERT") as refusal:
            camera(site.url("/"))
        assert "--accept-bad-certificates" in str(refusal.value.hint)
        captured = camera(site.url("/"), accepts_bad_certificates=True)
    assert captured.page.certificate == certificate
    (path,) = (captured.folder / "tls").iterdir()
    assert path.read_bytes() == certificate
    (chain,) = captured.account["certificates"]
    assert chain["origin"] == site.origin
    main = captured.page.main
    assert main is not None and main.response is not None
    assert not main.response.is_secure


def test_the_browser_uses_the_proxy_that_it_was_told_to_use(camera: Camera, web: WebSite):
    captured = camera("http://a.test/nowhere", proxy=web.origin.replace("localhost", "127.0.0.1"))
    assert "http://a.test/nowhere" in web.asked
    assert captured.account["status"] == 404


def test_links_within_the_origin_are_followed_as_often_as_asked(camera: Camera, web: WebSite):
    for depth, titles in ((1, ["One", "Not here"]), (2, ["One", "Not here", "Two"])):
        captured = camera(web.url("/links"), depth=depth)
        followed = captured.account["followed"]
        assert [each["title"] for each in followed] == titles
        assert captured.page.title == "Links"
        assert "First" in captured.read("pages/001/page.txt")
        assert (captured.folder / followed[-1]["folder"] / "screenshot-1280x800.png").exists()
    assert not any("elsewhere" in url for url in web.asked)


def test_a_script_is_run_kept_and_named_if_it_fails(camera: Camera, web: WebSite):
    source = b"document.body.append('by the script'); Promise.resolve(1)"
    captured = camera(web.url("/login"), script=source)
    assert "by the script" in captured.read("page.txt")
    assert (captured.folder / "script.js").read_bytes() == source
    failing = camera(web.url("/login"), script=b"nobody.knows()")
    assert failing.missing == [("script.js", "artefact")]
