"""A successor's contents: whole runs, and a queue that is not queued again."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.store_contents import lose_piece
from support.stores import make_item

from anchor.base.digests import digest_bytes
from anchor.base.errors import ChainGuardError
from anchor.base.types import Hash32, Head
from anchor.operate.acceptance import EvidenceInput, accept_once
from anchor.operate.custody import add_event, event_key
from anchor.people.stated_person import StatedPerson
from anchor.project.config import Config
from anchor.project.files import CONFIG
from anchor.recovery.successor_contents import build_store, enqueue_unplaced
from anchor.store.acknowledged_log import SideFile, build_entry
from anchor.store.columns import ERASED
from anchor.store.database import create_database, is_taken, open_database
from anchor.store.erasures import erase_rows, find_by_leaves
from anchor.store.evidence import find_by_key, load_all
from anchor.store.evidence_insertion import insert_rows
from anchor.store.heads import SealedHead, newest_head
from anchor.store.location import SqliteFile
from anchor.store.memberships import create_own_tenant, load_memberships
from anchor.store.people_transfer import load_people
from anchor.store.persons import recognise_person
from anchor.store.row_transfer import load_rows_after
from anchor.store.runs import load_runs
from anchor.store.sealing import seal

NOW = "2026-01-01T00:00:00Z"


def make_project(folder: Path) -> MemorySite:
    return MemorySite.copy(
        make_template(folder / "template"),
        folder / "project",
        MemoryChain(recover=read_sender, interval=12),
    )


def move(config: Config, folder: Path) -> Config:
    """Return the configuration of a project in another folder."""
    return replace(
        config, folder=folder, file=folder / CONFIG, store=SqliteFile(folder / "anchor.db")
    )


def seal_some(site: MemorySite, count: int) -> SealedHead:
    """Seal so many of the pieces that wait, and return the head."""
    project = site.open()
    with project.database.hold_lease():
        seal(project.database, NOW, most=count)
    with project.database.read() as connection:
        sealed = newest_head(connection)
    assert sealed is not None and sealed.head.size == count
    return sealed


def test_runs_are_copied_and_the_last_one_is_cut_at_the_head(tmp_path: Path) -> None:
    site = make_project(tmp_path)
    pieces = [make_item(number) for number in range(1_500)]
    with site.open().database.write() as connection:
        insert_rows(connection, pieces)
        stated = StatedPerson(
            issuer="https://id.example", subject="1", name="Ann", email=None, email_verified=False
        )
        person = recognise_person(connection, stated, NOW)
        tenant = create_own_tenant(connection, person, NOW)
        people = load_people(connection)
    sealed = seal_some(site, 1_300)
    config = move(site.open().config, tmp_path / "next")
    build_store(site.open(), config, sealed)
    with closing(open_database(config.store)) as successor, successor.read() as connection:
        rows = list(load_rows_after(connection, 0))
        assert [run.pieces for run in load_runs(connection)] == [1_024, 276, 200]
        head = newest_head(connection)
        assert load_people(connection) == people
        assert [each.tenant for each in load_memberships(connection, person)] == [tenant]
    assert head is not None and head.head == sealed.head
    assert [row.record for row in rows] == [piece.record for piece in pieces]
    assert list(SideFile(config.side_file).read_entries()) == list(map(build_entry, pieces))


def test_no_store_is_made_of_runs_with_a_gap(tmp_path: Path) -> None:
    site = make_project(tmp_path)
    database = site.open().database
    with database.write() as connection:
        insert_rows(connection, [make_item(number) for number in range(100)])
    sealed = seal_some(site, 100)
    config = move(site.open().config, tmp_path / "next")
    for index in (50, 99, 0):
        lose_piece(site.open().config.store, index)
        with pytest.raises(ChainGuardError, match="lacks some of the log"):
            build_store(site.open(), config, sealed)
        assert not is_taken(config.store)


def test_erased_evidence_that_waits_is_queued_once(tmp_path: Path) -> None:
    site = make_project(tmp_path)
    site.add("kept", "erased before", "erased later")
    project = site.open()
    head = Head(root=Hash32(bytes(32)), size=0)
    side_file = SideFile(tmp_path / "side")

    def erase(number: int) -> None:
        with project.database.write() as connection:
            leaf = list(load_all(connection))[number].leaf
            erase_rows(connection, find_by_leaves(connection, [leaf]), [(None, NOW)])

    with closing(create_database(SqliteFile(tmp_path / "next.db"))) as successor:
        erase(1)
        assert enqueue_unplaced(project, successor, head, side_file) == 3
        erase(2)
        assert enqueue_unplaced(project, successor, head, side_file) == 3
        with successor.read() as connection:
            sources = [piece.source == ERASED for piece in load_all(connection)]
    assert sources == [False, True, True]


def test_the_successor_finds_the_custody_events_of_its_log(tmp_path: Path) -> None:
    site = make_project(tmp_path)
    given = EvidenceInput(source="/a", name="a", digests=digest_bytes(b"a", ("sha256",)))
    subject = accept_once(site.open(), given).identity.hex()
    chain, *_ = add_event(site.open(), subject, {"event": "copy", "actor": "Li"})
    config = move(site.open().config, tmp_path / "next")
    build_store(site.open(), config, seal_some(site, 1))  # the event waits
    key = event_key(chain.subject.record, None)
    with closing(open_database(config.store)) as successor, successor.read() as connection:
        assert find_by_key(connection, key) is not None
