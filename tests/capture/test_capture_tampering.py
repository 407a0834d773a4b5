"""Captured bags that are changed anywhere: three verifiers refuse them, and name the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.evidence_bags import make_bags, read_capture, run_campaign, vary_capture
from support.fixtures import MakeSite
from support.web_site import WebSite

from anchor.chain.devnet import Devnet

PAGES = (
    ("/", "--viewport", "1280x800", "--viewport", "390x844"),
    ("/redirect",),
    ("/gbk",),
    ("/rtl",),
    ("/saves",),
    ("/links", "--depth", "1"),
)


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_a_hundred_captures_are_refused_however_they_are_changed(
    new_site: MakeSite, embedded: Devnet, web: WebSite, tmp_path: Path
) -> None:
    site = new_site(embedded)
    captured = []
    for path, *words in PAGES:
        ran = site.run("capture", "--json", web.url(path), *words).expect(0)
        captured.append(read_capture(site.folder / ran.document["captures"][0]["bag"]))
    varied = [vary_capture(captured[number % len(captured)], number) for number in range(94)]
    tally = run_campaign(make_bags([*captured, *varied]), tmp_path, seed=2, rounds=10)
    print(tally.codes, tally.kinds)
    assert tally.troubles == []
    assert tally.kinds["honest"] == 100
