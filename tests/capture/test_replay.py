"""``anchor replay``: what pywb shows of a capture is the page, and nothing leaves this machine."""

from __future__ import annotations

import html
import http.client
import importlib.util
import io
import json
import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page
from support.browser import open_browser, tab
from support.capture_bags import make_account, make_capture, make_png
from support.chinese_text import what_is_english
from support.command import ANCHOR, environment
from support.foreign_programs import PYWB, install_program
from support.in_process import run_in_process
from support.json_documents import check_document
from support.tools import check_program
from support.web_site import STATIC, WebSite

from anchor.bag.bag_contents import BagPart, OriginalFile, complete_bag
from anchor.bag.bag_format import EVIDENCE_FORMAT
from anchor.bag.bag_writer import write_bag
from anchor.capture.browser_session import find_browser
from anchor.capture.capture_files import write_capture_files
from anchor.capture.capture_options import CaptureOptions
from anchor.capture.page_capture import capture_page
from anchor.comparison.capture_bag import open_capture
from anchor.comparison.picture_difference import compare_pictures
from anchor.evidence.file_hashing import digest_file
from anchor.replay.replay_page import ReplayFacts, describe_receipt, render_replay

__all__ = ["tab"]


@pytest.fixture(scope="module")
def programs() -> Path:
    return install_program(*PYWB)


