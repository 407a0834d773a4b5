"""``evidence-record/1``: what a record must look like, member by member."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import rfc8785
from hypothesis import assume, given
from hypothesis import strategies as st
from support.records import build_record

from anchor.base.canonical import MAX_INTEGER, encode_canonical
from anchor.base.digests import Digests
from anchor.base.errors import (
    AnchorError,
    ExitCode,
    MalformedError,
    UnknownVersionError,
    UsageError,
)
from anchor.evidence.record import (
    MAX_NAME_CHARACTERS,
    MAX_RECORD_BYTES,
    Record,
    encode_record,
    parse_record,
)

MEMBERS: dict[str, Any] = {
    "schema": "evidence-record/1",
    "digests": {"sha256": "ab" * 32, "sm3": "cd" * 32},
    "size": 17,
    "name": "contract.pdf",
    "media_type": "application/pdf",
    "salt": "5a" * 32,
    "recorded_at": "2026-09-21T15:00:03.250Z",
}


def encode(members: Any) -> bytes:
    return encode_canonical(members, subject="the test's record")


def changed(**members: Any) -> bytes:
    return encode(MEMBERS | members)


def refusal(encoded: bytes, kind: type[AnchorError] = MalformedError) -> str:
    with pytest.raises(kind) as caught:
        parse_record(encoded)
    assert type(caught.value) is kind
    assert len(caught.value.message) < 400
    return caught.value.message


def test_every_member_is_read() -> None:
    encoded = encode(MEMBERS)
    assert parse_record(encoded) == Record(
        encoded=encoded,
        digests=Digests(sha256=b"\xab" * 32, sm3=b"\xcd" * 32, size=17),
        name="contract.pdf",
        media_type="application/pdf",
        salt=b"\x5a" * 32,
        recorded_at=datetime(2026, 9, 21, 15, 0, 3, 250_000, tzinfo=UTC),
    )


@pytest.mark.parametrize("member", ["size", "media_type"])
def test_what_is_unknown_is_left_out_and_never_null(member: str) -> None:
    rest = {name: value for name, value in MEMBERS.items() if name != member}
    record = parse_record(encode(rest))
    assert (record.digests.size if member == "size" else record.media_type) is None
    assert f"{member} is null" in refusal(changed(**{member: None}))


@pytest.mark.parametrize("member", ["schema", "digests", "name", "salt", "recorded_at"])
def test_a_record_without_a_required_member_is_refused(member: str) -> None:
    rest = {name: value for name, value in MEMBERS.items() if name != member}
    assert repr(member) in refusal(encode(rest))


def test_members_of_later_versions_are_read_over_but_not_lost() -> None:
    encoded = changed(case={"number": 7, "parties": ["a", "b"]}, note=None)
    record = parse_record(encoded)
    assert record.encoded == encoded
    assert record.name == "contract.pdf"


@pytest.mark.parametrize(
    "schema", ["evidence-record/2", "evidence-record/01", "", 1, None, [], {}, "x" * 9_000]
)
def test_another_schema_is_an_unknown_version_and_not_an_invalid_record(schema: Any) -> None:
    assert "schema" in refusal(changed(schema=schema), UnknownVersionError)


def test_another_schema_is_unknown_whatever_its_members_look_like() -> None:
    refusal(encode({"schema": "evidence-record/2"}), UnknownVersionError)


@pytest.mark.parametrize("value", [[], "x", 1, None, True])
def test_a_record_that_is_no_object_is_refused(value: Any) -> None:
    assert "not a JSON object" in refusal(encode(value))


@pytest.mark.parametrize("encoded", [b"", b"{", b"\xff", encode(MEMBERS) + b"\n"])
def test_a_record_that_is_no_canonical_json_is_refused(encoded: bytes) -> None:
    refusal(encoded)


def test_the_same_record_in_another_member_order_is_refused() -> None:
    members = encode(MEMBERS)[1:-1]
    name = b'"name":"contract.pdf",'
    assert name in members
    reordered = b"{" + name + members.replace(name, b"") + b"}"
    assert "canonical" in refusal(reordered)


@pytest.mark.parametrize(
    "value",
    [
        "ab" * 31,
        "ab" * 33,
        "AB" * 32,
        "0x" + "ab" * 32,
        "0x" + "ab" * 31,
        " " + "ab" * 32,
        "ab" * 32 + "\n",
        "ab " * 21 + "a",
        "gg" * 32,
        "١" * 64,
        "",
        None,
        True,
        7,
        ["ab" * 32],
    ],
)
@pytest.mark.parametrize("member", ["sha256", "sm3", "salt"])
def test_a_hash_has_exactly_one_spelling(member: str, value: Any) -> None:
    members = deepcopy(MEMBERS)
    (members if member == "salt" else members["digests"])[member] = value
    assert member in refusal(encode(members))


@pytest.mark.parametrize("digests", [{}, [], "ab", None, True, ["sha256"]])
def test_digests_must_be_a_non_empty_object(digests: Any) -> None:
    assert "digests" in refusal(changed(digests=digests))


def test_a_record_may_hold_one_digest_only() -> None:
    assert parse_record(changed(digests={"sm3": "cd" * 32})).digests.sha256 is None
    assert parse_record(changed(digests={"sha256": "cd" * 32})).digests.sm3 is None


def test_digests_of_unknown_algorithms_are_read_over_beside_a_known_one() -> None:
    digests = MEMBERS["digests"] | {"sha3-256": "whatever"}
    assert parse_record(changed(digests=digests)).digests.sha256 == b"\xab" * 32


@pytest.mark.fault(
    "K8",
    how="a record that knows a later hash function only",
    then="unknown, exit code 22; never called invalid",
)
def test_digests_of_unknown_algorithms_alone_are_an_unknown_version() -> None:
    assert "sha3" in refusal(changed(digests={"sha3-256": "ab" * 32}), UnknownVersionError)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": -1},
        {"size": None},
        {"media_type": None},
        {"media_type": 7},
        {"name": None},
        {"salt": "xy"},
        {"recorded_at": "yesterday"},
        {"log": None},
        {"log": "0x12"},
        {"log": "ab" * 32},
    ],
)
def test_a_fault_of_form_comes_before_unknown_algorithms(wrong: dict[str, Any]) -> None:
    refusal(changed(digests={"sha3-256": "ab" * 32}, **wrong))
    refusal(changed(**wrong))


@pytest.mark.parametrize("size", [0, 1, MAX_INTEGER])
def test_a_size_is_a_count_of_bytes(size: int) -> None:
    assert parse_record(changed(size=size)).digests.size == size


@pytest.mark.parametrize("size", [-1, True, False, "17", [], {}])
def test_a_size_that_is_no_count_is_refused(size: Any) -> None:
    assert "size" in refusal(changed(size=size))


def test_a_size_beyond_what_json_readers_agree_on_is_refused() -> None:
    encoded = encode(MEMBERS).replace(b'"size":17', b'"size":9007199254740992')
    assert "outside" in refusal(encoded)
    encoded = encode(MEMBERS).replace(b'"size":17', b'"size":17.0')
    assert "only integers" in refusal(encoded)


@pytest.mark.parametrize("name", ["x", "ü/名 前.pdf", "a" * MAX_NAME_CHARACTERS, "\u0000\u009b"])
def test_a_name_is_any_text_within_its_bounds(name: str) -> None:
    assert parse_record(changed(name=name)).name == name


@pytest.mark.parametrize("name", ["", "a" * (MAX_NAME_CHARACTERS + 1), None, 1, True, ["x"], {}])
def test_a_name_that_is_no_text_or_out_of_bounds_is_refused(name: Any) -> None:
    assert "name" in refusal(changed(name=name))


@pytest.mark.parametrize("media_type", [1, True, [], {}])
def test_a_media_type_that_is_no_text_is_refused(media_type: Any) -> None:
    assert "media_type" in refusal(changed(media_type=media_type))


@pytest.mark.parametrize(
    "time",
    ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2024-02-29T00:00:00.1Z"],
)
def test_a_time_is_rfc_3339_in_utc(time: str) -> None:
    recorded_at = parse_record(changed(recorded_at=time)).recorded_at
    assert recorded_at.utcoffset() == timedelta(0)
    assert f"{recorded_at.year:04}" == time[:4]


@pytest.mark.parametrize(
    "time",
    [
        "2026-09-21T15:00:03",
        "2026-09-21T15:00:03z",
        "2026-09-21t15:00:03Z",
        "2026-09-21 15:00:03Z",
        "2026-09-21T15:00:03+00:00",
        "2026-09-21T15:00:03-00:00",
        "2026-09-21T15:00Z",
        "2026-09-21T15:00:03.Z",
        "2026-09-21T15:00:03.1234567Z",
        "2026-09-21T15:00:03,5Z",
        "2026-9-21T15:00:03Z",
        "2026-09-21T15:00:03Z\n",
        " 2026-09-21T15:00:03Z",
        "٢٠٢٦-٠٩-٢١T١٥:٠٠:٠٣Z",
        "٢٠٢٦-09-21T15:00:03Z",
        "2026-09-21T1٥:00:03Z",
        "2026-09-21T24:00:00Z",
        "2026-09-21T25:00:00Z",
        "+12026-01-01T00:00:00Z",
        "",
        None,
        1790000000,
        True,
    ],
)
def test_any_other_spelling_of_a_time_is_refused_before_python_reads_it(time: Any) -> None:
    # What Python's own parser takes differs from version to version.
    assert "recorded_at is not an RFC 3339 time" in refusal(changed(recorded_at=time))


@pytest.mark.parametrize(
    "time",
    [
        "2026-09-21T15:60:00Z",
        "2026-09-21T15:00:60Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z",
    ],
)
def test_a_moment_that_never_was_is_refused(time: str) -> None:
    assert "recorded_at is not a valid date" in refusal(changed(recorded_at=time))


@pytest.mark.parametrize("name", ["", "a b", "\u00e9", "a\x7f", "a\x00", "\t", "名"])
def test_a_member_name_that_is_not_plain_ascii_is_refused_at_every_depth(name: str) -> None:
    assert "printable ASCII without spaces" in refusal(changed(**{name: 1}))
    assert "printable ASCII without spaces" in refusal(changed(extra=[{"inner": {name: 1}}]))
    assert "printable ASCII without spaces" in refusal(
        changed(digests=MEMBERS["digests"] | {name: "x"})
    )


def test_the_size_bound_is_exact() -> None:
    room = MAX_RECORD_BYTES - len(changed(note=""))
    assert len(parse_record(changed(note="x" * room)).encoded) == MAX_RECORD_BYTES == 65_535
    assert "more than the 65,535 bytes" in refusal(changed(note="x" * (room + 1)))


@given(
    digests=st.builds(
        Digests,
        sha256=st.binary(min_size=32, max_size=32),
        sm3=st.none() | st.binary(min_size=32, max_size=32),
        size=st.none() | st.integers(min_value=0, max_value=MAX_INTEGER),
    ),
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50),
    media_type=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    salt=st.binary(min_size=32, max_size=32),
    recorded_at=st.datetimes(
        min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29), timezones=st.just(UTC)
    ),
)
def test_building_a_record_and_parsing_it_gives_the_same_record(
    digests: Digests, name: str, media_type: str | None, salt: bytes, recorded_at: datetime
) -> None:
    record = build_record(
        digests=digests, name=name, media_type=media_type, salt=salt, recorded_at=recorded_at
    )
    assert parse_record(record.encoded) == record
    assert (record.digests, record.name, record.media_type) == (digests, name, media_type)
    assert record.salt == salt
    # Milliseconds are kept, rounded down: a record is never dated later than it was made.
    assert timedelta(0) <= recorded_at - record.recorded_at < timedelta(milliseconds=1)


def test_the_time_of_another_zone_is_written_in_utc() -> None:
    record = build_record(
        digests=Digests(sha256=bytes(32), sm3=None, size=None),
        name="x",
        media_type=None,
        salt=bytes(32),
        recorded_at=datetime(2026, 9, 21, 23, 0, 0, tzinfo=timezone(timedelta(hours=8))),
    )
    assert b'"recorded_at":"2026-09-21T15:00:00.000Z"' in record.encoded


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_salt_of_another_length_is_the_callers_mistake(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        build_record(
            digests=Digests(sha256=bytes(32), sm3=None, size=None),
            name="x",
            media_type=None,
            salt=bytes(length),
            recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
        )


def test_building_refuses_what_parsing_would_refuse() -> None:
    with pytest.raises(UsageError) as caught:
        build_record(
            digests=Digests(sha256=bytes(32), sm3=None, size=None),
            name="\ud800",
            media_type=None,
            salt=bytes(32),
            recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
    assert caught.value.exit_code is ExitCode.USAGE


@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
    media_type=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    sha256=st.none() | st.binary(min_size=32, max_size=32),
    sm3=st.none() | st.binary(min_size=32, max_size=32),
    size=st.none() | st.integers(0, 2**53 - 1),
)
def test_a_record_is_written_in_its_canonical_form(
    name: str, media_type: str | None, sha256: bytes | None, sm3: bytes | None, size: int | None
) -> None:
    """Its members are put together by hand, for speed: RFC 8785 by its library is the oracle."""
    assume(sha256 is not None or sm3 is not None)
    encoded = encode_record(
        digests=Digests(sha256=sha256, sm3=sm3, size=size),
        name=name,
        media_type=media_type,
        salt=bytes(32),
        recorded_at="2026-11-25T00:00:00.000Z",
    )
    digests = {"sha256": sha256 and sha256.hex(), "sm3": sm3 and sm3.hex()}
    members = {
        "schema": "evidence-record/1",
        "digests": {name: value for name, value in digests.items() if value is not None},
        "name": name,
        "media_type": media_type,
        "salt": "00" * 32,
        "recorded_at": "2026-11-25T00:00:00.000Z",
        "size": size,
    }
    given = {name: value for name, value in members.items() if value is not None}
    assert encoded == rfc8785.dumps(given)
