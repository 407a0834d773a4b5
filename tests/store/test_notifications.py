"""Announcements are made with the change, messages of them once, and webhooks end in time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import Connection, func, select
from support.stores import TenantJob, make_item

from anchor.base.errors import UsageError
from anchor.base.types import ChainId
from anchor.notifications.event_types import NOTIFICATION_TYPES
from anchor.people.actors import Actor
from anchor.people.lifetimes import later
from anchor.people.stated_person import StatedPerson
from anchor.store.announcements import (
    ANNOUNCEMENT_JOB,
    Announcement,
    announce,
    announce_final,
    find_announcement,
    list_listening_tenants,
)
from anchor.store.api_keys import Quota
from anchor.store.certificates import (
    request_certificate,
    revoke_certificate,
    save_issue,
    save_refusal,
)
from anchor.store.columns import NewEvidence
from anchor.store.database import Database, create_database
from anchor.store.deliveries import (
    MAIL_JOB,
    MOST_KEPT,
    WEBHOOK_JOB,
    Delivery,
    DeliveryAttempt,
    count_deliveries,
    find_delivery,
    load_deliveries,
    save_attempt,
    send_again,
    settle_announcement,
)
from anchor.store.erasures import erase_rows, find_by_leaves
from anchor.store.evidence_insertion import append_new
from anchor.store.final_evidence import count_by_tenant, load_final_page
from anchor.store.heads import AnchoredHead, load_heads, save_anchor
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.mail_choices import (
    end_mail,
    ensure_token,
    find_by_token,
    find_mail_choice,
    save_mail_choice,
)
from anchor.store.memberships import add_member, change_role, ensure_tenant, remove_member
from anchor.store.people_transfer import insert_people, load_people
from anchor.store.persons import recognise_person
from anchor.store.quota import admit
from anchor.store.runs import lock_intake
from anchor.store.schema import announcements, deliveries, jobs, webhooks
from anchor.store.sealing import seal
from anchor.store.tenant_events import load_events
from anchor.store.tenant_keys import issue_key, key_id_of, withdraw_key
from anchor.store.webhooks import (
    MAX_WEBHOOKS,
    Webhook,
    change_webhook,
    create_webhook,
    find_webhook,
    load_webhooks,
    remove_webhook,
    rotate_secret,
)

AT, LATER = "2026-03-01T10:00:00.000Z", "2026-03-01T10:05:30.000Z"
OPERATOR = Actor("operator", "root")
URL = "https://receiver.example/secret-path"
ANN = StatedPerson(
    issuer="https://id.example", subject="1", name="Ann", email="a@x.org", email_verified=True
)
CHAIN = ChainId(31337)


@pytest.fixture
def database(location: StoreLocation) -> Iterator[Database]:
    with closing(create_database(location)) as database:
        with database.write() as connection:
            for tenant in ("acme", "other"):
                ensure_tenant(connection, tenant, OPERATOR, AT)
        yield database


def make_webhook(connection: Connection, *events: str, tenant: str = "acme") -> Webhook:
    named = [event for event in NOTIFICATION_TYPES if not events or event in events]
    return create_webhook(connection, tenant, URL, named, OPERATOR, AT, secret="whsec_AAAA")


def noted(connection: Connection) -> list[tuple[str | None, str, dict[str, object]]]:
    """Return the announcements in the order of their jobs."""
    query = select(jobs.c.about).where(jobs.c.kind == ANNOUNCEMENT_JOB).order_by(jobs.c.id)
    found = [find_announcement(connection, id) for id in connection.execute(query).scalars()]
    return [(each.tenant, each.event, dict(each.data)) for each in found if each is not None]


def settle(connection: Connection, *, has_mail: bool = True) -> None:
    """Make the messages of all announcements, as the service does."""
    query = select(jobs.c.about).where(jobs.c.kind == ANNOUNCEMENT_JOB).order_by(jobs.c.id)
    for id in connection.execute(query).scalars().all():
        announcement = find_announcement(connection, id)
        assert announcement is not None and announcement.tenant is not None
        body = json.dumps({"data": dict(announcement.data)})
        settle_announcement(
            connection, announcement, {announcement.tenant: body}, AT, has_mail=has_mail
        )
        connection.execute(jobs.delete().where(jobs.c.about == id))


def count_jobs(connection: Connection, kind: str) -> int:
    query = select(func.count()).where(jobs.c.kind == kind)
    return int(connection.execute(query).scalar_one())


def test_where_nobody_listens_nothing_is_noted(database: Database) -> None:
    with database.write() as connection:
        issue_key(connection, "acme", ["read"], OPERATOR, at=AT, expires_at=None)
        announce(connection, "acme", "quota.reached", {"per_cent": 80}, at=AT)
        assert noted(connection) == [] and list_listening_tenants(connection) == set()
        webhook = make_webhook(connection)
        announce(connection, "other", "quota.reached", {"per_cent": 80}, at=AT)
        assert noted(connection) == []
        connection.execute(webhooks.update().values(disabled_at=AT))
        announce(connection, "acme", "quota.reached", {"per_cent": 80}, at=AT)
        assert noted(connection) == []
        connection.execute(webhooks.update().values(disabled_at=None))
        announce(connection, "acme", "quota.reached", {"per_cent": 80}, at=AT)
        assert noted(connection) == [("acme", "quota.reached", {"per_cent": 80})]
        assert list_listening_tenants(connection) == {webhook.tenant}


def test_each_change_is_noted_with_it_or_not_at_all(database: Database) -> None:
    with database.write() as connection:
        make_webhook(connection)
        owner = recognise_person(connection, ANN, AT)
        add_member(connection, "acme", owner, "owner", OPERATOR, AT)
        bob = recognise_person(connection, replace(ANN, subject="2", name="Bob"), AT)
        add_member(connection, "acme", bob, "reader", OPERATOR, AT)
        add_member(connection, "acme", bob, "member", OPERATOR, AT)  # is one already
        change_role(connection, "acme", bob, "member", OPERATOR, AT)
        remove_member(connection, "acme", bob, OPERATOR, AT)
        key = issue_key(connection, "acme", ["read"], OPERATOR, at=AT, expires_at=None)
        issue_key(connection, "acme", ["admin"], OPERATOR, at=AT, expires_at=None)
        for at in (AT, LATER):
            withdraw_key(connection, key, OPERATOR, at)
        assert noted(connection) == [
            ("acme", "member.joined", {"person": owner, "role": "owner"}),
            ("acme", "member.joined", {"person": bob, "role": "reader"}),
            ("acme", "member.removed", {"person": bob, "role": "member", "left": False}),
            ("acme", "key.created", {"key": key_id_of(key), "scopes": "read"}),
            ("acme", "key.revoked", {"key": key_id_of(key)}),
        ]
        assert key not in str(connection.execute(select(announcements)).all())

    def fail(connection: Connection) -> None:
        issue_key(connection, "acme", ["read"], OPERATOR, at=AT, expires_at=None)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.write_with_retry(fail)
    with database.read() as connection:
        assert len(noted(connection)) == count_jobs(connection, ANNOUNCEMENT_JOB) == 5


def test_a_certificates_end_is_noted_once(database: Database) -> None:
    with database.write() as connection:
        make_webhook(connection)
        identities = [make_item(number).identity for number in range(2)]
        issued, refused = (
            request_certificate(connection, "acme", identity, requested_by="key:1", at=AT)
            for identity in identities
        )
        for _ in range(2):
            save_issue(connection, issued.id, number="AC-1", issued_at=AT, files={"json": b"{}"})
            save_refusal(connection, issued.id, {"detail": "no"}, at=AT)
            revoke_certificate(connection, issued.id, reason="secret reason", at=AT)
        save_refusal(connection, refused.id, {"detail": "no"}, at=AT)
        revoke_certificate(connection, refused.id, reason="x", at=AT)
        about = {"certificate": issued.id, "number": "AC-1", "evidence": identities[0].hex()}
        other = {"certificate": refused.id, "evidence": identities[1].hex()}
        assert noted(connection) == [
            ("acme", "certificate.issued", about),
            ("acme", "certificate.revoked", about),
            ("acme", "certificate.refused", other),
        ]


def test_the_quotas_levels_are_noted_once_a_day(database: Database) -> None:
    limits = Quota(per_day=10, per_minute=None)

    def submit(*numbers: int, at: str = AT) -> None:
        items = [make_item(number) for number in numbers]
        with database.write() as connection:
            admit(connection, [TenantJob(items, limits=limits)], at)

    with database.write() as connection:
        make_webhook(connection)
    submit(*range(7))
    submit(*range(7))  # known already
    submit(7)
    submit(8)
    submit(9, 10, 11)
    submit(12)
    submit(*range(20, 31), at="2026-03-02T00:00:00.000Z")
    with database.read() as connection:
        levels = [(data["per_cent"], data["accepted"]) for _, _, data in noted(connection)]
    assert levels == [(80, 8), (100, 10), (100, 10)]


def final(connection: Connection, size: int) -> AnchoredHead:
    """Store a final anchor of the head of this size, as finality does."""
    (head,) = (head for head in load_heads(connection) if head.size == size)
    anchored = AnchoredHead(
        head=head, sequence=size, block_number=size, timestamp=size,
        final=True, tx_hash=None, block_hash=None, final_at=AT,
    )  # fmt: skip
    save_anchor(connection, CHAIN, anchored)
    return anchored


def tenant_item(number: int, tenant: str | None) -> NewEvidence:
    item = make_item(number)
    return item if tenant is None else item._replace(source=f"tenant:{tenant}/{item.source}")


def test_what_becomes_final_is_noted_once_for_all_its_tenants(database: Database) -> None:
    owners = ["acme" if number % 3 == 0 else "other" if number % 3 == 1 else None
              for number in range(3_000)]  # fmt: skip
    sizes = (1_000, 2_500, 3_000)
    with database.write() as connection:
        make_webhook(connection)
        lock_intake(connection)
        append_new(connection, [tenant_item(*pair) for pair in enumerate(owners)], {})
    with database.hold_lease():
        for before, size in zip((0, *sizes), sizes, strict=False):
            seal(database, AT, most=size - before)
    with database.write() as connection:
        for size in (1_000, 3_000, 2_500):  # an older head may become final later
            announce_final(connection, CHAIN, final(connection, size))
        ranges = [(tenant, data["since"], data["size"]) for tenant, _, data in noted(connection)]
        assert ranges == [(None, 0, 1_000), (None, 1_000, 3_000)]
        counts = count_by_tenant(connection, 1_000, 3_000, {"acme"}, listed=5)
        assert counts.keys() == {"acme"}
        expected = [number for number in range(1_000, 3_000) if number % 3 == 0]
        assert counts["acme"].count == len(expected)
        assert counts["acme"].identities == [make_item(number).identity for number in expected[:5]]
        # The list behind the message leads through all of it.
        pages, after = [], 1_000
        while after < 3_000:
            page = load_final_page(connection, "acme", after, 3_000, 50)
            assert len(page.pieces) <= 50 and page.following > after
            pages += page.pieces
            after = page.following
        assert [index for index, _ in pages] == expected
        assert load_final_page(connection, "nobody", 0, 3_000, 50).pieces == ()
        assert load_final_page(connection, "acme", 9_000, 3_000, 50).following == 9_000


def test_a_message_is_made_once_for_each_that_wants_it(database: Database) -> None:
    with database.write() as connection:
        chosen = make_webhook(connection, "key.created")
        make_webhook(connection, "evidence.final")
        make_webhook(connection, "key.created", tenant="other")
        persons = {
            name: recognise_person(connection, replace(ANN, subject=name, **changes), AT)
            for name, changes in {
                "owner": {}, "quiet": {}, "unverified": {"email_verified": False},
                "without": {"email": None, "email_verified": False}, "reader": {},
            }.items()
        }  # fmt: skip
        for name, person in persons.items():
            role = "reader" if name == "reader" else "owner"
            add_member(connection, "acme", person, role, OPERATOR, AT)
        save_mail_choice(connection, persons["quiet"], ["evidence"], "zh")
        connection.execute(announcements.delete())
        connection.execute(jobs.delete())
        announce(connection, "acme", "key.created", {"key": "k", "scopes": "read"}, at=AT)
        settle(connection)
        rows = connection.execute(select(deliveries)).all()
        assert sorted((row.webhook, row.person) for row in rows if row.webhook) == [
            (chosen.id, None)
        ]
        assert [row.person for row in rows if row.person] == [persons["owner"]]
        assert noted(connection) == [] and len({row.message for row in rows}) == 2
        assert count_jobs(connection, WEBHOOK_JOB) == count_jobs(connection, MAIL_JOB) == 1
        announce(connection, "acme", "key.created", {"key": "k", "scopes": "read"}, at=AT)
        settle(connection, has_mail=False)
        assert count_jobs(connection, MAIL_JOB) == 1


def sent(connection: Connection, webhook: Webhook) -> Delivery:
    """Make a message to a webhook."""
    announce(connection, "acme", "key.revoked", {"key": "k"}, at=AT)
    settle(connection)
    return load_deliveries(connection, webhook.id)[0]


def test_a_webhook_that_fails_for_three_days_is_disabled_and_its_owners_are_told(
    database: Database,
) -> None:
    with database.write() as connection:
        webhook = make_webhook(connection)
        mirror = make_webhook(connection, "webhook.disabled")
        delivery = sent(connection, webhook)

        def fail(seconds: float, *, due: bool = True, **members: object) -> None:
            at = later(AT, seconds)
            attempt = DeliveryAttempt(
                at=at, trouble="status", status=500, due_at=later(at, 60) if due else None
            )
            save_attempt(connection, delivery, replace(attempt, **members))

        def state() -> tuple[str | None, str | None]:
            row = find_webhook(connection, "acme", webhook.id)
            assert row is not None
            return row.failing_since, row.disabled_at

        fail(0)
        fail(86_400)
        assert state() == (AT, None)
        save_attempt(connection, delivery, DeliveryAttempt(at=LATER, trouble=None, status=204))
        assert state() == (None, None)
        fail(86_400)
        since = later(AT, 86_400)
        fail(86_400 + 3 * 86_400)
        assert state() == (since, None)
        end = 86_400 + 3 * 86_400 + 1
        fail(end, due=False)
        assert state() == (since, later(AT, end))
        found = find_delivery(connection, delivery.message)
        assert found is not None and (found.state, found.status) == ("failed", 500)
        assert noted(connection) == [
            ("acme", "webhook.disabled",
             {"webhook": webhook.id, "host": "receiver.example", "failing_since": since})
        ]  # fmt: skip
        settle(connection)
        assert [each.event for each in load_deliveries(connection, mirror.id)] == [
            "webhook.disabled"
        ]
        # It gets nothing more, until an owner enables it.
        announce(connection, "acme", "key.revoked", {"key": "k"}, at=AT)
        settle(connection)
        assert len(load_deliveries(connection, webhook.id)) == 1
        assert change_webhook(
            connection, "acme", webhook.id, OPERATOR, AT, url=URL, events=["key.revoked"]
        )
        assert state() == (None, None)
        sent(connection, webhook)
        # Whoever answers that it is gone is asked no more.
        fail(0, due=False, status=410)
        assert state()[1] == AT


def test_a_settled_message_is_sent_again_with_the_same_id(database: Database) -> None:
    with database.write() as connection:
        webhook, other = make_webhook(connection), make_webhook(connection, "member.joined")
        delivery = sent(connection, webhook)
        assert not send_again(connection, webhook.id, delivery.message, LATER), "it waits"
        save_attempt(connection, delivery, DeliveryAttempt(at=AT, trouble=None, status=200))
        assert not send_again(connection, other.id, delivery.message, LATER)
        assert not send_again(connection, webhook.id, "msg_none", LATER)
        connection.execute(jobs.delete())
        assert send_again(connection, webhook.id, delivery.message, LATER)
        assert not send_again(connection, webhook.id, delivery.message, LATER)
        again = find_delivery(connection, delivery.message)
        assert again is not None and (again.state, again.begun_at) == ("waiting", LATER)
        assert count_jobs(connection, WEBHOOK_JOB) == 1


def test_of_the_settled_messages_of_a_webhook_the_newest_hundred_are_kept(
    database: Database,
) -> None:
    with database.write() as connection:
        webhook = make_webhook(connection)
        waiting = sent(connection, webhook)
        messages = []
        for _ in range(MOST_KEPT + 5):
            delivery = sent(connection, webhook)
            messages.append(delivery.message)
            save_attempt(connection, delivery, DeliveryAttempt(at=AT, trouble=None, status=200))
        shown = [each.message for each in load_deliveries(connection, webhook.id)]
        assert shown == messages[::-1][:MOST_KEPT]
        stored = connection.execute(select(func.count()).select_from(deliveries)).scalar_one()
        assert stored == MOST_KEPT + 1
        assert find_delivery(connection, waiting.message) is not None
        counts = count_deliveries(connection, AT)
        assert (counts.waiting, counts.failing, counts.given_up) == (1, 0, 0)
        attempt = DeliveryAttempt(at=AT, trouble="time", due_at=LATER)
        save_attempt(connection, waiting, attempt)
        assert count_deliveries(connection, AT).failing == 1
        save_attempt(connection, waiting, replace(attempt, due_at=None))
        counts = count_deliveries(connection, AT)
        assert (counts.waiting, counts.failing, counts.given_up) == (0, 0, 1)
        assert count_deliveries(connection, LATER).given_up == 0


def test_a_secret_is_rotated_with_a_day_for_both(database: Database) -> None:
    with database.write() as connection:
        webhook = make_webhook(connection)
        assert not rotate_secret(connection, "other", webhook.id, OPERATOR, AT, secret="whsec_BBBB")
        secret = "whsec_BBBB"
        assert rotate_secret(connection, "acme", webhook.id, OPERATOR, AT, secret=secret)
        row = find_webhook(connection, "acme", webhook.id)
        assert row is not None
        assert row.secrets_at(later(AT, 86_399)) == (secret, webhook.secret)
        assert row.secrets_at(later(AT, 86_400)) == (secret,)
        assert secret not in repr(row) and webhook.secret not in repr(row)
        trail = load_events(connection, "acme", 100)
        assert [each.action for each in trail][:2] == ["webhook-secret-rotated", "webhook-created"]
        assert "whsec" not in str(trail) and "secret-path" not in str(trail)


def test_webhooks_are_their_tenants_alone_and_not_many(database: Database) -> None:
    with database.write() as connection:
        webhook = make_webhook(connection)
        sent(connection, webhook)
        assert find_webhook(connection, "other", webhook.id) is None
        assert not remove_webhook(connection, "other", webhook.id, OPERATOR, AT)
        change = partial(change_webhook, connection, "other", webhook.id, OPERATOR, AT)
        assert not change(url=URL, events=["key.created"])
        for _ in range(MAX_WEBHOOKS - 1):
            make_webhook(connection)
        with pytest.raises(UsageError, match="20 webhooks already"):
            make_webhook(connection)
        make_webhook(connection, tenant="other")
        assert remove_webhook(connection, "acme", webhook.id, OPERATOR, AT)
        assert load_deliveries(connection, webhook.id) == []
        assert len(load_webhooks(connection, "acme")) == MAX_WEBHOOKS - 1


def test_a_link_ends_all_mail_to_one_person(database: Database) -> None:
    with database.write() as connection:
        ann, bob = (
            recognise_person(connection, replace(ANN, subject=name), AT) for name in ("a", "b")
        )
        token = ensure_token(connection, ann)
        assert ensure_token(connection, ann) == token != ensure_token(connection, bob)
        choice = find_by_token(connection, token)
        assert choice is not None and (choice.person, choice.topics) == (ann, None)
        save_mail_choice(connection, ann, ["keys", "quota"], "zh")
        choice = find_mail_choice(connection, ann)
        assert choice is not None and choice.token == token
        assert (choice.topics, choice.language) == (("keys", "quota"), "zh")
        for wrong in ("", "x", token[:-1], token.upper()):
            assert wrong == token or not end_mail(connection, wrong)
        assert end_mail(connection, token)
        choice = find_mail_choice(connection, ann)
        assert choice is not None and choice.topics == ()
        other = find_mail_choice(connection, bob)
        assert other is not None and other.topics is None


def test_a_restored_store_sends_nothing_and_knows_what_people_chose(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with database.write() as connection:
        webhook = make_webhook(connection)
        ann = recognise_person(connection, ANN, AT)
        add_member(connection, "acme", ann, "owner", OPERATOR, AT)
        save_mail_choice(connection, ann, [], "zh")
        sent(connection, webhook)
        announce(connection, "acme", "key.revoked", {"key": "k"}, at=AT)
    with database.read() as connection:
        people = load_people(connection)
    place = SqliteFile(tmp_path_factory.mktemp("restored") / "anchor.db")
    with closing(create_database(place)) as restored, restored.write() as connection:
        insert_people(connection, people)
        choice = find_mail_choice(connection, ann)
        assert choice is not None and (choice.topics, choice.language) == ((), "zh")
        for table in (announcements, deliveries, webhooks, jobs):
            assert connection.execute(select(table)).all() == []


def test_the_ids_of_erased_evidence_are_blanked_in_messages(database: Database) -> None:
    items = [make_item(number) for number in range(2)]
    gone, kept = (item.identity for item in items)
    with database.write() as connection:
        lock_intake(connection)
        append_new(connection, items, {})
        webhook = make_webhook(connection)
        for identity in (gone, kept):
            data = {"evidence": identity.hex(), "certificate": "c", "number": "AC-1"}
            announce(connection, "acme", "certificate.issued", data, at=AT)
        settle(connection)
        announce(connection, "acme", "certificate.revoked", {"evidence": gone.hex()}, at=AT)
        erase_rows(connection, find_by_leaves(connection, [items[0].leaf]), [(None, AT)])
        texts = [row.body for row in load_deliveries(connection, webhook.id)]
        texts.append(connection.execute(select(announcements.c.data)).scalar_one())
        assert not any(gone.hex() in text for text in texts)
        assert sum(kept.hex() in text for text in texts) == 1
        assert sum("0" * 64 in text for text in texts) == 2


def test_an_announcement_of_which_messages_were_made_is_gone(database: Database) -> None:
    with database.write() as connection:
        make_webhook(connection)
        announce(connection, "acme", "key.revoked", {"key": "k"}, at=AT)
        id = connection.execute(select(announcements.c.id)).scalar_one()
        found = find_announcement(connection, id)
        assert found == Announcement(
            id=id, tenant="acme", at=AT, event="key.revoked", data={"key": "k"}
        )
        settle(connection)
        assert find_announcement(connection, id) is None
