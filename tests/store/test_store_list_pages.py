"""Lists read page by page from stores of both kinds are the whole list, in its order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection
from support.stores import NOW

from anchor.operate.evidence_selection import is_tenant
from anchor.people.actors import Actor
from anchor.people.case_rules import CaseViewer
from anchor.people.stated_person import StatedPerson
from anchor.store import api_keys
from anchor.store.api_keys import create_key, load_usage
from anchor.store.captures import CaptureQuota, load_captures, order_capture
from anchor.store.case_members import add_case_member, load_case_members
from anchor.store.cases import CaseFields, create_case, load_cases
from anchor.store.certificates import load_certificates, request_certificate, save_issue
from anchor.store.database import Database, create_database
from anchor.store.invitations import create_invitation, load_invitations
from anchor.store.list_position import ListPosition
from anchor.store.location import StoreLocation
from anchor.store.memberships import add_member, ensure_tenant, load_members
from anchor.store.persons import recognise_person
from anchor.store.tenant_accounts import load_accounts
from anchor.store.tenant_keys import load_tenant_keys

KEY = Actor("key", "0123456789ab")
OWNER = CaseViewer(sees_all=True, person=None, creator="")
FAR = "2999-01-01T00:00:00.000Z"
CASE = CaseFields(number="", title="t", authority="", parties=(), is_shared=True)
# Names that languages sort in another order than bytes are.
TENANTS = ("acme", "a-z", "aA", "a_b", "ab", "Zeta", "0", "a.b")
# Three rows each share a time, so that their ids decide.
TIMES = [f"2026-01-01T00:00:0{number // 3}.000Z" for number in range(8)]


@pytest.fixture
def store(location: StoreLocation) -> Iterator[Database]:
    with closing(create_database(location)) as created:
        yield created


def fill(connection: Connection) -> str:
    """Make eight rows of everything; return the id of a case."""
    for name, at in zip(TENANTS, TIMES, strict=True):
        ensure_tenant(connection, name, KEY, at)
    kept = [
        create_case(connection, "acme", replace(CASE, number=str(number)), KEY, at)
        for number, at in enumerate(TIMES)
    ]
    quota = CaptureQuota(per_day=99, waiting=99, all_waiting=99)
    for number, at in enumerate(TIMES):
        stated = StatedPerson(
            issuer="https://id.example", subject=str(number), name="Ann", email=None,
            email_verified=False,
        )  # fmt: skip
        person = recognise_person(connection, stated, at)
        add_member(connection, "acme", person, "reader", KEY, at)
        add_case_member(connection, kept[0], person, KEY, at)
        create_key(connection, "acme", ["read"], created_at=at)
        create_invitation(connection, "acme", "reader", KEY, email=None, made_at=at, expires_at=FAR)
        order = request_certificate(connection, "acme", b"i" * 32, requested_by="x", at=at)
        save_issue(connection, order.id, number=str(number), issued_at=at, files={"json": b"{}"})
        order_capture(
            connection, "acme", url="https://example.org/", options={}, key_hash=None, actor=KEY,
            at=at, quota=quota,
        )  # fmt: skip
    return kept[0].id


def follow(load: Callable[..., list[Any]], place: Callable[[Any], Any], first: Any) -> list[Any]:
    """Return the rows of all pages of two; ``place`` returns where a page after a row begins."""
    rows, after = [], first
    while page := load(after, 2):
        assert len(page) <= 2 and len(rows) < 100
        rows += page
        after = place(page[-1])
    return rows


def test_a_page_of_keys_reads_no_others_and_shows_none_of_the_operators(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = api_keys._parse_key

    def parse(row: Any) -> api_keys.ApiKey:
        key = original(row)
        read.append(key.id)
        return key

    monkeypatch.setattr(api_keys, "_parse_key", parse)
    with store.write() as connection:
        for at in TIMES:
            for scopes in (["read"], ["read", "admin"], ["admin"]):
                create_key(connection, "acme", scopes, created_at=at)
            create_key(connection, "another", ["read"], created_at=at)
        first = load_tenant_keys(connection, "acme", limit=2)
        last = ListPosition(first[-1].created_at, first[-1].id)
        rest = load_tenant_keys(connection, "acme", after=last, limit=2)
        assert [key.id for key in first + rest] == read
        assert {key.scopes for key in first + rest} == {("read",)} and len(read) == 4
        assert is_tenant(connection, "another") and not is_tenant(connection, "unknown")
        assert len(read) == 4


def test_pages_of_each_list_are_the_whole_list_in_its_order(store: Database) -> None:
    with store.write() as connection:
        case = fill(connection)
    day = TIMES[0][:10]
    timed: dict[Callable[..., list[Any]], Callable[[Any], tuple[str, str]]] = {
        partial(load_members, tenant="acme"): lambda row: (row.since, row.person.id),
        partial(load_members, tenant="acme", outside="none"): lambda row: (
            row.since, row.person.id,
        ),
        partial(load_invitations, tenant="acme", at=NOW): lambda row: (row.made_at, row.id),
        partial(load_tenant_keys, tenant="acme"): lambda row: (row.created_at, row.id),
        partial(load_case_members, case=case): lambda row: (row.since, row.person.id),
        partial(load_certificates, identity=b"i" * 32): lambda row: (row.requested_at, row.id),
    }  # fmt: skip
    with store.read() as connection:
        for load, place in timed.items():
            pages = follow(
                lambda after, limit, load=load: load(connection, after=after, limit=limit),
                lambda row, place=place: ListPosition.parse(str(ListPosition(*place(row)))),
                None,
            )
            assert pages == load(connection), load
            assert [place(row) for row in pages] == sorted(place(row) for row in pages), load
            assert len(pages) == 8, load
        assert load_members(connection, "acme", outside=case) == []
        for named in (partial(load_usage, day=day), partial(load_accounts, day=day)):
            key = "tenant" if named.func is load_usage else "name"
            names = follow(
                lambda after, limit, named=named: named(connection, after=after, limit=limit),
                lambda row, key=key: getattr(row, key),
                "",
            )
            assert [getattr(row, key) for row in names] == sorted(TENANTS), key
        cases = follow(
            lambda before, limit: load_cases(connection, "acme", OWNER, limit, before=before),
            lambda row: row.id,
            None,
        )
        assert [(row.created_at, row.id) for row in cases] == sorted(
            ((row.created_at, row.id) for row in cases), reverse=True
        )
        captures = follow(
            lambda before, limit: load_captures(connection, "acme", limit, before),
            lambda row: row.id,
            None,
        )
        assert [(row.ordered_at, row.id) for row in captures] == sorted(
            ((row.ordered_at, row.id) for row in captures), reverse=True
        )
        assert len(cases) == len(captures) == 8
