"""``GET /v1/evidence/{id}``: the status of evidence, at once, after a wait, or as events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message
from anchor.base.types import Stage, StageName
from anchor.service.auth import StatusReader
from anchor.service.caller import Caller
from anchor.service.erasure_schemas import ErasedProblemDocument
from anchor.service.evidence_status import load_status, wait_for_stage
from anchor.service.problems import Problem, explain
from anchor.service.schemas import (
    EvidenceStatusDocument,
    IdInPath,
    WaitSeconds,
    problems,
)
from anchor.service.worker import CurrentService, Service

router = APIRouter(tags=["evidence"])

# Seconds between two keep-alive messages, so that no proxy closes the connection as dead.
_HEARTBEAT = 15.0


@router.get(
    "/v1/evidence/{id}",
    summary="How far a piece of evidence has come",
    responses=problems(401, 403, 404, 422, 429)
    | {410: {"model": ErasedProblemDocument, "description": "It was erased; what is left of it."}},
)
async def status(
    id: IdInPath,
    caller: StatusReader,
    service: CurrentService,
    wait: WaitSeconds = 0,
    until: Annotated[StageName, Query(description="What `wait` waits for.")] = "anchored",
) -> EvidenceStatusDocument:
    """Return the status of evidence; with `wait`, once it has reached `until` or the time is up."""
    return await wait_for_stage(service, caller, id, Stage(until), wait)


@router.get(
    "/v1/evidence/{id}/events",
    summary="How far it comes, as server-sent events",
    response_class=Response,
    responses={
        200: {
            "description": "An event `state` for each change, the first at once; it ends when the "
            "evidence is anchored, or with an event `problem`: the key was revoked or has expired, "
            "or the service cannot tell any more.",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "examples": {
                        "events": {"value": 'event: state\ndata: {"id":"…","state":"sealed"}\n\n'}
                    },
                }
            },
        },
        **problems(401, 403, 404, 410, 422, 429),
    },
)
async def events(id: IdInPath, caller: StatusReader, service: CurrentService) -> Response:
    """Send an event for each change of status; its data is what `GET /v1/evidence/{id}` returns."""
    first = await load_status(service, caller, id)
    slot = service.take_slot(Message("service-waits"), caller.tenant, service.settings.max_waits)
    return _EventStream(_stream(service, caller, first), slot)


class _EventStream(StreamingResponse):
    """A response of server-sent events that holds one of the tenant's slots until its end."""

    def __init__(self, stream: AsyncIterator[str], slot: ExitStack) -> None:
        headers = {"X-Accel-Buffering": "no"}
        super().__init__(stream, media_type="text/event-stream", headers=headers)
        self._slot = slot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        with self._slot:
            await super().__call__(scope, receive, send)


async def _stream(
    service: Service, caller: Caller, status: EvidenceStatusDocument
) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    end = loop.time() + service.settings.max_stream
    with service.recheck.hold(caller) as lease:
        yield _event(status)
        try:
            while (
                status.state != "anchored" and loop.time() < end and not service.stopping.is_set()
            ):
                changed = service.stage_watch.next_change()
                lease.check()
                newest = await load_status(service, caller, status.id)
                if newest != status:
                    status = newest
                    yield _event(status)
                elif not await service.wait_for_change(changed, _HEARTBEAT, lease):
                    yield ": still there\n\n"
        except (Problem, AnchorError) as error:
            yield f"event: problem\ndata: {json.dumps(explain(error).members())}\n\n"


def _event(status: EvidenceStatusDocument) -> str:
    return f"event: state\ndata: {status.model_dump_json()}\n\n"
