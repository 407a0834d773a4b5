"""Record groups: strict where they are written, and never a reason to refuse a record."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.group_examples import DIGEST, FULL
from support.paths import ROOT

from anchor.base.canonical import encode_canonical
from anchor.base.digests import digest_bytes
from anchor.base.errors import MalformedError
from anchor.evidence.group_reading import GroupsError, parse_groups, read_groups
from anchor.evidence.record import MAX_RECORD_BYTES, encode_record, parse_record
from anchor.evidence.record_groups import MAX_ITEMS, RecordGroups


def encode(statements: dict[str, Any]) -> bytes:
    return encode_record(
        digests=digest_bytes(b"x", ("sha256", "sm3")),
        name="x",
        media_type=None,
        salt=bytes(32),
        recorded_at="2026-01-02T03:04:05Z",
        statements=statements,
    )


def test_every_group_is_read_back_from_the_record_as_it_was_written():
    encoded = encode(parse_groups(FULL).members())
    assert parse_record(encoded).statements == tuple(sorted(FULL))
    read = read_groups(encoded)
    assert read.groups.members() == FULL
    assert read.uninterpreted == ()
    assert encoded == encode_canonical(json.loads(encoded), subject="record")


def test_the_example_has_every_group_but_those_that_exclude_others():
    assert set(RecordGroups.model_fields) - set(FULL) == {"manifest", "custody", "notice"}


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"sauce": {}}, "sauce: Extra inputs"),
        ({"source": {"origin": 5}}, "source.origin: Input should be a valid string"),
        ({"source": {"origin": ""}}, "source.origin: must not be empty"),
        ({"source": {"origin": "a\u202eb"}}, "source.origin: holds a character"),
        ({"source": {"origin": "a\nb"}}, "source.origin: holds a character"),
        ({"source": {"origin": "x" * 1_001}}, "source.origin: String should have at most 1000"),
        ({"source": None}, "source: must not be null"),
        ({"source": {"url": None}}, "source.url: must not be null"),
        ({"source": {"storage_history": []}}, "source.storage_history: List should have at least"),
        ({"source": {"storage_history": ["x"] * 101}}, "source.storage_history: List should"),
        ({"kind": "rumour"}, "kind: Input should be 'file'"),
        ({"profile": "fr"}, "profile: Input should be 'civil-zh'"),
        ({"collection": {"started_at": "2026-13-01T00:00:00Z"}}, "started_at: no valid date"),
        ({"collection": {"started_at": "2026-01-01 00:00"}}, "started_at: must be a time in UTC"),
        ({"collection": {"started_at": "2026-01-01T24:00:00Z"}}, "must be a time in UTC"),
        ({"collection": {"recording_digest": "AB" * 32}}, "must be 64 lower-case hex digits"),
        ({"collection": {"recording_digest": DIGEST + "\n"}}, "must be 64 lower-case hex digits"),
        ({"collection": {"operators": [{"role": "x"}]}}, "collection.operators.0.name: Field"),
        (
            {
                "collection": {
                    "started_at": "2026-01-02T00:00:00Z",
                    "ended_at": "2026-01-01T00:00:00Z",
                }
            },
            "collection: ends before it starts",
        ),
        ({"modifications": "none"}, "modifications: Input should be 'none-declared'"),
        ({"modifications": [{"change": "x"}]}, "modifications.0.why: Field required"),
        ({"items": [{"path": "x", "size": 1, "digests": {}}]}, "items.0.digests: must hold"),
        ({"items": [FULL["items"][0]] * (MAX_ITEMS + 1)}, "items: List should have at most"),
        ({"items": [{**FULL["items"][0], "size": 2**53}]}, "items.0.size: Input should be less"),
        ({"items": [{**FULL["items"][0], "size": True}]}, "items.0.size: Input should be a valid"),
        ({"environment": {"disk_free": 1.5}}, "environment.disk_free: Input should be"),
        ({"clock": {"state": "right"}}, "clock.state: Input should be 'not_asked'"),
        ({"retention_until": "2036"}, "retention_until: must be a time in UTC"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_member_with_another_form_is_named_with_what_it_must_be(
    members: dict[str, Any], said: str
):
    with pytest.raises(GroupsError) as error:
        parse_groups(members)
    assert said in error.value.message
    assert error.value.exit_code == 2


def test_all_faults_are_in_one_message():
    with pytest.raises(GroupsError) as error:
        parse_groups({"a": 1, "source": {"origin": 5, "b": 1}, "modifications": [{"change": 1}]})
    names = [fault.name for fault in error.value.faults]
    assert sorted(names) == [
        "a", "modifications.0.change", "modifications.0.why", "source.b", "source.origin",
    ]  # fmt: skip
    assert all(name in error.value.message for name in names)


def test_items_and_a_manifest_exclude_each_other():
    manifest = {"format": "bagit-1.0", "sha256": DIGEST, "files": 300, "bytes": 9}
    assert parse_groups({"manifest": manifest}).members() == {"manifest": manifest}
    with pytest.raises(GroupsError, match="exclude each other"):
        parse_groups({"manifest": manifest, "items": FULL["items"]})
    read = read_groups(encode({"manifest": manifest, "items": FULL["items"]}))
    assert read.uninterpreted == ("items", "manifest")
    assert read.groups == RecordGroups()


NOTICE = {"subject": DIGEST, "at": "2026-01-02T03:04:05Z", "reason": "x", "actor": "王"}
EVENT = {"subject": DIGEST, "event": "copy", "at": "2026-01-02T03:04:05Z", "actor": "王"}


def test_a_custody_event_and_its_kind_belong_together():
    both = {"kind": "custody-event", "custody": EVENT}
    assert parse_groups(both).members() == both
    assert read_groups(encode(both)).groups.members() == both
    for members in ({"kind": "custody-event"}, {"custody": EVENT}, {**both, "kind": "file"}):
        with pytest.raises(GroupsError, match="invalid: custody and the kind"):
            parse_groups(members)
        read = read_groups(encode(members))
        assert read.groups.members() == {
            name: word for name, word in members.items() if word == "file"
        }
        assert set(read.uninterpreted) == set(members) - set(read.groups.members())


@pytest.mark.parametrize("notice", ["x", {}, NOTICE], ids=["a text", "no members", "a notice"])
def test_a_notice_that_is_none_leaves_a_custody_event_what_it_is(notice: Any):
    event = {"kind": "custody-event", "custody": EVENT}
    read = read_groups(encode({**event, "notice": notice}))
    assert read.groups.members() == event
    assert read.uninterpreted == ("notice",)
    read = read_groups(encode({"kind": "withdraws", "custody": EVENT, "notice": NOTICE}))
    assert read.groups.members() == {"kind": "withdraws", "notice": NOTICE}
    assert read.uninterpreted == ("custody",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text("aé", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["origin", "steps", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*RecordGroups.model_fields, "other"]), JSON, max_size=5))
def test_no_form_of_a_group_makes_a_record_malformed(members: dict[str, Any]):
    encoded = encode(members)
    assert parse_record(encoded).statements == tuple(sorted(members))
    read = read_groups(encoded)
    interpreted = set(read.groups.members())
    assert interpreted | set(read.uninterpreted) == set(members) - {"other"}
    assert not interpreted & set(read.uninterpreted)


def test_a_member_of_the_format_is_never_replaced_by_a_statement():
    assert json.loads(encode({"name": "y", "digests": {}}))["name"] == "x"


def test_a_record_of_more_than_its_bound_is_refused():
    line = "x" * 1_000
    fits = parse_groups({"collection": {"steps": [line] * 60}}).members()
    assert len(encode(fits)) < MAX_RECORD_BYTES
    with pytest.raises(MalformedError, match="longer than 65,535 bytes"):
        encode(parse_groups({"collection": {"steps": [line] * 66}}).members())


def test_two_hundred_items_with_both_digests_fit_in_a_record():
    items = [{**FULL["items"][0], "path": f"folder/file-{number}"} for number in range(MAX_ITEMS)]
    assert len(encode(parse_groups({"items": items}).members())) < MAX_RECORD_BYTES


SCHEMA = jsonschema_rs.validator_for(
    json.loads((ROOT / "docs" / "schemas" / "record.json").read_text("utf-8"))
)


def test_the_published_schema_takes_what_is_written():
    assert SCHEMA.is_valid(json.loads(encode(parse_groups(FULL).members())))
    assert SCHEMA.is_valid(json.loads(encode({"other": 5})))


@pytest.mark.parametrize(
    "members",
    [
        {"source": {"origin": 5}},
        {"source": {"sauce": "x"}},
        {"source": {"origin": None}},
        {"kind": "rumour"},
        {"collection": {"started_at": "yesterday"}},
        {"collection": {"recording_digest": "x"}},
        {"modifications": "none"},
        {"items": []},
        {"items": [FULL["items"][0]] * (MAX_ITEMS + 1)},
    ],
    ids=str,
)
def test_the_published_schema_refuses_what_is_refused(members: dict[str, Any]):
    with pytest.raises(GroupsError):
        parse_groups(members)
    assert not SCHEMA.is_valid(json.loads(encode(members)))
