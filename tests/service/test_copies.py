"""A second copy of what is acknowledged, as those see it who submit and who operate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.nodes import wait_until
from support.projects import Site, make_site
from support.service import NDJSON, Served, answers, bearer, digest, lines, make_key, serve
from support.standbys import NAME, Server, run_servers, want_copies

from anchor.chain.devnet import Devnet
from anchor.client import Accepted, Client, Submission


class Desk:
    """A project with two servers, and its service."""

    def __init__(self, site: Site, first: Server, standby: Server) -> None:
        self.site = site
        self.first = first
        self.standby = standby

    def reader(self) -> dict[str, str]:
        """Return the header of a key that may submit, read and look at everything."""
        return bearer(make_key(self.site.folder, "acme", "submit", "read", "admin"))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, module_anvil: Devnet) -> Iterator[Desk]:
    with run_servers() as (servers, first):
        folder = tmp_path_factory.mktemp("copies") / "project"
        site = make_site(folder, module_anvil, number=930, store=first.create())
        standby = servers.follow(first)
        want_copies(site)
        yield Desk(site, first, standby)


def is_raised(metrics: str) -> bool:
    """Say whether the metrics show the alarm."""
    (line,) = [line for line in metrics.splitlines() if '{alarm="second-copy-missing"' in line]
    return line.endswith(" 1.0")


def submit(served: Served, headers: dict[str, str], number: int) -> Any:
    body = {"sha256": digest(number), "name": f"{number}"}
    return served.http.post("/v1/evidence", json=body, headers=headers)


@pytest.mark.fault(
    "F23",
    how="the standby hears nothing while evidence comes in over HTTP, singly and in bulk",
    then="503 with Retry-After, alarm, not ready; then known, with copies 2",
)
def test_the_service_acknowledges_with_two_copies_or_not_at_all(desk: Desk) -> None:
    headers = desk.reader()
    with serve(desk.site.folder, workers=1) as served:
        answer = submit(served, headers, 1)
        assert (answer.status_code, answer.json()["copies"]) == (201, 2)
        bulk = served.http.post("/v1/bulk", content=lines(range(2)), headers=headers | NDJSON)
        assert [line.get("copies") for line in answers(bulk)] == [2, 2, None]
        metrics = served.http.get("/metrics", headers=headers).text
        assert "anchor_store_copies 2.0" in metrics
        assert is_raised(metrics) is False
        with desk.standby.deaf():
            for number in (10, 10, 1):
                answer = submit(served, headers, number)
                assert answer.status_code == 503
                assert answer.headers["Retry-After"]
                assert "is unknown" in answer.json()["detail"]
                assert "host" not in answer.text
            bulk = served.http.post("/v1/bulk", content=lines(range(2)), headers=headers | NDJSON)
            assert [line["problem"]["status"] for line in answers(bulk)] == [503]
            assert served.http.get("/readyz").status_code == 503
            assert served.http.get("/healthz").status_code == 200
            metrics = served.http.get("/metrics", headers=headers).text
            assert "anchor_store_copies 1.0" in metrics
            assert is_raised(metrics) is True
        wait_until(lambda: submit(served, headers, 10).status_code == 200)
        answer = submit(served, headers, 10)
        assert answer.json() | {"copies": 2, "known": True} == answer.json()
        assert served.http.get("/readyz").status_code == 200
        key = headers["Authorization"].partition(" ")[2]
        with Client(served.url, key) as client:
            one = Submission(sha256=bytes.fromhex(digest(11)), name="11")
            accepted = client.submit(one)
            assert isinstance(accepted, Accepted)
            assert accepted.copies == 2


def test_degrade_says_in_each_answer_that_there_is_one_copy(desk: Desk) -> None:
    site = desk.site
    want_copies(site, degrade="true")
    try:
        headers = desk.reader()
        with serve(site.folder, workers=1) as served, desk.standby.deaf():
            answer = submit(served, headers, 20)
            assert (answer.status_code, answer.json()["copies"]) == (201, 1)
            bulk = served.http.post("/v1/bulk", content=lines(range(2)), headers=headers | NDJSON)
            assert [line.get("copies") for line in answers(bulk)] == [1, 1, None]
            assert served.http.get("/readyz").status_code == 200
            metrics = served.http.get("/metrics", headers=headers).text
            assert is_raised(metrics) is True
            ran = site.run("add", "--digest", f"sha256:{digest(21)}", "--json").expect(0)
            assert ran.document["copies"] == 1
            assert "the second copy is missing" in ran.err
    finally:
        want_copies(site)


def test_the_command_line_adds_with_two_copies_or_ends_with_33(desk: Desk) -> None:
    site = desk.site
    words = ("add", "--digest", f"sha256:{digest(30)}", "--json")
    assert site.run(*words).expect(0).document["copies"] == 2
    with desk.standby.deaf():
        for number in (30, 31):
            words = ("add", "--digest", f"sha256:{digest(number)}")
            site.run(*words).refused(33, "1 of 2 servers", "counts")
        site.run("status").expect(0, "second-copy-missing", "1 of 2")
        assert doctor(site)["exit_code"] == 33
    wait_until(lambda: site.run(*words).code == 0)
    found = doctor(site)
    assert "2 of 2 servers" in found["text"]
    assert "the same machine" in found["hint"]


def doctor(site: Site) -> dict[str, Any]:
    shown = json.loads(site.run("doctor", "--json").out)["findings"]
    (found,) = [check for check in shown if check["check"] == "copies"]
    assert isinstance(found, dict)
    return found


def test_doctor_says_what_is_missing_in_the_settings(desk: Desk) -> None:
    site = desk.site
    want_copies(site, standbys="[]")
    try:
        found = doctor(site)
        assert "async, does not count" in found["text"]
        assert "store_copies.standbys" in found["hint"]
        desk.first.set("synchronous_standby_names", "*")
        found = doctor(site)
        assert "2 of 2 servers" in found["text"]
        assert "name it" in found["hint"]
    finally:
        desk.first.set("synchronous_standby_names", "")
        want_copies(site)
    assert NAME in doctor(site)["text"]


def test_what_is_wrong_in_the_section_is_refused(desk: Desk, tmp_path: Path) -> None:
    site = desk.site
    try:
        for members, text in (
            ({"copies": 0}, "store_copies.copies"),
            ({"copies": 3}, "too few for 3 copies"),
            ({"wait_seconds": 0}, "store_copies.wait_seconds"),
            ({"replicas": 1}, "store_copies.replicas"),
        ):
            want_copies(site, **members)
            site.run("status").refused(2, text)
        want_copies(site)
        file = {"ANCHOR_STORE": str(tmp_path / "anchor.db")}
        site.run("status", env=file).refused(2, "replicated block device")
    finally:
        want_copies(site)
