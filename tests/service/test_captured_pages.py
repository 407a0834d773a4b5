"""Captures that tenants order, made by a real worker with a real Chromium behind its guard."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.capture_desk import (
    CaptureClient,
    make_capture_site,
    make_client,
    run_worker,
    serve_captures,
)
from support.copies import objects, until
from support.memory_projects import MemorySite
from support.page_service import PageService
from support.staged_capture import stage_internet
from support.web_site import WebSite, serve_site

from anchor.bag.bag_validation import validate_bag
from anchor.bag.bag_zip import BagZip
from anchor.evidence.group_reading import read_groups
from anchor.evidence.record import parse_record
from anchor.store.evidence import find_by_identity

pytestmark = pytest.mark.release

SITE = "site.example.com"


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
    with stage_internet(folder / "internet.json", {SITE: port}) as words:
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
