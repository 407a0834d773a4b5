"""The block that a record names: its canonical form, and every other form."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.beacons import absent_forms
from support.records import build_record

from anchor.base.canonical import MAX_INTEGER, encode_canonical
from anchor.base.digests import digest_bytes
from anchor.base.types import Block, ChainId, Hash32, LogId
from anchor.evidence.not_before import NotBefore, parse_not_before
from anchor.evidence.record import encode_record, parse_record

BLOCK = NotBefore(chain_id=ChainId(1), block_number=20_000_000, block_hash=Hash32(b"\xab" * 32))


@given(
    st.integers(1, MAX_INTEGER), st.integers(0, MAX_INTEGER), st.binary(min_size=32, max_size=32)
)
def test_what_is_encoded_is_canonical_and_read_again(
    chain: int, number: int, digest: bytes
) -> None:
    block = NotBefore(chain_id=ChainId(chain), block_number=number, block_hash=Hash32(digest))
    value = json.loads(block.encode())
    assert parse_not_before(value) == NotBefore.decode(block.encode()) == block
    assert encode_canonical(value, subject="it").decode() == block.encode()


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", BLOCK.encode() + " ", " " + BLOCK.encode(), BLOCK.encode().replace(":2", ": 2"),
        BLOCK.encode().replace(":20", ":020"), BLOCK.encode().replace(":1}", ":0}"),
        BLOCK.encode().replace("0xab", "0xAB"), BLOCK.encode().replace(":1}", f":{2**53}}}"),
        BLOCK.encode().replace(":20000000", ":-1"), "[" * 100_000,
    ],
)  # fmt: skip
def test_only_the_canonical_form_is_decoded(text: str) -> None:
    with pytest.raises(ValueError, match="canonical"):
        NotBefore.decode(text)


def test_it_names_a_block_of_a_chain() -> None:
    block = Block(number=7, hash=Hash32(b"\x07" * 32), timestamp=1)
    assert NotBefore.of(ChainId(5), block) == NotBefore(
        chain_id=ChainId(5), block_number=7, block_hash=Hash32(b"\x07" * 32)
    )


@pytest.mark.parametrize("media_type", [None, "text/plain"])
@pytest.mark.parametrize("log", [None, LogId(b"\x11" * 32)])
@pytest.mark.parametrize("content", [b"", None])
def test_a_record_with_it_is_canonical_and_no_statement_is_left(
    media_type: str | None, log: LogId | None, content: bytes | None
) -> None:
    encoded = encode_record(
        digests=digest_bytes(content or b"x", ("sha256", "sm3")),
        name="name",
        media_type=media_type,
        salt=bytes(32),
        recorded_at="2026-09-21T14:00:00Z",
        log=log,
        not_before=BLOCK,
    )
    record = parse_record(encoded)
    assert (record.not_before, record.statements, record.log) == (BLOCK, (), log)


@pytest.mark.parametrize("name", absent_forms())
def test_another_form_is_the_operators_statement_and_no_fault(name: str) -> None:
    value: Any = absent_forms()[name]
    plain = build_record(
        digests=digest_bytes(b"x", ("sha256",)),
        name="name",
        media_type=None,
        salt=bytes(32),
        recorded_at=datetime(2026, 9, 21, tzinfo=UTC),
    ).encoded
    members = json.loads(plain) | {"not_before": value}
    record = parse_record(encode_canonical(members, subject="the record"))
    assert (record.not_before, record.statements) == (None, ("not_before",))
