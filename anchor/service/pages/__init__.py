"""Web pages rendered on the server, without scripts or build step, and the verifier page as is."""

from __future__ import annotations

from fastapi import APIRouter

from anchor.service.pages import dashboard, log_pages, rendering, sign_in

router = APIRouter(include_in_schema=False)
for _part in (dashboard.router, sign_in.router, log_pages.router, rendering.router):
    router.include_router(_part)
