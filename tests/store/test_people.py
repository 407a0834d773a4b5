"""People, tenants, invitations and sessions in stores of both kinds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from anchor.base.errors import UsageError
from anchor.people.actors import Actor
from anchor.people.stated_person import StatedPerson
from anchor.store.api_keys import create_key, find_key_by_id, load_usage, revoke_key
from anchor.store.browser_sessions import (
    Holder,
    begin_session,
    end_sessions,
    find_session,
    load_sessions,
    touch_session,
)
from anchor.store.database import Database, create_database
from anchor.store.invitations import (
    create_invitation,
    find_invitation,
    load_invitations,
    use_invitation,
    withdraw_invitation,
)
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.memberships import (
    add_member,
    change_role,
    create_own_tenant,
    ensure_tenant,
    load_members,
    load_memberships,
    remove_member,
)
from anchor.store.people_transfer import insert_people, load_people
from anchor.store.persons import find_persons, recognise_person
from anchor.store.schema import invitations, sessions
from anchor.store.schema import people as people_table
from anchor.store.tenant_events import load_day, load_events
from anchor.store.tenant_keys import issue_key, key_id_of, load_tenant_keys, withdraw_key

AT, LATER, NEXT_DAY = (
    "2026-03-01T10:00:00.000Z",
    "2026-03-01T10:05:30.000Z",
    "2026-03-02T00:00:00.000Z",
)
OPERATOR = Actor("operator", "root")
ANN = StatedPerson(
    issuer="https://id.example", subject="1", name="Ann", email="a@x.org", email_verified=True
)


@pytest.fixture
def database(location: StoreLocation) -> Iterator[Database]:
    with closing(create_database(location)) as database:
        yield database


def make_people(database: Database, *names: str, tenant: str = "acme") -> list[str]:
    """Create a tenant and these persons, the first of them its owner."""
    with database.write() as connection:
        ensure_tenant(connection, tenant, OPERATOR, AT)
        people = [
            recognise_person(connection, replace(ANN, subject=name, name=name), AT)
            for name in names
        ]
        if people:
            add_member(connection, tenant, people[0], "owner", OPERATOR, AT)
    return people


def actions(database: Database, tenant: str = "acme") -> list[str]:
    with database.read() as connection:
        return [event.action for event in load_events(connection, tenant, 100)][::-1]


def test_a_person_is_known_by_provider_and_subject_never_by_address(database: Database) -> None:
    with database.write() as connection:
        ann = recognise_person(connection, ANN, AT)
        assert recognise_person(connection, replace(ANN, name="Anna", email=None), LATER) == ann
        assert find_persons(connection, [ann])[ann].name == "Anna"
        others = {
            recognise_person(connection, replace(ANN, issuer=issuer, subject=subject), AT)
            for issuer, subject in ((ANN.issuer, "2"), (f"{ANN.issuer}/", "1"), (ANN.issuer, "1 "))
        }
    assert len(others) == 3 and ann not in others


def test_a_person_who_signs_in_twice_at_the_same_moment_is_one(database: Database) -> None:
    ids: list[str] = []

    def sign_in() -> None:
        ids.append(database.write_with_retry(lambda own: recognise_person(own, ANN, LATER)))

    thread = threading.Thread(target=sign_in)
    with database.write() as connection:
        ids.append(recognise_person(connection, ANN, AT))
        thread.start()
        thread.join(0.3)
        assert thread.is_alive(), "it waits for the other one"
    thread.join()
    assert len(ids) == 2 and len(set(ids)) == 1
    with database.read() as connection:
        assert len(connection.execute(select(people_table)).all()) == 1


def test_of_two_persons_at_the_same_moment_one_uses_an_invitation(database: Database) -> None:
    people = make_people(database, "owner", "b", "c")
    for _ in range(5):
        with database.write() as connection:
            for person in people[1:]:
                remove_member(connection, "acme", person, OPERATOR, AT)
            token = create_invitation(
                connection, "acme", "member", OPERATOR,
                email=None, made_at=AT, expires_at=NEXT_DAY,
            )  # fmt: skip
        results: list[object] = []
        barrier = threading.Barrier(2)

        def use(
            person: str,
            barrier: threading.Barrier = barrier,
            results: list[object] = results,
            token: str = token,
        ) -> None:
            barrier.wait()
            results.append(
                database.write_with_retry(
                    lambda connection: use_invitation(connection, token, person, LATER)
                )
            )

        threads = [threading.Thread(target=use, args=(person,)) for person in people[1:]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(result is None for result in results) == [False, True]
        with database.read() as connection:
            assert len(load_members(connection, "acme")) == 2
            assert find_invitation(connection, token, LATER) is None


def test_an_invitation_is_open_until_it_is_used_withdrawn_or_expired(database: Database) -> None:
    owner, other = make_people(database, "owner", "b")
    with database.write() as connection:
        tokens = [
            create_invitation(
                connection, "acme", "reader", OPERATOR,
                email="b@x.org", made_at=AT, expires_at=NEXT_DAY,
            )
            for _ in range(2)
        ]  # fmt: skip
        first, second = load_invitations(connection, "acme", LATER)
        assert load_invitations(connection, "acme", NEXT_DAY) == []
        assert find_invitation(connection, tokens[0], NEXT_DAY) is None
        assert find_invitation(connection, tokens[0].upper(), LATER) is None
        assert find_invitation(connection, "é", LATER) is None
        stored = connection.execute(select(invitations.c.token_hash)).scalars().all()
        assert not any(bytes.fromhex(token) in stored for token in tokens)
        # A member who follows the link does not use it up.
        used = use_invitation(connection, tokens[0], owner, LATER)
        assert used is not None and not used[1]
        assert not withdraw_invitation(connection, "other", first.id, OPERATOR, LATER)
        assert withdraw_invitation(connection, "acme", first.id, OPERATOR, LATER)
        assert not withdraw_invitation(connection, "acme", first.id, OPERATOR, LATER)
        rest = tokens[0] if find_invitation(connection, tokens[0], LATER) else tokens[1]
        used = use_invitation(connection, rest, other, LATER)
        assert used is not None and used[1] and used[0].id == second.id
        assert use_invitation(connection, rest, other, LATER) is None
        assert [each.role for each in load_memberships(connection, other)] == ["reader"]


def test_the_last_owner_stays(database: Database) -> None:
    owner, other = make_people(database, "owner", "b")
    actor = Actor("person", owner)
    with database.write() as connection:
        add_member(connection, "acme", other, "member", actor, AT)
        assert not add_member(connection, "acme", other, "owner", actor, AT)
        with pytest.raises(UsageError):
            change_role(connection, "acme", owner, "member", actor, AT)
        with pytest.raises(UsageError):
            remove_member(connection, "acme", owner, actor, AT)
        assert change_role(connection, "acme", other, "owner", actor, AT)
        assert remove_member(connection, "acme", owner, actor, AT)
        assert not change_role(connection, "acme", owner, "owner", actor, AT)
        assert not remove_member(connection, "other", other, actor, AT)
    assert actions(database) == [
        "tenant-created", "member-joined", "member-joined", "role-changed", "member-left",
    ]  # fmt: skip


def test_two_owners_cannot_demote_each_other_at_the_same_moment(database: Database) -> None:
    people = make_people(database, "a", "b")
    with database.write() as connection:
        add_member(connection, "acme", people[1], "owner", OPERATOR, AT)
    refused: list[UsageError] = []

    def demote() -> None:
        try:
            database.write_with_retry(
                lambda own: change_role(own, "acme", people[1], "reader", OPERATOR, AT)
            )
        except UsageError as error:
            refused.append(error)

    thread = threading.Thread(target=demote)
    with database.write() as connection:
        assert change_role(connection, "acme", people[0], "reader", OPERATOR, AT)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive(), "it waits for the other one"
    thread.join()
    assert len(refused) == 1
    with database.read() as connection:
        assert sorted(each.role for each in load_members(connection, "acme")) == ["owner", "reader"]


def test_a_tenant_of_ones_own_is_made_once(database: Database) -> None:
    (person,) = make_people(database, "a")
    with database.write() as connection:
        with pytest.raises(UsageError):
            create_own_tenant(connection, person, AT)
        stranger = recognise_person(connection, replace(ANN, subject="s"), AT)
        tenant = create_own_tenant(connection, stranger, AT)
        assert [each.role for each in load_memberships(connection, stranger)] == ["owner"]
    assert actions(database, tenant) == ["tenant-created", "member-joined"]


def test_a_session_is_found_by_its_token_only_and_ends(database: Database) -> None:
    (person,) = make_people(database, "a")
    holder = Holder(person=person)
    with database.write() as connection:
        tokens = [begin_session(connection, holder, "Firefox\x00" * 90, AT) for _ in range(3)]
        session = find_session(connection, tokens[0], LATER)
        assert session is not None and session.person is not None and session.key is None
        assert (session.person.id, len(session.row.browser)) == (person, 200)
        stored = connection.execute(select(sessions)).all()
        assert all(bytes.fromhex(token) not in tuple(row) for token in tokens for row in stored)
        assert all(token not in tuple(row) for token in tokens for row in stored)
        for wrong in ("", tokens[0].upper(), session.row.id, tokens[0] + "\n", "ü" * 64):
            assert find_session(connection, wrong, LATER) is None
        touch_session(connection, session.row.id, LATER)
        used = {row.id: row.used_at for row in load_sessions(connection, holder, LATER)}
        assert used[session.row.id] == "2026-03-01T10:05Z" and len(used) == 3
        assert find_session(connection, tokens[0], "2026-03-01T22:00:00.000Z") is None
        assert end_sessions(connection, Holder(person="other"), LATER, session.row.id) == 0
        assert end_sessions(connection, holder, LATER, session.row.id) == 1
        assert find_session(connection, tokens[0], LATER) is None
        assert find_session(connection, tokens[1], LATER) is not None
        assert end_sessions(connection, holder, LATER) == 2
        assert find_session(connection, tokens[1], LATER) is None
        begin_session(connection, holder, "", NEXT_DAY)
        assert len(connection.execute(select(sessions)).all()) == 1, "expired rows are removed"


def test_a_session_of_a_key_ends_with_the_key(database: Database) -> None:
    with database.write() as connection:
        key = issue_key(connection, "ops", ["admin"], OPERATOR, at=AT, expires_at=LATER)
        token = begin_session(connection, Holder(api_key=key_id_of(key)), "", AT)
        assert find_session(connection, token, AT) is not None
        assert find_session(connection, token, LATER) is None
        revoke_key(connection, key, AT)
        assert find_session(connection, token, AT) is None


def test_keys_are_changed_within_their_tenant_and_noted(database: Database) -> None:
    with database.write() as connection:
        key = issue_key(connection, "acme", ["read"], OPERATOR, at=AT, expires_at=None)
        id = key_id_of(key)
        with pytest.raises(UsageError):
            withdraw_key(connection, id, OPERATOR, LATER, tenant="other")
        with pytest.raises(UsageError):
            withdraw_key(connection, key, OPERATOR, LATER, tenant="acme")
        own = key_id_of(create_key(connection, "acme", ["admin", "read"], created_at=AT))
        with pytest.raises(UsageError):
            withdraw_key(connection, own, OPERATOR, LATER, tenant="acme")
        assert [each.id for each in load_tenant_keys(connection, "acme")] == [id]
        stored = find_key_by_id(connection, id)
        assert stored is not None and stored.revoked_at is None
        assert withdraw_key(connection, id, OPERATOR, LATER, tenant="acme") == id
        withdraw_key(connection, id, OPERATOR, NEXT_DAY)
        events = load_events(connection, "acme", 10)
        assert not any(key.rpartition("_")[2] in event.details for event in events)
    assert actions(database) == ["tenant-created", "key-created", "key-revoked"]


def test_events_are_paged_and_their_lines_are_those_of_the_day(database: Database) -> None:
    make_people(database, "a", "b")
    with database.write() as connection:
        for number in range(5):
            issue_key(connection, "acme", ["read"], OPERATOR, at=LATER, expires_at=None)
            ensure_tenant(connection, f"other-{number}", OPERATOR, NEXT_DAY)
        seen: list[int] = []
        before = None
        while page := load_events(connection, "acme", 3, before=before):
            seen += [event.id for event in page]
            before = seen[-1]
        assert len(seen) == 7 and seen == sorted(seen, reverse=True)
        assert [event.id for event in load_day(connection, "acme", "2026-03-01")] == seen[::-1]
        assert load_day(connection, "acme", "2026-03-0") == []
        assert load_day(connection, "acme", "%") == []
        line = load_day(connection, "acme", "2026-03-01")[0].line()
    assert line == (
        b'{"action":"tenant-created","actor":"operator:root","at":"2026-03-01T10:00:00.000Z",'
        b'"details":{},"subject":null}\n'
    )


def test_people_move_to_another_store_but_sessions_invitations_and_keys_do_not(
    database: Database, tmp_path: Path
) -> None:
    owner, other = make_people(database, "a", "b")
    with database.write() as connection:
        add_member(connection, "acme", other, "auditor", OPERATOR, AT)
        begin_session(connection, Holder(person=owner), "", AT)
        create_invitation(
            connection, "acme", "reader", OPERATOR, email=None, made_at=AT, expires_at=NEXT_DAY
        )
        issue_key(connection, "acme", ["read"], OPERATOR, at=AT, expires_at=None)
        stored = load_people(connection)
        lines = [event.line() for event in load_day(connection, "acme", "2026-03-01")]
        members = load_members(connection, "acme")
    with closing(create_database(SqliteFile(tmp_path / "restored.db"))) as restored:
        with restored.write() as connection:
            insert_people(connection, stored)
        with restored.write() as connection:
            assert load_members(connection, "acme") == members
            assert [each.line() for each in load_day(connection, "acme", "2026-03-01")] == lines
            assert [each.tenant for each in load_usage(connection, AT[:10])] == ["acme"]
            assert load_invitations(connection, "acme", AT) == []
            assert connection.execute(select(sessions)).all() == []
            # New events continue behind the copied ones.
            ensure_tenant(connection, "later", OPERATOR, LATER)
