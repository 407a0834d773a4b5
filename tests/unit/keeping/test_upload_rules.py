"""Rules of uploads: headers as tus has them, parts, ranges."""

from __future__ import annotations

import base64

import pytest

from anchor.base.errors import MalformedError
from anchor.keeping.upload_rules import (
    PART_BYTES,
    find_range,
    folder_of,
    most_parts,
    name_object,
    parse_length,
    parse_metadata,
)

ID = "ab" * 32
NAMED = base64.b64encode(ID.encode()).decode()


@pytest.mark.parametrize(("text", "length"), [("0", 0), ("1", 1), ("9007199254740991", 2**53 - 1)])
def test_a_length_is_a_decimal_number(text: str, length: int) -> None:
    assert parse_length(text) == length


@pytest.mark.parametrize("text", ["", "01", "-1", "+1", "1.0", "1e3", " 1", "1" * 17, "１"])
def test_nothing_else_is_a_length(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_length(text)


@pytest.mark.parametrize(
    "text", [f"evidence {NAMED}", f"name YQ==,evidence {NAMED}", f"empty, evidence {NAMED} "]
)
def test_metadata_names_the_evidence(text: str) -> None:
    assert parse_metadata(text) == bytes.fromhex(ID)


@pytest.mark.parametrize(
    "text",
    ["", "evidence", "evidence YQ==", f"Evidence {NAMED}", f"evidence {NAMED[:-4]}", "evidence é",
     f"evidence {base64.b64encode(ID.upper().encode()).decode()}"],
)  # fmt: skip
def test_other_metadata_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_metadata(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (None, None), ("bytes=0-", (0, 100)), ("bytes=0-0", (0, 1)), ("bytes=9-500", (9, 100)),
        ("bytes=-7", (93, 100)), ("bytes=-500", (0, 100)), ("bytes=100-", (100, 100)),
        ("bytes=99-", (99, 100)), ("bytes=5-4", None), ("bytes=-", None), ("bytes=0-1,3-4", None),
        ("items=0-1", None), ("bytes=-0", (100, 100)),
    ],
)  # fmt: skip
def test_a_range_is_within_the_copy_or_empty(
    text: str | None, wanted: tuple[int, int] | None
) -> None:
    assert find_range(text, 100) == wanted


def test_a_copy_may_arrive_in_so_many_parts() -> None:
    assert most_parts(0) == most_parts(1) - 1
    assert most_parts(PART_BYTES) == most_parts(1)
    assert most_parts(PART_BYTES + 1) == most_parts(1) + 1


def test_no_object_names_its_tenant_and_no_two_are_named_alike() -> None:
    assert folder_of("acme", "1") != folder_of("acm", "e1")
    assert "acme" not in folder_of("acme", "1") and folder_of("acme", "1").endswith("/1")
    assert len({name_object(7) for _ in range(100)}) == 100
    assert name_object(7).startswith("000007-")
