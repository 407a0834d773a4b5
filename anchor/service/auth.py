"""Who asks, and whether they may."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from anchor.service.address_limits import Buckets, Throttle, too_many
from anchor.service.audit_trail import claimed_id, note_event
from anchor.service.client_address import client_of
from anchor.service.problems import Problem
from anchor.service.query_parameters import check_parameters
from anchor.service.worker import Service, service_of
from anchor.store.api_keys import ApiKey, find_key
from anchor.system.clock import utc_now

# A key has 84 characters; whatever is much longer is none.
_MAX_TOKEN = 200

_SCHEME = HTTPBearer(
    auto_error=False,
    scheme_name="apiKey",
    description="A key as `anchor api-key create` prints it.",
)


async def authenticate(service: Service, request: Request, token: str | None) -> ApiKey:
    """Return the key that the request brings.

    Raises:
        Problem: it brings none (401), or one that is not known, expired or revoked (401).
    """
    if token is None:
        raise _unauthorised("this needs an API key: Authorization: Bearer KEY")
    if len(token) > _MAX_TOKEN:
        raise _refuse(request, "")
    hashed = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
    key = service.keys.find(hashed, time.monotonic())
    if key is None:
        seconds = _refused_of(request).wait(client_of(request.scope))
        if seconds:
            raise too_many(seconds)
        key = await service.read(lambda: _look_up(service, token))
        if key is None:
            raise _refuse(request, token)
        service.keys.keep(hashed, key, time.monotonic())
    if not key.stands_at(utc_now()):
        raise _refuse(request, token)
    request.scope["anchor.tenant"], request.scope["anchor.key"] = key.tenant, key.id  # for the log
    return key


def _look_up(service: Service, token: str) -> ApiKey | None:
    with service.project.database.read() as connection:
        key = find_key(connection, token)
    return None if key is None or key.revoked_at is not None else key


def _refused_of(request: Request) -> Buckets:
    throttle: Throttle = request.scope["state"]["throttle"]
    return throttle.refused


def _refuse(request: Request, token: str) -> Problem:
    """Return the answer to a credential that is of no use, noted and counted."""
    _refused_of(request).take(client_of(request.scope))
    note_event(request.scope, "key-refused", claimed=claimed_id(token))
    return _unauthorised("that is no API key of this service, or it was revoked or expired")


def _unauthorised(detail: str) -> Problem:
    # What was not read of a body must not be taken for the next request.
    headers = {"WWW-Authenticate": 'Bearer realm="anchor"', "Connection": "close"}
    return Problem(401, detail, headers=headers)


def require(scope: str) -> Callable[..., Awaitable[ApiKey]]:
    """Return a dependency that gives the request's key, which has to be for ``scope``.

    Raises:
        Problem: 401 without a usable key, 403 where it is for something else; 422 where the request
            has parameters that its route does not know.
    """

    async def require_scope(
        request: Request,
        service: Annotated[Service, Depends(service_of)],
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_SCHEME)],
    ) -> ApiKey:
        token = None if credentials is None else credentials.credentials
        key = await authenticate(service, request, token)
        if scope not in key.scopes:
            raise Problem(403, f"this key is not for {scope!r}", headers={"Connection": "close"})
        check_parameters(request)
        return key

    return require_scope


Submitter = Annotated[ApiKey, Depends(require("submit"))]
Reader = Annotated[ApiKey, Depends(require("read"))]
Administrator = Annotated[ApiKey, Depends(require("admin"))]
