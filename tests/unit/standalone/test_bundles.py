"""Bundles: the second verifier beside the package's, on each receipt and on files and records."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.bent_receipts import world
from support.doubles import CHOICES, list_wanted, write_doubles
from support.paths import ROOT, VECTORS
from support.tries import keccak256
from support.vectors.cases import fill

from anchor.base.digests import Digests
from anchor.base.errors import AnchorError
from anchor.base.types import Hash32
from anchor.receipt.bundle import load_bundle, read_bundle
from anchor.standalone import verify as standalone
from anchor.verification.receipt_choice import choose_receipts
from anchor.verification.verifier import judge

VECTOR = json.loads((VECTORS / "bundles" / "bundles.json").read_bytes())["bundles"]
KEPT = VECTORS / "receipts" / "anchor-receipts-1.jsonl"
BLOCKS = sorted(
    {
        Hash32(keccak256(anchor.state.header))
        for receipt in load_bundle(KEPT)
        for anchor in receipt.anchors
        if anchor.state is not None
    }
)
PINS = standalone.Pins(
    block_hashes=BLOCKS, chain_ids=[31337], log=world().log, recorded_at_tolerance=86_400
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the bundle, the verifier and the evidence."""
    shutil.copy(KEPT, tmp_path / "bundle")
    shutil.copy(ROOT / "anchor" / "standalone" / "verify.py", tmp_path)
    for index, data in enumerate(world().files):
        (tmp_path / f"evidence-{index}.txt").write_bytes(data)
    return tmp_path


def reports(folder: Path, *names: str) -> list[standalone.Report]:
    paths = [str(folder / name) for name in names]
    return standalone.make_reports(str(folder / "bundle"), paths, PINS)


def bend(folder: Path, old: str, new: str) -> None:
    text = (folder / "bundle").read_text("utf-8")
    assert old in text
    (folder / "bundle").write_text(text.replace(old, new, 1), "utf-8")


def test_each_receipt_ends_as_it_does_alone() -> None:
    for receipt in load_bundle(KEPT):
        evidence = world().evidence(receipt.index)
        assert evidence.sha256 and evidence.sm3 and evidence.size is not None
        digests = {"sha256": evidence.sha256.hex(), "sm3": evidence.sm3.hex()}
        single = standalone.verify(receipt.encode(), digests, evidence.size, PINS)
        with KEPT.open("rb") as file:
            (found,) = (
                each for each in standalone.read_bundle(file) if each.index == receipt.index
            )
        bundled = standalone.verify(found, digests, evidence.size, PINS)
        assert bundled == single
        policy, steps = world().policy(), []
        for document in (receipt, receipt.encode()):
            report = judge(document, evidence, policy=policy, connect=None, block_hashes=BLOCKS)
            steps.append([(step.number, step.detail, step.verdict) for step in report.steps])
            assert int(report.exit_code) == bundled.exit_code()
        assert steps[0] == steps[1]


def test_files_are_verified_by_the_receipts_that_are_theirs(folder: Path) -> None:
    names = [f"evidence-{index}.txt" for index in (6, 2, 9, 10)]
    found = reports(folder, *names)
    assert [report.exit_code() for report in found] == [0, 0, 20, 2]
    assert "the bundle has no receipt of this file" in found[3].lines[0]


def test_an_altered_file_gets_the_receipt_of_its_name(folder: Path) -> None:
    (folder / "evidence-3.txt").write_bytes(b"altered")
    (folder / "evidence-4.txt").rename(folder / "renamed.txt")
    found = reports(folder, "evidence-3.txt", "renamed.txt")
    assert [report.exit_code() for report in found] == [10, 0]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('"count":11', '"count":12', 2),
        ('"count":11', '"count":10', 2),
        ("anchor-receipts/1", "anchor-receipts/2", 22),
        ('"index":7', '"index":5', 2),
        ('\\"name\\":\\"evidence-1', '\\"name\\":\\"evidence-2', 10),
    ],
)
def test_what_breaks_the_bundle_verifies_nothing(
    folder: Path, old: str, new: str, code: int
) -> None:
    bend(folder, old, new)
    (report,) = reports(folder, "evidence-8.txt", "evidence-0.txt")
    assert report.exit_code() == code
    with pytest.raises(AnchorError) as refused:
        list(load_bundle(folder / "bundle"))
    assert int(refused.value.exit_code) == code


def test_the_command_reads_bundles(folder: Path) -> None:
    options = [f"--block-hash=0x{block.hex()}" for block in BLOCKS]
    command = [sys.executable, "-I", "-S", "verify.py", "bundle", "evidence-2.txt"]
    pins = ["--chain-id=31337", f"--log=0x{world().log.hex()}", "--recorded-at-tolerance=86400"]
    for more, code, said in (
        ([], 0, "VERIFIED on a development chain"),
        (["evidence-6.txt"], 0, "file     'evidence-6.txt'"),
        (["evidence-6.txt", "evidence-9.txt"], 20, "NOT VERIFIED (exit code 20)"),
    ):
        ran = subprocess.run(
            [*command, *more, *options, *pins],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (ran.returncode, ran.stderr) == (code, "")
        assert said in ran.stdout
    shutil.copy(VECTORS / "receipts" / "anchor-receipt-1.json", folder / "bundle")
    (report,) = reports(folder, "evidence-2.txt", "evidence-6.txt")
    assert report.exit_code() == 2
    assert "one receipt is of one file" in report.lines[0][2]


def spell(digests: Digests) -> tuple[dict[str, str], int]:
    assert digests.sha256 and digests.sm3 and digests.size is not None
    return {"sha256": digests.sha256.hex(), "sm3": digests.sm3.hex()}, digests.size


def test_both_choose_a_files_receipt_by_content_then_by_name() -> None:
    bundle = write_doubles()
    leaves = [leaf for _, _, leaf in CHOICES]
    chosen = choose_receipts(read_bundle(io.BytesIO(bundle)), list_wanted())
    assert [found and found.index for found in chosen] == leaves
    files = [(name, *spell(digests)) for name, digests, _ in CHOICES]
    reading = standalone.read_bundle(io.BytesIO(bundle))
    alone = standalone.choose_receipts(reading, files)
    assert [found and found.index for found in alone] == leaves


def test_a_record_that_is_none_is_no_files() -> None:
    receipts = [
        dataclasses.replace(next(load_bundle(KEPT)), record=record)
        for record in (b"", b"[]", b"{}", b"[" * 60_000, b'{"digests":1,"name":1}', b"\xff",
                       b'{"digests":{"sha256":[]},"name":"x.txt"}',
                       b'{"digests":{},"name":"x.txt"}')
    ]  # fmt: skip
    assert set(choose_receipts(receipts, list_wanted())) == {None}


@pytest.mark.parametrize("case", VECTOR, ids=[case["name"] for case in VECTOR])
def test_every_vector_ends_with_the_same_exit_code(case: dict[str, Any]) -> None:
    data, codes = fill(case, "bundle").encode("utf-8"), []
    for read in (read_bundle, standalone.read_bundle):
        try:
            list(read(io.BytesIO(data)))
        except AnchorError as error:
            codes.append(int(error.exit_code))
        except standalone.Refusal as refusal:
            codes.append(refusal.code)
    assert codes == ([case["exit_code"]] * 2 if case["exit_code"] else [])