@pytest.fixture(scope="module")
def bag(web: WebSite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One capture that followed the links to every static page."""
    folder = tmp_path_factory.mktemp("captures")
    data, scratch = folder / "data", folder / "scratch"
    data.mkdir()
    scratch.mkdir()
    options = CaptureOptions(wait_seconds=0.2, depth=1)
    url = web.url("/static")
    page = capture_page(
        url, data, options, program=find_browser(), dns_servers=None, scratch=scratch
    )
    write_capture_files(page, data, options, scratch=scratch)
    parts: dict[str, BagPart] = {
        f"data/{path.relative_to(data).as_posix()}": OriginalFile(
            path=path, digests=digest_file(path)
        )
        for path in data.rglob("*")
        if path.is_file()
    }
    write_bag(folder / "bag", complete_bag(parts, {}, form=EVIDENCE_FORMAT))
    return folder / "bag"


@pytest.fixture(scope="module")
def followed(bag: Path) -> dict[str, dict[str, str]]:
    """The entry of each static page in the account."""
    account = json.loads((bag / "data" / "capture.json").read_bytes())
    return dict(zip(STATIC, account["followed"], strict=True))


@pytest.fixture(scope="module")
def replay(
    bag: Path, programs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """The document of a running replay."""
    with replaying(bag, programs, tmp_path_factory.mktemp("replay")) as document:
        yield document


@pytest.fixture(scope="module")
def browser(replay: dict[str, Any]) -> Iterator[Browser]:
    """A Chromium, started after the capture: one process can drive only one at a time."""
    with open_browser() as running:
        yield running


@contextmanager
def replaying(bag: Path, programs: Path, scratch: Path, *trace: str) -> Iterator[dict[str, Any]]:
    """Run ``anchor replay``; yield its document once it serves; end it by Ctrl-C."""
    scratch.mkdir(exist_ok=True)
    paths = f"{programs}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        [*trace, *ANCHOR, "replay", str(bag), "--json"],
        env=environment(PATH=paths, TMPDIR=str(scratch)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    text = ""
    while not text.rstrip().endswith("}"):
        line = process.stdout.readline()
        assert line, process.stderr and process.stderr.read()
        text += line
    try:
        yield check_document(json.loads(text))
    finally:
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert list(scratch.iterdir()) == []


@pytest.mark.release
@pytest.mark.parametrize("name", STATIC)
def test_a_static_page_is_replayed_with_its_text_and_picture(
    name: str,
    bag: Path,
    followed: dict[str, dict[str, str]],
    replay: dict[str, Any],
    web: WebSite,
    tab: Page,
) -> None:
    asked: list[str] = []
    count = len(web.asked)
    page, views = followed[name], bag / "data" / followed[name]["folder"]
    prefix = replay["replay"].partition("/capture/")[0]
    digits = re.sub(r"\D", "", page["at"])[:14]
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("dialog", lambda dialog: dialog.dismiss())
    tab.set_viewport_size({"width": 1280, "height": 800})
    address = f"{prefix}/capture/{digits}/{web.url(STATIC[name])}"
    tab.goto(address, wait_until="networkidle")
    tab.evaluate("() => window.scrollTo(0, document.documentElement.scrollHeight)")
    tab.wait_for_load_state("networkidle")
    tab.evaluate("() => window.scrollTo(0, 0)")
    assert tab.evaluate("() => document.body?.innerText ?? ''") == (
        (views / "page.txt").read_text("utf-8")
    )
    original = (views / "screenshot-1280x800.png").read_bytes()
    picture = tab.screenshot(full_page=True)
    assert compare_pictures(original, picture).share <= 0.01
    # Nothing went to the site, nor anywhere else.
    assert web.asked[count:] == []
    own = urlsplit(prefix).netloc
    assert asked and {urlsplit(url).netloc for url in asked} == {own}


@pytest.mark.release
def test_the_page_shows_replay_and_screenshot_and_no_request_leaves(
    bag: Path, programs: Path, tmp_path: Path, tab: Page
) -> None:
    log = tmp_path / "calls"
    strace = check_program("strace")
    trace = (strace, "-f", "-e", "trace=connect,sendto,bind", "-o", str(log))
    with replaying(bag, programs, tmp_path / "tmp", *trace) as document:
        tab.goto(document["address"], wait_until="networkidle")
        assert "There is no receipt beside the bag." in tab.inner_text("body")
        assert document["manifest_sha256"] in tab.inner_text("body")
        assert tab.evaluate("document.querySelector('img').naturalWidth") == 1280
        frame = tab.frame_locator("iframe")
        assert frame.locator("a").first.inner_text() == "front"
        frame.locator("a").first.click()
        assert frame.locator("#late", has_text="fetched").inner_text() == "fetched"
        address = urlsplit(document["address"])
        for path, host in (("/", "attacker.test"), ("/other", address.netloc)):
            connection = http.client.HTTPConnection(address.netloc)
            connection.request("GET", path, headers={"Host": host})
            assert connection.getresponse().status == 404
            connection.close()
    calls = log.read_text("utf-8", "replace")
    bound = re.findall(r"bind\(\d+, \{sa_family=AF_INET6?, .*?inet_\w+\((?:AF_INET6, )?\"(.*?)\"",
                       calls)  # fmt: skip
    assert "127.0.0.1" in bound and set(bound) <= {"127.0.0.1", "::1"}
    reached = re.findall(r"(?:connect|sendto)\(.*?inet_\w+\((?:AF_INET6, )?\"(.*?)\"", calls)
    assert set(reached) <= {"127.0.0.1", "::1"}, reached


@pytest.mark.release
def test_a_killed_replay_leaves_no_server_and_no_folder(
    bag: Path, programs: Path, tmp_path: Path
) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    with subprocess.Popen(
        [*ANCHOR, "replay", str(bag), "--json"],
        env=environment(PATH=f"{programs}{os.pathsep}{os.environ['PATH']}", TMPDIR=str(scratch)),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        text = ""
        while not text.rstrip().endswith("}"):
            text += process.stdout.readline()
        process.kill()
    port = urlsplit(json.loads(text)["replay"]).port
    assert port is not None
    while list(scratch.iterdir()) or is_open(port):
        time.sleep(0.1)


def is_open(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.connect()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def test_pywb_is_no_part_of_this_package_and_its_absence_is_one_sentence(tmp_path: Path) -> None:
    assert importlib.util.find_spec("pywb") is None
    ran = run_in_process("replay", "bag", cwd=tmp_path, env={"PATH": "/usr/bin:/bin"})
    assert ran.refused(2, "pipx install pywb").err.count("\n") == 1
    chinese = {"PATH": "/usr/bin:/bin", "LANGUAGE": "", "LC_ALL": "zh_CN.UTF-8"}
    ran = run_in_process("replay", "bag", cwd=tmp_path, env=chinese)
    assert what_is_english(re.sub(r"PATH|pywb|`.*`|错误：", "", ran.err)) is None


@pytest.mark.parametrize("name", ["--trust=evil.toml", "@x", "two\nlines", "x; rm -r bag"])
def test_the_page_prints_a_command_in_which_the_bags_name_is_one_word(
    tmp_path: Path, name: str
) -> None:
    bag = make_capture(tmp_path / name, make_account(), {"page.txt": b"x"})
    capture = open_capture(bag)
    facts = ReplayFacts(
        capture=capture, receipt=describe_receipt(capture), replay_url="http://127.0.0.1/capture/"
    )
    printed = re.search(
        r"<code>(anchor verify .*?)</code>", render_replay(facts, "en").decode(), re.S
    )
    assert printed
    assert shlex.split(html.unescape(printed[1])) == ["anchor", "verify", "--", name]


@pytest.fixture
def stand_ins(tmp_path: Path) -> Path:
    """Programs of pywb's names that end with an error."""
    folder = tmp_path / "stand-ins"
    folder.mkdir()
    for name in ("wb-manager", "wayback"):
        (folder / name).write_text("#!/bin/sh\necho 'no such collection' >&2\nexit 3\n")
        (folder / name).chmod(0o755)
    return folder


def pack(name: str, compression: int) -> bytes:
    """Return an archive with one file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr(name, b"contents")
    return file.getvalue()


def test_a_bag_is_verified_before_anything_is_served(tmp_path: Path, stand_ins: Path) -> None:
    views = {"page.txt": b"x", "screenshot-10x10.png": make_png((10, 10))}
    bag = make_capture(tmp_path / "bag", make_account(), views)
    before = set(Path(tempfile.gettempdir()).glob("anchor-replay-*"))
    env = {"PATH": f"{stand_ins}:/usr/bin:/bin"}
    run_in_process("replay", "bag", cwd=tmp_path, env=env).refused(2, "capture.wacz")
    archives = {
        "packed": b"PK",
        "none": pack("pages/pages.jsonl", zipfile.ZIP_STORED),
        "deflated": pack("archive/data.warc.gz", zipfile.ZIP_DEFLATED),
        "not by its entries alone": b"x" + pack("archive/data.warc.gz", zipfile.ZIP_STORED),
    }
    for name, archive in archives.items():
        views["capture.wacz"] = archive
        packed = make_capture(tmp_path / name, make_account(), views)
        run_in_process("replay", name, cwd=tmp_path, env=env).refused(2, "capture.wacz")
    views["capture.wacz"] = pack("archive/data.warc.gz", zipfile.ZIP_STORED)
    packed = make_capture(tmp_path / "good", make_account(), views)
    run_in_process("replay", "good", cwd=tmp_path, env=env).refused(20, "no such collection")
    (packed / "data" / "page.txt").write_bytes(b"y")
    run_in_process("replay", "good", cwd=tmp_path, env=env).refused(10, "good", "page.txt")
    assert set(Path(tempfile.gettempdir()).glob("anchor-replay-*")) == before
    assert bag.is_dir()
