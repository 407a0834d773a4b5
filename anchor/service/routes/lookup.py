"""``/v1/lookup``: what has a number, or each of a list, for whoever has one; no key is needed."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request

from anchor.project.config import Config
from anchor.service.batch_schemas import BatchDocument, BatchRequest, BatchRowDocument
from anchor.service.certificate_schemas import IssueDocument, RevocationDocument
from anchor.service.evidence_status import describe_anchor
from anchor.service.lookup_schemas import NumberInPath, NumberMatchDocument, NumberMatches
from anchor.service.number_batch import NumberRow, look_up_all
from anchor.service.number_lookup import limit_guesses, look_up
from anchor.service.people_schemas import describe_body, read_document
from anchor.service.schemas import problems
from anchor.service.worker import CurrentService
from anchor.store.certificates import IssuedCertificate
from anchor.store.number_search import NumberedItem

router = APIRouter(tags=["public look-up"])

# Far more than records that have one number; one digest may be that of any number of pieces.
_MOST = 100
# A thousand numbers in their longest spelling.
_MOST_BYTES = 512 * 1024


@router.get(
    "/v1/lookup/{number}",
    summary="What has a number that is printed on a receipt or certificate",
    responses=problems(404, 422),
    dependencies=[Depends(limit_guesses)],
)
async def lookup(number: NumberInPath, service: CurrentService) -> NumberMatches:
    """Return state, times and anchor of everything with this number, never a name or a digest.

    Whatever has no match gets the same answer (404). That a copy of the log served by its operator
    says so proves nothing by itself: verify the receipt.
    """
    matches, more = await look_up(service, number, _MOST)
    config = service.project.config
    return NumberMatches(matches=[_describe(match, config) for match in matches], more=more)


@router.post(
    "/v1/lookup",
    summary="What has each number of a list",
    responses=problems(403, 408, 413, 422),
    dependencies=[Depends(limit_guesses)],
    openapi_extra=describe_body(BatchRequest),
)
async def lookup_all(request: Request, service: CurrentService) -> BatchDocument:
    """Return for each of up to 1,000 numbers what the look-up of it alone returns, in their order.

    A line that is no number is answered in its place. Each number counts as a look-up of its own
    against the limit of the client's address; beyond it the whole list is refused (429).
    """
    asked = await read_document(request, service, BatchRequest, _MOST_BYTES)
    batch = await look_up_all(request, service, [text.strip() for text in asked.numbers])
    config = service.project.config
    return BatchDocument(rows=[_describe_row(row, config) for row in batch.rows], left=batch.left)


def _describe_row(row: NumberRow, config: Config) -> BatchRowDocument:
    return BatchRowDocument(
        line=row.line,
        number=row.text,
        matches=[_describe(match, config) for match in row.matches],
        more=row.more,
        fault=row.fault,
    )


def _describe(match: NumberedItem, config: Config) -> NumberMatchDocument:
    anchored, certificate = match.anchored, match.certificate
    return NumberMatchDocument(
        kind=match.kind.value,
        state=match.stage.value,
        erased=match.is_erased,
        accepted_at=match.accepted_at,
        sealed_at=match.sealed_at,
        anchor=None if anchored is None else describe_anchor(anchored, config),
        certificate=None if certificate is None else _describe_issue(certificate),
    )


def _describe_issue(certificate: IssuedCertificate) -> IssueDocument:
    assert certificate.issued_at is not None, "a certificate with a number was issued"
    revoked_at, reason = certificate.revoked_at, certificate.revocation
    return IssueDocument(
        issued_at=certificate.issued_at,
        revocation=None if revoked_at is None else RevocationDocument(at=revoked_at, reason=reason),
    )
