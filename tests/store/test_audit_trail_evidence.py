"""The audit trail of each tenant becomes evidence, day by day, once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.troubles import Effects

from anchor.operate.acceptance import identify
from anchor.operate.audit_trail_evidence import AuditTrailRecorder, describe_day, record_due_days
from anchor.operate.events import Event
from anchor.people.actors import Actor
from anchor.project.project import OpenProject
from anchor.store.evidence import load_all
from anchor.store.memberships import ensure_tenant
from anchor.store.tenant_events import load_day, load_events
from anchor.store.tenant_keys import issue_key

OPERATOR = Actor("operator", "root")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[OpenProject]:
    template = make_template(tmp_path / "template")
    site = MemorySite.copy(template, tmp_path / "project", MemoryChain())
    opened = site.open()
    with closing(opened.database):
        yield opened


def moment(day: str, time: str = "00:10:00") -> float:
    return datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=UTC).timestamp()


def happen(project: OpenProject, tenant: str, *days: str) -> None:
    with project.database.write() as connection:
        for day in days:
            at = f"{day}T23:59:59.999Z"
            ensure_tenant(connection, tenant, OPERATOR, at)
            issue_key(connection, tenant, ["read"], OPERATOR, at=at, expires_at=None)


def names(project: OpenProject) -> list[str]:
    with project.database.read() as connection:
        return [row.source for row in load_all(connection)]


def test_each_day_is_recorded_once_in_order_and_over_its_lines(project: OpenProject) -> None:
    happen(project, "acme", "2026-03-01", "2026-03-02", "2026-03-04")
    happen(project, "beta", "2026-03-02")
    assert record_due_days(project, moment("2026-03-01")) == []
    recorded = record_due_days(project, moment("2026-03-05"))
    assert [(each.tenant, each.day, each.events) for each in recorded] == [
        ("acme", "2026-03-01", 2), ("acme", "2026-03-02", 1), ("acme", "2026-03-04", 1),
        ("beta", "2026-03-02", 2),
    ]  # fmt: skip
    assert names(project) == [
        f"tenant:{each.tenant}/audit-trail-{each.day}.jsonl" for each in recorded
    ]
    assert record_due_days(project, moment("2026-03-05")) == []
    with project.database.read() as connection:
        day = load_day(connection, "acme", "2026-03-01")
        submission, data = describe_day("acme", "2026-03-01", day)
        row = next(iter(load_all(connection)))
        events = load_events(connection, "acme", 10)
    assert row.identity == identify(submission)
    assert row.record is not None and hashlib.sha256(data).hexdigest().encode() in row.record
    assert data.count(b"\n") == 2
    assert data.splitlines(keepends=True)[0] == events[-1].line()


def test_a_day_waits_until_its_last_event_is_stored(project: OpenProject) -> None:
    happen(project, "acme", "2026-03-01")
    assert record_due_days(project, moment("2026-03-02", "00:09:59")) == []
    assert len(record_due_days(project, moment("2026-03-02", "00:10:00"))) == 1


def test_a_day_that_an_interruption_left_is_recorded_later(project: OpenProject) -> None:
    happen(project, "acme", "2026-03-01", "2026-03-02", "2026-03-03")
    assert len(record_due_days(project, moment("2026-03-02"))) == 1
    assert [each.day for each in record_due_days(project, moment("2026-04-01"))] == [
        "2026-03-02",
        "2026-03-03",
    ]


def test_the_recorder_looks_now_and_then_and_never_fails(project: OpenProject) -> None:
    happen(project, "acme", "2026-03-01")
    steady, wall, told = [0.0], [moment("2026-03-01")], list[Event]()
    recorder = AuditTrailRecorder(
        project, wall=lambda: wall[0], steady=lambda: steady[0], emit=told.append
    )
    recorder.poll()
    wall[0] = moment("2026-03-02")
    recorder.poll()
    assert told == [] and names(project) == []
    steady[0] = 600.0
    recorder.poll()
    assert [event.event for event in told] == ["audit-trail"] and len(names(project)) == 1
    project.config.tiles.with_name("acknowledged.log").unlink()
    project.config.tiles.with_name("acknowledged.log").mkdir()
    happen(project, "acme", "2026-03-02")
    steady[0], wall[0] = 1_200.0, moment("2026-03-03")
    recorder.poll()
    assert [event.event for event in told] == ["audit-trail", "warning"]


def test_the_daemon_records_and_anchors_the_day_before(tmp_path: Path) -> None:
    template = make_template(tmp_path / "template")
    chain = MemoryChain(recover=read_sender, interval=12)
    site = MemorySite.copy(template, tmp_path / "project", chain)
    yesterday = datetime.fromtimestamp(site.chain.time, UTC) - timedelta(days=1)
    opened = site.open()
    happen(opened, "acme", yesterday.date().isoformat())
    opened.database.close()
    told = [event.event for event in site.serve(Effects(), 300.0)]
    assert told.count("audit-trail") == 1 and "included" in told
    with closing(site.open().database) as database, database.read() as connection:
        (row,) = load_all(connection)
    assert row.leaf_index == 0
