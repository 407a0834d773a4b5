"""Whom a record names as its submitter."""

from __future__ import annotations

from typing import Any

import pytest

from anchor.canonical import encode_canonical
from anchor.evidence.record_submitter import MEMBER, RecordSubmitter, read_submitter

ANN = RecordSubmitter(account="acme", actor="person:1f0c3ad2b1e4f506")


def test_what_a_record_names_is_read_again() -> None:
    encoded = encode_canonical({MEMBER: ANN.members()}, subject="a record")
    assert read_submitter(encoded) == ANN
    assert read_submitter(b"{}") is None


@pytest.mark.parametrize(
    "value",
    [
        "acme",
        [],
        {"account": "acme"},
        {"account": "acme", "actor": ""},
        {"account": "acme", "actor": 1},
        {"account": "a\u202e", "actor": "person:1"},
        {"account": "x" * 201, "actor": "person:1"},
        {"account": "acme", "actor": "person:1", "name": "Ann"},
    ],
)
def test_another_form_names_nobody(value: Any) -> None:
    assert read_submitter(encode_canonical({MEMBER: value}, subject="a record")) is None
