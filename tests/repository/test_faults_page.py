"""The list of faults, the tests that inject them and the page about them agree."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from support.fault_catalogue import BY_ID, FAULTS, GROUPS
from support.fault_markers import find_markers
from support.faults import name_test
from support.paths import ROOT

sys.path.append(str(ROOT / "scripts/_build"))
from build_faults import collect, render

# Of these no test injects any yet.  The set may only shrink.
MISSING_YET: set[str] = set()

MARKERS = find_markers()
MARKED = {marker.id for marker in MARKERS}


def test_each_fault_has_one_entry_in_a_known_group() -> None:
    assert len(BY_ID) == len(FAULTS)
    order = [(fault.id[0], int(fault.id[1:])) for fault in FAULTS]
    assert order == sorted(order)
    assert {letter for letter, _ in order} == set(GROUPS)
    numbers = Counter(letter for letter, _ in order)
    assert order == [(letter, n) for letter in GROUPS for n in range(1, numbers[letter] + 1)]


def test_every_marker_names_a_fault_of_the_catalogue() -> None:
    assert [marker for marker in MARKERS if marker.id not in BY_ID] == []


def test_what_a_marker_says_fits_into_the_table() -> None:
    for marker in MARKERS:
        for text in (marker.how, marker.then):
            assert len(text) <= 160, marker
            assert text == " ".join(text.split()), marker
            assert not text.endswith("."), marker


def test_every_fault_is_injected_or_has_a_reason_why_not() -> None:
    missing = {fault.id for fault in FAULTS if fault.reason is None} - MARKED
    assert missing == MISSING_YET, sorted(missing ^ MISSING_YET)


def test_no_fault_that_is_injected_has_a_reason_why_not() -> None:
    assert {fault.id for fault in FAULTS if fault.reason} & MARKED == set()


def test_the_page_names_every_fault_that_a_test_injects() -> None:
    page = render(collect(MARKERS, {}))
    head, _, rest = page.partition("\n## Not injected")
    assert set(re.findall(r"^\| ([A-K]\d+) \|", head, re.MULTILINE)) == MARKED
    named = re.findall(r"^\| ([A-K]\d+) \|", head + rest, re.MULTILINE)
    assert sorted(named) == sorted(BY_ID)


def test_the_summary_has_the_numbers_and_the_groups() -> None:
    summary = (ROOT / "docs" / "faults.md").read_text("utf-8")
    reasons = sum(fault.reason is not None for fault in FAULTS)
    assert f"{len(FAULTS)} faults, of which {len(MARKED)} are injected" in summary
    assert f"{reasons} are not" in summary
    assert re.findall(r"^\| ([A-K]) \| (.+?) \|", summary, re.MULTILINE) == list(GROUPS.items())


def test_the_page_counts_what_runs_recorded_of_markers_there_are() -> None:
    marker = MARKERS[0]
    said = {"id": marker.id, "how": marker.how, "then": marker.then}
    record = {
        "a": [{**said, "times": 3, "outcome": "passed"}],
        "b": [{**said, "how": "no marker says this", "times": 5, "outcome": "passed"}],
        "c": [{**said, "times": 7, "outcome": "failed"}],
    }
    row = next(row for row in collect(MARKERS, record) if row.fault.id == marker.id)
    assert (row.times, row.failed) == (3, 1)


def test_a_marker_without_its_parts_is_refused(tmp_path: Path) -> None:
    for text in ('"A1"', '"A1", how="x"', '"A1", how="x" + y, then="z"', 'how="x", then="y"'):
        (tmp_path / "test_bad.py").write_text(f"@pytest.mark.fault({text})\ndef test_it(): ...\n")
        with pytest.raises(ValueError, match="fault marker"):
            find_markers(tmp_path)


def test_a_test_of_another_lane_is_recorded_by_its_place_in_the_repository() -> None:
    path = ROOT / "tests/contracts/test_known_attacks.py"
    name = name_test(path, "test_known_attacks.py::test_a_proof_serves_no_second_anchor[a::b]")
    expected = "tests/contracts/test_known_attacks.py::test_a_proof_serves_no_second_anchor[a::b]"
    assert name == expected
