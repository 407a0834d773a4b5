"""``/tenants/TENANT/evidence/ID``: a piece of evidence, its certificates, retention, erasure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.base.messages.message import Message
from anchor.evidence.erasure_statement import BASES
from anchor.evidence.group_lines import list_statements
from anchor.evidence.record import parse_record
from anchor.evidence.record_submitter import (
    describe_speaker,
    list_depositor_lines,
    list_submitter_lines,
)
from anchor.people.actors import Actor
from anchor.people.case_rules import viewer_of
from anchor.service.caller import Caller
from anchor.service.capture_view import find_facts
from anchor.service.certificate_details import (
    CaseOfEvidence,
    choose_case,
    describe_case,
    list_case_facts,
)
from anchor.service.certificate_orders import order_certificate
from anchor.service.copy_download import answer_copy
from anchor.service.copy_removal import remove_copy
from anchor.service.evidence_erasure import erase_evidence
from anchor.service.evidence_party import find_party
from anchor.service.evidence_retention import change_retention
from anchor.service.evidence_status import find_evidence, load_status
from anchor.service.package_builder import answer_evidence_package
from anchor.service.pages.copy_labels import describe_copy_state
from anchor.service.pages.evidence_labels import (
    BEATER_LABELS,
    BEHALF_LABELS,
    ROBOTS_LABELS,
    choose_tones,
    label_stages,
)
from anchor.service.pages.forms import Form, read_form
from anchor.service.pages.language import CurrentReader, Reader
from anchor.service.pages.list_page import load_list_page
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.people_labels import describe_action, describe_actor
from anchor.service.pages.rendering import answer_page
from anchor.service.pages.tenant_access import need_caller
from anchor.service.problems import Problem
from anchor.service.schemas import IdInPath
from anchor.service.worker import CurrentService, Service
from anchor.store.case_exhibits import load_open_cases_of
from anchor.store.certificates import IssuedCertificate, load_certificates, load_file
from anchor.store.persons import find_persons

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_BASIS_LABELS = {
    "gdpr-17": Message("erasure-basis-gdpr"),
    "pipl-47": Message("erasure-basis-pipl"),
    "other": Message("erasure-basis-other"),
}
_REFUSED = (409, 422)


@router.get("/tenants/{tenant}/evidence/{id}")
async def piece_page(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str, id: IdInPath
) -> Response:
    """Show a piece, with what may be ordered and done about it."""
    caller = await need_caller(request, service, tenant, "read")
    try:
        return await _answer(service, reader, caller, id, Form())
    except Problem as problem:
        if problem.status != 410:
            raise
        return await _answer_erased(service, reader, caller, id, problem)


@router.get("/tenants/{tenant}/evidence/{id}/package")
async def package(request: Request, service: CurrentService, tenant: str, id: IdInPath) -> Response:
    """Return the piece as a packed folder."""
    caller = await need_caller(request, service, tenant, "read")
    return await answer_evidence_package(service, caller, id)


@router.post("/tenants/{tenant}/evidence/{id}/certificates")
async def order(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str, id: IdInPath
) -> Response:
    """Order a certificate."""
    caller = await need_caller(request, service, tenant, "submit")
    await read_form(request, service)
    await order_certificate(service, caller, id)
    return RedirectResponse(reader.link(f"/tenants/{tenant}/evidence/{id}"), status_code=303)


@router.post("/tenants/{tenant}/evidence/{id}/erasure")
async def erase(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str, id: IdInPath
) -> Response:
    """Erase the piece, for good."""
    caller = await need_caller(request, service, tenant, "manage")
    form = await read_form(request, service, "basis", "reason", "sure")
    if form.text("basis") not in BASES:
        form = form.refuse(basis=Message("erasure-basis-missing"))
    if not form.text("reason"):
        form = form.refuse(reason=Message("erasure-reason-empty"))
    if not form.has("sure", "yes"):
        form = form.refuse(sure=Message("erasure-not-confirmed"))
    if not form.errors:
        try:
            await erase_evidence(
                service, caller, id, basis=form.text("basis"), reason=form.text("reason")
            )
        except Problem as problem:
            if problem.status not in _REFUSED:
                raise
            form = form.refuse(reason=problem.detail)
    if form.errors:
        return await _answer(service, reader, caller, id, form)
    return RedirectResponse(reader.link(f"/tenants/{tenant}/evidence"), status_code=303)


@router.post("/tenants/{tenant}/evidence/{id}/retention")
async def set_date(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str, id: IdInPath
) -> Response:
    """Set the retention date, or remove the one that was set."""
    caller = await need_caller(request, service, tenant, "manage")
    form = await read_form(request, service, "until")
    try:
        await change_retention(service, caller, id, form.text("until") or None)
    except Problem as problem:
        if problem.status not in _REFUSED:
            raise
        return await _answer(service, reader, caller, id, form.refuse(until=problem.detail))
    return RedirectResponse(reader.link(f"/tenants/{tenant}/evidence/{id}"), status_code=303)


@router.get("/tenants/{tenant}/evidence/{id}/copy")
async def download_copy(
    request: Request, service: CurrentService, tenant: str, id: IdInPath
) -> Response:
    """Return the copy of the original as a file."""
    caller = await need_caller(request, service, tenant, "read")
    return await answer_copy(service, caller, id, request.headers.get("Range"))


@router.post("/tenants/{tenant}/evidence/{id}/copy")
async def delete_copy(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str, id: IdInPath
) -> Response:
    """Delete the copy of the original; the evidence stays."""
    caller = await need_caller(request, service, tenant, "manage")
    form = await read_form(request, service, "sure-copy")
    if not form.has("sure-copy", "yes"):
        form = form.refuse(**{"sure-copy": Message("copy-delete-not-confirmed")})
    else:
        try:
            await remove_copy(service, caller, id)
        except Problem as problem:
            if problem.status not in _REFUSED:
                raise
            form = form.refuse(**{"sure-copy": problem.detail})
    if form.errors:
        return await _answer(service, reader, caller, id, form)
    return RedirectResponse(reader.link(f"/tenants/{tenant}/evidence/{id}"), status_code=303)


async def _answer_erased(
    service: Service, reader: Reader, caller: Caller, id: str, problem: Problem
) -> Response:
    """Show what is left of an erased piece; the one who erased it is named as in the trail."""
    erasure = problem.extension["erasure"]
    actor = erasure["actor"]
    events = erasure["events"] or []
    actors = {each["actor"] for each in events} | ({actor} if actor else set())
    persons = await service.query(find_persons, {Actor.decode(each).id for each in actors})
    values = {
        "here": "account",
        "tenant": caller.tenant,
        "permissions": caller.permissions,
        "id": id,
        "erasure": erasure,
        "by": BEHALF_LABELS.get(erasure["by"]),
        "actor": None if actor is None else describe_actor(actor, persons),
        "events": [
            {
                "at": each["at"],
                "actor": describe_actor(each["actor"], persons),
                "action": describe_action(each["action"]),
            }
            for each in events
        ],
        "basis": None if erasure["by"] == "retention" else _BASIS_LABELS.get(erasure["basis"]),
    }
    return answer_page("erased.html", values, reader, status=problem.status)


def _list_digests(record: bytes | None) -> list[tuple[str, str]]:
    """Return the names and hexadecimal digits of the digests in a record."""
    digests = None if record is None else parse_record(record).digests
    named = [] if digests is None else [("SHA-256", digests.sha256), ("SM3", digests.sm3)]
    return [(name, digest.hex()) for name, digest in named if digest is not None]


def _find_without_case(
    connection: Any, certificates: Sequence[IssuedCertificate], case: CaseOfEvidence | None
) -> set[str]:
    """Return the ids of issued certificates that state other facts of the case, or none."""
    if case is None:
        return set()
    facts = describe_case(case)
    issued = (each.id for each in certificates if each.state == "issued")
    bodies = ((id, load_file(connection, id, "json")) for id in issued)
    return {id for id, body in bodies if body and list_case_facts(json.loads(body)) != facts}


async def _answer(
    service: Service, reader: Reader, caller: Caller, id: str, form: Form
) -> Response:
    stored = await service.read(lambda: find_evidence(service, caller, id))
    status = await load_status(service, caller, id)
    party = await service.query(find_party, stored)
    viewer = viewer_of(caller.permissions, caller.actor)
    cases = await service.query(load_open_cases_of, caller.tenant, viewer, stored.identity)
    certificates = await load_list_page(
        service,
        reader,
        "after",
        lambda row: (row.requested_at, row.id),
        load_certificates,
        stored.identity,
    )
    without_case = await service.query(_find_without_case, certificates.rows, choose_case(cases))
    values = {
        "here": "account",
        "tenant": caller.tenant,
        "permissions": caller.permissions,
        "form": form,
        "id": id,
        "status": status,
        "name": None if stored.record is None else parse_record(stored.record).name,
        "digests": _list_digests(stored.record),
        "capture": await find_facts(service, stored),
        "robots": ROBOTS_LABELS,
        "language": reader.language,
        "stage": label_stages(reader.site)[status.state],
        "tone": choose_tones(reader.site)[status.state],
        "parties": (
            (
                Message("certificate-depositor"),
                list_depositor_lines(party.recorded, party.account),
            ),
            (
                Message("certificate-submitted-by"),
                list_submitter_lines(party.recorded, party.actor, party.name),
            ),
        ),
        "speaker": describe_speaker(party.recorded, party.name),
        "statements": [] if stored.record is None else list_statements(stored.record),
        "certificates": certificates,
        "cases": cases,
        "certificate_case": choose_case(cases),
        "without_case": without_case,
        "has_case": any(
            each.state == "issued" and each.id not in without_case for each in certificates.rows
        ),
        "bases": _BASIS_LABELS,
        "retention_acts": service.project.config.retention.acts,
        "beater": BEATER_LABELS.get(status.retention.beaten_by or "") if status.retention else None,
        "copy": None if status.kept_copy is None else describe_copy_state(status.kept_copy),
        "copy_is_kept": status.kept_copy is not None and status.kept_copy.state == "kept",
    }
    return answer_page("piece.html", values, reader, status=422 if form.errors else 200)
