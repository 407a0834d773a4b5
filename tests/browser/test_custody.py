"""Custody events in a bag: the page's script says of C7 what the package says."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from support.bags import write_zip
from support.custodies import encode
from support.custody_bags import CASES, Judged, block_hash, policy, read_package, run_package
from support.desk import open_desk
from support.group_bends import COLLECTIONS, bend_event, bend_groups, change_collection
from support.page_script import PageScript, run_page_script
from support.world import World

import anchor.page
from anchor.base.messages.message import join
from anchor.evidence.group_reading import read_custody_event, read_groups
from anchor.verification.collection_account import describe_account, is_complete

PAGE = (Path(anchor.page.__file__).parent / "verify.html").as_uri()


@pytest.fixture(scope="module")
def script() -> Iterator[PageScript]:
    with run_page_script() as running:
        yield running


@pytest.mark.parametrize("case", CASES)
def test_the_script_judges_the_events_in_a_bag_like_the_package(
    case: str, script: PageScript, tmp_path: Path
) -> None:
    expected, make = CASES[case]
    files = make()
    path = write_zip(tmp_path / "bag.zip", files)
    ran = run_package(tmp_path, "bag.zip", files)
    data = path.read_bytes()
    blocks = ["0x" + block_hash(files).hex()]
    ((_, (code,), ((verdict, reason),), _),) = script.ask_bags(
        [data], policy=policy(), blocks=blocks
    )
    assert Judged(code, verdict) == expected == read_package(ran)
    if expected.verdict != "not present" or "custody events" in reason:
        assert reason == ran.document["files"][0]["claims"][6]["reason"]


def test_the_script_reads_bent_groups_like_the_package(script: PageScript) -> None:
    chance = random.Random(20)
    evidence = World().evidence(2)
    bent = [bend_groups(chance) for _ in range(1_000)]
    bent += [change_collection(changes) for changes, _ in COLLECTIONS]
    records = [encode(evidence, "x", each) for each in bent]
    answers = script.ask("accounts", records=[record.decode() for record in records])
    for record, (clause, complete) in zip(records, answers, strict=True):
        expected = join(describe_account(read_groups(record)), "clause")
        assert (clause, complete) == (str(expected), is_complete(record)), record


def test_the_script_takes_the_same_records_for_events(script: PageScript) -> None:
    chance = random.Random(8)
    records = [bend_event(chance) for _ in range(500)]
    answers = script.ask("events", records=[record.decode() for record in records])
    assert answers == [read_custody_event(record) is not None for record in records]
    assert {*answers} == {True, False}


@pytest.mark.parametrize("case", ["whole", "the first missing"])
def test_the_page_shows_the_claim_of_a_dropped_bag(
    case: str, browser: Browser, tmp_path: Path
) -> None:
    (code, verdict), make = CASES[case]
    files = make()
    desk = open_desk(browser)
    desk.open(PAGE)
    desk.drop(**{"bag.zip": write_zip(tmp_path / "bag.zip", files).read_bytes()})
    desk.tab.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    desk.fill(**{"policy-text": policy(), "hashes": "0x" + block_hash(files).hex()})
    desk.tab.check("#offline")
    document = desk.verify()
    (file,) = document["files"]
    assert (document["exit_code"], file["exit_code"]) == (code, code)
    assert file["claims"][6]["verdict"] == verdict
    assert (desk.network, desk.said) == ([], [])
    desk.tab.context.close()
