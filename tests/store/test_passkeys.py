"""Passkeys in stores of both kinds: limits, answered challenges, counters and sessions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import func, select

from anchor.base.errors import UsageError
from anchor.base.system.clock import utc_now
from anchor.people.actors import Actor
from anchor.people.lifetimes import later
from anchor.people.passkey_rules import CHALLENGE_SECONDS, MOST_PASSKEYS, NewPasskey
from anchor.people.stated_person import StatedPerson
from anchor.store.browser_sessions import Holder, begin_session, find_session, load_sessions
from anchor.store.database import Database, create_database
from anchor.store.location import StoreLocation
from anchor.store.memberships import add_member, ensure_tenant
from anchor.store.passkeys import (
    Use,
    add_passkey,
    find_passkey,
    load_passkeys,
    remove_passkey,
    rename_passkey,
    use_passkey,
)
from anchor.store.persons import recognise_person
from anchor.store.schema import answered_challenges, tenant_events
from anchor.store.tenant_events import load_events

AT = "2026-03-01T10:00:00.000Z"
ROOT = Actor("operator", "root")


@pytest.fixture
def store(location: StoreLocation) -> Iterator[Database]:
    with closing(create_database(location)) as created:
        yield created


@pytest.fixture
def ann(store: Database) -> str:
    """A member of two tenants."""
    stated = StatedPerson(
        issuer="https://id.example", subject="1", name="Ann", email=None, email_verified=False
    )
    with store.write() as connection:
        id = recognise_person(connection, stated, AT)
        for tenant in ("acme", "guild"):
            ensure_tenant(connection, tenant, ROOT, AT)
            add_member(connection, tenant, id, "member", ROOT, AT)
    return id


def new(number: int, sign_count: int = 0) -> NewPasskey:
    return NewPasskey(
        credential=b"credential %d" % number, public_key=b"key", sign_count=sign_count
    )


def add(store: Database, person: str, number: int, sign_count: int = 0) -> str:
    with store.write() as connection:
        made = new(number, sign_count)
        return add_passkey(connection, person, made, "Phone", b"made %d" % number, AT)


def use(store: Database, id: str, count: int, challenge: bytes, at: str = AT) -> Use:
    with store.write() as connection:
        return use_passkey(connection, id, count, challenge, at)


def actions(store: Database, tenant: str) -> list[str]:
    with store.read() as connection:
        events = load_events(connection, tenant, 100)[::-1]
    return [each.action for each in events if each.action.startswith("passkey-")]


def test_every_change_is_in_the_audit_trail_of_each_tenant(store: Database, ann: str) -> None:
    id = add(store, ann, 1)
    assert use(store, id, 0, b"a") == "accepted"
    with store.write() as connection:
        assert rename_passkey(connection, ann, id, "Key", AT)
        assert not rename_passkey(connection, "other", id, "Key", AT)
        assert not remove_passkey(connection, "other", id, AT)
        (passkey,) = load_passkeys(connection, ann)
        assert (passkey.name, passkey.used_at) == ("Key", AT)
        assert find_passkey(connection, b"credential 1") == passkey
        assert remove_passkey(connection, ann, id, AT)
        assert not remove_passkey(connection, ann, id, AT)
        subjects = connection.execute(
            select(tenant_events.c.subject).where(tenant_events.c.action == "passkey-used")
        ).scalars()
        assert list(subjects) == [id, id]
    for tenant in ("acme", "guild"):
        assert actions(store, tenant) == [
            "passkey-added", "passkey-used", "passkey-renamed", "passkey-removed"
        ]  # fmt: skip
    assert use(store, id, 0, b"b") == "unknown"


def test_a_challenge_is_answered_once_and_forgotten_after_its_time(
    store: Database, ann: str
) -> None:
    id = add(store, ann, 1)
    assert use(store, id, 0, b"a") == "accepted"
    assert use(store, id, 0, b"a") == "answered-before"
    with pytest.raises(UsageError, match="used before"), store.write() as connection:
        add_passkey(connection, ann, new(2), "Key", b"a", AT)
    assert use(store, id, 0, b"b", later(AT, CHALLENGE_SECONDS)) == "accepted"
    with store.read() as connection:
        kept = connection.execute(select(answered_challenges.c.challenge)).scalars()
        assert list(kept) == [b"b"]


def test_two_answers_to_one_challenge_at_the_same_moment_are_one_sign_in(
    store: Database, ann: str
) -> None:
    id = add(store, ann, 1)
    uses: list[Use] = []

    def answer() -> None:
        uses.append(
            store.write_with_retry(lambda connection: use_passkey(connection, id, 0, b"a", AT))
        )

    threads = [threading.Thread(target=answer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(uses) == ["accepted"] + 3 * ["answered-before"]


def test_a_counter_that_does_not_grow_is_refused_and_changes_nothing(
    store: Database, ann: str
) -> None:
    id = add(store, ann, 1, sign_count=5)
    assert use(store, id, 6, b"a") == "accepted"
    for number, count in enumerate((6, 5, 0)):
        assert use(store, id, count, b"%d" % number) == "counter"
    assert use(store, id, 7, b"b") == "accepted"
    refused = actions(store, "guild")
    assert refused.count("passkey-refused") == 3 and refused.count("passkey-used") == 2


def test_nobody_has_too_many_and_no_passkey_is_two_peoples(store: Database, ann: str) -> None:
    for number in range(MOST_PASSKEYS):
        add(store, ann, number)
    with pytest.raises(UsageError, match="the most"):
        add(store, ann, MOST_PASSKEYS)
    with store.write() as connection:
        stated = StatedPerson(
            issuer="https://id.example", subject="2", name="Ben", email=None, email_verified=False
        )
        ben = recognise_person(connection, stated, AT)
    with pytest.raises(UsageError, match="belong to a tenant"):
        add(store, ben, 99)
    with store.write() as connection:
        add_member(connection, "acme", ben, "reader", ROOT, AT)
    with pytest.raises(UsageError, match="registered already"), store.write() as connection:
        add_passkey(connection, ben, new(1), "Stolen", b"other", AT)
    with store.read() as connection:
        assert load_passkeys(connection, ben) == []
        assert connection.execute(
            select(func.count()).select_from(answered_challenges)
        ).scalar_one() == MOST_PASSKEYS, "what failed leaves nothing"  # fmt: skip


def test_the_sessions_of_a_passkey_end_with_it(store: Database, ann: str) -> None:
    id, at = add(store, ann, 1), utc_now()
    with store.write() as connection:
        token = begin_session(connection, Holder(person=ann), "Test", at, passkey=id)
        other = begin_session(connection, Holder(person=ann), "Test", at)
    with store.write() as connection:
        assert find_session(connection, token, at) is not None
        assert remove_passkey(connection, ann, id, at)
        # One that is begun at the very moment of the removal never stands.
        late = begin_session(connection, Holder(person=ann), "Test", at, passkey=id)
    with store.read() as connection:
        assert find_session(connection, token, at) is None
        assert find_session(connection, late, at) is None
        assert find_session(connection, other, at) is not None
        listed = load_sessions(connection, Holder(person=ann), at)
        assert [each.passkey for each in listed] == [None]
