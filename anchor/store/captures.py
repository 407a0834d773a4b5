"""Captures of web pages that tenants ordered: orders, limits, and what became of each."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from anchor.people.actors import Actor
from anchor.store import fingerprints
from anchor.store.fingerprint_pages import About
from anchor.store.jobs import order_job
from anchor.store.schema import captures, jobs, tenants
from anchor.store.tenant_events import note_tenant_event

CAPTURE_JOB = "capture"
"""The kind of the jobs about captures; a job is about the capture's id."""

CaptureState: TypeAlias = Literal["waiting", "running", "recorded", "refused"]
Limit: TypeAlias = Literal["day", "waiting", "all"]
"""Which limit is reached: of the day, of those under way, or of all tenants'."""

_OPEN = captures.c.settled_at.is_(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedCapture:
    """A capture that was ordered; times are RFC 3339 texts.

    ``options`` are what was chosen, ``account`` is what the worker told beside the record, and
    ``refusal`` in each language why there is none.  ``handed`` counts how often the order was given
    to the worker.  Once its evidence is erased, nothing is left but the times.
    """

    id: str
    tenant: str
    key_hash: bytes | None
    url: str | None
    options: Mapping[str, Any] | None
    state: CaptureState
    ordered_by: str
    ordered_at: str
    begun_at: str | None
    handed: int
    not_before: str | None
    settled_at: str | None
    identity: bytes | None
    copy: str | None
    bag_sha256: bytes | None
    account: Mapping[str, Any] | None
    refusal: Mapping[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureQuota:
    """How many captures a tenant may order a day (UTC) and have waiting, and all tenants."""

    per_day: int
    waiting: int
    all_waiting: int


class OverCaptureQuota(Exception):
    """The tenant has ``limit`` captures already: of this day, or waiting; or all tenants have."""

    def __init__(self, which: Limit, limit: int) -> None:
        super().__init__()
        self.which = which
        self.limit = limit


def order_capture(
    connection: Connection,
    tenant: str,
    *,
    url: str,
    options: Mapping[str, Any],
    key_hash: bytes | None,
    actor: Actor,
    at: str,
    quota: CaptureQuota,
) -> OrderedCapture:
    """Order a capture; one with the same idempotency key is returned instead."""
    # Two transactions must not count the same room.
    connection.execute(select(tenants.c.name).where(tenants.c.name == tenant).with_for_update())
    if key_hash is not None:
        row = connection.execute(
            select(captures).where(captures.c.key_hash == key_hash)
        ).one_or_none()
        if row is not None:
            return _parse(row)
    _check_quota(connection, tenant, at, quota)
    capture = OrderedCapture(
        id=secrets.token_hex(16),
        tenant=tenant,
        key_hash=key_hash,
        url=url,
        options=options,
        state="waiting",
        ordered_by=actor.encode(),
        ordered_at=at,
        begun_at=None,
        handed=0,
        not_before=None,
        settled_at=None,
        identity=None,
        copy=None,
        bag_sha256=None,
        account=None,
        refusal=None,
    )
    values = {field.name: getattr(capture, field.name) for field in fields(capture)}
    connection.execute(insert(captures).values(**values | {"options": _dump(options)}))
    order_job(connection, CAPTURE_JOB, capture.id, due_at=at)
    note_tenant_event(connection, tenant, actor, "capture-ordered", at=at, subject=capture.id)
    return capture


def _check_quota(connection: Connection, tenant: str, at: str, quota: CaptureQuota) -> None:
    own = captures.c.tenant == tenant
    today = own & (captures.c.ordered_at >= at[:10])
    checks: list[tuple[Limit, ColumnElement[bool], int]] = [
        ("day", today, quota.per_day),
        ("waiting", own & _OPEN, quota.waiting),
        ("all", _OPEN, quota.all_waiting),
    ]
    for which, condition, limit in checks:
        if _count(connection, condition) >= limit:
            raise OverCaptureQuota(which, limit)


def _count(connection: Connection, condition: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(captures).where(condition)
    return int(connection.execute(query).scalar_one())


def find_capture(connection: Connection, id: str) -> OrderedCapture | None:
    """Return the capture with this id."""
    row = connection.execute(select(captures).where(captures.c.id == id)).one_or_none()
    return None if row is None else _parse(row)


def find_capture_of(connection: Connection, identity: bytes) -> OrderedCapture | None:
    """Return the capture that a piece of evidence came from."""
    query = select(captures).where(captures.c.identity == identity).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else _parse(row)


def find_bag_digest(connection: Connection, copy: str) -> bytes | None:
    """Return the SHA-256 of the bag that a copy holds; None if it holds an original."""
    query = select(captures.c.bag_sha256).where(captures.c.copy == copy)
    return connection.execute(query).scalar_one_or_none()


def load_captures(
    connection: Connection, tenant: str, limit: int, before: str | None = None
) -> list[OrderedCapture]:
    """Return a tenant's captures, the newest first; ``before`` is the id of the last one known."""
    query = select(captures).where(captures.c.tenant == tenant)
    last = None if before is None else find_capture(connection, before)
    if last is not None and last.tenant == tenant:
        older = captures.c.ordered_at < last.ordered_at
        same = (captures.c.ordered_at == last.ordered_at) & (captures.c.id < last.id)
        query = query.where(older | same)
    rows = connection.execute(
        query.order_by(captures.c.ordered_at.desc(), captures.c.id.desc()).limit(limit)
    )
    return [_parse(row) for row in rows]


def list_settled(connection: Connection, ids: Sequence[str]) -> list[str]:
    """Return those of the ids that are of no capture under way."""
    query = select(captures.c.id).where(captures.c.id.in_(ids) & _OPEN)
    is_open = set(connection.execute(query).scalars())
    return [id for id in ids if id not in is_open]


def begin_capture(
    connection: Connection, capture: OrderedCapture, *, at: str, not_before: str | None, most: int
) -> bool:
    """Record that a capture is handed to the worker.

    Returns False, and changes nothing, if its tenant has ``most`` running or ordered earlier.
    """
    name = capture.tenant
    connection.execute(select(tenants.c.name).where(tenants.c.name == name).with_for_update())
    is_older = (captures.c.ordered_at < capture.ordered_at) | (
        (captures.c.ordered_at == capture.ordered_at) & (captures.c.id < capture.id)
    )
    comes_first = (captures.c.state == "running") | is_older
    others = (captures.c.tenant == name) & _OPEN & (captures.c.id != capture.id)
    if _count(connection, others & comes_first) >= most:
        return False
    values = {
        "state": "running",
        "handed": capture.handed + 1,
        "begun_at": at,
        "not_before": not_before,
    }
    query = update(captures).where((captures.c.id == capture.id) & _OPEN)
    return connection.execute(query.values(**values)).rowcount == 1


def save_bag(connection: Connection, id: str, identity: bytes, copy: str, sha256: bytes) -> bool:
    """Record which bag a capture has, before its copy is checked; False if it is settled."""
    query = update(captures).where((captures.c.id == id) & _OPEN)
    values = {"identity": identity, "copy": copy, "bag_sha256": sha256}
    return connection.execute(query.values(**values)).rowcount == 1


def save_recorded(connection: Connection, id: str, account: Mapping[str, Any], *, at: str) -> None:
    """Record that the evidence of a capture is in the store."""
    _settle(connection, id, {"state": "recorded", "account": _dump(account)}, at)


def save_capture_refusal(
    connection: Connection, id: str, refusal: Mapping[str, str], *, at: str
) -> None:
    """Record why a page was not captured."""
    _settle(connection, id, {"state": "refused", "refusal": _dump(refusal)}, at)


def _settle(connection: Connection, id: str, values: Mapping[str, Any], at: str) -> None:
    """Settle a capture once, clear up after it, and let the tenant's next one begin."""
    capture = find_capture(connection, id)
    query = update(captures).where((captures.c.id == id) & _OPEN)
    if capture is None or connection.execute(query.values(**values, settled_at=at)).rowcount != 1:
        return
    order_job(connection, CAPTURE_JOB, id, due_at=at)
    following = connection.execute(
        select(captures.c.id)
        .where((captures.c.tenant == capture.tenant) & (captures.c.state == "waiting"))
        .order_by(captures.c.ordered_at, captures.c.id)
        .limit(1)
    ).scalar_one_or_none()
    if following is not None:
        of_it = (jobs.c.kind == CAPTURE_JOB) & (jobs.c.about == following)
        connection.execute(update(jobs).where(of_it).values(due_at=at))
    note_tenant_event(
        connection,
        capture.tenant,
        Actor("service", ""),
        "capture-recorded" if values["state"] == "recorded" else "capture-refused",
        at=at,
        subject=id,
    )


def forget_captures(connection: Connection, identities: Sequence[bytes]) -> None:
    """Delete what captures tell of erased evidence."""
    values = {
        "url": None,
        "options": None,
        "key_hash": None,
        "identity": None,
        "copy": None,
        "bag_sha256": None,
        "account": None,
    }
    for identity in identities:
        connection.execute(update(captures).where(captures.c.identity == identity).values(**values))


def copy_captures(source: Connection, target: Connection) -> None:
    """Copy the recorded captures of evidence that ``target`` holds."""
    recorded = captures.c.identity.is_not(None) & (captures.c.state == "recorded")
    for row in source.execute(select(captures).where(recorded).order_by(captures.c.id)):
        is_held = fingerprints.find(target, About.IDENTITY, [row.identity])
        if is_held and find_capture(target, row.id) is None:
            target.execute(insert(captures).values(**row._mapping))


def _dump(members: Mapping[str, Any]) -> str:
    return json.dumps(members, ensure_ascii=False, sort_keys=True)


def _parse(row: Row[Any]) -> OrderedCapture:
    values = row._asdict()
    for name in ("options", "account", "refusal"):
        values[name] = None if values[name] is None else json.loads(values[name])
    return OrderedCapture(**values)
