"""Step 11 on the page: it ends as the package's and says the same of every beacon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.beacons import Named, cases, honest, judge_named, make_bent, verdict_of_c5
from support.examples import examples
from support.page_script import PageScript, as_on_the_page, run_page_script, without_advice
from support.two_verifiers import judge_alone

from anchor.verification.report_json import describe_report

pytestmark = pytest.mark.release

SEED = 20261130


@pytest.fixture(scope="module")
def script() -> Iterator[PageScript]:
    with run_page_script() as running:
        yield running


def of_package(case: Named) -> dict[str, Any]:
    return as_on_the_page(describe_report("file", judge_named(case)).model_dump())


def without_form(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out how exactly the form of a receipt is broken: each says it in its own words."""
    if document["exit_code"] == 2:
        document = {name: document[name] for name in ("exit_code", "headline", "anchors")}
    return document


@pytest.mark.parametrize("name", cases())
def test_the_page_says_of_each_beacon_what_the_package_says(script: PageScript, name: str) -> None:
    case = cases()[name]
    (page,) = script.judge(case.data, case.given)["files"]
    ours, theirs = map(without_advice, (page, of_package(case)))
    assert without_form(ours) == without_form(theirs)
    assert page["exit_code"] == case.code
    if case.code != 2:
        (claim,) = [claim for claim in page["claims"] if claim["id"] == "C5"]
        assert claim["verdict"] == case.verdict


def test_the_bracket_is_said_in_both_languages(script: PageScript) -> None:
    said = dict(script.list_sentences(honest().data, honest().given))
    earliest = next(chinese for english, chinese in said.items() if "not before" in english)
    assert "不早于北京时间 2026-09-21 22:14:26（2026-09-21 14:14:26 UTC）" in earliest
    assert "不涉及证据本身" in earliest


def test_all_three_verifiers_agree_on_bent_beacons(script: PageScript) -> None:
    for number in range(examples(2_000, 200)):
        case = make_bent(SEED, number)
        (page,) = script.judge(case.data, case.given)["files"]
        report = judge_named(case)
        codes = (page["exit_code"], judge_alone(case.data, case.given).exit_code())
        assert codes == (report.exit_code, report.exit_code), number
        (claim,) = [claim for claim in page["claims"] if claim["id"] == "C5"]
        assert claim["verdict"] == verdict_of_c5(report) != "pass", number
        assert all(anchor["made_no_earlier_than"] is None for anchor in page["anchors"])
