"""``POST /v1/evidence``: one piece of evidence."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response

from anchor.service.auth import Submitter
from anchor.service.problems import FieldError, Problem
from anchor.service.request_body import check_media_type, read_body
from anchor.service.schemas import (
    SUBMISSION_EXAMPLES,
    AcceptedDocument,
    DigestSubmission,
    RecordSubmission,
    name_stage,
    problems,
)
from anchor.service.submission import KEY_PATTERN, Origin, read_submission
from anchor.service.worker import Service, service_of
from anchor.service.write_queue import Job
from anchor.store.api_keys import ApiKey
from anchor.store.quota import Admitted, OtherEvidence, OverQuota
from anchor.system.clock import utc_now

router = APIRouter(tags=["evidence"])

_KEY = re.compile(KEY_PATTERN.rstrip("$") + r"\Z")

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        {"$ref": f"#/components/schemas/{model.__name__}"}
                        for model in (DigestSubmission, RecordSubmission)
                    ]
                },
                "examples": SUBMISSION_EXAMPLES,
            }
        },
    }
}

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Names the submission: repeated with it, it is the same one. 1 to 255 "
        "printable ASCII characters.",
        json_schema_extra={"pattern": KEY_PATTERN},
    ),
]


def check_key(key: str | None) -> str | None:
    """Return an idempotency key as it is.

    Raises:
        Problem: it is none (422).
    """
    if key is not None and not _KEY.match(key):
        error = FieldError("Idempotency-Key", "not 1 to 255 printable ASCII characters")
        raise Problem(422, "a header is not as it has to be", errors=[error])
    return key


@router.post(
    "/v1/evidence",
    summary="Submit one piece of evidence",
    status_code=201,
    response_model=AcceptedDocument,
    response_model_exclude_none=True,
    responses={
        200: {"model": AcceptedDocument, "description": "It was submitted before."},
        201: {"description": "It is on disk, and waits to be sealed and anchored."},
        **problems(401, 403, 408, 413, 422, 429),
    },
    openapi_extra=_BODY,
)
async def submit(
    request: Request,
    response: Response,
    key: Submitter,
    service: Annotated[Service, Depends(service_of)],
    idempotency_key: IdempotencyKey = None,
) -> AcceptedDocument:
    """Take in a digest (or two of the same bytes), or a record that the client made.

    What has the same digests and name is the same evidence, and taken in once: repeating a
    submission changes nothing. With an `Idempotency-Key` the same evidence can be submitted again
    under another key, and nothing else under this one.
    """
    check_media_type(request, "application/json")
    service.check_intake()
    origin = Origin(
        tenant=key.tenant,
        key=check_key(idempotency_key),
        now=utc_now(),
        log=service.project.config.log,
    )
    with service.standing.hold(key) as held:
        data = await read_body(request, service.settings)
        held.check()
    key = held.key
    item = read_submission(data, origin, max_bytes=service.settings.max_body)
    job = Job(key.tenant, key.limits, [item], origin.key_hash)
    outcome = (await service.intake.take(job))[0]
    if isinstance(outcome, OverQuota):
        raise over_quota(key)
    if isinstance(outcome, OtherEvidence):
        raise Problem(
            422,
            "other evidence was submitted with this idempotency key",
            errors=[FieldError("Idempotency-Key", "used for something else")],
        )
    assert isinstance(outcome, Admitted)
    if not outcome.is_new:
        response.status_code = 200
    id = item.identity.hex()
    response.headers["Location"] = f"/v1/evidence/{id}"
    state = name_stage(service.watch.reach.stage_of(outcome.leaf_index))
    return AcceptedDocument(id=id, state=state, known=not outcome.is_new, copies=job.copies)


def over_quota(key: ApiKey) -> Problem:
    """Return the answer to evidence above the tenant's quota."""
    seconds = _seconds_left(key, utc_now())
    return Problem(
        429,
        "the quota of this key's tenant is used up",
        headers={"Retry-After": str(seconds)},
    )


def _seconds_left(key: ApiKey, now: str) -> int:
    """Return when to try again: in the next minute, where there is a limit of each minute."""
    hours, minutes, seconds = int(now[11:13]), int(now[14:16]), int(now[17:19])
    if key.limits.per_minute is not None:
        return 60 - seconds
    return 86_400 - (3_600 * hours + 60 * minutes + seconds)
