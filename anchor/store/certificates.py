"""Certificates that the service was asked for: requests, issued files, revocations."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from anchor.base.types import Hash32
from anchor.notifications.event_types import NotificationType
from anchor.people.actors import Actor
from anchor.store import fingerprints
from anchor.store.announcements import announce
from anchor.store.fingerprint_pages import About
from anchor.store.jobs import order_job
from anchor.store.list_position import ListPosition, order_by_time
from anchor.store.runs import load_pieces
from anchor.store.schema import certificate_files, certificates
from anchor.store.tenant_events import note_tenant_event

JOB = "certificate"
"""The kind of the jobs that issue certificates; a job is about the certificate's id."""

# What an erasure takes from a certificate besides its files.
_FORGOTTEN = {"identity": None, "refusal": None, "revocation": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCertificate:
    """A certificate that was requested; times are RFC 3339 texts.

    ``number`` and ``issued_at`` are None until it is issued, ``identity`` once its evidence is
    erased.  ``refusal`` is why it was not issued, as the members of a problem (RFC 9457).
    """

    id: str
    tenant: str
    identity: bytes | None
    requested_by: str
    requested_at: str
    number: str | None
    refusal: Mapping[str, Any] | None
    issued_at: str | None
    revoked_at: str | None
    revocation: str | None

    @property
    def state(self) -> Literal["waiting", "issued", "refused", "revoked"]:
        """Return how far it is."""
        if self.number is not None:
            return "issued" if self.revoked_at is None else "revoked"
        return "waiting" if self.refusal is None else "refused"

    @property
    def is_waiting(self) -> bool:
        """Return whether it has neither been issued nor refused yet."""
        return self.state == "waiting"


def request_certificate(
    connection: Connection,
    tenant: str,
    identity: bytes,
    *,
    requested_by: str,
    at: str,
    actor: Actor | None = None,
) -> IssuedCertificate:
    """Request a certificate of a piece of evidence, and order the job that issues it.

    A request that is still waiting is returned instead of a second one.  With an ``actor``, the
    tenant's audit trail tells of a new one.
    """
    for certificate in load_certificates(connection, identity):
        if certificate.is_waiting:
            return certificate
    certificate = IssuedCertificate(
        id=secrets.token_hex(16),
        tenant=tenant,
        identity=identity,
        requested_by=requested_by,
        requested_at=at,
        number=None,
        refusal=None,
        issued_at=None,
        revoked_at=None,
        revocation=None,
    )
    values = {field.name: getattr(certificate, field.name) for field in fields(certificate)}
    connection.execute(insert(certificates).values(**values))
    order_job(connection, JOB, certificate.id, due_at=at)
    if actor is not None:
        details = {"evidence": identity.hex()}
        note_tenant_event(
            connection, tenant, actor, "certificate-ordered",
            at=at, subject=certificate.id, details=details,
        )  # fmt: skip
    return certificate


def find_certificate(connection: Connection, id: str) -> IssuedCertificate | None:
    """Return the certificate with this id."""
    row = connection.execute(select(certificates).where(certificates.c.id == id)).one_or_none()
    return None if row is None else _parse(row)


def find_certificates_by_number(connection: Connection, number: str) -> list[IssuedCertificate]:
    """Return the certificates that bear this number: one, unless an issuer chose it twice."""
    rows = connection.execute(
        select(certificates)
        .where(certificates.c.number == number)
        .order_by(certificates.c.issued_at, certificates.c.id)
    )
    return [_parse(row) for row in rows]


def load_certificates(
    connection: Connection,
    identity: bytes,
    *,
    after: ListPosition | None = None,
    limit: int | None = None,
) -> list[IssuedCertificate]:
    """Return the certificates of a piece of evidence, the first request first."""
    query = order_by_time(
        select(certificates).where(certificates.c.identity == identity),
        certificates.c.requested_at,
        certificates.c.id,
        after=after,
        limit=limit,
    )
    return [_parse(row) for row in connection.execute(query)]


def load_certificates_of(
    connection: Connection, identities: Collection[bytes]
) -> dict[bytes, list[IssuedCertificate]]:
    """Return the certificates that were issued of pieces of evidence, by each, the first first."""
    rows = connection.execute(
        select(certificates)
        .where(certificates.c.identity.in_(identities) & certificates.c.number.is_not(None))
        .order_by(certificates.c.issued_at, certificates.c.id)
    )
    issued: dict[bytes, list[IssuedCertificate]] = {}
    for row in rows:
        issued.setdefault(row.identity, []).append(_parse(row))
    return issued


def load_file(connection: Connection, id: str, kind: str) -> bytes | None:
    """Return a file of a certificate."""
    query = select(certificate_files.c.body).where(
        (certificate_files.c.certificate == id) & (certificate_files.c.kind == kind)
    )
    return connection.execute(query).scalar_one_or_none()


def load_hashes(connection: Connection, id: str) -> dict[str, str]:
    """Return the SHA-256 of each file that is kept of a certificate, in hex, by its kind."""
    query = select(certificate_files.c.kind, certificate_files.c.sha256).where(
        certificate_files.c.certificate == id
    )
    return {
        row.kind: row.sha256.hex()
        for row in connection.execute(query.order_by(certificate_files.c.kind))
    }


def count_waiting(connection: Connection, tenant: str) -> int:
    """Return how many certificates of a tenant wait to be issued."""
    waiting = certificates.c.number.is_(None) & certificates.c.refusal.is_(None)
    query = select(func.count()).where((certificates.c.tenant == tenant) & waiting)
    return int(connection.execute(query).scalar_one())


def save_issue(
    connection: Connection, id: str, *, number: str, issued_at: str, files: Mapping[str, bytes]
) -> None:
    """Record that a certificate was issued, with its files.

    Nothing is kept if its evidence was erased meanwhile.
    """
    waiting = (certificates.c.id == id) & certificates.c.number.is_(None)
    values = {"number": number, "issued_at": issued_at, "refusal": None}
    query = update(certificates).where(waiting & certificates.c.identity.is_not(None))
    if connection.execute(query.values(**values)).rowcount == 1:
        rows = [
            {
                "certificate": id,
                "kind": kind,
                "sha256": hashlib.sha256(body).digest(),
                "body": body,
            }
            for kind, body in files.items()
        ]
        connection.execute(insert(certificate_files), rows)
        _announce(connection, "certificate.issued", id, issued_at)


def save_refusal(connection: Connection, id: str, refusal: Mapping[str, Any], *, at: str) -> None:
    """Record that a certificate cannot be issued, and why."""
    waiting = (certificates.c.id == id) & certificates.c.number.is_(None)
    text = json.dumps(refusal, ensure_ascii=False, sort_keys=True)
    query = update(certificates).where(waiting).values(refusal=text)
    if connection.execute(query).rowcount == 1:
        _announce(connection, "certificate.refused", id, at)


def revoke_certificate(
    connection: Connection, id: str, *, reason: str, at: str, actor: Actor | None = None
) -> bool:
    """Revoke an issued certificate; return False if it is not issued, or was revoked before.

    With an ``actor``, the tenant's audit trail tells of it.
    """
    standing = certificates.c.number.is_not(None) & certificates.c.revoked_at.is_(None)
    query = update(certificates).where((certificates.c.id == id) & standing)
    done = connection.execute(query.values(revoked_at=at, revocation=reason)).rowcount == 1
    if done:
        _announce(connection, "certificate.revoked", id, at)
        revoked = find_certificate(connection, id)
        if actor is not None and revoked is not None:
            note_tenant_event(
                connection, revoked.tenant, actor, "certificate-revoked", at=at, subject=id
            )
    return done


def forget_certificates(connection: Connection, identities: Sequence[bytes]) -> None:
    """Delete the files of the certificates of erased evidence, and what names it.

    An issued number is kept: it says that its evidence was erased.
    """
    for identity in identities:
        ids = [certificate.id for certificate in load_certificates(connection, identity)]
        _forget(connection, ids)


def copy_certificates(
    source: Connection, target: Connection, erased: Collection[Hash32] = ()
) -> None:
    """Copy the certificates of evidence that ``target`` holds, and order anew those that wait.

    Of evidence that is erased, in ``source`` or by one of the leaves ``erased``, the issued number
    is copied.
    """
    query = select(certificates).order_by(certificates.c.requested_at, certificates.c.id)
    for row in source.execute(query).all():
        if find_certificate(target, row.id) is not None:
            continue
        values = dict(row._mapping)
        if row.identity is None or not _holds(target, row.identity):
            is_erased = row.identity is None or _holds(source, row.identity, erased)
            if is_erased and row.number is not None:
                target.execute(insert(certificates).values(**(values | _FORGOTTEN)))
            continue
        target.execute(insert(certificates).values(**values))
        files = select(certificate_files).where(certificate_files.c.certificate == row.id)
        for file in source.execute(files):
            target.execute(insert(certificate_files).values(**file._mapping))
        if _parse(row).is_waiting:
            order_job(target, JOB, row.id, due_at=row.requested_at)


def _holds(
    connection: Connection, identity: bytes, leaves: Collection[Hash32] | None = None
) -> bool:
    """Return whether there is a piece with this identity, and with one of these leaves."""
    indices = fingerprints.find(connection, About.IDENTITY, [identity]).get(identity, [])
    return bool(indices) and (
        leaves is None
        or any(run.leaf(at) in leaves for _, run, at in load_pieces(connection, indices))
    )


def _announce(connection: Connection, event: NotificationType, id: str, at: str) -> None:
    certificate = find_certificate(connection, id)
    assert certificate is not None, "it was just changed"
    identity = certificate.identity
    data = {
        "certificate": id,
        "number": certificate.number,
        "evidence": None if identity is None else identity.hex(),
    }
    announce(connection, certificate.tenant, event, data, at=at)


def _forget(connection: Connection, ids: Iterable[str]) -> None:
    named = list(ids)
    connection.execute(delete(certificate_files).where(certificate_files.c.certificate.in_(named)))
    connection.execute(update(certificates).where(certificates.c.id.in_(named)).values(_FORGOTTEN))


def _parse(row: Row[Any]) -> IssuedCertificate:
    values = row._asdict()
    refusal = values.pop("refusal")
    return IssuedCertificate(refusal=None if refusal is None else json.loads(refusal), **values)
