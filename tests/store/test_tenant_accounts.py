"""What an operator sees and changes of tenants and messages, in stores of both kinds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, func, insert, select
from support.stores import NOW

from anchor.people.actors import Actor
from anchor.people.stated_person import StatedPerson
from anchor.store.api_keys import (
    Quota,
    TenantUsage,
    count_usage,
    create_key,
    find_key,
    load_usage,
    revoke_key,
)
from anchor.store.database import Database, create_database
from anchor.store.deliveries import find_delivery
from anchor.store.jobs import JobQueue, order_job
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.memberships import add_member, ensure_tenant, load_memberships
from anchor.store.operator_queues import (
    count_jobs,
    give_up,
    hasten_job,
    load_failing_jobs,
    load_troubled,
    measure_tables,
    redeliver,
)
from anchor.store.people_transfer import insert_people, load_people
from anchor.store.persons import recognise_person
from anchor.store.schema import deliveries, jobs
from anchor.store.tenant_accounts import (
    change_limits,
    load_accounts,
    resume_tenant,
    suspend_tenant,
)
from anchor.store.tenant_events import load_events
from anchor.store.webhooks import create_webhook

OPERATOR = Actor("key", "0123456789ab")
LATER = "2026-01-01T00:05:00.000Z"
ANN = StatedPerson(
    issuer="https://id.example", subject="1", name="Ann", email="a@x.org", email_verified=True
)


@pytest.fixture
def database(location: StoreLocation) -> Iterator[Database]:
    with closing(create_database(location)) as created:
        yield created


def fill(connection: Connection) -> tuple[str, str, str]:
    """Make two tenants, one of them with a person and two keys; return person and keys."""
    ensure_tenant(connection, "acme", OPERATOR, NOW)
    ensure_tenant(connection, "other", OPERATOR, NOW)
    person = recognise_person(connection, ANN, NOW)
    add_member(connection, "acme", person, "owner", OPERATOR, NOW)
    limits = Quota(per_day=9)
    key = create_key(connection, "acme", ["submit"], created_at=NOW, limits=limits)
    admin = create_key(connection, "acme", ["admin"], created_at=NOW)
    gone = create_key(connection, "acme", ["read"], created_at=NOW)
    revoke_key(connection, gone, NOW)
    return person, key, admin


def test_an_account_has_its_tenants_figures_and_no_others(database: Database) -> None:
    with database.write() as connection:
        fill(connection)
        count_usage(connection, "acme", 3, "2025-12-30T10:00:00.000Z")
        count_usage(connection, "acme", 4, NOW)
        acme, other = load_accounts(connection, NOW[:10])
    assert (acme.name, acme.members, acme.keys, acme.accepted, acme.today) == ("acme", 1, 2, 7, 4)
    assert (acme.last_day, acme.limits, acme.suspended_at) == (NOW[:10], Quota(per_day=9), None)
    expected = replace(other, members=0, keys=0, accepted=0, today=0, last_day=None, limits=Quota())
    assert other == expected and other.name == "other"


def test_a_suspended_tenants_keys_and_people_are_told_apart_and_come_back(
    database: Database,
) -> None:
    with database.write() as connection:
        person, key, admin = fill(connection)
        assert suspend_tenant(connection, "acme", "not paid", OPERATOR, NOW)
        assert suspend_tenant(connection, "acme", "again", OPERATOR, LATER)
        assert not suspend_tenant(connection, "nobody", "x", OPERATOR, NOW)
        stored, operators = find_key(connection, key), find_key(connection, admin)
        assert stored is not None and stored.is_suspended and not stored.stands_at(NOW)
        assert operators is not None and operators.stands_at(NOW)
        assert [each.is_suspended for each in load_memberships(connection, person)] == [True]
        assert load_accounts(connection, NOW[:10])[0].suspended_at == NOW
        kept = load_people(connection)
        assert resume_tenant(connection, "acme", OPERATOR, LATER)
        assert not resume_tenant(connection, "nobody", OPERATOR, LATER)
        renewed = find_key(connection, key)
        assert renewed is not None and renewed.stands_at(LATER)
        noted = [(event.action, json.loads(event.details)) for event in
                 load_events(connection, "acme", 2)]  # fmt: skip
    assert noted == [("tenant-resumed", {}), ("tenant-suspended", {"reason": "not paid"})]
    assert any(row.get("suspended_at") == NOW for rows in kept.tables for row in rows)


def test_a_suspension_is_restored_from_a_backup(database: Database, tmp_path: Path) -> None:
    with database.write() as connection:
        fill(connection)
        suspend_tenant(connection, "acme", "not paid", OPERATOR, NOW)
        stored = load_people(connection)
    location = SqliteFile(tmp_path / "restored.db")
    with closing(create_database(location)) as restored, restored.write() as connection:
        insert_people(connection, stored)
        assert load_accounts(connection, NOW[:10])[0].suspended_at == NOW


def test_quotas_are_changed_and_noted_once(database: Database) -> None:
    with database.write() as connection:
        fill(connection)
        for _ in range(2):
            assert change_limits(connection, "acme", Quota(per_minute=5), OPERATOR, NOW)
        assert not change_limits(connection, "nobody", Quota(), OPERATOR, NOW)
        assert load_accounts(connection, NOW[:10])[0].limits == Quota(per_minute=5)
        events = [each for each in load_events(connection, "acme", 9)
                  if each.action == "quota-changed"]  # fmt: skip
    assert [json.loads(event.details) for event in events] == [{"per_minute": "5"}]


def test_failing_jobs_are_counted_listed_and_hastened(database: Database) -> None:
    with database.write() as connection:
        for about in ("a", "b", "c"):
            order_job(connection, "certificate", about, due_at=NOW)
        order_job(connection, "webhook", "m", due_at=LATER)
    queue = JobQueue(database)
    taken = queue.take(("certificate",), at=NOW, until=LATER)
    assert taken is not None
    queue.put_off(taken, due_at=LATER, has_failed=True)
    with database.write() as connection:
        counts = [(each.kind, each.waiting, each.due, each.failing, each.due_at)
                  for each in count_jobs(connection, NOW)]  # fmt: skip
        assert counts == [("certificate", 3, 2, 1, NOW), ("webhook", 1, 0, 0, LATER)]
        (failing,) = load_failing_jobs(connection)
        assert (failing.about, failing.failures, failing.due_at) == (taken.about, 1, LATER)
        assert hasten_job(connection, failing.id, NOW)
        assert not hasten_job(connection, failing.id + 1, NOW)
        assert load_failing_jobs(connection)[0].due_at == NOW


def add_delivery(connection: Connection, name: str, webhook: str, **values: object) -> str:
    common = {"message": name, "tenant": "acme", "webhook": webhook, "event": "key.created",
              "body": "{}", "made_at": NOW, "begun_at": NOW}  # fmt: skip
    connection.execute(insert(deliveries).values(**common, **values))
    return name


def count_jobs_of(connection: Connection, message: str, due_at: str) -> int:
    wanted = (jobs.c.about == message) & (jobs.c.due_at == due_at)
    return connection.execute(select(func.count()).where(wanted)).scalar_one()


def test_messages_that_failed_are_sent_again_or_given_up_by_hand(database: Database) -> None:
    with database.write() as connection:
        fill(connection)
        hook = create_webhook(connection, "acme", "https://x.example/", ("key.created",),
                              OPERATOR, NOW, secret="whsec_AAAA").id  # fmt: skip
        dead = add_delivery(connection, "dead", hook, state="failed", attempts=5, trouble="time")
        waits = add_delivery(connection, "waits", hook, state="waiting", attempts=2, due_at=LATER)
        fresh = add_delivery(connection, "fresh", hook, state="waiting", attempts=0)
        done = add_delivery(connection, "done", hook, state="delivered", attempts=1)
        for message in (waits, fresh):
            order_job(connection, "webhook", message, due_at=LATER)
        assert [each.message for each in load_troubled(connection)] == [waits, dead]
        for other in (fresh, done, "none"):
            assert not redeliver(connection, other, NOW) and not give_up(connection, other)
        assert redeliver(connection, waits, NOW) and redeliver(connection, dead, NOW)
        assert [count_jobs_of(connection, name, NOW) for name in (waits, dead)] == [1, 1]
        again = find_delivery(connection, dead)
        assert again is not None and (again.state, again.attempts) == ("waiting", 0)
        assert not give_up(connection, dead)  # nothing of it failed since
        assert give_up(connection, waits) and not give_up(connection, waits)
        ended = find_delivery(connection, waits)
        assert ended is not None and (ended.state, ended.due_at) == ("failed", None)
        # Its job is there still, and becomes the job of the next attempt.
        assert redeliver(connection, waits, LATER)
        assert count_jobs_of(connection, waits, LATER) == 1
        assert count_jobs_of(connection, waits, NOW) == 0


def test_the_room_of_the_store_is_measured(database: Database) -> None:
    with database.read() as connection:
        sizes = measure_tables(connection)
    assert sizes and all(size > 0 for size in sizes.values())
    assert "database" in sizes or "deliveries" in sizes


def test_a_page_of_usage_is_one_query_for_its_tenants_only(database: Database) -> None:
    names, queries = [f"tenant-{number}" for number in range(5)], []
    with database.write() as connection:
        for number, name in enumerate(names):
            ensure_tenant(connection, name, OPERATOR, NOW)
            count_usage(connection, name, 10 + number, NOW)
            count_usage(connection, name, 7, "2025-12-30T10:00:00.000Z")
        ensure_tenant(connection, "unused", OPERATOR, NOW)
    with database.read() as connection:

        @event.listens_for(connection, "after_cursor_execute")
        def note(*_: object) -> None:
            queries.append(1)

        page = load_usage(connection, NOW[:10], after=names[1], limit=2)
        assert queries == [1]
        assert [(each.tenant, each.accepted) for each in page] == [(names[2], 12), (names[3], 13)]
        (unused,) = load_usage(connection, NOW[:10], after=names[4])
        assert unused == TenantUsage(tenant="unused", accepted=0, limits=Quota())
