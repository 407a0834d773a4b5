"""The container images of a release as users run them: read-only, and as another user than root."""

from __future__ import annotations

import filecmp
import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from support.containers import CONFINED, Podman
from support.paths import ROOT
from support.release_checkouts import make_checkout, make_images

from anchor.chain.devnet import open_devnet

sys.path.append(str(ROOT / "scripts/_release"))
from images import SERVICE, build

pytestmark = pytest.mark.slow
MEGABYTE = 1_000_000
IMAGE, CAPTURE = "localhost/anchor", "localhost/anchor-capture"
ASK = "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:8080/').status)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module")
def images(folder: Path) -> Path:
    """A release with both images."""
    return make_images(make_checkout(folder / "one" / "anchor"), folder / "release")


@pytest.fixture(scope="module")
def podman(folder: Path, images: Path) -> Iterator[Podman]:
    podman = Podman(folder / "podman")
    for path in images.glob("*-image-amd64.tar"):
        podman.ask("load", "--quiet", "--input", path)
    yield podman
    podman.close()


def wait_until(ask: Callable[[], bool]) -> None:
    while not ask():
        time.sleep(0.2)


def start(podman: Podman, name: str, *words: str | Path) -> None:
    podman.ask("run", "--detach", "--name", name, *CONFINED, *words)


def find(images: Path, pattern: str) -> Path:
    (path,) = images.glob(pattern)
    return path


def test_the_image_of_the_service_is_small(images: Path) -> None:
    assert find(images, "anchor-0*-image-amd64.tar").stat().st_size <= 450 * MEGABYTE


def test_another_folder_gives_the_same_image(images: Path, folder: Path) -> None:
    source = make_checkout(folder / "another place" / "of another name")
    again, work = folder / "again.tar", folder / "another place" / "work"
    seconds = json.loads((images / "build.json").read_bytes())["source_date_epoch"]
    build(SERVICE, source, find(images, "*_x86_64.whl"), again, work, seconds)
    made = find(images, "anchor-0*-image-amd64.tar")
    assert filecmp.cmp(made, again, shallow=False)


def test_both_commands_of_the_readme_run_in_the_image(podman: Podman, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("meeting at noon\n")
    tmp_path.chmod(0o755)
    mount = f"{tmp_path}:/evidence:ro"
    printed = podman.ask(
        "run", "--rm", *CONFINED, "--network", "none", "--volume", mount, IMAGE, "demo", "/evidence"
    )
    assert "1 file" in printed and "refused" in printed
    start(podman, "pages", "--network", "none", IMAGE, "serve", "--demo")
    wait_until(lambda: podman.run("exec", "pages", "python3", "-c", ASK).stdout == "200\n")
    assert podman.ask("exec", "pages", "id", "-u") == "10001"
    assert podman.run("exec", "pages", "touch", "/opt/anchor/more").returncode == 1
    podman.ask("rm", "--force", "--time", "10", "pages")


def test_service_and_daemon_are_unhealthy_once_they_are_broken(podman: Podman) -> None:
    volume = ("--volume", "log:/project")
    with open_devnet(anvil=None) as chain:
        once = ("run", "--rm", *CONFINED, "--network", "host", *volume, IMAGE)
        podman.ask(*once, "init", ".", "--devnet", "--rpc", chain.url)
        podman.ask(*once, "deploy")
        check = (
            "--health-cmd",
            "anchor doctor",
            "--health-timeout",
            "60s",
            "--health-retries",
            "1",
        )
        start(podman, "run", "--network", "host", *volume, *check, IMAGE, "run", "--json")
        start(podman, "serve", "--network", "none", *volume, IMAGE)
        for name in ("run", "serve"):
            wait_until(partial(podman.is_healthy, name))
        store = podman.find_volume("log") / "anchor.db"
        store.rename(store.with_name("moved.db"))
        assert not podman.is_healthy("serve")
        store.with_name("moved.db").rename(store)
        wait_until(partial(podman.is_healthy, "serve"))
        wait_until(partial(podman.is_healthy, "run"))
    assert not podman.is_healthy("run")
    status = podman.ask("inspect", "--format", "{{.State.Health.Status}}", "run")
    assert status == "unhealthy"
    podman.ask("rm", "--force", "--time", "10", "run", "serve")


@pytest.fixture
def page(tmp_path: Path) -> Iterator[str]:
    """The address of a page on this machine."""
    (tmp_path / "index.html").write_text(
        "<meta charset=utf-8><title>Note</title><p>会议 meeting at noon</p>"
    )
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_the_image_for_captures_captures_a_page_in_chromiums_sandbox(
    podman: Podman, page: str
) -> None:
    volume = ("--no-hosts", "--volume", "captures:/project")
    with open_devnet(anvil=None) as chain:
        once = ("run", "--rm", *CONFINED, "--network", "host", *volume, CAPTURE)
        podman.ask(*once, "init", ".", "--devnet", "--rpc", chain.url)
        podman.ask(*once, "capture", page, "--out", "case")
    (bag,) = (podman.find_volume("captures") / "case").iterdir()
    assert "会议 meeting at noon" in (bag / "data" / "page.txt").read_text("utf-8")
    checks = json.loads((bag / "data" / "cleanliness.json").read_bytes())["cleanliness"]["checks"]
    results = {each["id"]: each["result"] for each in checks}
    assert (results["browser-sandbox"], results["hosts-file"]) == ("pass", "pass")


def test_the_worker_of_captures_waits_for_orders(podman: Podman) -> None:
    start(podman, "worker", "--network", "none", "--volume", "orders:/captures", CAPTURE)
    orders = podman.find_volume("orders") / "orders"
    wait_until(orders.is_dir)
    assert podman.ask("inspect", "--format", "{{.State.Status}}", "worker") == "running"
    assert orders.stat().st_uid == 10001
    podman.ask("rm", "--force", "--time", "10", "worker")
