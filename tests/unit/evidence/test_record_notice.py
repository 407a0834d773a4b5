"""Notices: strict where they are written, and read by forms that every verifier has."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from anchor.base.canonical import encode_canonical
from anchor.base.digests import Digests, digest_bytes
from anchor.evidence.group_reading import GroupsError, parse_groups, read_groups
from anchor.evidence.record import encode_record
from anchor.evidence.record_notice import read_notice

OLD, NEW = "ab" * 32, "cd" * 32
WITHDRAWAL: dict[str, Any] = {
    "subject": OLD, "reason": "缺页", "at": "2026-01-02T03:04:05Z", "actor": "Li",
}  # fmt: skip
SUPERSESSION = WITHDRAWAL | {"replacement": NEW}


def encode(kind: Any, notice: Any, digests: Digests | None = None) -> bytes:
    return encode_record(
        digests=digests or digest_bytes(b"x", ("sha256", "sm3")),
        name="x",
        media_type=None,
        salt=bytes(32),
        recorded_at="2026-01-02T03:04:05Z",
        statements={"kind": kind, "notice": notice},
    )


@pytest.mark.parametrize(
    ("kind", "members", "replacement"),
    [("withdraws", WITHDRAWAL, None), ("supersedes", SUPERSESSION, bytes.fromhex(NEW))],
)
def test_a_notice_is_read_back_as_it_was_written(
    kind: str, members: dict[str, Any], replacement: bytes | None
):
    groups = parse_groups({"kind": kind, "notice": members})
    assert groups.members() == {"kind": kind, "notice": members}
    assert groups.notice is not None
    encoded = encode(kind, members)
    notice = read_notice(encoded)
    assert notice is not None
    assert notice.record == hashlib.sha256(encoded).digest()
    assert (notice.kind, notice.subject, notice.replacement) == (
        kind,
        bytes.fromhex(OLD),
        replacement,
    )
    assert (notice.reason, notice.at, notice.actor) == ("缺页", WITHDRAWAL["at"], "Li")
    made = digest_bytes(encode_canonical(members, subject="notice"), ("sha256", "sm3"))
    assert notice.digests == groups.notice.digests() == made


@pytest.mark.parametrize(
    "groups",
    [
        {"kind": "withdraws", "notice": SUPERSESSION},
        {"kind": "supersedes", "notice": WITHDRAWAL},
        {"kind": "file", "notice": WITHDRAWAL},
        {"notice": WITHDRAWAL},
        {"kind": "withdraws"},
    ],
)
def test_a_notice_and_its_kind_belong_together(groups: dict[str, Any]):
    with pytest.raises(GroupsError, match="a notice and its kind"):
        parse_groups(groups)
    encoded = encode(groups.get("kind", "file"), groups.get("notice"))
    assert read_notice(encoded) is None
    assert read_groups(encoded).groups.notice is None


@pytest.mark.parametrize(
    "change",
    [
        {"subject": OLD.upper()}, {"subject": OLD[:-2]}, {"subject": OLD + "\n"}, {"subject": 5},
        {"replacement": None}, {"replacement": "x"}, {"reason": ""}, {"reason": "x" * 1_001},
        {"reason": "a\nb"}, {"reason": "a\u202eb"}, {"reason": ["x"]}, {"actor": "a\u200bb"},
        {"actor": None}, {"at": "2026-01-02"}, {"at": "2026-01-02T03:04:05+00:00"},
        {"at": "２026-01-02T03:04:05Z"},
    ],
)  # fmt: skip
def test_what_has_another_form_is_no_notice(change: dict[str, Any]):
    assert read_notice(encode("supersedes", SUPERSESSION | change)) is None
    with pytest.raises(GroupsError):
        parse_groups({"kind": "supersedes", "notice": SUPERSESSION | change})


def test_characters_are_counted_and_members_of_later_releases_are_left_aside():
    assert read_notice(encode("withdraws", WITHDRAWAL | {"reason": "𝒳" * 1_000, "x": {}}))
    assert read_notice(encode("withdraws", "x")) is None
    assert read_notice(encode(["withdraws"], WITHDRAWAL)) is None
