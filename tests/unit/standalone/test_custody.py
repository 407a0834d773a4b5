"""Claim C7 by the standalone verifier: the same as the package's, on bags and on records."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from support.bags import Files, write_folder
from support.custodies import AT, Custody
from support.custody_bags import CASES, Judged, make_bag, pins_for
from support.group_bends import COLLECTIONS, bend_event, bend_groups, change_collection

from anchor.evidence.collection_profiles import PROFILE_DEMANDS, list_lacking
from anchor.evidence.group_reading import read_custody_event, read_groups
from anchor.receipt.format import encode_receipt
from anchor.standalone import verify as standalone


def judge_bag(folder: Path, files: Files) -> tuple[Judged, standalone.Report]:
    write_folder(folder, files)
    ((_, report),) = standalone.verify_bag(standalone.Folder(str(folder)), pins_for(files))
    code, _ = report.custody or (0, "")
    verdict = "pass" if report.is_documented else "not present"
    if code:
        verdict = "fail" if code < standalone.CANNOT_CHECK else "cannot tell"
    return Judged(report.exit_code(), verdict), report


@pytest.mark.parametrize("case", CASES)
def test_a_bag_has_the_same_c7(case: str, tmp_path: Path) -> None:
    expected, make = CASES[case]
    assert judge_bag(tmp_path / "bag", make())[0] == expected


def test_the_claim_is_printed_with_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = make_bag(Custody())
    write_folder(tmp_path / "bag", files)
    pins = pins_for(files)
    assert pins.log is not None
    words = [
        str(tmp_path / "bag"), "--chain-id", "31337", "--log", f"0x{pins.log.hex()}",
        "--block-hash", f"0x{pins.block_hashes[0].hex()}",
    ]  # fmt: skip
    assert standalone.main(words) == 0
    assert "claim C7 passed: 3 custody events without a gap" in capsys.readouterr().out
    make = CASES["an incomplete record"][1]
    write_folder(tmp_path / "other", make())
    assert standalone.main([str(tmp_path / "other"), *words[1:]]) == 20  # another block
    _, report = judge_bag(tmp_path / "third", make())
    assert report.custody is not None
    assert "lacks of its profile collection.operators, platform.version" in report.custody[1]


def lacking_by_package(document: bytes) -> list[str] | None:
    groups = read_groups(document).groups
    if groups.profile is None:
        return None
    return [demand.name for demand in list_lacking(groups) if demand.level == "must"]


def lacking_alone(document: bytes) -> list[str] | None:
    lacking = standalone.find_lacking(standalone.read_json(document, "it"))
    return None if lacking is None else [path.partition("|")[0] for path in lacking]


def test_bent_groups_lack_the_same() -> None:
    chance = random.Random(19)
    answers = set()
    for _ in range(1_000):
        document = json.dumps(bend_groups(chance)).encode()
        expected = lacking_by_package(document)
        assert lacking_alone(document) == expected, document
        answers.add(None if expected is None else tuple(expected))
    assert None in answers and () in answers and len(answers) > 30


def test_each_profile_demands_the_same_of_an_empty_record() -> None:
    for profile in PROFILE_DEMANDS:
        document = json.dumps({"profile": profile}).encode()
        expected = lacking_by_package(document)
        assert sorted(lacking_alone(document) or []) == sorted(expected or [])


def test_bent_events_are_events_to_both_or_to_neither() -> None:
    chance = random.Random(7)
    found = set()
    for _ in range(500):
        record = bend_event(chance)
        expected = read_custody_event(record) is not None
        assert (standalone.read_event(record) is not None) == expected, record
        found.add(expected)
    assert found == {True, False}


@pytest.mark.parametrize(("changes", "is_complete"), COLLECTIONS)
def test_a_collection_is_read_as_the_package_reads_it(
    changes: dict[str, str | None], is_complete: bool
) -> None:
    document = json.dumps(change_collection(changes)).encode()
    assert lacking_alone(document) == lacking_by_package(document)
    assert (lacking_alone(document) == []) is is_complete


def test_an_event_in_another_owners_log_is_a_mismatch() -> None:
    receipt = standalone.read_receipt(encode_receipt(Custody().receipt(AT + 1)))
    members = standalone.read_event(receipt.record)
    assert members is not None
    other = replace(receipt, log=bytes(12) + b"\x77" * 20)
    event = standalone.Event(data=b"", receipt=other, members=members)
    with pytest.raises(standalone.Refusal) as caught:
        standalone.order_events(receipt, [event])
    assert caught.value.code == standalone.MISMATCH
