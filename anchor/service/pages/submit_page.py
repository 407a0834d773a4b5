"""``/tenants/TENANT/submit``: the page whose script hashes files and submits their digests."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.base.messages.message import Message
from anchor.evidence.group_values import spell_value
from anchor.evidence.record_groups import Kind
from anchor.evidence.statement_text import MAX_CHARACTERS
from anchor.service.caller import load_session_callers
from anchor.service.pages.language import CurrentReader
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.rendering import SCRIPT_POLICY, answer_page, static_path
from anchor.service.pages.tenant_access import need_caller, need_session
from anchor.service.problems import Problem
from anchor.service.worker import CurrentService, Service
from anchor.store.kept_copies import count_copy_bytes

router = APIRouter(include_in_schema=False, route_class=PageRoute)

# Other kinds need members that this page does not ask for, or are the operator's to record.
_KINDS: Final[tuple[Kind, ...]] = (
    "file",
    "statement",
    "web-capture",
    "screen-recording",
    "call-recording",
    "photo",
    "device-copy",
    "database-extract",
)
KIND_LABELS: Final[Mapping[Kind, str]] = {kind: spell_value("kind", kind) for kind in _KINDS}


@router.get("/submit")
async def choose_tenant(
    request: Request, service: CurrentService, reader: CurrentReader
) -> Response:
    """Lead to the page of the tenant for which the person may submit, or let them choose one."""
    session = await need_session(request, service)
    callers = await service.read(partial(load_session_callers, service.project.database, session))
    tenants = sorted(name for name, each in callers.items() if "submit" in each.permissions)
    if not tenants:
        raise Problem(403, Message("submit-no-tenant"))
    if len(tenants) == 1:
        return RedirectResponse(reader.link(f"/tenants/{tenants[0]}/submit"), status_code=303)
    return answer_page("submit_tenants.html", {"here": "account", "tenants": tenants}, reader)


@router.get("/tenants/{tenant}/submit")
async def submit_page(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str
) -> Response:
    """Show the page; its script asks the API with the session."""
    caller = await need_caller(request, service, tenant, "submit")
    values = {
        "here": "account",
        "tenant": caller.tenant,
        "permissions": caller.permissions,
        "person": caller.actor.id,
        "kinds": KIND_LABELS,
        "limit": MAX_CHARACTERS,
        "script": static_path("submit.js"),
        "upload_script": None,
        "offers_captures": service.settings.captures is not None,
        "copy_room": await _find_copy_room(service, caller.tenant),
    }
    if values["copy_room"]:
        values["upload_script"] = static_path("upload.js")
    return answer_page("submit.html", values, reader, policy=SCRIPT_POLICY)


async def _find_copy_room(service: Service, tenant: str) -> int | None:
    """Return how many bytes of copies the tenant may still keep; None where none are kept."""
    if service.vault is None:
        return None
    used = await service.query(count_copy_bytes, tenant)
    return max(0, service.vault.config.tenant_bytes - used)
