"""Custody events in a bag: claim C7 of `anchor verify BAG`, and what `anchor pack` takes."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from support.bags import complete, write_folder
from support.custodies import AT, COMPLETE, Custody, encode, encode_events
from support.custody_bags import (
    CASES,
    ORIGINAL,
    Judged,
    block_hash,
    make_bag,
    policy,
    read_package,
    run_package,
)
from support.in_process import run_in_process
from support.world import World

from anchor.receipt.format import encode_receipt

OTHER = 6


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


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """Return a folder with the bag of two originals, their files, and five events in `events`.

    Events 0 to 2 are about x, 3 and 4 about y.
    """
    custody = Custody()
    records, digests = list(custody.world.records), custody.world.evidence(OTHER)
    records[OTHER] = encode(digests, "y", COMPLETE)
    records[OTHER + 1 : OTHER + 3] = encode_events(
        hashlib.sha256(records[OTHER]).digest(), digests, 2
    )
    custody.world = World(records)
    files = {"x": AT, "y": OTHER}
    bag = {f"data/originals/{name}": custody.world.files[at] for name, at in files.items()}
    for name, at in files.items():
        bag[f"receipts/{name}.anchor.json"] = encode_receipt(custody.receipt(at))
    write_folder(tmp_path / "bag", complete(bag))
    events = [AT + 1, AT + 2, AT + 3, OTHER + 1, OTHER + 2]
    (tmp_path / "events").mkdir()
    for number, at in enumerate(events):
        path = tmp_path / "events" / f"{number}.anchor.json"
        path.write_bytes(encode_receipt(custody.receipt(at)))
    for name in files:
        (tmp_path / name).write_bytes(bag[f"data/originals/{name}"])
        (tmp_path / f"{name}.anchor.json").write_bytes(bag[f"receipts/{name}.anchor.json"])
    (tmp_path / "hash").write_text("0x" + block_hash(bag).hex())
    (tmp_path / "trust.toml").write_text(policy())
    return tmp_path


def judge_pair(pair: Path, *words: str) -> tuple[int, dict[str, Judged], str]:
    ran = run_in_process(
        "verify", *words, "--trust", "trust.toml", "--offline", "--json",
        "--block-hash", (pair / "hash").read_text(), cwd=pair,
    )  # fmt: skip
    files = {
        Path(file["file"]).name: Judged(file["exit_code"], file["claims"][6]["verdict"])
        for file in ran.document["files"]
    }
    return ran.code, files, ran.err


@pytest.mark.parametrize("named", [("bag",), ("x", "y")])
def test_each_named_event_counts_for_the_original_whose_record_it_is_about(
    pair: Path, named: tuple[str, ...]
) -> None:
    whole = {"x": Judged(0, "pass"), "y": Judged(0, "pass")}
    code, files, said = judge_pair(pair, *named, "--custody", "events")
    assert (code, files) == (0, whole)
    assert "none of these files" not in said
    (pair / "events/3.anchor.json").unlink()
    code, files, _ = judge_pair(pair, *named, "--custody", "events")
    assert (code, files) == (20, whole | {"y": Judged(20, "cannot tell")})
    (pair / "events/4.anchor.json").unlink()
    code, files, _ = judge_pair(pair, *named, "--custody", "events")
    assert (code, files) == (0, whole | {"y": Judged(0, "not present")})


def test_named_events_add_to_those_in_a_bag(pair: Path) -> None:
    receipts = {name.name: name.read_bytes() for name in (pair / "events").iterdir()}
    bag = {
        str(path.relative_to(pair / "bag")): path.read_bytes()
        for part in ("data", "receipts")
        for path in (pair / "bag" / part).rglob("*.*" if part == "receipts" else "*")
        if path.is_file()
    }
    kept = {f"custody/{name}": receipts[name] for name in ("0.anchor.json", "3.anchor.json")}
    shutil.rmtree(pair / "bag")
    write_folder(pair / "bag", complete(bag | kept))
    judged = {"x": Judged(0, "pass"), "y": Judged(0, "pass")}
    assert judge_pair(pair, "bag")[:2] == (0, judged)
    (pair / "events/3.anchor.json").unlink()
    assert judge_pair(pair, "bag", "--custody", "events")[:2] == (0, judged)
    words = ("--custody", "events/2.anchor.json", "--custody", "events/4.anchor.json")
    gap = judged | {"x": Judged(20, "cannot tell")}
    assert judge_pair(pair, "bag", *words)[:2] == (20, gap)


def test_events_about_none_of_several_files_are_named(pair: Path) -> None:
    _, files, said = judge_pair(pair, "x", "x", "--custody", "events/3.anchor.json")
    assert files == {"x": Judged(0, "not present")}
    assert "about none of these files" in said
    # One file has to be what every event is about.
    assert judge_pair(pair, "x", "--custody", "events/3.anchor.json")[0] == 10
