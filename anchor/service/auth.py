"""Authentication and authorisation: API keys and sessions, and the audit trail of refusals.

A browser session may call the API from this site's own pages, with what the person's role permits.

Each event of the audit trail is a line of JSON to the log ``anchor.audit``, which goes to standard
error even with ``--quiet``: sign-ins and refusals with address and key id, never a secret.
Commands record changes of keys in a file of the project (``operate.key_audit_trail``).
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import Scope

from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.people.roles import Permission
from anchor.service.address_limits import COUNTED, TokenBuckets, limits_of, too_many
from anchor.service.caller import Caller, caller_of_key, load_session_callers
from anchor.service.client_address import client_of
from anchor.service.problems import CLOSE, FieldError, Problem, unauthorised
from anchor.service.session_cookies import check_origin, find_browser_session, is_from_other_site
from anchor.service.worker import CurrentService, Service
from anchor.store.api_keys import ApiKey, find_key

_AUDIT_LOG = logging.getLogger("anchor.audit")
# A key has 84 characters; a much longer text is not a key.
_MAX_TOKEN = 200
# The id in front of a key's secret: 12 hex digits, shown by `anchor api-key list`.
_ID = re.compile(r"anchor_([0-9a-f]{12})_")
# Seconds for which a key found valid is not looked up again: a revocation takes effect after that.
_TRUST_SECONDS = 1.0
_MOST_KEPT = 1_000
# The most characters of a parameter's name, and the most names, that an answer repeats.
_SHOWN = 80
_MOST_SHOWN = 10

TENANT_HEADER = "Anchor-Tenant"
"""The header that names the tenant for which a person's session makes a request."""

_SCHEME = HTTPBearer(
    auto_error=False,
    scheme_name="apiKey",
    description="A key as `anchor api-key create` prints it.",
)


class KeyCache:
    """Keys that were found valid within the last second, by the SHA-256 of the token."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, tuple[ApiKey, float]] = OrderedDict()

    def find(self, token_hash: bytes) -> ApiKey | None:
        """Return the key, if it was found valid within the last second."""
        key, expires = self._kept.get(token_hash, (None, 0.0))
        return key if time.monotonic() < expires else None

    def keep(self, token_hash: bytes, key: ApiKey) -> None:
        """Remember a key that was just found valid."""
        self._kept[token_hash] = (key, time.monotonic() + _TRUST_SECONDS)
        self._kept.move_to_end(token_hash)
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)


async def authenticate(service: Service, request: Request, token: str | None) -> ApiKey:
    """Return the API key that the request carries.

    Raises:
        Problem: The key is missing, unknown, expired or revoked (401), or too many keys from the
            request's address were refused (429).
    """
    if token is None:
        raise unauthorised(Message("request-key-missing"))
    if len(token) > _MAX_TOKEN:
        raise _refuse(request, "")
    cache: KeyCache = request.scope["state"]["keys"]
    token_hash = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
    key = cache.find(token_hash)
    if key is None:
        seconds = _refused_of(request).wait(client_of(request.scope))
        if seconds:
            raise too_many(seconds)
        key = await service.query(find_key, token)
        if key is None or key.revoked_at is not None:
            raise _refuse(request, token)
        cache.keep(token_hash, key)
    if key.is_suspended:
        raise Problem(403, Message("tenant-suspended"), headers=CLOSE)
    if not key.stands_at(utc_now()):
        raise _refuse(request, token)
    if request.scope.pop(COUNTED, False):
        limits_of(request).anonymous.give_back(client_of(request.scope))
    request.scope["anchor.tenant"], request.scope["anchor.key"] = key.tenant, key.id  # for logs
    return key


def _refused_of(request: Request) -> TokenBuckets:
    return limits_of(request).refused


def _refuse(request: Request, token: str) -> Problem:
    """Return the answer to an unusable credential (401); log and count the refusal."""
    _refused_of(request).take(client_of(request.scope))
    id_match = _ID.match(token)
    note_event(request.scope, "key-refused", claimed=None if id_match is None else id_match[1])
    return unauthorised(Message("request-key-not-usable"))


def note_event(scope: Scope, event: str, **members: str | None) -> None:
    """Write an event of the audit trail with the client's address."""
    document = {"event": event, "client": client_of(scope), **members}
    _AUDIT_LOG.info(json.dumps(document, ensure_ascii=True, separators=(",", ":")))


