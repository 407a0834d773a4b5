"""``POST /v1/evidence``: one piece of evidence."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from anchor.base.messages.message import Message
from anchor.evidence.preservation_number import number_record
from anchor.service.auth import Submitter
from anchor.service.problems import FieldError, Problem
from anchor.service.request_body import check_media_type, read_body
from anchor.service.schemas import SUBMISSION_EXAMPLES, IdempotencyKey, problems
from anchor.service.submission import Origin, over_quota, read_submission
from anchor.service.submission_schemas import AcceptedDocument, DigestSubmission, RecordSubmission
from anchor.service.worker import CurrentService, Service
from anchor.service.write_queue import Job
from anchor.store.columns import NewEvidence
from anchor.store.evidence import find_by_identity
from anchor.store.new_pieces import Admitted, OverQuota
from anchor.store.quota import OtherEvidence

router = APIRouter(tags=["evidence"])

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
    caller: Submitter,
    service: CurrentService,
    idempotency_key: IdempotencyKey = None,
) -> AcceptedDocument:
    """Submit evidence: a digest, two digests of the same bytes, or a record that the client made.

    Submissions with the same digests and name are the same evidence, which is stored once:
    repeating one changes nothing. With an `Idempotency-Key`, the same evidence can be submitted
    again under another key; one key cannot be used for other evidence.
    """
    check_media_type(request, "application/json")
    service.check_intake()
    log, block = service.project.config.log, await service.name_block()
    origin = Origin.of_request(caller.tenant, idempotency_key, log, block, actor=caller.actor)
    with service.recheck.hold(caller) as lease:
        data = await read_body(request, service.settings)
        lease.check()
    caller = lease.caller
    evidence = read_submission(data, origin, max_bytes=service.settings.max_body)
    job = Job(caller.tenant, caller.limits, [evidence], origin.key_hash)
    outcome = (await service.write_queue.write(job))[0]
    if isinstance(outcome, OverQuota):
        raise over_quota(caller.limits)
    if isinstance(outcome, OtherEvidence):
        raise Problem(
            422,
            Message("idempotency-key-taken"),
            errors=[FieldError("Idempotency-Key", Message("idempotency-key-field-taken"))],
        )
    assert isinstance(outcome, Admitted)
    if not outcome.is_new:
        response.status_code = 200
    id = evidence.identity.hex()
    response.headers["Location"] = f"/v1/evidence/{id}"
    stage = service.stage_watch.reach.stage_of(outcome.leaf_index)
    return AcceptedDocument(
        id=id,
        number=await _find_number(service, evidence, is_new=outcome.is_new),
        state=stage.value,
        known=not outcome.is_new,
        copies=job.copies,
    )


async def _find_number(service: Service, evidence: NewEvidence, *, is_new: bool) -> str | None:
    """Return the number of accepted evidence; None if what was known is erased or lost."""
    if is_new:
        return number_record(evidence.record)
    stored = await service.query(find_by_identity, evidence.identity)
    return None if stored is None or stored.record is None else number_record(stored.record)
