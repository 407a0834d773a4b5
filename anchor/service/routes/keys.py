"""``/v1/keys`` and ``/v1/audit-trail``: the API keys and events of the caller's tenant.

The lines of a day, as they are anchored, are at ``/v1/audit-trail/DAY``.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Request, Response

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import format_time, utc_now
from anchor.operate.acceptance import identify
from anchor.operate.audit_trail_evidence import describe_day
from anchor.service.auth import Auditor, Manager
from anchor.service.file_names import NAMED_FILE, name_download
from anchor.service.pagination import AfterPosition, CurrentPage, PageLimit, read_position
from anchor.service.people_schemas import (
    AuditTrailDocument,
    BeforeEvent,
    DayInPath,
    EventDocument,
    EventLimit,
    IdInPath,
    KeyDocument,
    KeyRequest,
    KeysDocument,
    MadeKeyDocument,
    describe_body,
    read_document,
)
from anchor.service.problems import Problem
from anchor.service.schemas import problems
from anchor.service.worker import CurrentService
from anchor.store.tenant_events import load_day, load_events
from anchor.store.tenant_keys import issue_key, key_id_of, load_tenant_keys, withdraw_key

router = APIRouter(tags=["people"])


@router.get("/v1/keys", summary="The tenant's API keys", responses=problems(401, 403, 404, 422))
async def keys(
    caller: Manager,
    service: CurrentService,
    links: CurrentPage,
    after: AfterPosition = None,
    limit: PageLimit = 50,
) -> KeysDocument:
    """List the keys, without the keys themselves."""
    rows = await service.query(
        load_tenant_keys, caller.tenant, after=read_position(after), limit=limit
    )
    following = links.name_position(rows, limit, lambda row: (row.created_at, row.id))
    return KeysDocument(
        keys=[
            KeyDocument(
                id=row.id,
                scopes=list(row.scopes),
                created_at=row.created_at,
                expires_at=row.expires_at,
                revoked_at=row.revoked_at,
            )
            for row in rows
        ],
        next=following,
    )


@router.post(
    "/v1/keys",
    summary="Make an API key",
    status_code=201,
    responses=problems(401, 403, 404, 408, 413, 422),
    openapi_extra=describe_body(KeyRequest),
)
async def make(request: Request, caller: Manager, service: CurrentService) -> MadeKeyDocument:
    """Make a key of the tenant, which cannot be shown again."""
    asked = await read_document(request, service, KeyRequest)
    made_at = datetime.now(UTC)
    expires_at = format_time(made_at + timedelta(days=asked.days))
    token = await service.change(
        issue_key,
        caller.tenant,
        asked.scopes,
        caller.actor,
        at=format_time(made_at),
        expires_at=expires_at,
    )
    return MadeKeyDocument(key=token, id=key_id_of(token), expires_at=expires_at)


@router.delete(
    "/v1/keys/{id}",
    summary="Revoke an API key",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 422),
)
async def revoke(id: IdInPath, caller: Manager, service: CurrentService) -> None:
    """Revoke a key of the tenant; it ends within two seconds."""
    try:
        await service.change(withdraw_key, id, caller.actor, utc_now(), tenant=caller.tenant)
    except UsageError as error:
        raise Problem(404, error.message) from error


@router.get(
    "/v1/audit-trail",
    summary="What was done in the tenant, and by whom",
    responses=problems(401, 403, 404, 422),
)
async def audit_trail(
    caller: Auditor,
    service: CurrentService,
    links: CurrentPage,
    before: BeforeEvent = None,
    limit: EventLimit = 100,
) -> AuditTrailDocument:
    """List events, the newest first."""
    rows = await service.query(load_events, caller.tenant, limit, before=before)
    following = rows[-1].id if len(rows) == limit else None
    links.name_next("before", following)
    return AuditTrailDocument(
        events=[
            EventDocument(
                id=row.id,
                at=row.at,
                actor=row.actor,
                action=row.action,
                subject=row.subject,
                details=json.loads(row.details),
            )
            for row in rows
        ],
        next=following,
    )


@router.get(
    "/v1/audit-trail/{day}",
    summary="The lines of one day, over which its record is made",
    response_class=Response,
    responses={
        200: {
            "description": "Canonical JSON (RFC 8785), one event a line, in order. Once the day is "
            "over, their SHA-256 is that of the evidence that `Link` names.",
            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
            "headers": NAMED_FILE,
        },
        **problems(401, 403, 404, 422),
    },
)
async def day_lines(day: DayInPath, caller: Auditor, service: CurrentService) -> Response:
    """Return the lines of a day (UTC); the tenant's evidence of that day is over these bytes."""
    events = await service.query(load_day, caller.tenant, day)
    if not events:
        raise Problem(404, Message("audit-trail-day-empty"))
    submission, data = describe_day(caller.tenant, day, events)
    headers = name_download(f"audit-trail-{day}.jsonl")
    headers["Link"] = f'</v1/evidence/{identify(submission).hex()}>; rel="describedby"'
    return Response(data, media_type="application/x-ndjson", headers=headers)