def require(permission: Permission) -> Callable[..., Awaitable[Caller]]:
    """Return a dependency that returns the request's caller, who must have ``permission``.

    Raises:
        Problem: The request has neither a usable key nor a session (401), its tenant is unknown to
            the caller (404), the caller lacks the permission (403), or the request has parameters
            that its route does not know (422).
    """

    async def require_permission(
        request: Request,
        service: CurrentService,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_SCHEME)],
    ) -> Caller:
        if credentials is None and "Authorization" not in request.headers:
            caller = await _find_session_caller(service, request)
        else:
            token = None if credentials is None else credentials.credentials
            caller = caller_of_key(await authenticate(service, request, token))
            choose_tenant({caller.tenant: caller}, request.headers.get(TENANT_HEADER))
        if permission not in caller.permissions:
            raise lacks_permission(caller, permission)
        _check_parameters(request)
        return caller

    return require_permission


async def _find_session_caller(service: Service, request: Request) -> Caller:
    """Return the caller by the request's session, in the tenant that a header names.

    Raises:
        Problem: There is no session (401), the request is from another site (403), or its tenant
            is not named (400) or unknown to the person (404).
    """
    session = await find_browser_session(request, service)
    if session is None:
        raise unauthorised(Message("request-key-missing"))
    if request.method not in ("GET", "HEAD"):
        check_origin(request, is_needed=True)
    elif is_from_other_site(request):
        raise Problem(403, Message("form-from-other-site"), headers=CLOSE)
    callers = await service.read(partial(load_session_callers, service.project.database, session))
    caller = choose_tenant(callers, request.headers.get(TENANT_HEADER))
    request.scope["anchor.tenant"] = caller.tenant  # for logs
    request.scope["anchor.key"] = caller.actor.encode()
    return caller


def choose_tenant(callers: Mapping[str, Caller], named: str | None) -> Caller:
    """Return the caller in the tenant that is named, or in the only one.

    Raises:
        Problem: The tenant is unknown to the caller (404), or none is named of several (400).
    """
    if named is None and len(callers) == 1:
        return next(iter(callers.values()))
    if named is None and callers:
        raise Problem(400, Message("request-tenant-missing", header=TENANT_HEADER), headers=CLOSE)
    if named is None or named not in callers:
        # The same answer for another's tenant as for none, so that nobody learns which exist.
        raise Problem(404, Message("tenant-unknown"), headers=CLOSE)
    return callers[named]


def lacks_permission(caller: Caller, permission: Permission) -> Problem:
    """Return the answer to a caller who may not do this (403)."""
    if caller.is_suspended:
        detail = Message("tenant-suspended")
    elif caller.actor.kind == "key":
        detail = Message("request-key-lacks-scope", scope=permission)
    else:
        detail = Message("request-role-lacks-permission")
    return Problem(403, detail, headers=CLOSE)


def _check_parameters(request: Request) -> None:
    """Check the parameters' names: a misspelt one would be taken as left out.

    Raises:
        Problem: The route does not know a parameter, or a parameter appears twice (422).
    """
    counts = Counter(name for name, _ in request.query_params.multi_items())
    if not counts:
        return
    known = {parameter.alias for parameter in request.scope["route"].dependant.query_params}
    errors = [
        FieldError(
            name[:_SHOWN],
            Message("request-parameter-repeated")
            if name in known
            else Message("request-parameter-unknown"),
        )
        for name, count in counts.items()
        if name not in known or count > 1
    ]
    if errors:
        raise Problem(
            422, Message("request-parameter-invalid"), errors=errors[:_MOST_SHOWN], headers=CLOSE
        )


Submitter = Annotated[Caller, Depends(require("submit"))]
Reader = Annotated[Caller, Depends(require("read"))]
StatusReader = Annotated[Caller, Depends(require("status"))]
Auditor = Annotated[Caller, Depends(require("audit"))]
Manager = Annotated[Caller, Depends(require("manage"))]
Administrator = Annotated[Caller, Depends(require("admin"))]
