"""Custody events in the store: found by subject, chained, and never forked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender

from anchor.base.digests import digest_bytes
from anchor.base.errors import CannotCheckError, MalformedError, UsageError
from anchor.base.types import Hash32
from anchor.log.merkle import hash_leaf
from anchor.operate import custody as custody_module
from anchor.operate.acceptance import AcceptedEvidence, EvidenceInput, accept_each
from anchor.operate.custody import CustodyChain, add_event, load_chain
from anchor.operate.erasing import ErasureOrder, erase
from anchor.operate.evidence_selection import Selection
from anchor.project.project import OpenProject
from anchor.recovery.custody_restoration import restore_custody_keys
from anchor.store.erasures import erase_rows, find_by_leaves
from anchor.store.evidence import find_by_identity
from anchor.store.schema import keys

EVENT: dict[str, Any] = {"event": "copy", "actor": "Li"}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[OpenProject]:
    chain = MemoryChain(recover=read_sender, interval=1, lag=1)
    site = MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)
    opened = site.open()
    yield opened
    opened.database.close()


def record(project: OpenProject, name: str, data: bytes) -> AcceptedEvidence:
    digests = digest_bytes(data, ("sha256", "sm3"))
    (accepted,) = accept_each(
        project, [EvidenceInput(source=f"/{name}", name=name, digests=digests)]
    )
    return accepted


def chain_of(project: OpenProject, named: str) -> CustodyChain:
    return load_chain(project, named)


@pytest.fixture
def subject(project: OpenProject) -> str:
    return record(project, "a", b"a").identity.hex()


def test_each_event_follows_the_one_before(project: OpenProject, subject: str):
    for number in range(3):
        chain, event, accepted = add_event(project, subject, EVENT | {"purpose": f"p{number}"})
        assert accepted.is_new
        assert len(chain.links) == number
        assert event.previous_event == (chain.links[-1].record.hex() if number else None)
    events = [link.event for link in chain_of(project, subject).links]
    assert [event.purpose for event in events] == ["p0", "p1", "p2"]
    assert {event.subject for event in events} == {chain_of(project, subject).subject.record.hex()}


def test_the_subject_is_found_by_file_digest_and_id(
    project: OpenProject, subject: str, tmp_path: Path
):
    (tmp_path / "a").write_bytes(b"a")
    digests = digest_bytes(b"a", ("sha256", "sm3"))
    assert digests.sha256 and digests.sm3
    add_event(project, subject, EVENT)
    for named in (
        str(tmp_path / "a"),
        f"sha256:{digests.sha256.hex()}",
        f"sm3:{digests.sm3.hex()}",
    ):
        assert chain_of(project, named).evidence.identity.hex() == subject
        assert len(chain_of(project, named).links) == 1


def test_what_the_log_does_not_hold_is_refused(project: OpenProject, tmp_path: Path):
    (tmp_path / "b").write_bytes(b"b")
    (tmp_path / "b.anchor.json").write_bytes(b"{}")
    for named in (str(tmp_path / "b"), "sha256:" + "00" * 32, "00" * 32):
        with pytest.raises(UsageError, match="the log holds no record of"):
            add_event(project, named, EVENT)
    with pytest.raises(UsageError, match="not a readable receipt"):
        add_event(project, str(tmp_path / "b.anchor.json"), EVENT)


def test_several_records_of_one_digest_are_named_by_their_ids(project: OpenProject, tmp_path: Path):
    first, second = record(project, "a", b"a"), record(project, "b", b"a")
    (tmp_path / "a").write_bytes(b"a")
    with pytest.raises(UsageError, match="holds 2 records") as error:
        add_event(project, str(tmp_path / "a"), EVENT)
    assert error.value.hint is not None
    assert first.identity.hex() in error.value.hint
    assert add_event(project, second.identity.hex(), EVENT)[2].is_new


def test_an_event_is_no_subject(project: OpenProject, subject: str):
    _, _, accepted = add_event(project, subject, EVENT)
    with pytest.raises(UsageError):
        add_event(project, accepted.identity.hex(), EVENT)


@pytest.mark.parametrize(
    "members", [{"event": "lost"}, {"at": "yesterday"}, {"actor": ""}, {"digest_after": "x"}]
)
def test_a_malformed_event_is_refused_and_nothing_recorded(
    project: OpenProject, subject: str, members: dict[str, Any]
):
    with pytest.raises(MalformedError, match="custody"):
        add_event(project, subject, EVENT | members)
    assert chain_of(project, subject).links == []


def test_two_events_at_once_do_not_fork_the_chain(
    project: OpenProject, subject: str, monkeypatch: pytest.MonkeyPatch
):
    before = chain_of(project, subject)
    add_event(project, subject, EVENT)
    monkeypatch.setattr(custody_module, "load_chain", lambda *_: before)
    with pytest.raises(UsageError, match="added meanwhile"):
        add_event(project, subject, EVENT)
    monkeypatch.undo()
    assert len(chain_of(project, subject).links) == 1


def lose_keys(project: OpenProject, *lost: str) -> None:
    """Forget all keys, as a restore without a side file does, and the records of these pieces."""
    with project.database.write() as connection:
        pieces = find_by_leaves(
            connection, [Hash32(hash_leaf(read(project, identity))) for identity in lost]
        )
        erase_rows(connection, pieces, [(None, "2026-09-21T14:00:00.000Z")] * len(pieces))
        connection.execute(delete(keys))


def read(project: OpenProject, identity: str) -> bytes:
    with project.database.read() as connection:
        row = find_by_identity(connection, bytes.fromhex(identity))
    assert row is not None and row.record is not None
    return row.record


def add_events(project: OpenProject, subject: str) -> list[str]:
    return [add_event(project, subject, EVENT)[2].identity.hex() for _ in range(3)]


def test_a_rebuilt_store_finds_the_events_by_their_records(project: OpenProject, subject: str):
    other = record(project, "b", b"b").identity.hex()
    for named in (subject, other):
        add_events(project, named)
    before = [chain_of(project, named).links for named in (subject, other)]
    lose_keys(project)
    assert chain_of(project, subject).links == []
    restore_custody_keys(project.database)
    assert [chain_of(project, named).links for named in (subject, other)] == before
    chain, event, _ = add_event(project, subject, EVENT)
    assert event.previous_event == chain.links[-1].record.hex() == before[0][-1].record.hex()


@pytest.mark.parametrize("lost", [0, 1])
def test_a_chain_with_a_lost_record_is_not_continued_before_the_gap(
    project: OpenProject, subject: str, lost: int
):
    events = add_events(project, subject)
    lose_keys(project, events[lost])
    restore_custody_keys(project.database)
    with pytest.raises(CannotCheckError) as caught:
        add_event(project, subject, EVENT)
    assert caught.value.message.id == "custody-chain-gap"


@pytest.mark.parametrize("erased", [0, 1, 2])
def test_no_event_takes_the_place_of_an_erased_one(project: OpenProject, subject: str, erased: int):
    events = add_events(project, subject)
    order = ErasureOrder(basis="other", by="Li", reason="asked for")
    (piece,) = erase(project, Selection(ids=[bytes.fromhex(events[erased])]), order)
    assert piece.identity.hex() == events[erased]
    with pytest.raises(UsageError) as caught:
        add_event(project, subject, EVENT)
    assert caught.value.message.id == "custody-event-erased"
