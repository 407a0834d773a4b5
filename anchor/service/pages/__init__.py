"""Web pages rendered on the server; one has a script, which hashes; and the verifier page as is."""

from __future__ import annotations

from fastapi import APIRouter

from anchor.service.pages import (
    about_page,
    account,
    api_page,
    batch_page,
    case_link_page,
    case_list_page,
    case_page,
    conformance_page,
    dashboard,
    events_page,
    evidence_list_page,
    exhibit_page,
    join,
    key_page,
    log_pages,
    mail_page,
    number_page,
    operator_page,
    piece_page,
    provider_sign_in,
    rendering,
    sample_sign_in,
    search_page,
    shared_case_page,
    sign_in,
    submit_page,
    tenant_page,
    webhook_page,
)

router = APIRouter(include_in_schema=False)
for _part in (
    dashboard.router,
    operator_page.router,
    sign_in.router,
    sample_sign_in.router,
    provider_sign_in.router,
    account.router,
    join.router,
    tenant_page.router,
    key_page.router,
    submit_page.router,
    webhook_page.router,
    mail_page.router,
    events_page.router,
    evidence_list_page.router,
    piece_page.router,
    case_list_page.router,
    case_page.router,
    case_link_page.router,
    shared_case_page.router,
    exhibit_page.router,
    search_page.router,
    log_pages.router,
    conformance_page.router,
    number_page.router,
    batch_page.router,
    about_page.router,
    api_page.router,
    rendering.router,
):
    router.include_router(_part)
