"""Certificates in the store: one order at a time, files that go with the evidence, copies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, select
from support.stores import NOW, make_item

from anchor.people.actors import Actor
from anchor.store.certificates import (
    IssuedCertificate,
    copy_certificates,
    count_waiting,
    find_certificate,
    find_certificates_by_number,
    forget_certificates,
    load_certificates,
    load_file,
    load_hashes,
    request_certificate,
    revoke_certificate,
    save_issue,
    save_refusal,
)
from anchor.store.database import Database, create_database
from anchor.store.evidence_insertion import insert_evidence
from anchor.store.jobs import take_job
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.memberships import ensure_tenant
from anchor.store.schema import certificates
from anchor.store.tenant_events import load_events

PIECE, OTHER = make_item(1), make_item(2)
LATER = "2026-01-01T00:00:01.000Z"
FILES = {"html": b"<p>", "json": b"{}"}


@pytest.fixture
def store(location: StoreLocation) -> Iterator[Database]:
    """A store with one piece of evidence."""
    with closing(create_database(location)) as created:
        with created.write() as connection:
            insert_evidence(connection, [PIECE])
        yield created


def order(
    connection: Connection, identity: bytes = PIECE.identity, at: str = NOW
) -> IssuedCertificate:
    return request_certificate(connection, "acme", identity, requested_by="key", at=at)


def issue(connection: Connection, number: str = "AC-1") -> IssuedCertificate:
    ordered = order(connection)
    save_issue(connection, ordered.id, number=number, issued_at=NOW, files=FILES)
    issued = find_certificate(connection, ordered.id)
    assert issued is not None
    return issued


def test_an_order_is_one_job_until_it_is_issued(store: Database) -> None:
    with store.write() as connection:
        first, again = order(connection), order(connection)
        assert first == again
        assert count_waiting(connection, "acme") == 1
        job = take_job(connection, ("certificate",), at=NOW, until="9")
        assert job is not None
        assert job.about == first.id
        assert take_job(connection, ("certificate",), at=NOW, until="9") is None
        save_issue(connection, first.id, number="AC-1", issued_at=NOW, files=FILES)
        second = order(connection, at=LATER)
        assert second.id != first.id
        assert [each.state for each in load_certificates(connection, PIECE.identity)] == [
            *("issued", "waiting")
        ]


def test_what_was_issued_or_refused_stays_so(store: Database) -> None:
    with store.write() as connection:
        issued = issue(connection)
        assert find_certificates_by_number(connection, "AC-1") == [issued]
        assert load_file(connection, issued.id, "html") == b"<p>"
        save_issue(connection, issued.id, number="AC-2", issued_at="9", files={"pdf": b""})
        save_refusal(connection, issued.id, {"detail": "no"}, at=NOW)
        assert find_certificate(connection, issued.id) == issued
        assert set(load_hashes(connection, issued.id)) == {"html", "json"}
        refused = order(connection)
        save_refusal(connection, refused.id, {"detail": "no"}, at=NOW)
        found = find_certificate(connection, refused.id)
        assert found is not None
        assert (found.state, found.refusal) == ("refused", {"detail": "no"})
        assert not revoke_certificate(connection, refused.id, reason="x", at=NOW)
        assert revoke_certificate(connection, issued.id, reason="x", at=NOW)
        assert not revoke_certificate(connection, issued.id, reason="y", at=NOW)


def test_the_audit_trail_tells_of_an_order_and_a_revocation_once(store: Database) -> None:
    actor, tenant = Actor("key", "k"), "acme"
    with store.write() as connection:
        ensure_tenant(connection, tenant, actor, NOW)
        for _ in range(2):
            ordered = request_certificate(
                connection, tenant, PIECE.identity, requested_by="key:k", at=NOW, actor=actor
            )
        save_issue(connection, ordered.id, number="AC-1", issued_at=NOW, files=FILES)
        for _ in range(2):
            revoke_certificate(connection, ordered.id, reason="x", at=NOW, actor=actor)
        told = load_events(connection, tenant, 10)
    assert [(event.action, event.subject) for event in told[:-1]] == [
        ("certificate-revoked", ordered.id), ("certificate-ordered", ordered.id),
    ]  # fmt: skip


def test_erasure_leaves_a_number_and_no_file(store: Database) -> None:
    with store.write() as connection:
        issued, waiting = issue(connection), order(connection)
        forget_certificates(connection, [PIECE.identity])
        assert load_certificates(connection, PIECE.identity) == []
        left = find_certificates_by_number(connection, "AC-1")
        assert [(each.id, each.identity) for each in left] == [(issued.id, None)]
        assert load_hashes(connection, issued.id) == {}
        # The job that was making it meanwhile.
        save_issue(connection, waiting.id, number="AC-3", issued_at=NOW, files=FILES)
        assert load_hashes(connection, waiting.id) == {}


def test_a_copy_takes_the_certificates_of_what_it_holds(store: Database, tmp_path: Path) -> None:
    with store.write() as connection:
        issued, waiting = issue(connection), order(connection, at=LATER)
        order(connection, OTHER.identity)
    with closing(create_database(SqliteFile(tmp_path / "copy.db"))) as copy:
        with copy.write() as target:
            insert_evidence(target, [PIECE])
        for _ in range(2):
            with store.read() as source, copy.write() as target:
                copy_certificates(source, target)
        with copy.write() as connection:
            assert load_certificates(connection, PIECE.identity) == [issued, waiting]
            assert load_certificates(connection, OTHER.identity) == []
            assert load_file(connection, issued.id, "json") == b"{}"
            jobs = [take_job(connection, ("certificate",), at="9", until="99") for _ in range(2)]
            assert [job and job.about for job in jobs] == [waiting.id, None]


def test_a_copy_keeps_the_number_alone_of_what_was_erased(store: Database, tmp_path: Path) -> None:
    with store.write() as connection:
        issued = issue(connection)
        order(connection, OTHER.identity)
    with closing(create_database(SqliteFile(tmp_path / "copy.db"))) as copy:
        for _ in range(2):
            with store.read() as source, copy.write() as target:
                copy_certificates(source, target, [PIECE.leaf, OTHER.leaf])
        # From there it comes along although nothing tells any more what it was about.
        with closing(create_database(SqliteFile(tmp_path / "next.db"))) as following:
            with copy.read() as source, following.write() as target:
                copy_certificates(source, target)
            for each in (copy, following):
                with each.read() as connection:
                    left = find_certificates_by_number(connection, "AC-1")
                    assert [(found.id, found.identity) for found in left] == [(issued.id, None)]
                    assert load_hashes(connection, issued.id) == {}
                    rows = connection.execute(select(certificates.c.id)).all()
                    assert len(rows) == 1
