"""Step 11 in the second verifier: it ends as the package's on every beacon."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest
from support.beacons import (
    ABSENT,
    FAIL,
    PASS,
    UNKNOWN,
    Named,
    cases,
    judge_named,
    make_bent,
    verdict_of_c5,
)
from support.chain_kinds import case_on
from support.examples import examples
from support.two_verifiers import judge_alone

from anchor.ethereum.known_chains import WITHOUT_BLOCK_HISTORY
from anchor.standalone import verify as standalone

SEED = 20261129


@pytest.fixture(scope="module", autouse=True)
def quick_keccak() -> Iterator[None]:
    plain = standalone.keccak256
    standalone.keccak256 = functools.lru_cache(1 << 14)(plain)  # most nodes are the same
    yield
    standalone.keccak256 = plain


def judged(case: Named) -> tuple[int, str, list[str]]:
    """Return the exit code, what its lines come to as C5, and the bounds."""
    report = judge_alone(case.data, case.given)
    bounds = [f"{bound:%Y-%m-%dT%H:%M:%SZ}" for bound in report.earliest]
    return report.exit_code(), verdict_of(report), bounds


def verdict_of(report: standalone.Report) -> str:
    if report.no_earliest is not None or not [line for line in report.lines if line[0] > 1]:
        return ABSENT
    codes = {code for step, code, _ in report.lines if step in (1, 4, 5, 11)} - {0}
    if codes & {2, 10, 11, 12, 13}:
        return FAIL
    made = any(step == 11 for step, _, _ in report.lines)
    return PASS if made and not codes else UNKNOWN


def of_package(case: Named) -> tuple[int, str, list[str]]:
    report = judge_named(case)
    bounds = [f"{each.not_before:%Y-%m-%dT%H:%M:%SZ}" for each in report.proven if each.not_before]
    return int(report.exit_code), verdict_of_c5(report), bounds


@pytest.mark.parametrize("name", cases())
def test_it_ends_as_the_package_does(name: str) -> None:
    case = cases()[name]
    assert judged(case) == of_package(case)
    assert judged(case)[:2] == (case.code, case.verdict)


def test_it_agrees_with_the_package_on_bent_beacons() -> None:
    for number in range(examples(2_000, 100)):
        case = make_bent(SEED, number)
        assert judged(case) == of_package(case), number


def test_it_knows_the_chains_without_a_history() -> None:
    assert standalone.WITHOUT_BLOCK_HISTORY == WITHOUT_BLOCK_HISTORY


def test_it_prints_the_bracket_and_that_the_evidence_may_be_older() -> None:
    case = case_on("main")
    report = judge_alone(case.data, case.given)
    assert (
        "the record was made not before 2026-09-21T14:14:26Z · not later than "
        "2026-09-21T14:17:50Z; the evidence may be older"
    ) in report.notes
    (line,) = [text for step, _, text in report.lines if step == 11]
    assert line.endswith("this bounds when the record was made, not the age of the evidence")


@pytest.mark.parametrize("name", ["no beacon", "a missed window", "not_before: a member more"])
def test_it_says_why_no_earliest_time_is_shown(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    case = cases()[name]
    report = judge_alone(case.data, case.given)
    standalone.print_report(report, None, "en")
    assert f"step 11  not present: {report.no_earliest}\n" in capsys.readouterr().out
