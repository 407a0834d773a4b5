"""The index of names in stores of both kinds: fed in rounds, emptied by erasure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from sqlalchemy import select
from support.stores import make_item

from anchor.base.system.clock import format_time
from anchor.evidence.preservation_number import number_record
from anchor.evidence.search_query import fold_name, parse_query
from anchor.people.actors import Actor
from anchor.people.case_rules import CaseViewer, Party
from anchor.store import name_index
from anchor.store.cases import CaseFields, change_case, create_case
from anchor.store.columns import NewEvidence
from anchor.store.database import Database, create_database
from anchor.store.erasures import erase_rows, find_by_leaves
from anchor.store.evidence_insertion import insert_evidence
from anchor.store.location import StoreLocation
from anchor.store.memberships import ensure_tenant
from anchor.store.name_index import count_entered, enter_names
from anchor.store.record_index import enter_records
from anchor.store.schema import name_blocks
from anchor.store.tenant_search import SearchMatches, search_tenant

KEY = Actor("key", "k")
ALL = CaseViewer(sees_all=True, person=None, creator="")
DAY = datetime(2026, 1, 30, tzinfo=UTC)


def make_piece(number: int, name: str, tenant: str | None = "acme") -> NewEvidence:
    """Return evidence of which 100 are accepted a day."""
    source = f"/files/{name}" if tenant is None else f"tenant:{tenant}/{name}"
    at = format_time(DAY + timedelta(days=number // 100))
    return make_item(number)._replace(source=source, accepted_at=at)


def name_of(number: int) -> str:
    return f"买卖合同 第{number:03}号 Ａnnex.PDF" if number % 3 else f"录音{number}.mp3"


PIECES = [
    make_piece(number, name_of(number), ("acme", "acme", "other", None)[number % 4])
    for number in range(400)
]


@pytest.fixture(params=["entered", "half", "loose"])
def store(
    location: StoreLocation, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """A store whose pieces are all in the index, half of them, or none."""
    monkeypatch.setattr(name_index, "BLOCK", 32)
    monkeypatch.setattr(name_index, "SLICE", 50)
    with closing(create_database(location)) as created:
        half = 200 if request.param == "half" else 400
        with created.write() as connection:
            insert_evidence(connection, PIECES[:half])
        if request.param != "loose":
            assert enter_names(created) == half and enter_names(created) == 0
        with created.write() as connection:
            insert_evidence(connection, PIECES[half:])
            ensure_tenant(connection, "acme", KEY, "2026-01-01T00:00:00.000Z")
        yield created


def search(
    store: Database, text: str, tenant: str = "acme", limit: int = 500, before: int | None = None
) -> SearchMatches:
    with store.read() as connection:
        return search_tenant(connection, tenant, ALL, parse_query(text), limit, before)


def numbers(matches: SearchMatches) -> list[int]:
    return [piece.id for piece in matches.pieces]


def test_any_part_of_a_name_leads_to_the_tenants_evidence_newest_first(store: Database) -> None:
    texts = (
        "合同",
        "同",
        "第1",
        "annex",
        "录音",
        "买卖 pdf",
        "12",
        "合同 录音",
        "没有",
        "a",
        "3号",
    )
    for text, tenant in product(texts, ("acme", "other", "nobody")):
        expected = [
            number for number, piece in reversed(list(enumerate(PIECES)))
            if piece.source.startswith(f"tenant:{tenant}/")
            and all(term in fold_name(name_of(number)) for term in text.split())
        ]  # fmt: skip
        assert numbers(search(store, text, tenant)) == expected


def test_matches_come_page_by_page(store: Database) -> None:
    whole = numbers(search(store, "合同"))
    pages, before = [], None
    while True:
        matches = search(store, "合同", limit=17, before=before)
        pages += numbers(matches)
        before = matches.next
        if before is None:
            break
        assert len(matches.pieces) == 17
    assert pages == whole


def test_a_day_or_month_restricts_what_is_found(store: Database) -> None:
    assert all(200 <= number < 300 for number in numbers(search(store, "2026-02-01")))
    assert len(search(store, "2026-02-01").pieces) == 50
    assert len(search(store, "2026-01").pieces) == 100
    assert numbers(search(store, "录音 2026-01-31")) == [
        number for number in range(199, 99, -1) if number % 3 == 0 and number % 4 < 2
    ]
    assert search(store, "2025-01").pieces == ()


def test_numbers_and_digests_lead_to_the_tenants_evidence_only(store: Database) -> None:
    enter_records(store)
    for piece, expected in ((PIECES[4], [4]), (PIECES[2], [])):
        for text in (number_record(piece.record), (piece.sha256 or b"").hex(), piece.leaf.hex(),
                     piece.identity.hex()):  # fmt: skip
            assert numbers(search(store, text)) == expected


def test_erased_names_are_gone_from_the_index_and_never_found(store: Database) -> None:
    number = 1
    with store.write() as connection:
        erase_rows(
            connection, find_by_leaves(connection, [PIECES[number].leaf]), [(None, "2026-03-01")]
        )
    assert number not in numbers(search(store, "合同"))
    enter_names(store)
    assert number not in numbers(search(store, "合同")) and len(search(store, "合同").pieces) > 99
    with store.read() as connection:
        bodies = b"".join(connection.execute(select(name_blocks.c.body)).scalars())
    assert fold_name(name_of(2)).encode() in bodies, "another tenant's name is there"
    assert fold_name(name_of(number)).encode() not in bodies


def test_blocks_are_filled_and_only_the_newest_of_a_tenant_is_not(store: Database) -> None:
    enter_names(store)
    with store.read() as connection:
        assert count_entered(connection) == 400
        rows = connection.execute(select(name_blocks).order_by("tenant", "first")).all()
    sizes = {
        tenant: [len(row.places) // 8 for row in rows if row.tenant == tenant]
        for tenant in ("acme", "other")
    }
    assert sizes == {"acme": [32] * 6 + [8], "other": [32] * 3 + [4]}


def test_what_waits_beyond_the_bound_is_said_to_be_missing(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anchor.store.name_index.MOST_UNENTERED", 50)
    with store.read() as connection:
        waiting = 400 - count_entered(connection)
    matches = search(store, "合同")
    assert matches.is_complete == (waiting <= 50)
    enter_names(store)
    assert search(store, "合同").is_complete


def test_cases_are_found_by_their_words_if_the_viewer_sees_them(store: Database) -> None:
    fields = CaseFields(
        number="（2026）沪0105民初1号", title="Lee_v. Ho", authority="长宁法院",
        parties=(Party("原告", "张三丰"),), is_shared=False,
    )  # fmt: skip
    with store.write() as connection:
        case = create_case(connection, "acme", fields, KEY, "2026-02-02T00:00:00.000Z")
    for text in ("0105", "三丰", "lee_v", "宁法 2026-02", "(2026)沪"):
        assert [each.id for each in search(store, text).cases] == [case.id], text
    for text in ("leexv", "原告", "%", "宁法 2026-03"):
        assert search(store, text).cases == (), text
    assert search(store, "0105", "other").cases == ()
    stranger = CaseViewer(sees_all=False, person="p", creator="")
    with store.read() as connection:
        matches = search_tenant(connection, "acme", stranger, parse_query("0105"), 10)
    assert matches.cases == ()
    with store.write() as connection:
        change_case(connection, case, replace(fields, parties=()), KEY, "2026-02-02")
    assert search(store, "三丰").cases == ()
