"""Links to cases in stores of both kinds: tokens, expiry, revocation, events, and no transfer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from support.stores import make_item

from anchor.base.errors import UsageError
from anchor.people.actors import Actor
from anchor.people.case_rules import MAX_LINKS
from anchor.people.lifetimes import later
from anchor.store import case_links
from anchor.store.case_links import (
    create_case_link,
    load_case_links,
    open_case_link,
    revoke_case_link,
)
from anchor.store.cases import CaseFields, CaseRow, create_case, set_case_state
from anchor.store.database import Database, create_database
from anchor.store.evidence_insertion import insert_evidence
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.memberships import ensure_tenant
from anchor.store.people_transfer import insert_people, load_people
from anchor.store.schema import case_links as table
from anchor.store.tenant_events import TenantEvent, load_events

AT, END = "2026-03-01T10:00:00.000Z", "2026-03-15T10:00:00.000Z"
OWNER = Actor("person", "0123456789abcdef")
KEY = Actor("key", "0123456789ab")
FIELDS = CaseFields(number="1", title="Lee v. Ho", authority="", parties=(), is_shared=False)
COURT = "杭州互联网法院"


@pytest.fixture
def store(location: StoreLocation) -> Iterator[Database]:
    """A store with a tenant of two cases."""
    with closing(create_database(location)) as created:
        with created.write() as connection:
            insert_evidence(connection, [make_item(1)._replace(source="tenant:acme/1")])
            ensure_tenant(connection, "acme", KEY, AT)
        yield created


@pytest.fixture
def cases(store: Database) -> tuple[CaseRow, CaseRow]:
    with store.write() as connection:
        first = create_case(connection, "acme", FIELDS, KEY, AT)
        return first, create_case(connection, "acme", replace(FIELDS, number="2"), KEY, AT)


def make(store: Database, case: CaseRow, *, at: str = AT, end: str = END) -> str:
    with store.write() as connection:
        return create_case_link(connection, case, COURT, OWNER, at=at, expires_at=end)


def open_at(store: Database, token: str, at: str) -> str | None:
    """Open a link; return the id of its case."""
    with store.write() as connection:
        opened = open_case_link(connection, token, at)
    assert opened is None or opened[0].case == opened[1].id
    return None if opened is None else opened[1].id


def events_of(store: Database) -> list[TenantEvent]:
    with store.read() as connection:
        events = load_events(connection, "acme", 200)[::-1]
    return [event for event in events if event.action.startswith("case-link-")]


def test_a_link_opens_its_case_and_the_store_has_no_token(
    store: Database, cases: tuple[CaseRow, CaseRow]
) -> None:
    tokens = [make(store, case) for case in cases]
    assert [open_at(store, token, AT) for token in tokens] == [case.id for case in cases]
    with store.read() as connection:
        kept = repr(connection.execute(table.select()).all())
        (link,) = load_case_links(connection, cases[0].id, AT)
    assert not any(token in kept or repr(bytes.fromhex(token)) in kept for token in tokens)
    assert (link.label, link.made_by, link.made_at) == (COURT, OWNER.encode(), AT)
    for wrong in ("", "0" * 64, tokens[0].upper(), tokens[0][:-1], f"{tokens[0]}\n", "é" * 64):
        assert open_at(store, wrong, AT) is None
    assert [event.action for event in events_of(store)] == [
        "case-link-made", "case-link-made", "case-link-opened", "case-link-opened",
    ]  # fmt: skip
    made = events_of(store)[0]
    assert (made.actor, made.subject) == (OWNER.encode(), cases[0].id)
    assert made.members()["details"] == {"link": link.id, "expires_at": END}
    assert not any(COURT in event.details for event in events_of(store))


def test_a_link_ends_at_its_time_or_when_it_is_revoked(
    store: Database, cases: tuple[CaseRow, CaseRow]
) -> None:
    case, other = cases
    dated, revoked = make(store, case), make(store, case)
    with store.read() as connection:
        links = load_case_links(connection, case.id, AT)
    before, after = later(END, -0.001), later(END, 0.001)
    assert [open_at(store, dated, at) is None for at in (before, END, after)] == [False, True, True]
    assert open_at(store, revoked, AT) == case.id
    with store.read() as connection:
        (id,) = (each.id for each in load_case_links(connection, case.id, AT)
                 if each.opened_at == AT)  # fmt: skip
    with store.write() as connection:
        assert not revoke_case_link(connection, other, id, OWNER, AT), "of another case"
        assert not revoke_case_link(connection, case, "none", OWNER, AT)
    assert open_at(store, revoked, AT) == case.id
    with store.write() as connection:
        assert revoke_case_link(connection, case, id, OWNER, AT)
        assert revoke_case_link(connection, case, id, KEY, END), "once more, it stays"
    assert open_at(store, revoked, AT) is None
    with store.read() as connection:
        states = {each.id: each.state_at(END) for each in load_case_links(connection, case.id, END)}
        (ended,) = (each for each in load_case_links(connection, case.id, AT) if each.revoked_at)
    assert sorted(states.values()) == ["expired", "revoked"] and states[id] == "revoked"
    assert (ended.id, ended.revoked_at, ended.opened) == (id, AT, 2)
    assert [each.state_at(AT) for each in links] == ["in-force", "in-force"]
    (event,) = (event for event in events_of(store) if event.action == "case-link-revoked")
    assert (event.actor, event.members()["details"]) == (OWNER.encode(), {"link": id})


def test_each_use_is_counted_and_the_trail_names_one_an_hour(
    store: Database, cases: tuple[CaseRow, CaseRow]
) -> None:
    case, other = cases
    token, second = make(store, case), make(store, other)
    for seconds in (0, 1, 3_599.999, 3_600, 3_601, 7_199.999, 7_200):
        assert open_at(store, token, later(AT, seconds)) == case.id
    assert open_at(store, second, later(AT, 5)) == other.id
    opened = [event for event in events_of(store) if event.action == "case-link-opened"]
    assert [(event.at, event.subject) for event in opened] == [
        (AT, case.id), (later(AT, 3_600), case.id), (later(AT, 7_200), case.id),
        (later(AT, 5), other.id),
    ]  # fmt: skip
    with store.read() as connection:
        (link,) = load_case_links(connection, case.id, AT)
    assert (link.opened, link.opened_at) == (7, later(AT, 7_200))
    assert {event.actor for event in opened[:3]} == {f"link:{link.id}"}


def test_a_closed_case_keeps_its_links(store: Database, cases: tuple[CaseRow, CaseRow]) -> None:
    token = make(store, cases[0])
    with store.write() as connection:
        set_case_state(connection, cases[0], "closed", OWNER, AT)
    assert open_at(store, token, AT) == cases[0].id


def test_a_case_has_a_bounded_number_of_links_in_force(
    store: Database, cases: tuple[CaseRow, CaseRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_LINKS == 50
    monkeypatch.setattr(case_links, "MAX_LINKS", 2)
    monkeypatch.setattr(case_links, "_MOST_LISTED", 3)
    early = [make(store, cases[0], end=later(AT, 60)) for _ in range(2)]
    with pytest.raises(UsageError, match="has 2 links in force"):
        make(store, cases[0])
    make(store, cases[1])
    after, late = later(AT, 60), later(AT, 120)
    make(store, cases[0], at=late)
    with store.read() as connection:
        newest, *others = load_case_links(connection, cases[0].id, after)
        assert newest.made_at == late and [each.made_at for each in others] == [AT, AT]
    with store.write() as connection:
        assert revoke_case_link(connection, cases[0], newest.id, OWNER, late)
    make(store, cases[0], at=after)
    with store.read() as connection:
        listed = load_case_links(connection, cases[0].id, late)
    assert [each.state_at(late) for each in listed] == ["in-force", "revoked", "expired"]
    assert len(early) == 2


def test_a_restored_store_has_the_cases_and_no_links(
    store: Database, cases: tuple[CaseRow, CaseRow], tmp_path: Path
) -> None:
    token = make(store, cases[0])
    with store.read() as connection:
        people = load_people(connection)
    with closing(create_database(SqliteFile(tmp_path / "restored.db"))) as restored:
        with restored.write() as connection:
            insert_people(connection, people)
        with restored.read() as connection:
            assert load_case_links(connection, cases[0].id, AT) == []
            actions = [event.action for event in load_events(connection, "acme", 10)]
        assert open_at(restored, token, AT) is None
    assert actions[0] == "case-link-made"
