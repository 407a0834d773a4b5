"""Where evidence stands: asked, waited for, or told as it changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import Response, StreamingResponse

from anchor.errors import AnchorError
from anchor.service.auth import Reader
from anchor.service.header_protection import Message, Receive, Send
from anchor.service.problems import Problem, explain
from anchor.service.schemas import (
    EvidenceStatusDocument,
    HeadAnchorDocument,
    name_stage,
    problems,
)
from anchor.service.submission import DIGEST_PATTERN
from anchor.service.worker import RequestSlot, Service, service_of
from anchor.store.api_keys import ApiKey
from anchor.store.erasures import is_erased
from anchor.store.evidence import StoredEvidence, find_by_identity
from anchor.store.file_origins import tenant_of
from anchor.store.heads import AnchoredHead, find_covering_anchor
from anchor.types import Stage, StageName

router = APIRouter(tags=["evidence"])

# So often something is sent, so that nothing on the way takes the connection for dead.
_HEARTBEAT = 15.0

IdInPath = Annotated[str, Path(pattern=DIGEST_PATTERN, description="As the submission's answer.")]
WaitSeconds = Annotated[
    float, Query(ge=0, le=60, description="Answer only when it is so far, or after so long.")
]


@router.get(
    "/v1/evidence/{id}",
    summary="How far a piece of evidence has come",
    responses=problems(401, 403, 404, 410, 422, 429),
)
async def status(
    id: IdInPath,
    key: Reader,
    service: Annotated[Service, Depends(service_of)],
    wait: WaitSeconds = 0,
    until: Annotated[StageName, Query(description="What `wait` waits for.")] = "anchored",
) -> EvidenceStatusDocument:
    """Say it as the service's store knows it; with `wait`, once it is as far as `until`."""
    goal = Stage(until)
    return await wait_for(
        service, key, id, wait, lambda found: Stage(found.state).rank >= goal.rank
    )


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
async def events(
    id: IdInPath, key: Reader, service: Annotated[Service, Depends(service_of)]
) -> Response:
    """Send each change of state; the data of an event is what `GET /v1/evidence/{id}` answers."""
    first = await load_status(service, key, id)
    slot = service.take_slot("waits", key.tenant, service.settings.max_waits)
    return _EventStream(_stream(service, key, first), slot)


class _EventStream(StreamingResponse):
    """Server-sent events, which hold a slot of the tenant's from the route to their end."""

    def __init__(self, stream: AsyncIterator[str], slot: RequestSlot) -> None:
        headers = {"X-Accel-Buffering": "no"}
        super().__init__(stream, media_type="text/event-stream", headers=headers)
        self._slot = slot

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Send the events."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._slot.release()


async def _stream(
    service: Service, key: ApiKey, found: EvidenceStatusDocument
) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    end = loop.time() + service.settings.max_stream
    with service.standing.hold(key) as held:
        yield _event(found)
        try:
            while found.state != "anchored" and loop.time() < end and not service.stopping.is_set():
                changed = service.watch.next_change()
                held.check()
                now = await load_status(service, key, found.id)
                if now != found:
                    found = now
                    yield _event(found)
                elif not await service.wait_for_change(changed, _HEARTBEAT, held):
                    yield ": still there\n\n"
        except Problem as problem:
            yield _problem_event(problem)
        except AnchorError as error:
            yield _problem_event(explain(error))


def _problem_event(problem: Problem) -> str:
    return f"event: problem\ndata: {json.dumps(problem.members())}\n\n"


def _event(found: EvidenceStatusDocument) -> str:
    return f"event: state\ndata: {found.model_dump_json()}\n\n"


async def wait_for(
    service: Service,
    key: ApiKey,
    id: str,
    seconds: float,
    is_enough: Callable[[EvidenceStatusDocument], bool],
) -> EvidenceStatusDocument:
    """Return where a tenant's evidence stands, once that is enough or the time is up.

    Raises:
        Problem: There is no such evidence of this tenant (404), it was erased (410), it waits for
            too much (429), or its key is revoked or expires meanwhile (401).
    """
    found = await load_status(service, key, id)
    if seconds <= 0 or is_enough(found):
        return found
    loop = asyncio.get_running_loop()
    end = loop.time() + min(seconds, service.settings.max_wait)
    slot = service.take_slot("waits", key.tenant, service.settings.max_waits)
    with slot, service.standing.hold(key) as held:
        while True:
            changed = service.watch.next_change()
            found = await load_status(service, key, id)
            rest = end - loop.time()
            if is_enough(found) or rest <= 0 or service.stopping.is_set():
                return found
            await service.wait_for_change(changed, rest, held)


async def load_status(service: Service, key: ApiKey, id: str) -> EvidenceStatusDocument:
    """Return where a tenant's evidence stands.

    Raises:
        Problem: There is none of this tenant (404), or it was erased (410).
        ChainGuardError: It was anchored, and the chain contradicts the log.
    """
    stored, anchored = await service.read(lambda: _load(service, key, id))
    if anchored is not None and anchored.final:
        service.check_chain()
    return EvidenceStatusDocument(
        id=id,
        state=name_stage(_describe_stage(service, stored, anchored)),
        leaf=stored.leaf.hex(),
        index=stored.leaf_index,
        anchor=None if anchored is None else describe_anchor(anchored),
    )


def find_evidence(service: Service, key: ApiKey, id: str) -> StoredEvidence:
    """Return a tenant's evidence.

    Raises:
        Problem: there is none of this tenant (404), or it was erased (410).
    """
    with service.project.database.read() as connection:
        stored = find_by_identity(connection, bytes.fromhex(id))
        if stored is None and is_erased(connection, key.tenant, bytes.fromhex(id)):
            raise Problem(410, "this evidence was erased; its leaf keeps its place in the log")
    if stored is None or tenant_of(stored.source) != key.tenant:
        # The same words, so that nobody learns what others submit.
        raise Problem(404, "there is no such evidence of this key's tenant")
    return stored


def describe_anchor(anchored: AnchoredHead) -> HeadAnchorDocument:
    """Return an anchor's document."""
    return HeadAnchorDocument(
        size=anchored.head.size,
        root=anchored.head.root.hex(),
        final=anchored.final,
        sequence=anchored.sequence,
        block_number=anchored.block_number,
        timestamp=anchored.timestamp,
    )


def _load(service: Service, key: ApiKey, id: str) -> tuple[StoredEvidence, AnchoredHead | None]:
    stored = find_evidence(service, key, id)
    if stored.leaf_index is None:
        return stored, None
    with service.project.database.read() as connection:
        chain_id = service.project.config.chain_id
        return stored, find_covering_anchor(connection, chain_id, stored.leaf_index)


def _describe_stage(
    service: Service, stored: StoredEvidence, anchored: AnchoredHead | None
) -> Stage:
    if anchored is not None:
        return Stage.ANCHORED if anchored.final else Stage.INCLUDED
    # The watch may know of a seal a moment later than the store does.
    stage = service.watch.reach.stage_of(stored.leaf_index)
    if stored.leaf_index is None:
        return Stage.ACCEPTED
    return Stage.SUBMITTED if stage is Stage.SUBMITTED else Stage.SEALED
