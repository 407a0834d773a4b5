"""The cases of a web site, each captured whole or with what is missing named."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from support.browser_memory import watch_memory
from support.cameras import Camera, body_of
from support.certificates import read_pdf
from support.site_certificates import make_site_certificate
from support.web_site import PNG, SECRET, WebSite, serve_http2, serve_site

from anchor.base.errors import CannotCheckError
from anchor.base.system.clock import parse_time
from anchor.capture import browser_session
from anchor.capture.browser_session import find_browser

pytestmark = pytest.mark.release


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


def test_frames_and_a_film_show_how_the_page_came_and_was_scrolled(
    camera: Camera, web: WebSite, ffmpeg: str
):
    captured = camera(web.url("/paint"), viewports=((640, 401),), films=True, wait_for=".done")
    film = captured.folder / "film"
    listed = json.loads((film / "frames.json").read_bytes())
    times = [parse_time(each["at"]) for each in listed["frames"]]
    assert times == sorted(times)
    assert captured.page.started_at <= listed["frames"][0]["at"]
    assert listed["frames"][-1]["at"] <= captured.page.ended_at
    middles = [middle_of(captured.folder / each["file"]) for each in listed["frames"]]
    # White before the page, red when it loads, blue from its script, green below.
    order = [colour for colour, _ in groupby(middles)]
    assert order[order.index("red") :][:3] == ["red", "blue", "green"]
    probed = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries",
         "stream=width,height:packet=pts_time", "-of", "json", film / "film.mp4"],
        capture_output=True, check=True,
    )  # fmt: skip
    shown = json.loads(probed.stdout)
    assert (shown["streams"][0]["width"], shown["streams"][0]["height"]) == (640, 402)
    offsets = [float(packet["pts_time"]) for packet in shown["packets"]]
    assert offsets == pytest.approx([time - times[0] for time in times], abs=0.005)
    assert listed["film"]["made_by"].startswith("ffmpeg version")
    assert captured.missing == []


def middle_of(path: Path) -> str:
    """Return the colour in the middle of a picture."""
    words = ["-v", "error", "-i", path, "-vf", "scale=1:1", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    red, green, blue = subprocess.run(
        ["ffmpeg", *words, "-"], capture_output=True, check=True
    ).stdout
    colours = {"red": red, "green": green, "blue": blue}
    strongest = max(colours, key=colours.__getitem__)
    return "white" if min(red, green, blue) > 200 else strongest


def test_without_ffmpeg_the_film_is_named_as_missing(
    camera: Camera, web: WebSite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("CHROMIUM", find_browser())
    (tmp_path / "bin").mkdir()
    for name in ("sh", "sed", "cat", "uname", "grep", "free", "awk", "ls", "dirname", "readlink"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or name)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    captured = camera(web.url("/paint"), films=True)
    assert captured.missing == [("film.mp4", "film-program-missing")]
    listed = json.loads((captured.folder / "film" / "frames.json").read_bytes())
    assert listed["film"] is None
    assert all((captured.folder / each["file"]).exists() for each in listed["frames"])


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


def test_brotli_and_zstd_are_decoded_and_named(camera: Camera, tmp_path: Path):
    make_site_certificate(tmp_path / "site.pem")
    with serve_site(tmp_path / "site.pem") as site:
        captured = camera(site.url("/coded"), accepts_bad_certificates=True)
        assert captured.missing == []
        assert captured.read("page.txt").strip() == "by the coded script"
        assert body_of(captured, site.url("/coded.css")) == b"body { color: #123456 }\n" * 40
        assert (body_of(captured, site.url("/coded.js")) or b"").count(b"coded script") == 3
    codings = {
        value
        for request in captured.account["requests"]
        for name, value in request["response_headers"]
        if name.lower() == "content-encoding"
    }
    assert codings == {"br", "zstd"}


def test_http_2_is_captured_and_stated(camera: Camera, tmp_path: Path):
    certificate = make_site_certificate(tmp_path / "site.pem")
    with serve_http2(tmp_path / "site.pem") as origin:
        captured = camera(f"{origin}/", accepts_bad_certificates=True)
    assert {each["protocol"] for each in captured.account["requests"]} == {"h2"}
    assert "its script" in captured.read("page.txt")
    assert captured.page.certificate == certificate
    assert captured.missing == []


def test_a_long_video_is_named_within_the_limits_of_bytes_and_memory(camera: Camera, web: WebSite):
    with watch_memory() as held:
        captured = camera(web.url("/film"), max_bytes=8 << 20, wait_seconds=1.0)
    # Its parts are whole responses; what the player fetched of it is not kept, and is named.
    parts = [each for each in captured.page.exchanges if each.url == web.url("/video")]
    assert sum(bool(each.response and each.response.body == bytes(1_000)) for each in parts) == 4
    assert {name for name, _ in captured.missing} == {"video"}
    assert (captured.folder / "capture.wacz").stat().st_size < 8 << 20
    assert max(held) < 1 << 30


def test_a_consent_banner_goes_by_a_script_and_is_shown_without(camera: Camera, web: WebSite):
    shown = camera(web.url("/consent"))
    assert shown.read("page.txt").startswith("We use cookies")
    accepted = camera(web.url("/consent"), script=b"document.querySelector('#accept').click()")
    assert accepted.read("page.txt").strip() == "The article"
    assert body_of(accepted, web.url("/data.json?accepted")) == b'{"said": "fetched"}'


def test_the_print_has_what_is_for_paper_and_the_text_what_is_for_the_screen(
    camera: Camera, web: WebSite
):
    captured = camera(web.url("/print"))
    assert captured.read("page.txt").strip() == "Only on the screen"
    printed = read_pdf((captured.folder / "page.pdf").read_bytes()).pages[0].extract_text()
    assert printed.strip() == "Only on paper"


def test_a_page_that_shows_the_time_shows_that_of_the_capture(camera: Camera, web: WebSite):
    captured = camera(web.url("/clock"))
    steps = {step.get("name", step["step"]): step["at"] for step in captured.account["steps"]}
    assert steps["navigation-started"] <= captured.read("page.txt").strip() <= steps["page.txt"]


def test_a_script_is_run_kept_and_named_if_it_fails(camera: Camera, web: WebSite):
    source = b"document.body.append('by the script'); Promise.resolve(1)"
    captured = camera(web.url("/login"), script=source)
    assert "by the script" in captured.read("page.txt")
    assert (captured.folder / "script.js").read_bytes() == source
    failing = camera(web.url("/login"), script=b"nobody.knows()")
    assert failing.missing == [("script.js", "artefact")]
    refusing = camera(web.url("/login"), script=b"Promise.reject(new Error('not today'))")
    assert refusing.missing == [("script.js", "artefact")]
    (missed,) = refusing.page.uncaptured
    assert "Error: not today" in missed.reason


@pytest.mark.parametrize("script", [b"while (true) {}", b"new Promise(() => {})"])
def test_a_script_that_never_ends_is_stopped_and_the_page_is_captured(
    camera: Camera, web: WebSite, script: bytes
):
    captured = camera(web.url("/login"), script=script, timeout=3.0)
    assert captured.missing == [("script.js", "script")]
    (missed,) = captured.page.uncaptured
    assert missed.reason == "the script had not ended after 3 s and was stopped"
    assert captured.read("page.txt").strip()


def test_a_script_that_holds_the_page_for_ever_ends_the_browser(
    camera: Camera, web: WebSite, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(browser_session, "_GRACE", 3_600.0)  # so that it is the script's own limit
    script = b"new Promise(() => setTimeout(() => { while (true) {} }, 100))"
    captured = camera(web.url("/login"), script=script, timeout=3.0)
    assert ("script.js", "script") in captured.missing
    said = {each.subject: each.reason for each in captured.page.uncaptured}
    assert said["page.pdf"] == "could not be made: the browser had ended"
    assert body_of(captured, web.url("/login")) is not None
