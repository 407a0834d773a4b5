"""Web pages rendered on the server, without scripts or build step, and the verifier page as is."""

from __future__ import annotations

from fastapi import APIRouter

from anchor.service.pages import (
    account,
    case_list_page,
    case_page,
    dashboard,
    events_page,
    exhibit_page,
    join,
    key_page,
    log_pages,
    provider_sign_in,
    rendering,
    search_page,
    sign_in,
    tenant_page,
)

router = APIRouter(include_in_schema=False)
for _part in (
    dashboard.router,
    sign_in.router,
    provider_sign_in.router,
    account.router,
    join.router,
    tenant_page.router,
    key_page.router,
    events_page.router,
    case_list_page.router,
    case_page.router,
    exhibit_page.router,
    search_page.router,
    log_pages.router,
    rendering.router,
):
    router.include_router(_part)
