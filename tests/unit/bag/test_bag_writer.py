"""Writing bags: the whole bag or nothing, and over nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from anchor.bag.bag_contents import BagPart, OriginalFile, complete_bag
from anchor.bag.bag_validation import validate_bag
from anchor.bag.bag_writer import write_bag
from anchor.bag.bag_zip import BagZip
from anchor.base.digests import digest_bytes
from anchor.base.errors import MismatchError, UsageError

DATA = b"evidence" * 1000


@pytest.fixture
def bag(tmp_path: Path) -> dict[str, BagPart]:
    path = tmp_path / "original"
    path.write_bytes(DATA)
    digests = digest_bytes(DATA, ("sha256", "sm3"))
    parts: dict[str, BagPart] = {
        "data/originals/a": OriginalFile(path=path, digests=digests),
        "receipts/a.anchor.json": b"{}",
    }
    return complete_bag(parts, {"Source-Organization": "甲方"})


@pytest.mark.parametrize("name", ["bag", "bag.zip"])
def test_an_original_that_changed_leaves_nothing(
    name: str, bag: dict[str, BagPart], tmp_path: Path
):
    for data in (DATA[:-1] + b"!", DATA + b"!" * (1 << 22), b""):
        (tmp_path / "original").write_bytes(data)
        with pytest.raises(MismatchError):
            write_bag(tmp_path / name, bag)
        assert [path.name for path in tmp_path.iterdir()] == ["original"]
    (tmp_path / "original").unlink()
    with pytest.raises(UsageError):
        write_bag(tmp_path / name, bag)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["bag", "bag.zip"])
def test_nothing_is_overwritten(name: str, bag: dict[str, BagPart], tmp_path: Path):
    (tmp_path / name).symlink_to("nowhere")
    with pytest.raises(UsageError):
        write_bag(tmp_path / name, bag)
    assert (tmp_path / name).is_symlink()
    assert len(list(tmp_path.iterdir())) == 2


def test_the_top_folder_is_named_after_the_contents(bag: dict[str, BagPart], tmp_path: Path):
    write_bag(tmp_path / "bag.zip", bag)
    valid = validate_bag(BagZip(tmp_path / "bag.zip"))
    manifest = bag["tagmanifest-sha256.txt"]
    assert isinstance(manifest, bytes)
    assert valid.identifier == hashlib.sha256(manifest).digest()
    data = (tmp_path / "bag.zip").read_bytes()
    assert f"bag-{valid.identifier.hex()[:16]}/bagit.txt".encode() in data
    assert valid.info["Source-Organization"] == "甲方"
