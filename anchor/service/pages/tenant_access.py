"""Who may see a tenant's pages: persons by their role, and nobody else learns that it exists."""

from __future__ import annotations

from functools import partial

from fastapi import Request

from anchor.people.roles import Permission
from anchor.service.auth import choose_tenant, lacks_permission
from anchor.service.caller import Caller, load_session_callers
from anchor.service.pages.page_routes import SignInNeeded
from anchor.service.session_cookies import find_browser_session
from anchor.service.worker import Service
from anchor.store.browser_sessions import BrowserSession


async def need_session(request: Request, service: Service) -> BrowserSession:
    """Return the request's session."""
    session = await find_browser_session(request, service)
    if session is None:
        raise SignInNeeded
    return session


async def need_caller(
    request: Request, service: Service, tenant: str, permission: Permission | None = None
) -> Caller:
    """Return the caller in this tenant, who has the permission if one is named.

    Raises:
        Problem: The person does not belong to the tenant, or there is none (404); or their role
            lacks the permission (403).
    """
    session = await need_session(request, service)
    callers = await service.read(partial(load_session_callers, service.project.database, session))
    caller = choose_tenant(callers, tenant)
    request.scope["anchor.tenant"] = tenant  # for logs
    request.scope["anchor.key"] = caller.actor.encode()
    # Whoever may do nothing in a suspended tenant does not see its members either.
    needed = permission or ("status" if caller.is_suspended else None)
    if needed is not None and needed not in caller.permissions:
        raise lacks_permission(caller, needed)
    return caller


def base_address(request: Request, service: Service) -> str:
    """Return the address of these pages: the configured one, or that of the form's page."""
    configured = service.project.config.platform.url
    return configured or request.headers.get("Origin", "").rstrip("/")
