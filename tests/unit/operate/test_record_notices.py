"""Notices in the store: once for each record, of records in the log, and never in a circle."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender

from anchor.base.digests import digest_bytes
from anchor.base.errors import CannotCheckError, MalformedError, UsageError
from anchor.evidence.record_notice import RecordNotice, read_notice
from anchor.operate.acceptance import EvidenceInput, accept_each
from anchor.operate.custody import add_event
from anchor.operate.erasing import ErasureOrder, erase
from anchor.operate.evidence_selection import Selection
from anchor.operate.record_notices import list_notices, record_notice
from anchor.project.project import OpenProject
from anchor.recovery.notice_restoration import restore_notice_keys
from anchor.store.evidence import count_evidence
from anchor.store.schema import keys


@pytest.fixture
def project(tmp_path: Path) -> Iterator[OpenProject]:
    chain = MemoryChain(recover=read_sender, interval=1, lag=1)
    site = MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)
    opened = site.open()
    yield opened
    opened.database.close()


@pytest.fixture
def records(project: OpenProject) -> dict[str, bytes]:
    """Return the SHA-256 of the records "a", "b" and "c", by the ids that name them."""
    made = {}
    for name in "abc":
        digests = digest_bytes(name.encode(), ("sha256", "sm3"))
        given = EvidenceInput(source=f"/{name}", name=name, digests=digests)
        (accepted,) = accept_each(project, [given])
        made[accepted.identity.hex()] = hashlib.sha256(accepted.record or b"").digest()
    return made


def record(project: OpenProject, old: str, new: str | None = None) -> RecordNotice:
    return record_notice(project, old, new, reason="缺页", actor="Li")[0]


def notices(project: OpenProject, subject: bytes) -> list[RecordNotice]:
    with project.database.read() as connection:
        return [notice for _, notice in list_notices(connection, subject)]


def count(project: OpenProject) -> int:
    with project.database.read() as connection:
        return count_evidence(connection)[0]


def test_a_withdrawal_names_the_record_the_reason_and_its_author(
    project: OpenProject, records: dict[str, bytes]
):
    (old, subject), *_ = records.items()
    made, accepted = record_notice(
        project, old, None, reason="缺页", actor="Li", at="2026-01-02T03:04:05Z"
    )
    assert (made.subject, made.replacement, made.kind) == (subject, None, "withdraws")
    assert (made.reason, made.actor, made.at) == ("缺页", "Li", "2026-01-02T03:04:05Z")
    assert accepted.is_new
    assert notices(project, subject) == [made] == [read_notice(accepted.record or b"")]


def test_a_chain_ends_in_the_record_that_stands(project: OpenProject, records: dict[str, bytes]):
    (a, of_a), (b, of_b), (c, of_c) = records.items()
    made = [record(project, a, b), record(project, b, c)]
    assert [each.replacement for each in made] == [of_b, of_c]
    assert notices(project, of_a) == made
    assert notices(project, of_b) == made[1:]
    assert notices(project, of_c) == []


def test_a_record_has_one_notice_and_no_circle_closes(
    project: OpenProject, records: dict[str, bytes]
):
    a, b, c = records
    record(project, a, b)
    before = count(project)
    for old, new in ((a, None), (a, b), (a, c), (b, a), (c, a), (c, c)):
        with pytest.raises(UsageError):
            record(project, old, new)
    with pytest.raises(UsageError, match="for this reason: 缺页") as error:
        record(project, a)
    assert "name the record that stands" in (error.value.hint or "")
    record(project, b)
    for old, new in ((b, c), (c, b), (b, None)):
        with pytest.raises(UsageError, match="withdrew the record"):
            record(project, old, new)
    assert count(project) == before + 1


def test_what_the_log_does_not_hold_is_refused_whole(
    project: OpenProject, records: dict[str, bytes], tmp_path: Path
):
    a = next(iter(records))
    (tmp_path / "x").write_bytes(b"x")
    before = count(project)
    for old, new in ((str(tmp_path / "x"), None), ("00" * 32, a), (a, "00" * 32)):
        with pytest.raises(UsageError, match="the log holds no record of"):
            record(project, old, new)
    for reason, actor in (("", "Li"), ("a\u202eb", "Li"), ("x", ""), ("x" * 1_001, "Li")):
        with pytest.raises(MalformedError, match="notice"):
            record_notice(project, a, None, reason=reason, actor=actor)
    with pytest.raises(MalformedError, match=r"notice\.at"):
        record_notice(project, a, None, reason="x", actor="Li", at="yesterday")
    assert count(project) == before


def test_neither_a_notice_nor_a_custody_event_is_a_subject(
    project: OpenProject, records: dict[str, bytes]
):
    a, b, _ = records
    _, _, event = add_event(project, a, {"event": "copy", "actor": "Li"})
    _, notice = record_notice(project, a, None, reason="x", actor="Li")
    for each in (event, notice):
        with pytest.raises(UsageError):
            record(project, each.identity.hex())
        with pytest.raises(UsageError):
            record(project, b, each.identity.hex())
    with pytest.raises(UsageError):
        add_event(project, notice.identity.hex(), {"event": "copy", "actor": "Li"})


def test_a_rebuilt_store_finds_the_notices_by_their_records(
    project: OpenProject, records: dict[str, bytes]
):
    (a, of_a), (b, of_b), (c, _) = records.items()
    made = [record(project, a, b), record(project, b)]
    with project.database.write() as connection:
        connection.execute(delete(keys))  # as a restore without a side file does
    assert notices(project, of_a) == []
    restore_notice_keys(project.database)
    assert notices(project, of_a) == made
    assert notices(project, of_b) == made[1:]
    with pytest.raises(UsageError, match="withdrew the record"):
        record(project, c, b)


def test_an_erased_notice_is_not_taken_for_none_and_not_replaced(
    project: OpenProject, records: dict[str, bytes]
):
    (a, of_a), (b, of_b), _ = records.items()
    record(project, a, b)
    with project.database.read() as connection:
        ((stored, _),) = list_notices(connection, of_a)
    order = ErasureOrder(basis="other", by="Li", reason="asked for")
    assert erase(project, Selection(ids=[stored.identity]), order)
    before = count(project)
    for attempt in (
        lambda: notices(project, of_a),
        lambda: record(project, a),
        lambda: record(project, b, a),
    ):
        with pytest.raises(CannotCheckError) as caught:
            attempt()
        assert caught.value.message.id == "notice-erased"
    assert count(project) == before
    assert notices(project, of_b) == []
