"""Web pages rendered on the server, without scripts or build step, and the verifier page as is."""

from __future__ import annotations

from fastapi import APIRouter

from anchor.service.pages import (
    account,
    dashboard,
    events_page,
    join,
    key_page,
    log_pages,
    mail_page,
    provider_sign_in,
    rendering,
    sign_in,
    tenant_page,
    webhook_page,
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
    webhook_page.router,
    mail_page.router,
    events_page.router,
    log_pages.router,
    rendering.router,
):
    router.include_router(_part)
