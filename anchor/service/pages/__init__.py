"""Web pages rendered on the server; one has a script, which hashes; and the verifier page as is."""

from __future__ import annotations

from fastapi import APIRouter

from anchor.service.pages import (
    account,
    dashboard,
    events_page,
    join,
    key_page,
    log_pages,
    provider_sign_in,
    rendering,
    sign_in,
    submit_page,
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
    submit_page.router,
    events_page.router,
    log_pages.router,
    rendering.router,
):
    router.include_router(_part)
