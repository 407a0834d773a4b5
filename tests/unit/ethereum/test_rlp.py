"""RLP: one encoding for each item, within bounds, beside the package `rlp`."""

from __future__ import annotations

from typing import Any

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from rlp.exceptions import RLPException
from support.examples import examples

from anchor.base.errors import MalformedError
from anchor.ethereum.rlp import (
    MAX_DEPTH,
    RlpItem,
    decode_rlp,
    encode_integer,
    encode_rlp,
    parse_bytes,
    parse_integer,
)

_BOUND = 1 << 20

# Lengths at the edges of the forms, and single bytes at 0x80.
STRINGS = (
    st.binary(max_size=3)
    | st.binary(min_size=54, max_size=58)
    | st.integers(250, 260).map(bytes)
    | st.sampled_from([b"", b"\0", b"\x7f", b"\x80", b"\xff"])
)
ITEMS: st.SearchStrategy[RlpItem] = st.recursive(
    STRINGS, lambda inner: st.lists(inner, max_size=6).map(tuple), max_leaves=20
)


def depth_of(item: RlpItem) -> int:
    return 0 if isinstance(item, bytes) else 1 + max(map(depth_of, item), default=0)


def decode(data: bytes) -> RlpItem:
    return decode_rlp(data, subject="the data", max_bytes=_BOUND)


def refusal(data: bytes, max_bytes: int = _BOUND) -> str:
    with pytest.raises(MalformedError, match=r"^the data ") as caught:
        decode_rlp(data, subject="the data", max_bytes=max_bytes)
    return caught.value.message


def as_tuples(item: Any) -> RlpItem:
    return bytes(item) if isinstance(item, bytes) else tuple(map(as_tuples, item))


def oracle(data: bytes) -> RlpItem | None:
    """What `rlp` reads; none where it refuses, or reads what it would not write."""
    try:
        item = rlp.decode(data, strict=True)
    except (RLPException, IndexError):
        return None
    return as_tuples(item) if rlp.encode(item) == data else None


@given(ITEMS.filter(lambda item: depth_of(item) <= MAX_DEPTH))
def test_an_item_is_written_as_the_package_rlp_writes_it_and_read_back(item: RlpItem) -> None:
    data = encode_rlp(item)
    assert data == rlp.encode(item)
    assert decode(data) == item


@settings(max_examples=examples(500))
@given(ITEMS, st.data())
def test_no_altered_encoding_is_read_otherwise_than_by_the_package_rlp(
    item: RlpItem, draw: st.DataObject
) -> None:
    data = bytearray(encode_rlp(item))
    at = draw.draw(st.integers(0, len(data) - 1))
    data[at : at + draw.draw(st.integers(0, 2))] = draw.draw(st.binary(max_size=3))
    expected = oracle(bytes(data))
    try:
        found = decode(bytes(data))
    except MalformedError:
        assert expected is None or depth_of(expected) > MAX_DEPTH
        return
    assert found == expected
    assert encode_rlp(found) == data, "nothing is read that would be written otherwise"


@settings(max_examples=examples(500))
@given(st.binary(max_size=12))
def test_no_bytes_are_read_otherwise_than_by_the_package_rlp(data: bytes) -> None:
    expected = oracle(data)
    if expected is not None and depth_of(expected) <= MAX_DEPTH:
        assert decode(data) == expected
    else:
        refusal(data)


def test_every_encoding_of_one_and_two_bytes_ends_as_in_the_package_rlp() -> None:
    for number in range(256 + 65_536):
        data = bytes([number]) if number < 256 else (number - 256).to_bytes(2, "big")
        expected = oracle(data)
        try:
            assert decode(data) == expected
        except MalformedError:
            assert expected is None, data


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("", "should begin"),
        ("8100", "needs none"),
        ("817f", "needs none"),
        ("c28100", "needs none"),
        ("b800", "a longer length encoding than necessary"),
        ("b837" + "00" * 55, "a longer length encoding than necessary"),
        ("b90038" + "00" * 56, "a longer length encoding than necessary"),
        ("b90100" + "00" * 255, "ends within"),
        ("f800", "a longer length encoding than necessary"),
        ("f837" + "00" * 55, "a longer length encoding than necessary"),
        ("f90038" + "00" * 56, "a longer length encoding than necessary"),
        ("82ff", "ends within"),
        ("b8", "a longer length encoding than necessary"),
        ("bfffffffffffffffff00", "ends within"),
        ("ffffffffffffffffff00", "ends within"),
        ("c2820000", "ends within"),
        ("c183ffffff", "ends within"),
        ("c1b838" + "00" * 56, "a longer length encoding than necessary"),
        ("c2b838" + "00" * 56, "ends within"),
        ("0000", "has data after its RLP item"),
        ("80" + "80", "has data after its RLP item"),
        ("c0" + "c0", "has data after its RLP item"),
        ("c180c0", "has data after its RLP item"),
    ],
)
def test_what_is_not_an_items_own_encoding_is_refused(data: str, says: str) -> None:
    assert says in refusal(bytes.fromhex(data))
    assert oracle(bytes.fromhex(data)) is None


def test_the_depth_is_bounded_before_the_interpreters_stack_is() -> None:
    tower: RlpItem = b""
    for _ in range(MAX_DEPTH):
        tower = (tower,)
    assert decode(encode_rlp(tower)) == tower
    assert "nests deeper than 8 lists" in refusal(encode_rlp((tower,)))
    million = b"\xc0"
    for _ in range(10_000):
        million = rlp.codec.length_prefix(len(million), 0xC0) + million
    assert "nests deeper" in refusal(million)


def test_the_size_is_bounded_before_anything_is_read() -> None:
    data = encode_rlp(bytes(100))
    assert decode_rlp(data, subject="the data", max_bytes=len(data)) == bytes(100)
    assert "more than the 101 bytes" in refusal(data, len(data) - 1)


@given(st.integers(0, 2**256 - 1))
def test_an_integer_is_written_as_the_package_rlp_writes_it_and_read_back(value: int) -> None:
    digits = encode_integer(value)
    assert encode_rlp(digits) == rlp.encode(value)
    assert parse_integer(digits, subject="it", max_bits=256) == value


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (b"\0", "leading zero"),
        (b"\0\1", "leading zero"),
        (b"\1" + bytes(8), "more than 64 bits"),
        ((), "a list"),
        ((b"\1",), "a list"),
    ],
)
def test_what_is_not_an_integers_own_string_is_refused(item: RlpItem, says: str) -> None:
    with pytest.raises(MalformedError, match=f"^it is .*{says}"):
        parse_integer(item, subject="it", max_bits=64)


def test_an_integers_bound_is_exact() -> None:
    assert parse_integer(b"\xff" * 8, subject="it", max_bits=64) == 2**64 - 1


@pytest.mark.parametrize("item", [bytes(31), bytes(33), b"", (), (bytes(32),), (b"\1",) * 32])
def test_a_string_of_another_length_is_refused(item: RlpItem) -> None:
    assert parse_bytes(bytes(32), subject="it", length=32) == bytes(32)
    with pytest.raises(MalformedError, match="it is not a string of 32 bytes"):
        parse_bytes(item, subject="it", length=32)
