"""Captures made elsewhere, from the file to the report: judged first, recorded as they are."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from support.fixtures import MakeSite
from support.foreign_captures import describe_package, list_resources, pack_wacz, write_warc
from support.projects import Site
from support.store_contents import load_pieces

from anchor.chain.devnet import Devnet

RESOURCES = list_resources(write_warc())
OTHER = [("archive/sample.warc.gz", write_warc(version="1.0")), *RESOURCES[1:]]
BENT = pack_wacz(OTHER, package=describe_package(RESOURCES))


@pytest.fixture
def site(new_site: MakeSite, embedded: Devnet) -> Site:
    return new_site(embedded)


def collect(site: Site, *words: str, code: int = 0) -> Any:
    return site.run("collect", "--profile", "plain", "--web-capture", *words).expect(code)


def test_a_failed_check_is_recorded_shown_and_stops_nothing(site: Site) -> None:
    site.write("bent", BENT)
    site.write("page.warc.gz", write_warc())
    document = collect(site, "--json", "--", "bent", "page.warc.gz").document
    bent, intact = document["captures"]
    assert (bent["path"], bent["form"], bent["result"]) == ("bent", "wacz", "fail")
    assert (intact["form"], intact["result"]) == ("warc", "not_checked")
    assert len(document["records"]) == 2
    groups = [json.loads(piece.record or b"") for piece in load_pieces(site)]
    assert {record["kind"] for record in groups} == {"web-capture"}
    recorded = next(record for record in groups if record["name"] == "bent")
    capture = recorded["foreign_capture"]
    assert capture["sha256"] == recorded["digests"]["sha256"] == hashlib.sha256(BENT).hexdigest()
    assert capture["software_stated"] == "sample packer 2.0"
    assert recorded["cleanliness"]["checks"]
    assert recorded["platform"]["argv"][-1] == "--web-capture"

    site.anchor()
    site.run("prove", "bent").expect(0)
    text = site.run("verify", "bent").expect(0).out
    assert "FAIL" in text
    assert "'archive/sample.warc.gz' does not have the listed digest and size" in text


def test_the_report_of_the_collection_names_what_failed_and_was_not_checked(site: Site) -> None:
    site.write("bent", BENT)
    text = collect(site, "--", "bent").out
    assert "bent: WACZ 1.1.1, made elsewhere by sample packer 2.0 (as the file states)" in text
    assert "does not have the listed digest and size" in text
    assert "the file is not signed" in text


def test_one_file_that_is_no_capture_leaves_nothing_recorded(site: Site) -> None:
    site.write("page.wacz", pack_wacz(RESOURCES))
    site.write("other.wacz", b"other")
    ran = collect(site, "--", "page.wacz", "other.wacz", code=2)
    assert "other.wacz is no web capture" in ran.err
    assert site.rows("SELECT count(*) FROM runs") == [(0,)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--web-capture", "--bundle", "m.txt"), "leave --bundle out"),
        (("--capture-roots", "roots.pem"), "goes with --web-capture"),
        (("--web-capture", "--capture-roots", "roots.pem"), "roots.pem"),
    ],
)
def test_options_that_do_not_fit_are_one_sentence(
    site: Site, words: tuple[str, ...], said: str
) -> None:
    site.write("page.wacz", pack_wacz(RESOURCES))
    ran = site.run("collect", "--profile", "plain", *words, "--", "page.wacz").expect(2)
    assert said in ran.err
    assert site.rows("SELECT count(*) FROM runs") == [(0,)]
