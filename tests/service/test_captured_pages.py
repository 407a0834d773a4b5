"""Captures that tenants order, made by a real worker with a real Chromium behind its guard."""

from __future__ import annotations

import io
import itertools
import json
import os
import signal
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support import web_site
from support.capture_desk import (
    CaptureClient,
    make_capture_site,
    make_client,
    run_worker,
    serve_captures,
)
from support.copies import objects, until
from support.hostile_page import make_page, watch_loopback
from support.memory_projects import MemorySite
from support.page_service import PageService
from support.ssrf_corpus import ANSWERS, URLS
from support.staged_capture import read_reached, stage_internet
from support.staged_worker import start_worker
from support.web_site import WebSite, serve_site

from anchor.bag.bag_validation import validate_bag
from anchor.bag.bag_zip import BagZip
from anchor.capture.capture_spool import CaptureSpool
from anchor.evidence.group_reading import read_groups
from anchor.evidence.record import parse_record
from anchor.store.evidence import find_by_identity

pytestmark = pytest.mark.release

SITE, REBINDING = "site.example.com", "rebind.attacker.example"
PUBLIC = "93.184.215.10"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("captures")


@pytest.fixture(scope="module")
def site(folder: Path) -> MemorySite:
    return make_capture_site(folder)


@pytest.fixture(scope="module")
def web() -> Iterator[WebSite]:
    with serve_site() as running:
        yield running


@pytest.fixture(scope="module")
def command(folder: Path, web: WebSite) -> Iterator[tuple[str, ...]]:
    port = int(web.origin.rpartition(":")[2])
    others: dict[str, Any] = {
        name: answers
        for name, answers in ANSWERS.items()
        if answers and not any("%" in each for each in answers)
    }
    # Public when it is first asked for, and inside from then on.
    others[REBINDING] = itertools.chain(["93.184.215.10"], itertools.repeat("127.0.0.1"))
    with stage_internet(folder / "internet.json", {SITE: port}, others) as words:
        yield words


@pytest.fixture(scope="module")
def served(site: MemorySite, folder: Path) -> Iterator[PageService]:
    with serve_captures(site, folder / "spool") as running:
        yield running


@pytest.fixture
def acme(served: PageService) -> CaptureClient:
    return make_client(served, f"t-{os.urandom(6).hex()}")


def test_an_ordered_page_becomes_evidence_whose_bag_can_be_downloaded(
    acme: CaptureClient, served: PageService, folder: Path, command: tuple[str, ...]
) -> None:
    id = acme.accepted(f"http://{SITE}/redirect", note="the seller's page", depth=0)
    with run_worker(folder / "spool", command):
        capture = acme.wait(id)
    assert capture["refusal"] is None, capture["refusal"]
    assert capture["robots"] == "none"
    evidence = capture["evidence"]
    with served.project.database.read() as connection:
        stored = find_by_identity(connection, bytes.fromhex(evidence))
    assert stored is not None and stored.record is not None
    groups = read_groups(stored.record).groups
    assert groups.source is not None and groups.source.origin == "the seller's page"
    assert groups.capture is not None
    assert groups.capture.url == f"http://{SITE}/redirect"
    assert groups.capture.final_url == f"http://{SITE}/"
    assert groups.capture.address == "93.184.215.10"
    assert groups.platform is not None and groups.platform.registry is not None
    until(lambda: acme.ask(f"/v1/evidence/{evidence}").json()["kept_copy"]["state"] == "kept")
    bag = acme.ask(f"/v1/evidence/{evidence}/copy")
    assert bag.status_code == 200
    path = folder / "bag.zip"
    path.write_bytes(bag.content)
    with BagZip(path) as source:
        valid = validate_bag(source)
        assert valid.manifest.sha256 == parse_record(stored.record).digests.sha256
    with zipfile.ZipFile(io.BytesIO(bag.content)) as archive:
        top = archive.namelist()[0].partition("/")[0]
        names = json.loads(archive.read(f"{top}/data/dns.json"))
        assert [each["host"] for each in names["answers"]] == [SITE]
    until(lambda: not list((folder / "spool/results").iterdir()))
    erased = served.http.post(
        f"/v1/evidence/{evidence}/erasure",
        json={"basis": "other", "reason": "asked"},
        headers=acme.headers,
    )
    assert erased.status_code == 202, erased.text
    until(lambda: objects(folder) == [])
    left = acme.state(id)
    assert (left["url"], left["evidence"], left["note"]) == (None, None, None)


