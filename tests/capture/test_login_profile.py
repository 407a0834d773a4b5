"""Captures with a copy of a profile that is signed in."""

from __future__ import annotations

import json
import os
import socket
from hashlib import sha256
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from support.cameras import Camera
from support.fixtures import MakeSite
from support.web_site import SECRET, WebSite

from anchor.base.errors import UsageError
from anchor.capture.browser_session import find_browser, is_sandboxed
from anchor.capture.login_profile import check_profile
from anchor.chain.devnet import Devnet

pytestmark = pytest.mark.release


@pytest.fixture
def profile(web: WebSite, tmp_path: Path) -> Path:
    """A profile of the system's Chromium in which somebody signed in."""
    folder = tmp_path / "profile"
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder, executable_path=find_browser(), chromium_sandbox=is_sandboxed()
        )
        context.pages[0].goto(web.url("/sign-in"))
        context.close()
    return folder


def digest_tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_page_behind_a_login_is_captured_with_a_copy_of_the_profile(
    camera: Camera, web: WebSite, profile: Path
):
    assert "Please sign in" in camera(web.url("/account")).read("page.txt")
    before = digest_tree(profile)
    captured = camera(web.url("/account"), login_profile=profile)
    assert "Your account" in captured.read("page.txt")
    assert digest_tree(profile) == before
    assert captured.account["options"]["login_profile"] is True
    sent = dict(captured.account["requests"][0]["request_headers"])
    assert sent["Cookie"] == "account=[redacted]"
    for path in captured.folder.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
            assert "profile" not in path.relative_to(captured.folder).as_posix()
            assert str(profile).encode() not in path.read_bytes(), path


def test_the_record_says_that_a_profile_was_used(
    new_site: MakeSite, embedded: Devnet, web: WebSite, profile: Path
):
    site = new_site(embedded)
    words = ("capture", "--json", web.url("/account"), "--wait", "0.2", "--login-profile", profile)
    (captured,) = site.run(*words).expect(0).document["captures"]
    checks = {check["id"]: check["result"] for check in captured["checks"]}
    assert checks["browser-profile"] == "fail"
    bag = site.folder / captured["bag"]
    cleanliness = json.loads((bag / "data" / "cleanliness.json").read_bytes())["cleanliness"]
    (check,) = (each for each in cleanliness["checks"] if each["id"] == "browser-profile")
    assert "a copy of a profile" in check["observed"]
    assert not list((site.folder / "captures").glob(".anchor-*"))


def test_a_profile_that_cannot_be_used_is_refused(
    new_site: MakeSite, embedded: Devnet, web: WebSite, profile: Path, tmp_path: Path
):
    site = new_site(embedded)

    def refused(folder: Path, said: str) -> None:
        site.run("capture", web.url("/"), "--login-profile", folder).refused(2, said)

    refused(tmp_path, "is no profile folder of Chromium")
    refused(tmp_path / "nothing", "is no profile folder of Chromium")
    lock = profile / "SingletonLock"
    lock.symlink_to(f"{socket.gethostname()}-{os.getpid()}")
    refused(profile, "close that browser first")
    lock.unlink()
    lock.symlink_to("another-machine-7")
    refused(profile, "in use by another-machine-7")
    lock.unlink()
    # That of a browser that crashed holds nothing.
    lock.symlink_to(f"{socket.gethostname()}-{2**22 + 1}")
    check_profile(profile, find_browser())
    (profile / "Last Version").write_text("9999.0.1.2")
    with pytest.raises(UsageError, match=r"of Chromium 9999\.0\.1\.2, which is newer than"):
        check_profile(profile, find_browser())
    assert not (site.folder / "captures").exists()
