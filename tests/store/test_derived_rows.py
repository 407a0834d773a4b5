"""One flipped bit in whatever the store derives from its evidence is named, in both stores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.publication_reading import flip
from support.stores import Postgres

from anchor.base.digests import digest_bytes
from anchor.base.system.clock import utc_now
from anchor.evidence.group_reading import parse_groups
from anchor.operate.acceptance import EvidenceInput, accept
from anchor.people.actors import Actor
from anchor.people.case_rules import Party
from anchor.project.log_key import create_log_key, public_path
from anchor.project.project import OpenProject
from anchor.recovery.store_audit import audit_project
from anchor.store import fingerprint_merges
from anchor.store.acknowledged_log import SideFile
from anchor.store.cases import CaseFields, create_case
from anchor.store.certificates import request_certificate, save_issue
from anchor.store.database import create_database, open_database
from anchor.store.memberships import ensure_tenant
from anchor.store.name_index import enter_names
from anchor.store.record_index import enter_records
from anchor.store.retentions import enter_retentions
from anchor.store.schema import (
    case_parties,
    cases,
    certificate_files,
    fingerprint_runs,
    fingerprints,
    name_blocks,
    name_index,
    record_index,
    retention_index,
    retentions,
    runs,
    tenant_slices,
)

KEY = Actor("key", "k")
UNTIL = "2030-01-31T00:00:00.000Z"


FIELDS = CaseFields(
    number="1", title="t", authority="court", parties=(Party("plaintiff", "p"),), is_shared=True
)


def make_evidence(start: int, end: int) -> list[EvidenceInput]:
    """Return evidence of two tenants and from files, some with a retention date."""
    groups = parse_groups({"retention_until": UNTIL})
    return [
        EvidenceInput(
            source=("tenant:acme/", "tenant:other/", "/files/")[number % 3] + f"{number}.txt",
            name=f"{number}.txt",
            digests=digest_bytes(b"%d" % number, ("sha256", "sm3")),
            groups=groups if number % 10 == 0 else None,
        )
        for number in range(start, end)
    ]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("made") / "template")


@pytest.fixture(params=["sqlite", "postgresql"])
def project(
    request: pytest.FixtureRequest,
    template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[OpenProject]:
    """A project in which each derived table has rows, and a merge is under way."""
    monkeypatch.setattr(fingerprint_merges, "_LEAST_STEP", 1)
    chain = MemoryChain(recover=read_sender, interval=12, lag=1)
    site = MemorySite.copy(template, tmp_path / "project", chain)
    opened = site.configure(log_key=site.config.folder / "log-key.pem").open()
    if request.param == "postgresql":
        opened.database.close()
        server: Postgres = request.getfixturevalue("postgres")
        location = server.create()
        create_database(location).close()
        database = open_database(location, SideFile(opened.config.side_file))
        opened = replace(opened, database=database)
    with closing(opened.database) as database:
        for start in range(0, 17 * 110, 110):
            accept(opened, make_evidence(start, start + 110))
        accept(opened, make_evidence(6_000, 6_020))
        for enter in (enter_records, enter_names, enter_retentions):
            enter(database)
        with database.write() as connection:
            ensure_tenant(connection, "acme", KEY, utc_now())
            create_case(connection, "acme", FIELDS, KEY, utc_now())
            issued = request_certificate(
                connection, "acme", bytes(32), requested_by="key:k", at=utc_now()
            )
            save_issue(
                connection, issued.id, number="1", issued_at=utc_now(), files={"pdf": b"%PDF"}
            )
        yield opened


def flip_bit(value: Any) -> Any:
    """Return a value of a column with one other bit."""
    if isinstance(value, int):
        return value ^ 1 << 16  # a block of names may begin a little before its first name
    if isinstance(value, str):
        return value[:-1] + chr(ord(value[-1]) ^ 1)
    middle = len(value) // 2
    return value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]


def read_breaches(project: OpenProject) -> set[str]:
    return {breach.id for breach in audit_project(project).breaches}


DERIVED = [
    (table, column, number, expected)
    for table, expected, columns in (
        (fingerprints, {"audit-index-differs", "audit-index-damaged"}, ("first", "body")),
        (
            fingerprint_runs,
            {"audit-index-differs", "audit-index-damaged"},
            ("about", "entries", "state"),
        ),
        (name_blocks, {"audit-names-differ"}, ("tenant", "first", "places", "body", "filter")),
        (tenant_slices, {"audit-slices-missing"}, ("tenant", "first")),
        (retentions, {"audit-retentions-differ"}, ("tenant", "record_until", "until")),
        (runs, {"audit-run-sums-differ"}, ("record_bytes", "erased", "lost")),
        (cases, {"audit-case-words-differ"}, ("folded", "title")),
        (case_parties, {"audit-case-words-differ"}, ("name",)),
        (certificate_files, {"audit-certificate-file-differs"}, ("body", "sha256")),
        (record_index, {"audit-position-beyond"}, ("size",)),
        (name_index, {"audit-position-beyond"}, ("size",)),
        (retention_index, {"audit-position-beyond"}, ("size",)),
    )
    for column in columns
    for number in (0, 1)
]


def test_every_flipped_bit_of_a_derived_row_is_named_and_nothing_else(
    project: OpenProject,
) -> None:
    assert read_breaches(project) == set()
    unnamed = []
    for table, column, number, expected in DERIVED:
        keys = list(table.primary_key.columns)
        with project.database.write() as connection:
            rows = connection.execute(select(table).order_by(*keys)).all()
            if column == "first" and table is fingerprints:
                rows = [row for row in rows if row.first]  # not the young pages
            row = rows[number * (len(rows) - 1)]
            same = [key == getattr(row, key.name) for key in keys]
            value = getattr(row, column)
            other = flip_bit(value)
            connection.execute(update(table).where(*same).values({column: other}))
        found = read_breaches(project)
        if not found & expected:
            unnamed.append((table.name, column, number, found))
        with project.database.write() as connection:
            same = [
                key == (other if key.name == column else getattr(row, key.name)) for key in keys
            ]
            connection.execute(update(table).where(*same).values({column: value}))
    assert unnamed == []
    assert read_breaches(project) == set()


def test_a_merge_under_way_that_lost_an_input_is_named(project: OpenProject) -> None:
    with project.database.write() as connection:
        inputs = select(fingerprint_runs.c.run).where(fingerprint_runs.c.target.is_not(None))
        one = connection.execute(inputs.limit(1)).scalar_one()
        row = fingerprint_runs.c.run == one
        connection.execute(update(fingerprint_runs).where(row).values(target=None))
    assert read_breaches(project) == {"audit-index-damaged"}


@pytest.mark.parametrize("place", ["middle", "last"])
def test_a_flipped_bit_of_the_side_file_is_named_and_an_unfinished_append_is_not(
    project: OpenProject, place: str
) -> None:
    path = project.config.side_file
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    assert read_breaches(project) == set()
    path.write_bytes(whole)
    flip(path, 8 * (len(whole) // 2 if place == "middle" else len(whole) - 40))
    assert read_breaches(project) == {"side-file-damaged"}


def test_another_log_key_than_the_one_written_down_is_named(project: OpenProject) -> None:
    path = project.config.log_key
    whole = path.read_bytes()
    create_log_key(replace(project.config, log_key=path.with_name("other.pem")))
    path.write_bytes(path.with_name("other.pem").read_bytes())
    assert read_breaches(project) == {"log-key-differs"}
    path.write_bytes(whole)
    public_path(project.config).unlink()
    audit = audit_project(project)
    assert audit.breaches == ()
    assert audit.unchecked[0].id == "unchecked-log-key"