def test_nothing_inside_is_reached_by_a_page_a_redirect_or_a_name(
    acme: CaptureClient,
    folder: Path,
    command: tuple[str, ...],
    web: WebSite,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    redirects = []
    for number, url in enumerate(URLS):
        location = url.encode("utf-8").decode("latin-1").replace("\\", "%5C")
        answer = (302, "x/x", b"", {"Location": location})
        monkeypatch.setitem(web_site.FILES, f"/to/{number}", answer)
        redirects.append(f"http://{SITE}/to/{number}")
    with watch_loopback() as canary, run_worker(folder / "spool", command):
        page = make_page(URLS, canary, redirects)
        monkeypatch.setitem(web_site.PAGES, "/hostile", page)
        hostile = acme.accepted(f"http://{SITE}/hostile")
        names = [
            acme.accepted(f"{scheme}://{name}/")
            for scheme, name in (
                ("http", "loopback.attacker.example"),
                ("https", "metadata.attacker.example"),
                ("http", "mixed6.attacker.example"),
                ("http", "mapped.attacker.example"),
            )
        ]
        inside = URLS.index("http://169.254.169.254/latest/meta-data/")
        led = acme.accepted(f"http://{SITE}/to/{inside}")
        rebound = acme.accepted(f"http://{REBINDING}/redirect")
        for id in (*names, led):
            capture = acme.wait(id)
            assert capture["state"] == "refused"
            assert "is not public" in capture["refusal"] or "leads to" in capture["refusal"]
        capture = acme.wait(hostile)
        assert capture["refusal"] is None, capture["refusal"]
        refused = [each for each in capture["not_captured"] if "guard" in each["reason"]]
        assert len(refused) > 50
        # Whatever the second connection of a name led to, it was refused.
        assert acme.wait(rebound)["state"] in ("recorded", "refused")
        assert canary.met == []
    # The browser reads 010.0.0.1 as octal, which is an address that anybody can have.
    assert set(read_reached(folder / "internet.json")) <= {PUBLIC, "8.0.0.1"}
    assert not [path for path in web.asked if "meta-data" in path or "canary" in path]


@pytest.mark.parametrize("moment", ["begun", "browser", "bag"])
def test_a_worker_that_is_killed_is_followed_by_one_that_records_once(
    acme: CaptureClient, folder: Path, command: tuple[str, ...], moment: str
) -> None:
    id = acme.accepted(f"http://{SITE}/?{moment}")
    spool = CaptureSpool(folder / "spool")
    with start_worker(spool.folder, command) as worker:
        until(lambda: spool.is_running(id))
        if moment != "begun":
            pattern = {"browser": "scratch/home", "bag": "data/capture.json"}[moment]
            until(lambda: is_made(id, pattern))
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    assert acme.state(id)["state"] == "running"
    with run_worker(folder / "spool", command) as told:
        assert acme.wait(id)["state"] == "recorded"
    assert any("attempt 2" in each for each in told) or spool.list_claimed() == []
    assert len(acme.ask("/v1/evidence").json()["evidence"]) == 1


def is_made(id: str, name: str) -> bool:
    """Return whether the process of a capture has made a file or folder in its bag to be."""
    marker = f"ANCHOR_ORDERED_CAPTURE={id}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if marker in path.read_bytes().split(b"\0"):
                words = (path.parent / "cmdline").read_bytes().decode().split("\0")
                if Path(words[-2]).name.startswith("anchor-ordered-capture-"):
                    return bool(list(Path(words[-2]).glob(f".anchor-*.tmp/{name}")))
    return False
