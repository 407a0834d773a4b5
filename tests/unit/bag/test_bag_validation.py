"""Bags: the package's validator and the standalone one accept the same, and nothing bent."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from support.bags import (
    CONTENTS,
    FOLDERS,
    HONEST,
    NAME,
    RECEIPT,
    by_package,
    by_standalone,
    honest_bag,
    open_valid,
    write_folder,
    write_zip,
)

from anchor.bag.bag_folder import BagFolder
from anchor.bag.bag_format import encode_list, parse_list
from anchor.base.errors import MismatchError


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_bag_is_accepted_in_a_folder_and_in_a_zip_file(name: str, tmp_path: Path):
    files = HONEST[name](honest_bag())
    paths = [
        write_folder(tmp_path / "bag", files),
        write_zip(tmp_path / "stored.zip", files),
        write_zip(tmp_path / "deflated.zip", files, zipfile.ZIP_DEFLATED),
    ]
    assert [by_package(path) for path in paths] == [0, 0, 0]
    assert [by_standalone(path) for path in paths] == [0, 0, 0]
    folder, *others = (open_valid(path) for path in paths)
    assert all(other.exhibits == folder.exhibits for other in others)
    assert all(other.identifier == folder.identifier for other in others)


@pytest.mark.parametrize("name", CONTENTS)
def test_a_bag_bent_in_one_way_is_refused_by_both(name: str, tmp_path: Path):
    code, bend = CONTENTS[name]
    files = bend(honest_bag())
    archive = write_zip(tmp_path / "bag.zip", files)
    assert (by_package(archive), by_standalone(archive)) == (code, code)
    if "\\" not in name and "1,100" not in name:
        folder = write_folder(tmp_path / "bag", files)
        assert (by_package(folder), by_standalone(folder)) == (code, code)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_bent_in_one_way_is_refused_by_both(name: str, tmp_path: Path):
    code, bend = FOLDERS[name]
    folder = write_folder(tmp_path / "bag", honest_bag())
    bend(folder)
    assert (by_package(folder), by_standalone(folder)) == (code, code)


def test_a_valid_bag_gives_digests_and_receipts(tmp_path: Path):
    files = honest_bag()
    bag = open_valid(write_zip(tmp_path / "bag.zip", files))
    (exhibit,) = bag.exhibits
    assert (exhibit.original, exhibit.receipt) == (NAME, RECEIPT)
    assert exhibit.digests.size == len(files[NAME])
    assert bag.read(RECEIPT, 1 << 20) == files[RECEIPT]
    assert bag.read(RECEIPT, 10) == files[RECEIPT][:11]


def test_a_receipt_that_changes_after_the_validation_is_refused(tmp_path: Path):
    folder = write_folder(tmp_path / "bag", honest_bag())
    bag = open_valid(folder)
    (folder / RECEIPT).write_bytes(b"{}")
    with pytest.raises(MismatchError):
        bag.read(RECEIPT, 1 << 20)


def test_a_list_is_read_as_it_was_written():
    digests = {"data/50%": bytes(32), "data/a\rb\nc": b"\1" * 32, "data/证据%25": b"\2" * 32}
    data = encode_list(digests)
    assert parse_list(data, subject="list") == digests
    assert b"50%25\n" in data
    assert b"a%0Db%0Ac\n" in data
    assert b"%2525\n" in data


def test_a_folder_that_is_replaced_by_a_link_after_it_was_listed_is_not_read(tmp_path: Path):
    folder = write_folder(tmp_path / "bag", honest_bag())
    source = BagFolder(folder)
    (folder / "data").rename(tmp_path / "elsewhere")
    (folder / "data").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError), source.open(NAME):
        pass
