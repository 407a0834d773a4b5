"""``/tenants/TENANT/evidence``: its evidence, newest first, with receipts and certificates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, tzinfo

from fastapi import APIRouter, Request
from fastapi.responses import Response

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.base.types import Stage
from anchor.base.units import BEIJING
from anchor.monitor.tenant_listing import (
    ListingFilter,
    TenantEvidence,
    list_tenant_evidence,
    parse_bound,
)
from anchor.service.caller import Caller
from anchor.service.certificate_schemas import CertificateId, FileKind
from anchor.service.downloads import answer_certificate_file, answer_receipt_file
from anchor.service.pages.evidence_labels import choose_tones, label_stages
from anchor.service.pages.forms import Form
from anchor.service.pages.language import CurrentReader, Reader
from anchor.service.pages.list_page import LIST_ROWS
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.rendering import answer_page
from anchor.service.pages.tenant_access import need_caller
from anchor.service.problems import Problem
from anchor.service.schemas import IdInPath
from anchor.service.worker import CurrentService, Service
from anchor.store.certificates import load_certificates_of

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/tenants/{tenant}/evidence")
async def evidence_list_page(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str
) -> Response:
    """Show a page of the tenant's evidence, and the form that filters it."""
    caller = await need_caller(request, service, tenant, "read")
    asked = request.query_params
    form = Form({name: (asked.get(name, "")[:64],) for name in ("from", "to", "state", "cursor")})
    form, listing = read_filter(form, BEIJING if reader.language == "zh" else UTC)
    try:
        page = await service.read(
            lambda: list_tenant_evidence(
                service.project, tenant, listing, most=LIST_ROWS, cursor=form.text("cursor") or None
            )
        )
    except MalformedError:
        raise Problem(404, Message("listing-page-unknown")) from None
    if any(piece.stage is Stage.ANCHORED for piece in page.evidence):
        service.check_chain()
    return await _answer(service, reader, caller, form, page.evidence, page.next)


@router.get("/tenants/{tenant}/evidence/{id}/receipt")
async def receipt_file(
    request: Request, service: CurrentService, tenant: str, id: IdInPath
) -> Response:
    """Return the receipt, to be kept byte for byte."""
    caller = await need_caller(request, service, tenant, "read")
    return await answer_receipt_file(service, caller, id)


@router.get("/tenants/{tenant}/certificates/{certificate}/{kind}")
async def certificate_file(
    request: Request,
    service: CurrentService,
    tenant: str,
    certificate: CertificateId,
    kind: FileKind,
) -> Response:
    """Return a file of a certificate, byte for byte as it was issued."""
    caller = await need_caller(request, service, tenant, "read")
    return await answer_certificate_file(service, caller, certificate, kind)


def read_filter(form: Form, zone: tzinfo) -> tuple[Form, ListingFilter]:
    """Return the filter that the form asks for, its days those of ``zone``.

    The form says beside a field what is wrong.
    """
    bounds: dict[str, str | None] = {}
    for name in ("from", "to"):
        text = form.text(name)
        try:
            bounds[name] = parse_bound(text, is_end=name == "to", zone=zone) if text else None
        except MalformedError as error:
            form = form.refuse(**{name: error.message})
    stage = next((each for each in Stage if each.value == form.text("state")), None)
    if stage is None and form.text("state"):
        form = form.refuse(state=Message("listing-state-unknown"))
    since, before = bounds.get("from"), bounds.get("to")
    return form, ListingFilter(since=since, before=before, stage=stage)


async def _answer(
    service: Service,
    reader: Reader,
    caller: Caller,
    form: Form,
    evidence: Sequence[TenantEvidence],
    following: str | None,
) -> Response:
    shown = [] if form.errors else evidence
    anchored = [piece.identity for piece in shown if piece.stage is Stage.ANCHORED]
    filters = {name: form.text(name) for name in ("from", "to", "state") if form.text(name)}
    values = {
        "here": "account",
        "tenant": caller.tenant,
        "permissions": caller.permissions,
        "form": form,
        "filters": filters,
        "stages": label_stages(reader.site),
        "tones": choose_tones(reader.site),
        "evidence": shown,
        "certificates": await service.query(load_certificates_of, anchored),
        "is_first": not form.text("cursor"),
        "following": None if form.errors else following,
    }
    return answer_page("evidence.html", values, reader, status=422 if form.errors else 200)
