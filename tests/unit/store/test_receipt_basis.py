"""What is remembered of a store ends with its edition: each change that receipts rest on is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.grown_logs import grow, grow_log
from support.memory_projects import MemorySite

from anchor.base.system.clock import utc_now
from anchor.project.project import OpenProject
from anchor.store.heads import AnchorPosition, newest_final_anchor
from anchor.store.incidents import (
    accept_incidents,
    load_open_incidents,
    open_incident,
    withdraw_incident,
)
from anchor.store.receipt_basis import Edition, load_edition


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    return grow_log(tmp_path, [2, 2])


@pytest.fixture
def project(site: MemorySite) -> Iterator[OpenProject]:
    project = site.open()
    yield project
    project.database.close()


def load(project: OpenProject) -> Edition:
    with project.database.read() as connection:
        return load_edition(connection, project.config.chain_id)


def contradict(project: OpenProject, now: AnchorPosition | None) -> None:
    chain_id = project.config.chain_id
    with project.database.write() as connection:
        anchored = newest_final_anchor(connection, chain_id)
        assert anchored is not None
        open_incident(connection, chain_id, anchored, now, seen_block=9, at=utc_now())


def test_it_stays_while_nothing_changes(project: OpenProject) -> None:
    assert load(project) == load(project)


def test_a_new_head_is_a_new_edition(site: MemorySite, project: OpenProject) -> None:
    before = load(project)
    grow(site, 1)
    assert load(project) != before


def test_an_incident_is_one_when_it_opens_and_when_it_closes(project: OpenProject) -> None:
    chain_id = project.config.chain_id
    seen = [load(project)]
    contradict(project, None)
    seen.append(load(project))
    with project.database.write() as connection:
        (incident,) = load_open_incidents(connection, chain_id)
        withdraw_incident(connection, chain_id, incident, 12, utc_now())
    seen.append(load(project))
    assert seen[0].final == seen[2].final, "the anchor is where it was"
    contradict(project, AnchorPosition(sequence=1, block_number=77, timestamp=1_700_000_500))
    seen.append(load(project))
    with project.database.hold_lease(), project.database.sequence() as connection:
        accept_incidents(connection, chain_id, utc_now())
    seen.append(load(project))
    assert len(set(map(repr, seen))) == len(seen)


def test_another_store_in_its_place_is_another_edition(project: OpenProject) -> None:
    before = load(project)
    with project.database.write() as connection:
        connection.exec_driver_sql("UPDATE project SET created_at = '2020-01-01T00:00:00.000Z'")
    after = load(project)
    assert after != before
    assert replace(after, store_made_at=before.store_made_at) == before
