"""Preservation numbers: printed, read back, and refused if a symbol is wrong."""

from __future__ import annotations

import hashlib
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.base.errors import MalformedError
from anchor.evidence.preservation_number import (
    ALPHABET,
    NUMBER_BYTES,
    format_number,
    is_number,
    number_record,
    parse_number,
)

DIGESTS = st.binary(min_size=NUMBER_BYTES, max_size=NUMBER_BYTES)


@given(DIGESTS)
def test_a_number_is_read_back_as_the_bits_it_was_made_of(digest: bytes) -> None:
    number = format_number(digest)
    assert [len(group) for group in number.split("-")] == [4, 4, 4, 4, 1]
    assert parse_number(number) == digest
    assert is_number(number)


@given(DIGESTS)
def test_every_wrong_symbol_and_every_exchange_of_two_is_noticed(digest: bytes) -> None:
    text = format_number(digest).replace("-", "")
    bent = {
        text[:at] + symbol + text[at + 1 :]
        for at in range(len(text))
        for symbol in ALPHABET
        if symbol != text[at]
    }
    for one, other in combinations(range(len(text)), 2):
        symbols = list(text)
        symbols[one], symbols[other] = symbols[other], symbols[one]
        bent.add("".join(symbols))
    for each in bent - {text}:
        with pytest.raises(MalformedError):
            parse_number(each)


@given(st.text())
def test_any_text_is_a_number_or_one_sentence(text: str) -> None:
    try:
        assert format_number(parse_number(text)).replace("-", "").isalnum()
    except MalformedError as refusal:
        assert "\n" not in refusal.message.replace(text, "")


def test_a_number_is_the_beginning_of_the_record_digest() -> None:
    record = b'{"schema":"evidence-record/1"}'
    assert parse_number(number_record(record)) == hashlib.sha256(record).digest()[:NUMBER_BYTES]
    with pytest.raises(ValueError, match="10 bytes"):
        format_number(hashlib.sha256(record).digest())
