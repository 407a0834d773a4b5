"""A capture that is killed leaves no bag under its name, and nothing recorded of half a bag."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.command import ANCHOR, environment
from support.fixtures import MakeSite
from support.projects import Site
from support.store_contents import load_pieces
from support.web_site import WebSite

from anchor.bag.bag_folder import BagFolder
from anchor.bag.bag_validation import validate_bag
from anchor.base.system.durable_files import is_temporary
from anchor.chain.devnet import Devnet

pytestmark = pytest.mark.release


@pytest.fixture
def site(new_site: MakeSite, embedded: Devnet) -> Site:
    return new_site(embedded)


def is_running_from(folder: Path) -> bool:
    """Whether a process of the browser lives that has its home below the folder."""
    marker = f"HOME={folder}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if any(each.startswith(marker) for each in path.read_bytes().split(b"\0")):
                return True
        except OSError:
            continue
    return False


def wait_for(pattern: str, folder: Path, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 90
    while not list(folder.glob(pattern)):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    "moment",
    [
        ".anchor-*.tmp/scratch/home",
        ".anchor-*.tmp/data/page.txt",
        ".anchor-*.tmp/data/capture.json",
        ".anchor-*.tmp/data/cleanliness.json",
    ],
)
@pytest.mark.fault(
    "J19",
    how="SIGKILL in four moments of a capture",
    then="no half bag is recorded, the browser ends, and the next capture is made",
)
def test_a_killed_capture_leaves_no_half_bag(site: Site, web: WebSite, moment: str) -> None:
    captures = site.folder / "captures"
    command = (*ANCHOR, "capture", web.url("/"), "--wait", "1")
    process = subprocess.Popen(command, cwd=site.folder, env=environment())
    wait_for(moment, captures, process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    left = list(captures.iterdir())
    whole = [path for path in left if not is_temporary(path.name)]
    for path in whole:
        validate_bag(BagFolder(path))
    assert len(load_pieces(site)) <= len(whole)
    end = time.monotonic() + 60
    while is_running_from(captures):
        assert time.monotonic() < end, "the browser outlives the capture"
        time.sleep(0.1)
    site.run("capture", web.url("/"), "--wait", "0").expect(0)
    assert len(load_pieces(site)) <= len(whole) + 1
