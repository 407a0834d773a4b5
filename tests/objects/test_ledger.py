"""The ledger says what the store says, and the questions of its page have the right answers."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.grown_logs import grow_log
from support.memory_projects import MemorySite
from support.paths import ROOT
from support.store_contents import load_pieces

from anchor.base.digests import digest_bytes
from anchor.base.system.clock import utc_now
from anchor.operate import ledger_files
from anchor.operate.acceptance import EvidenceInput, accept
from anchor.operate.ledger_files import COLUMNS, export_ledger
from anchor.people.actors import Actor
from anchor.store.case_exhibits import ExhibitFields, add_exhibit, find_tenant_piece
from anchor.store.cases import CaseFields, create_case
from anchor.store.erasures import erase_rows, find_by_leaves
from anchor.store.memberships import ensure_tenant

PAGE = ROOT / "docs" / "ledger.md"
ACTOR = Actor("service", "test")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> MemorySite:
    """Three anchors, the last one reversible, and waiting evidence, some of a tenant."""
    site = grow_log(tmp_path_factory.mktemp("ledger"), [3, 1, 5])
    site.add("late")
    project = site.open()
    submissions = [
        EvidenceInput(
            source=f"tenant:acme/{name}", name=name, digests=digest_bytes(b"same", ("sha256",))
        )
        for name in ("one.pdf", "two.pdf")
    ]
    accept(project, submissions)
    project.database.close()
    return site


@pytest.fixture
def folder(site: MemorySite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The exported ledger, as the working directory."""
    monkeypatch.setattr(ledger_files, "_GROUP_ROWS", 4)
    project = site.open()
    counts = export_ledger(project, tmp_path / "ledger")
    project.database.close()
    assert set(counts) == set(COLUMNS)
    monkeypatch.chdir(tmp_path / "ledger")
    yield tmp_path / "ledger"


def ask(query: str) -> list[tuple[Any, ...]]:
    return duckdb.sql(query).fetchall()


def test_each_piece_has_its_row(site: MemorySite, folder: Path) -> None:
    project = site.open()
    with project.database.read() as connection:
        pieces = load_pieces(connection)
    project.database.close()
    rows = ask(
        "SELECT index, id, leaf, sha256, sm3, name, size, tenant, source FROM 'evidence.parquet'"
    )
    assert len(rows) == len(pieces) == 12
    for row, piece in zip(rows, pieces, strict=True):
        record = json.loads(piece.record or b"{}")
        is_tenants = piece.source.startswith("tenant:")
        assert row == (
            piece.index, piece.identity, piece.leaf, piece.sha256, piece.sm3, record["name"],
            record["size"], "acme" if is_tenants else None, None if is_tenants else piece.source,
        )  # fmt: skip
    query = "SELECT head_size, count(*), bool_and(is_final) FROM 'evidence.parquet'"
    assert ask(f"{query} GROUP BY 1 ORDER BY 1") == [
        (3, 3, True), (4, 1, True), (9, 5, False), (None, 3, False),
    ]  # fmt: skip


def test_anchors_and_transactions_are_those_of_the_store(site: MemorySite, folder: Path) -> None:
    assert ask("SELECT head_size, is_final FROM 'anchors.parquet' ORDER BY 1") == [
        (3, True), (4, True), (9, False),
    ]  # fmt: skip
    costs = ask(
        "SELECT head_size, cost_wei > 0, outcome FROM 'transactions.parquet'"
        " WHERE head_size IS NOT NULL AND cost_wei IS NOT NULL ORDER BY 1"
    )
    assert [row[0] for row in costs] == [3, 4, 9]
    assert all(row[1:] == (True, "included") for row in costs)


def questions() -> list[str]:
    return re.findall(r"```sql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def test_every_question_of_the_page_is_answered(site: MemorySite, folder: Path) -> None:
    march, duplicates, cost, waits = questions()
    ((first, last),) = ask("SELECT min(accepted_at), max(accepted_at) FROM 'evidence.parquet'")
    after = last + timedelta(days=1)
    recent = march.replace("2026-03-01", f"{first:%F}").replace("2026-04-01", f"{after:%F}")
    assert [row[1] for row in ask(recent)] == ["one.pdf", "two.pdf"]
    assert ask(march) == [] or f"{first:%Y-%m}" == "2026-03"
    assert ask(duplicates) == []
    spent = ask(cost)
    assert sum(row[1] for row in spent) >= 3 and all(row[2] > 0 for row in spent)
    assert sum(row[3] for row in spent) == 9
    assert sum(row[1] for row in ask(waits)) == 9


def test_a_file_in_two_cases_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = grow_log(tmp_path, [2])
    project = site.open()
    at = utc_now()
    accept(
        project,
        [
            EvidenceInput(
                source="tenant:acme/one.pdf", name="one.pdf",
                digests=digest_bytes(b"same", ("sha256",)),
            )
        ],
    )  # fmt: skip
    with project.database.write() as connection:
        ensure_tenant(connection, "acme", ACTOR, at)
        piece = load_pieces(connection)[-1]
        stored = find_tenant_piece(connection, "acme", piece.identity.hex())
        for number in ("A", "B"):
            fields = CaseFields(number=number, title="t", authority="", parties=(), is_shared=False)
            case = create_case(connection, "acme", fields, ACTOR, at)
            words = ExhibitFields(label="1", purpose="", note="")
            add_exhibit(connection, case, stored, words, ACTOR, at)
    export_ledger(project, tmp_path / "ledger")
    monkeypatch.chdir(tmp_path / "ledger")
    ((digest, cases),) = ask(questions()[1])
    assert digest.lower() == (piece.sha256 or b"").hex() and sorted(cases) == ["A", "B"]
    with project.database.write() as connection:
        erase_rows(connection, find_by_leaves(connection, [piece.leaf]), [(None, "2026")])
    export_ledger(project, tmp_path / "ledger")
    ((name, number, has_record, leaf),) = ask(
        "SELECT name, number, has_record, leaf FROM 'evidence.parquet' WHERE index = 2"
    )
    assert (name, number, has_record, leaf) == (None, None, False, piece.leaf)
    assert os.listdir(tmp_path / "ledger") and ask(questions()[1]) == []
    project.database.close()
