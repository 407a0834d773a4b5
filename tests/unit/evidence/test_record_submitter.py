"""Whom a record names as its submitter."""

from __future__ import annotations

from typing import Any

import pytest

from anchor.base.canonical import encode_canonical
from anchor.evidence.record_submitter import (
    MEMBER,
    RecordSubmitter,
    list_depositor_lines,
    list_submitter_lines,
    read_submitter,
)

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


@pytest.mark.parametrize(
    ("recorded", "account", "told"),
    [
        (None, None, []),
        (None, "acme", ["registration acme"]),
        (ANN, None, ["record acme"]),
        (ANN, "acme", ["record acme"]),
        (ANN, "某公司", ["registration 某公司", "record acme"]),
    ],
)
def test_the_depositor_is_named_by_record_and_by_registration(
    recorded: RecordSubmitter | None, account: str | None, told: list[str]
) -> None:
    lines = list_depositor_lines(recorded, account)
    assert [f"{line.origin} {line.text}" for line in lines] == told


@pytest.mark.parametrize(
    ("recorded", "actor", "name", "origins"),
    [
        (None, None, None, []),
        (None, "key:1", None, ["registration", "remark"]),
        (None, "person:1", "Ann", ["registration", "registration", "remark"]),
        (ANN, None, None, ["record", "remark"]),
        (ANN, ANN.actor, "Ann", ["record", "registration", "remark"]),
        (ANN, "person:2", "Bob", ["record", "remark"]),
    ],
)
def test_a_name_is_put_only_to_the_id_that_it_is_registered_for(
    recorded: RecordSubmitter | None, actor: str | None, name: str | None, origins: list[str]
) -> None:
    lines = list_submitter_lines(recorded, actor, name, lambda text: f"<{text}>")
    assert [line.origin for line in lines] == origins
    assert [line.text for line in lines if "<" in line.text] == (
        [line.text for line in lines if name is not None and f"“<{name}>”" in line.text]
    )
    assert all("identities not checked" in line.text for line in lines[-1:])
