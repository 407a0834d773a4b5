"""The receipt of a bag that is one piece of evidence, as two verifiers look for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.bags import complete, write_folder, write_zip
from support.command import Ran
from support.evidence_bags import EvidenceBag, make_bags, small_payload
from support.packing import Desk

from anchor.bag.bag_format import MANIFEST
from anchor.base.types import make_log_id
from anchor.standalone import verify as standalone
from anchor.verification.pinning import encode_policy

BESIDE = "bag.anchor.json"


@pytest.fixture(scope="module")
def bag() -> EvidenceBag:
    (made,) = make_bags([small_payload(0)])
    return made


@pytest.fixture
def desk(bag: EvidenceBag, tmp_path: Path) -> Desk:
    """Return a desk with the bag, as a folder, as a ZIP file, and its receipt beside both."""
    (block,) = bag.blocks
    desk = Desk(folder=tmp_path, names=("bag",), block_hash=f"0x{block.hex()}")
    write_folder(tmp_path / "bag", bag.files)
    write_zip(tmp_path / "bag.zip", bag.files)
    desk.write(BESIDE, bag.receipt)
    desk.write("trust.toml", encode_policy([bag.world.entry()]))
    return desk


def alone(desk: Desk, bag: EvidenceBag, *words: str) -> tuple[int, str]:
    """Return the exit code of the standalone verifier, and what it prints."""
    entry = bag.world.entry()
    log = make_log_id(entry.owner, entry.logs[0])
    pins = (
        f"--registry=0x{entry.registry.hex()}", f"--code-hash=0x{entry.code_hash.hex()}",
        f"--log=0x{log.hex()}", f"--chain-id={entry.chain_id}", f"--block-hash={desk.block_hash}",
    )  # fmt: skip
    command = [sys.executable, standalone.__file__, *words, *pins]
    ran = subprocess.run(command, cwd=desk.folder, capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    return ran.returncode, ran.stdout


def both(desk: Desk, bag: EvidenceBag, *words: str) -> tuple[int, Ran, str]:
    """Return the exit code on which both programs agree, and what they print."""
    package = desk.run("verify", *words, *desk.trust)
    code, printed = alone(desk, bag, *words)
    assert package.code == code, (package.out, package.err, printed)
    return code, package, printed


def test_the_receipt_is_beside_a_folder_or_a_zip_file_or_is_named(
    desk: Desk, bag: EvidenceBag
) -> None:
    for words in (
        ("bag",), ("bag.zip",), ("bag", "--receipt", BESIDE), ("bag.zip", "--receipt", BESIDE),
        (f"bag/{MANIFEST}", "--receipt", BESIDE),
    ):  # fmt: skip
        code, package, printed = both(desk, bag, *words)
        assert code == 0, words
        assert MANIFEST in package.out
        assert MANIFEST in printed or words[0].endswith(MANIFEST)


def test_a_bag_without_its_receipt_is_not_verified(desk: Desk, bag: EvidenceBag) -> None:
    (desk.folder / BESIDE).unlink()
    for name in ("bag", "bag.zip"):
        assert both(desk, bag, name)[0] == 2


def test_a_changed_file_is_named_in_both_forms(desk: Desk, bag: EvidenceBag) -> None:
    (desk.folder / "bag/data/page.txt").write_bytes(b"other words")
    write_zip(desk.folder / "bag.zip", {**bag.files, "data/page.txt": b"other words"})
    for words in (("bag",), ("bag.zip",), ("bag.zip", "--receipt", BESIDE)):
        code, package, printed = both(desk, bag, *words)
        assert code == 10
        assert "data/page.txt" in package.out + package.err
        assert "data/page.txt" in printed


def test_a_folder_or_zip_file_that_is_no_bag_says_so(desk: Desk, bag: EvidenceBag) -> None:
    (desk.folder / "bag/bagit.txt").unlink()
    write_zip(desk.folder / "bag.zip", {k: v for k, v in bag.files.items() if k != "bagit.txt"})
    for name in ("bag", "bag.zip"):
        code, package, printed = both(desk, bag, name, "--receipt", BESIDE)
        assert code == 2
        assert "bagit.txt" in package.out + package.err
        assert "bagit.txt" in printed


def test_a_zip_file_with_a_receipt_of_its_own_is_evidence_itself(
    desk: Desk, bag: EvidenceBag
) -> None:
    """Beside it, its receipt has its whole name; this one is of other evidence."""
    shutil.copy(desk.folder / BESIDE, desk.folder / "bag.zip.anchor.json")
    code, _, printed = both(desk, bag, "bag.zip")
    assert code == 10
    assert "step  2  MISMATCH" in printed


def test_a_bag_with_receipts_takes_no_other(desk: Desk, bag: EvidenceBag) -> None:
    name = "data/originals/a.txt"
    from_court = {name: b"a", "receipts/a.txt.anchor.json": bag.receipt}
    write_folder(desk.folder / "case", complete(from_court))
    write_zip(desk.folder / "case.zip", complete(from_court))
    for target in ("case", "case.zip"):
        code, package, printed = both(desk, bag, target, "--receipt", BESIDE)
        assert code == 2
        assert "receipts of its own" in package.out + package.err
        assert "receipts of its own" in printed
