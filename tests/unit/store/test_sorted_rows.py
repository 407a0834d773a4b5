"""Sorted rows and Bloom filters: the native code and Python give what plain lists and sets give."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from anchor.store import bloom_filter, sorted_rows
from anchor.store.bloom_filter import BloomFilter

try:
    from anchor import _sha256
except ImportError:
    NATIVE: Any = None
else:
    NATIVE = _sha256

IMPLEMENTATIONS = ("native", "python") if NATIVE else ("python",)
SEED = 0x0123456789ABCDEF

either = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


def pick(implementation: str, native: str, python: Callable[..., Any]) -> Callable[..., Any]:
    return getattr(NATIVE, native) if implementation == "native" else python


def sort_rows(implementation: str, *arguments: object) -> bytes:
    return pick(implementation, "sort_rows", sorted_rows._sort_rows)(*arguments)


def merge_rows(implementation: str, *arguments: object) -> bytes:
    return pick(implementation, "merge_rows", sorted_rows._merge_rows)(*arguments)


def search_rows(implementation: str, *arguments: object) -> bytes:
    return pick(implementation, "search_rows", sorted_rows._search_rows)(*arguments)


def number_rows(implementation: str, *arguments: object) -> bytes:
    return pick(implementation, "number_rows", sorted_rows._number_rows)(*arguments)


def hash_keys(implementation: str, *arguments: object) -> bytes:
    return pick(implementation, "hash_keys", bloom_filter._hash_keys)(*arguments)


def add_to_filter(implementation: str, *arguments: object) -> None:
    pick(implementation, "add_to_filter", bloom_filter._add_to_filter)(*arguments)


def select_by_filter(implementation: str, *arguments: object) -> bytes:
    return pick(implementation, "select_by_filter", bloom_filter._select_by_filter)(*arguments)


def split(rows: bytes, width: int) -> list[bytes]:
    return [rows[start : start + width] for start in range(0, len(rows), width)]


def rows_of(width: int, count: int = 40) -> st.SearchStrategy[list[bytes]]:
    """Rows many of which are equal, or differ in their last byte only."""
    near = st.builds(
        lambda stem, last: (stem * width)[: width - 1] + last,
        st.sampled_from([b"\x00", b"\x7f", b"\xff"]),
        st.binary(min_size=1, max_size=1),
    )
    return st.lists(near | st.binary(min_size=width, max_size=width), max_size=count)


widths = st.sampled_from([1, 2, 7, 8, 9, 31, 32, 38, 200])


# Sorting, merging, searching, numbering


@settings(max_examples=examples(400))
@given(st.data(), widths)
def test_rows_are_sorted_as_strings_of_bytes(data: st.DataObject, width: int) -> None:
    rows = data.draw(rows_of(width))
    for implementation in IMPLEMENTATIONS:
        assert sort_rows(implementation, b"".join(rows), width) == b"".join(sorted(rows))


@settings(max_examples=examples(400))
@given(st.data(), widths)
def test_merged_rows_are_the_distinct_rows_between_the_bounds(
    data: st.DataObject, width: int
) -> None:
    lists = [sorted(rows) for rows in data.draw(st.lists(rows_of(width), max_size=10))]
    bounds = st.sampled_from([b"", *(row for rows in lists for row in rows)]) | st.binary(
        max_size=width + 2
    )
    after = data.draw(bounds)
    until = data.draw(st.none() | bounds)
    expected = sorted(
        {row for rows in lists for row in rows if row > after and (until is None or row <= until)}
    )
    parts = [b"".join(rows) for rows in lists]
    for implementation in IMPLEMENTATIONS:
        assert merge_rows(implementation, parts, width, after, until) == b"".join(expected)


@settings(max_examples=examples(600))
@given(st.data(), widths, widths)
def test_a_search_finds_the_rows_that_begin_like_a_needle(
    data: st.DataObject, width: int, needle_width: int
) -> None:
    rows = sorted(data.draw(rows_of(width, 80)))
    prefix = data.draw(st.integers(1, min(width, needle_width)))
    copied = [row[:prefix].ljust(needle_width, b"\x55")[:needle_width] for row in rows]
    some = st.lists(st.sampled_from(copied), max_size=20) if rows else st.just([])
    needles = sorted(data.draw(some) + data.draw(rows_of(needle_width)))
    starts = {needle[:prefix] for needle in needles}
    expected = b"".join(row for row in rows if row[:prefix] in starts)
    for implementation in IMPLEMENTATIONS:
        arguments = (b"".join(needles), needle_width, b"".join(rows), width, prefix)
        assert search_rows(implementation, *arguments) == expected


@either
def test_a_search_leaps_over_what_lies_between(implementation: str) -> None:
    rows = b"".join(number.to_bytes(4, "big") for number in range(0, 20_000, 2))
    for wanted in ([0], [19_998], [2, 4, 9_000, 9_002], [1, 19_999], range(3, 20_000, 5)):
        needles = b"".join(number.to_bytes(4, "big") for number in wanted)
        found = search_rows(implementation, needles, 4, rows, 4, 4)
        assert found == b"".join(n.to_bytes(4, "big") for n in wanted if n % 2 == 0)


@settings(max_examples=examples(100))
@given(st.data(), widths, st.integers(0, (1 << 48) - 40))
def test_numbers_follow_the_rows(data: st.DataObject, width: int, first: int) -> None:
    rows = data.draw(rows_of(width))
    expected = b"".join(row + (first + at).to_bytes(6, "big") for at, row in enumerate(rows))
    for implementation in IMPLEMENTATIONS:
        assert number_rows(implementation, b"".join(rows), width, first) == expected


@either
def test_a_hundred_thousand_rows_are_sorted_and_merged(implementation: str) -> None:
    rows = random.Random(38).randbytes(38 * 100_000)
    ordered = sort_rows(implementation, rows, 38)
    assert ordered == b"".join(sorted(split(rows, 38)))
    assert sort_rows(implementation, ordered, 38) == ordered
    parts = [b"".join(sorted(split(rows[start::5][: 38 * 20_000], 38))) for start in range(5)]
    merged = merge_rows(implementation, parts, 38, b"", None)
    assert merged == b"".join(sorted({row for part in parts for row in split(part, 38)}))


@either
@pytest.mark.parametrize("count", range(30))
def test_every_small_number_of_rows_is_sorted(implementation: str, count: int) -> None:
    rows = [bytes(9) + bytes([value]) for value in range(count)]
    for seed in range(5):
        shuffled = random.Random(seed).sample(rows, count)
        assert sort_rows(implementation, b"".join(shuffled), 10) == b"".join(rows)


# Arguments


@either
def test_any_contiguous_buffer_will_do(implementation: str) -> None:
    rows = bytes(range(12))
    for buffer in (bytearray(rows), memoryview(rows), memoryview(rows).cast("I")):
        assert sort_rows(implementation, buffer, 4) == rows
        assert merge_rows(implementation, (buffer, buffer), 4, bytearray(4), b"\xff") == rows
    with pytest.raises(BufferError):
        sort_rows(implementation, memoryview(rows)[::2], 2)


@either
@pytest.mark.parametrize("width", [0, -1, 5])
def test_a_width_that_does_not_divide_the_bytes_is_refused(implementation: str, width: int) -> None:
    rows = bytes(12)
    calls: Sequence[Callable[[], object]] = (
        lambda: sort_rows(implementation, rows, width),
        lambda: merge_rows(implementation, [rows], width, b"", None),
        lambda: search_rows(implementation, rows, width, rows, 4, 1),
        lambda: search_rows(implementation, rows, 4, rows, width, 1),
        lambda: number_rows(implementation, rows, width, 0),
    )
    for call in calls:
        with pytest.raises(ValueError):
            call()


@either
@pytest.mark.parametrize("prefix", [-1, 0, 4, 5])
def test_a_prefix_longer_than_a_row_is_refused(implementation: str, prefix: int) -> None:
    with pytest.raises(ValueError):
        search_rows(implementation, bytes(9), 3, bytes(12), 4, prefix)


@either
@pytest.mark.parametrize("first", [-1, (1 << 48) - 2, 1 << 48, 1 << 62])
def test_a_number_of_more_than_six_bytes_is_refused(implementation: str, first: int) -> None:
    with pytest.raises(OverflowError):
        number_rows(implementation, bytes(3), 1, first)
    assert number_rows(implementation, bytes(3), 1, (1 << 48) - 3).endswith(b"\xff" * 6)


@either
def test_a_part_that_is_no_buffer_is_refused(implementation: str) -> None:
    with pytest.raises(TypeError):
        merge_rows(implementation, [bytes(4), "text"], 4, b"", None)
    with pytest.raises(TypeError):
        merge_rows(implementation, [bytes(4)], 4, b"", "text")


@either
def test_nothing_gives_nothing(implementation: str) -> None:
    assert sort_rows(implementation, b"", 4) == b""
    assert merge_rows(implementation, [], 4, b"", None) == b""
    assert merge_rows(implementation, [b"", b""], 4, b"", None) == b""
    assert search_rows(implementation, b"", 4, bytes(4), 4, 4) == b""
    assert search_rows(implementation, bytes(4), 4, b"", 4, 4) == b""
    assert number_rows(implementation, b"", 4, 9) == b""


# Bloom filters


def add(made: BloomFilter, rows: bytes, width: int, seed: int = SEED) -> None:
    made.add(bloom_filter.hash_keys(rows, width, seed))


def select(made: BloomFilter, rows: bytes, width: int, seed: int = SEED) -> bytes:
    return made.select(bloom_filter.hash_keys(rows, width, seed), rows, width)


@settings(max_examples=examples(100))
@given(
    st.lists(st.binary(min_size=40, max_size=40), max_size=30),
    st.integers(1, 4),
    st.integers(0, (1 << 64) - 1),
)
def test_both_implementations_set_the_same_bits(rows: list[bytes], blocks: int, seed: int) -> None:
    added = b"".join(rows)
    asked = added + random.Random(1).randbytes(40 * 20)
    results = set()
    for implementation in IMPLEMENTATIONS:
        made = bytearray(64 * blocks)
        add_to_filter(implementation, made, hash_keys(implementation, added, 40, seed))
        hashes = hash_keys(implementation, asked, 40, seed)
        selected = select_by_filter(implementation, made, hashes, asked, 40)
        assert selected.startswith(added)
        results.add((bytes(made), hashes, selected))
    assert len(results) == 1


@pytest.mark.parametrize("count", [1, 100, 5_000, 70_000])
def test_a_filter_holds_what_was_added_and_hardly_anything_else(count: int) -> None:
    rows = random.Random(count).randbytes(38 * count)
    made = BloomFilter(count)
    half = count // 2 * 38
    add(made, rows[:half], 38)
    add(made, rows[half:], 38)
    assert select(made, rows, 38) == rows
    others = random.Random(f"not {count}").randbytes(38 * 20_000)
    assert len(select(made, others, 38)) // 38 < 40  # 0.2 %
    assert made.size <= max(64, count * 3 + 64)


@pytest.mark.parametrize("chosen", [slice(0, 16), slice(16, 32), slice(8, 24)])
def test_keys_that_are_alike_in_part_are_told_apart(chosen: slice) -> None:
    rng = random.Random(7)
    keys = [bytearray(rng.randbytes(32)) for _ in range(4_000)]
    for key in keys:
        key[chosen] = bytes(16)
    made = BloomFilter(2_000)
    add(made, b"".join(keys[:2_000]), 32)
    assert len(select(made, b"".join(keys[2_000:]), 32)) // 32 < 20


def test_the_seed_decides_which_keys_collide() -> None:
    rows, others = random.Random(4).randbytes(32 * 60), random.Random(3).randbytes(32 * 200_000)
    collisions = []
    for seed in (1, 2):
        made = BloomFilter(1)
        add(made, rows, 32, seed)
        collisions.append(set(split(select(made, others, 32, seed), 32)))
    assert collisions[0] and collisions[1] and collisions[0] != collisions[1]


@either
def test_what_is_no_filter_or_hash_is_refused(implementation: str) -> None:
    for size in (0, 63):
        with pytest.raises(ValueError):
            add_to_filter(implementation, bytearray(size), bytes(24))
        with pytest.raises(ValueError):
            select_by_filter(implementation, bytearray(size), bytes(24), bytes(32), 32)
    with pytest.raises(ValueError):
        add_to_filter(implementation, bytearray(64), bytes(16))
    for hashes, rows, width in ((23, 32, 32), (24, 33, 32), (24, 64, 32), (48, 32, 32), (24, 1, 0)):
        with pytest.raises(ValueError):
            select_by_filter(implementation, bytearray(64), bytes(hashes), bytes(rows), width)
    for rows, width in ((62, 31), (33, 32), (0, 0)):
        with pytest.raises(ValueError):
            hash_keys(implementation, bytes(rows), width, SEED)
    with pytest.raises((TypeError, BufferError)):
        add_to_filter(implementation, bytes(64), bytes(24))


# In use


def test_several_threads_ask_one_filter() -> None:
    rows = random.Random(5).randbytes(38 * 50_000)
    made = BloomFilter(50_000)
    add(made, rows, 38)
    selected: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: selected.append(select(made, rows, 38))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert selected == [rows] * 4


def test_without_the_extension_python_does_the_same() -> None:
    script = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == "anchor._sha256":
            raise ModuleNotFoundError(name=name)
sys.meta_path.insert(0, Absent())
from anchor.store.bloom_filter import BloomFilter, hash_keys
from anchor.store.sorted_rows import *
import anchor.store.sorted_rows as module
rows = sort_rows(bytes(range(100, 64, -1)) * 2, 36)
made = BloomFilter(2)
hashes = hash_keys(rows, 36, 1)
made.add(hashes)
print(module.IS_NATIVE, rows[:2].hex(), merge_rows([rows], 36)[:2].hex(),
    len(search_rows(rows, 36, rows, 36, 2)), number_rows(rows, 36, 5)[36:42].hex(),
    made.select(hashes, rows, 36) == rows)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "6463", "6463", "72", "000000000005", "True"]
