"""Custody events in a bag: claim C7 of `anchor verify BAG`, and what `anchor pack` takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.bags import write_folder
from support.custodies import Custody
from support.custody_bags import (
    CASES,
    ORIGINAL,
    block_hash,
    make_bag,
    policy,
    read_package,
    run_package,
)
from support.in_process import run_in_process


@pytest.mark.parametrize("case", CASES)
def test_events_in_a_bag_are_judged_like_those_that_are_named(case: str, tmp_path: Path) -> None:
    expected, make = CASES[case]
    files = make()
    write_folder(tmp_path / "bag", files)
    assert read_package(run_package(tmp_path, "bag", files)) == expected


def test_a_bag_is_packed_only_with_events_that_verify(tmp_path: Path) -> None:
    files = make_bag(Custody())
    for name, data in files.items():
        (tmp_path / Path(name).name).write_bytes(data)
    (tmp_path / "x.anchor.json").write_bytes(files["receipts/x.anchor.json"])
    (tmp_path / "x").write_bytes(files[ORIGINAL])
    (tmp_path / "trust.toml").write_text(policy())
    (tmp_path / "notes.pdf").write_bytes(b"not a receipt")
    trust = ("--trust", "trust.toml", "--offline", "--block-hash", "0x" + block_hash(files).hex())

    def pack(*events: str) -> tuple[str, ...]:
        words = [word for name in (*events, "notes.pdf") for word in ("--custody", name)]
        return ("pack", "x", "-o", "bag", *trust, *words)

    run_in_process(*pack("0.anchor.json", "2.anchor.json"), cwd=tmp_path).expect(20, "has a gap")
    assert not (tmp_path / "bag").exists()
    whole = pack("0.anchor.json", "1.anchor.json", "2.anchor.json")
    run_in_process(*whole, cwd=tmp_path).expect(0)
    assert read_package(run_package(tmp_path, "bag", files)) == (0, "pass")
    # A receipt whose record is not JSON is malformed, not a fault of the program.
    bad = (tmp_path / "1.anchor.json").read_text().replace('"record":"{', '"record":"')
    (tmp_path / "bad.anchor.json").write_text(bad)
    named = ("verify", "x", *trust, "--custody", "bad.anchor.json")
    run_in_process(*named, cwd=tmp_path).expect(2)


def test_a_bags_line_of_steps_names_the_events(tmp_path: Path) -> None:
    files = make_bag(Custody())
    write_folder(tmp_path / "bag", files)
    (tmp_path / "trust.toml").write_text(policy())
    ran = run_in_process(
        "verify", "bag", "--trust", "trust.toml", "--offline", "--steps",
        "--block-hash", "0x" + block_hash(files).hex(), cwd=tmp_path,
    ).expect(0)  # fmt: skip
    assert "3 custody events without a gap" in ran.out
