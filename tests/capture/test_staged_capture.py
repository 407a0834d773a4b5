"""A capture on a staged machine: what is wrong there fails in the record, and stops nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.dns_server import serve_names
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.staged_machine import HOSTS, make_ca, make_clean_machine
from support.store_contents import load_pieces
from support.web_site import WebSite

from anchor.capture.browser_session import find_browser, is_sandboxed
from anchor.capture.capture_options import CaptureOptions
from anchor.capture.capture_recording import CaptureRecorder
from anchor.capture.name_answers import Resolver
from anchor.evidence.group_reading import parse_groups
from anchor.operate.recent_block import name_no_block
from anchor.project.project import OpenProject

pytestmark = pytest.mark.release

DETAILS = parse_groups({"source": {"origin": "the seller's page"}})


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    chain = MemoryChain(recover=read_sender, interval=1, lag=1)
    return MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)


@pytest.fixture
def project(site: MemorySite) -> Iterator[OpenProject]:
    opened = site.open()
    yield opened
    opened.database.close()


@pytest.mark.fault(
    "J22",
    how="a hosts file, a proxy, a further root, a policy of the browser and a resolver that lies",
    then="each check fails in the record",
)
def test_everything_that_is_wrong_with_a_machine_fails_in_the_record(
    project: OpenProject, site: MemorySite, web: WebSite, tmp_path: Path
) -> None:
    places = make_clean_machine(tmp_path / "machine")
    etc = places.root / "etc"
    (etc / "hosts").write_text(f"{HOSTS}192.0.2.9 bank.example\n")
    (etc / "resolv.conf").write_text("")
    with (etc / "ca.crt").open("ab") as bundle:
        bundle.write(make_ca("Somebody"))
    policy = etc / "chromium/policies/managed/proxy.json"
    policy.parent.mkdir(parents=True)
    policy.write_text("{}")
    with (
        serve_names({"a.test": "192.0.2.1"}) as honest,
        serve_names({"a.test": "203.0.113.6"}) as lying,
    ):
        options = CaptureOptions(
            wait_seconds=0,
            proxy=web.origin.replace("localhost", "127.0.0.1"),
            resolvers=tuple(Resolver(address="127.0.0.1", port=port) for port in (honest, lying)),
        )
        recorder = CaptureRecorder(
            project,
            options,
            profile="plain",
            details=DETAILS,
            program=find_browser(),
            name_block=name_no_block,
            argv=["anchor", "capture"],
            places=places,
        )
        capture = recorder.enter(recorder.take("http://a.test/nowhere", tmp_path / "captures"))
    (piece,) = load_pieces(site.config.store)
    record: dict[str, Any] = json.loads(piece.record or b"")
    checks = {check["id"]: check for check in record["cleanliness"]["checks"]}
    failed = {name for name, check in checks.items() if check["result"] == "fail"}
    assert failed >= {"hosts-file", "ca-store", "browser-policies", "browser-proxy", "resolvers"}
    assert ("browser-sandbox" in failed) is not is_sandboxed()
    assert checks["resolvers"]["observed"] == "a.test: 192.0.2.1, 203.0.113.6"
    assert "bank.example" in checks["hosts-file"]["observed"]
    assert record["source"] == {"origin": "the seller's page"}
    assert record["capture"]["status"] == 404
    answers = json.loads((capture.bag / "data" / "dns.json").read_bytes())["answers"]
    assert [answer["records"][0]["data"] for answer in answers] == ["192.0.2.1", "203.0.113.6"]
    account = json.loads((capture.bag / "data" / "cleanliness.json").read_bytes())
    assert account["cleanliness"] == record["cleanliness"]
    assert account["environment_after"]["hosts_file_digest"]
