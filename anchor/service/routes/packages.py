"""Packed folders of evidence and cases: receipts, certificates and all about them in a ZIP file."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from anchor.service.auth import Reader
from anchor.service.case_access import find_visible_case
from anchor.service.case_schemas import CaseInPath
from anchor.service.file_names import NAMED_FILE
from anchor.service.package_builder import answer_evidence_package, answer_zip, pack_case
from anchor.service.schemas import IdInPath, problems
from anchor.service.worker import CurrentService
from anchor.store.case_exhibits import load_exhibit_pieces

router = APIRouter(tags=["packages"])

_ZIP = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}


@router.get(
    "/v1/evidence/{id}/package",
    summary="A piece of evidence as a packed folder",
    response_class=Response,
    responses={
        200: {
            "content": _ZIP,
            "headers": NAMED_FILE,
            "description": "The same bytes until something in it changes.",
        },
        **problems(401, 403, 404, 409, 410, 422, 429),
    },
)
async def of_evidence(id: IdInPath, caller: Reader, service: CurrentService) -> Response:
    """Return receipt, certificates in force, verifiers and policy; the original is put beside."""
    return await answer_evidence_package(service, caller, id)


@router.get(
    "/v1/cases/{case}/package",
    summary="A case as a packed folder",
    response_class=Response,
    responses={
        200: {
            "content": _ZIP,
            "headers": NAMED_FILE,
            "description": "The same bytes until something in it changes.",
        },
        **problems(401, 403, 404, 409, 422, 429),
    },
)
async def of_case(case: CaseInPath, caller: Reader, service: CurrentService) -> Response:
    """Return all exhibits in order with the list of exhibits; the originals are put beside."""
    row = await find_visible_case(service, caller, case)
    pairs = await service.query(load_exhibit_pieces, row.id)
    return answer_zip(await pack_case(service, caller.tenant, row, pairs), f"case-{row.id}.zip")
