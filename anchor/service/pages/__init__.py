"""Pages for people, rendered here: no script, nothing from elsewhere, no build."""

from __future__ import annotations

from fastapi import APIRouter

from anchor.service.pages import assets, dashboard, explorer, signin

router = APIRouter(include_in_schema=False)
for _part in (dashboard.router, signin.router, explorer.router, assets.router):
    router.include_router(_part)
