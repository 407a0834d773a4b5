"""Bags that are one piece of evidence: three verifiers agree on each, and name what was changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.bags import Files, complete
from support.evidence_bags import (
    CASE_BAG,
    MANIFEST,
    TAGS,
    EvidenceBag,
    by_all,
    complete_evidence,
    court_by_all,
    make_bags,
    pack_for_court,
    run_campaign,
    small_payload,
)
from support.page_script import PageScript, run_page_script

PAGE_TEXT = "data/page.txt"


@pytest.fixture(scope="module")
def script() -> Iterator[PageScript]:
    with run_page_script() as running:
        yield running


@pytest.fixture(scope="module")
def bags() -> list[EvidenceBag]:
    return make_bags([small_payload(number) for number in range(3)])


def test_changed_bags_are_refused_by_all_three_and_the_file_is_named(
    bags: list[EvidenceBag], tmp_path: Path
) -> None:
    tally = run_campaign(bags, tmp_path, seed=1, rounds=4)
    assert tally.troubles == []
    assert tally.kinds["honest"] == 3
    assert tally.kinds["relisted bytes"] > 30
    assert {0, 2, 10} <= set(tally.codes)


def test_a_bag_of_many_files_is_held_to_its_manifest(script: PageScript, tmp_path: Path) -> None:
    """Its record describes the manifest, and lists no files."""
    payload = {f"data/{number}.txt": b"%d" % number for number in range(201)}
    (bag,) = make_bags([payload])
    assert b'"manifest":{' in bag.receipt.replace(b"\\", b"")
    assert {each.code for each in by_all(script, bag.files, bag, tmp_path)} == {0}
    bent, _ = complete_evidence({**payload, "data/7.txt": b"x"})
    for outcome in by_all(script, bent, bag, tmp_path):
        assert outcome.code == 10
        assert MANIFEST in outcome.said


def _relist(files: Files, **changes: bytes) -> Files:
    """Return a bag with other files outside ``data/``, which its lists name."""
    kept = {name: data for name, data in {**files, **changes}.items() if name != TAGS}
    return complete(kept)


def test_files_that_no_receipt_covers_are_refused_even_if_they_are_listed(
    bags: list[EvidenceBag], script: PageScript, tmp_path: Path
) -> None:
    for name in ("note.txt", "receipts/a.anchor.json", f"captures/x/{MANIFEST}"):
        bent = _relist(bags[0].files, **{name: b"x"})
        for outcome in by_all(script, bent, bags[0], tmp_path):
            assert outcome.code == 10
            assert name in outcome.said


def test_what_bag_info_says_is_no_evidence(
    bags: list[EvidenceBag], script: PageScript, tmp_path: Path
) -> None:
    """The receipt does not cover it, which the documentation says: no verifier reports it."""
    info = bags[0].files["bag-info.txt"].replace(b"localhost", b"elsewhere")
    bent = _relist(bags[0].files, **{"bag-info.txt": info})
    outcomes = by_all(script, bent, bags[0], tmp_path)
    assert {outcome.code for outcome in outcomes} == {0}
    assert "elsewhere" not in str(outcomes)


def test_a_bag_with_the_receipt_of_another_is_a_mismatch(
    bags: list[EvidenceBag], script: PageScript, tmp_path: Path
) -> None:
    outcomes = by_all(script, bags[1].files, bags[0], tmp_path)
    assert {outcome.code for outcome in outcomes} == {10}
    broken = bags[0]._replace(receipt=bags[0].receipt[:-5])
    assert {outcome.code for outcome in by_all(script, broken.files, broken, tmp_path)} == {2}


Bend = Callable[[Files, EvidenceBag], Files]
INNER = f"{CASE_BAG}{PAGE_TEXT}"


def _bend_capture(files: Files, bag: EvidenceBag) -> Files:
    return {**files, INNER: b"other words"}


def _bend_and_list(files: Files, bag: EvidenceBag) -> Files:
    """Make the capture anew around other words; its manifest is no original then."""
    payload = {name: data for name, data in bag.files.items() if name.startswith("data/")}
    bent, _ = complete_evidence({**payload, PAGE_TEXT: b"other words"})
    return files | {CASE_BAG + name: data for name, data in bent.items()}


def _bend_and_list_but_the_manifest(files: Files, bag: EvidenceBag) -> Files:
    return _bend_and_list(files, bag) | {CASE_BAG + MANIFEST: bag.files[MANIFEST]}


def _without(*names: str) -> Bend:
    return lambda files, _: {name: data for name, data in files.items() if name not in names}


def _with(name: str) -> Bend:
    return lambda files, _: {**files, name: b"x"}


COURT: dict[str, tuple[int, list[int], Bend, str]] = {
    "as it is": (0, [0, 0], lambda files, _: files, ""),
    "another text": (0, [0, 10], _bend_capture, PAGE_TEXT),
    "a file missing": (0, [0, 10], _without(INNER), PAGE_TEXT),
    "one more file": (0, [0, 10], _with(f"{CASE_BAG}data/more"), "data/more"),
    "one more file beside the payload": (0, [0, 10], _with(f"{CASE_BAG}more.txt"), "more.txt"),
    "no list of tags": (0, [0, 10], _without(CASE_BAG + TAGS), TAGS),
    "a capture made anew": (10, [], _bend_and_list, CASE_BAG + MANIFEST),
    "all lists but the manifest made anew": (
        0, [0, 10], _bend_and_list_but_the_manifest, MANIFEST,
    ),
    "no manifest": (10, [], _without(CASE_BAG + MANIFEST), CASE_BAG + MANIFEST),
    "a file that is no capture's": (10, [], _with("captures/x"), "captures/x/"),
    "a capture of no original": (10, [], _with("captures/x/a"), f"captures/x/{MANIFEST}"),
}  # fmt: skip


@pytest.mark.parametrize("name", COURT)
def test_captures_in_a_folder_for_court_are_held_to_their_records(
    name: str, bags: list[EvidenceBag], script: PageScript, tmp_path: Path
) -> None:
    code, codes, bend, named = COURT[name]
    files = bend(pack_for_court(bags[0], bags[1]), bags[0])
    lists = ("tagmanifest-sha256.txt", "bag-info.txt")
    relisted = complete({each: data for each, data in files.items() if each not in lists})
    both = bags[0]._replace(blocks=bags[0].blocks | bags[1].blocks)
    for said in court_by_all(script, relisted, both, tmp_path):
        # The second original, by its name, is the first bag's manifest.
        assert said[:2] == (code, codes), said
        assert named in said[2]
