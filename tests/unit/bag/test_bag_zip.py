"""Bags in ZIP files that contradict themselves, lie about sizes or hide something: refused."""

from __future__ import annotations

import os
import random
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.bags import (
    LENGTHS,
    by_package,
    by_standalone,
    complete,
    honest_bag,
    honest_payload,
    long_name,
    with_files,
    write_folder,
    write_zip,
)
from support.zip_bends import ZIPS, Entry, deflate, folder, make_zip, to_entries

from anchor.bag.bag_zip import is_bag_zip
from anchor.base.errors import MalformedError


@pytest.mark.parametrize("name", ZIPS)
def test_a_zip_file_bent_in_one_way_is_refused_by_both(name: str, tmp_path: Path):
    code, bend = ZIPS[name]
    path = tmp_path / "bag.zip"
    path.write_bytes(bend(to_entries(honest_bag())))
    assert (by_package(path), by_standalone(path)) == (code, code)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_is_refused_or_changes_nothing(data: st.DataObject, tmp_path: Path):
    honest = make_zip(to_entries(honest_bag()))
    at = data.draw(st.integers(0, len(honest) - 1))
    value = data.draw(st.integers(0, 255))
    bent = honest[:at] + bytes([value]) + honest[at + 1 :]
    path = tmp_path / "bag.zip"
    path.write_bytes(bent)
    codes = by_package(path), by_standalone(path)
    assert codes[0] == codes[1]
    if codes[0] == 0:
        # Versions, times and attributes are nobody's: what is in the files is the same.
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(_write(tmp_path, honest)) as other:
            names = [name.partition("/")[2] for name in archive.namelist()]
            assert names == [name.partition("/")[2] for name in other.namelist()]


def _write(folder: Path, data: bytes) -> Path:
    path = folder / "honest.zip"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_large_entry_is_read_in_pieces(method: int, tmp_path: Path):
    rng = random.Random(1)
    block = rng.randbytes(1 << 16)
    large = {"data/originals/large": block * 512, "receipts/large.anchor.json": b"{}"}
    path = write_zip(tmp_path / "bag.zip", complete(honest_payload() | large), method)
    del large
    tracemalloc.start()
    try:
        assert (by_package(path), by_standalone(path)) == (0, 0)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_bomb_that_says_it_is_small_is_not_unpacked(tmp_path: Path):
    path = tmp_path / "bag.zip"
    packed = deflate(bytes(80 << 20))
    entries = [
        entry._replace(data=packed, method=8) if b"originals" in entry.name else entry
        for entry in to_entries(honest_bag())
    ]
    path.write_bytes(make_zip(entries))
    tracemalloc.start()
    try:
        assert (by_package(path), by_standalone(path)) == (2, 2)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_sizes_of_64_bits_are_read(tmp_path: Path):
    path = tmp_path / "bag.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in honest_bag().items():
            info = zipfile.ZipInfo(f"bag/{name}")
            with archive.open(info, "w", force_zip64=True) as entry:
                entry.write(data)
    assert (by_package(path), by_standalone(path)) == (0, 0)


@pytest.mark.parametrize(("length", "code"), LENGTHS.items())
def test_the_longest_name_is_as_long_in_a_zip_file_as_in_a_folder(
    length: int, code: int, tmp_path: Path
):
    files = with_files(**{long_name(length): b"x"})(honest_bag())
    paths = [write_folder(tmp_path / "bag", files), write_zip(tmp_path / "bag.zip", files)]
    codes = [check(path) for path in paths for check in (by_package, by_standalone)]
    assert codes == [code] * 4


@pytest.mark.parametrize(("length", "code"), LENGTHS.items())
def test_the_folder_at_the_top_has_a_name_of_its_own_length(length: int, code: int, tmp_path: Path):
    files = with_files(**{long_name(1_024): b"x"})(honest_bag())
    path = tmp_path / "bag.zip"
    top = "x" * length
    path.write_bytes(make_zip([folder(f"{top}/".encode()), *to_entries(files, top)]))
    assert (by_package(path), by_standalone(path)) == (code, code)


RECOGNISED = {
    "a bag": (True, make_zip(to_entries(honest_bag()))),
    "a bag with sizes behind the data": (
        True, make_zip([each._replace(flags=0x808) for each in to_entries(honest_bag())]),
    ),
    "a bag with a comment": (True, make_zip(to_entries(honest_bag()), comment=b"x" * 0xFFFF)),
    "a bag without a folder": (True, make_zip([Entry(b"bagit.txt", b"", 0)])),
    "other files": (False, make_zip([Entry(b"bag/photo.jpg", b"", 0)])),
    "a bag further below": (False, make_zip([Entry(b"more/bag/bagit.txt", b"", 0)])),
    "other files, with sizes behind the data": (
        False, make_zip([Entry(b"photo.jpg", b"", 0, flags=0x808)]),
    ),
    "other files in a ZIP file of 64 bits": (
        False, ZIPS["an end of 64 bits"][1]([Entry(b"photo.jpg", b"", 0)]),
    ),
    "another kind of file": (False, b"%PDF-1.7"),
    "no bytes": (False, b""),
}  # fmt: skip


@pytest.mark.parametrize("name", RECOGNISED)
def test_a_zip_file_is_recognised_as_a_bag_by_what_it_lists(name: str, tmp_path: Path):
    expected, data = RECOGNISED[name]
    path = tmp_path / "file"
    path.write_bytes(data)
    assert is_bag_zip(path) == expected


def test_a_directory_that_is_too_long_is_not_read(tmp_path: Path):
    path = tmp_path / "bag.zip"
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 9, 9, (1 << 26) + 1, 0, 0)
    with path.open("wb") as file:
        file.write(b"PK")
        file.truncate((1 << 26) + 1)
        file.seek(0, os.SEEK_END)
        file.write(end)
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError):
            is_bag_zip(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
