"""Error answers as ``application/problem+json`` (RFC 9457) that name the field at fault."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import Scope

from anchor.base.errors import (
    AnchorError,
    CannotCheckError,
    ChainGuardError,
    ClockError,
    ConfigError,
    ContradictedError,
    CopyMissingError,
    IncidentError,
    NotFinalError,
    StorageError,
    StoreBusyError,
    UnknownVersionError,
    UsageError,
)
from anchor.base.messages.catalogue import Language
from anchor.base.messages.message import Message, join, translate
from anchor.base.messages.validation import describe_fault

MEDIA_TYPE = "application/problem+json"

# Names of RFC 9110 that Python has from 3.13 on.
_TITLES = {
    413: "Content Too Large",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
_LOG = logging.getLogger("anchor.service")
_OPERATOR = Message("service-needs-operator")
_CONTRADICTED = Message("service-chain-contradicts-log")
# The answer for each error of the package; the first match counts.  Without a message here, the
# client gets the error's own.
_ANSWERS: tuple[tuple[type[AnchorError], int, Message | None], ...] = (
    # No client configures the service.
    (ConfigError, 503, _OPERATOR),
    (UnknownVersionError, 422, None),
    (UsageError, 422, None),
    (NotFinalError, 409, None),
    (StoreBusyError, 503, Message("service-store-busy")),
    (
        CopyMissingError,
        503,
        Message("service-second-copy-missing"),
    ),
    (
        StorageError,
        503,
        Message("service-store-not-usable"),
    ),
    (
        ClockError,
        503,
        Message("service-clock-wrong"),
    ),
    (IncidentError, 503, _CONTRADICTED),
    (ContradictedError, 503, _CONTRADICTED),
    (ChainGuardError, 503, _OPERATOR),
    (CannotCheckError, 503, _OPERATOR),
    (AnchorError, 500, Message("service-internal-error")),
)
RETRY_LATER = {"Retry-After": "5"}
"""Header of an answer: the same request may succeed in five seconds."""
CLOSE = {"Connection": "close"}
"""Header of an answer to an unread body, which must not be parsed as the next request."""


ANSWER_LANGUAGE: ContextVar[Language] = ContextVar("ANSWER_LANGUAGE", default="en")
"""The language of the request's error answers: a reader's of a page, for programs English."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """An error in one field: its JSON pointer (RFC 6901) or parameter name, and the reason."""

    pointer: str
    message: Message


class Problem(Exception):
    """An error answer (RFC 9457).

    ``detail`` is a sentence for people, and ``id`` names it for programs, without a hint that
    follows it; ``type`` is the address of a page that describes it; ``errors`` name members of the
    body (``/sha256``) or parameters (``wait``).
    ``extension`` has further members of the document.
    """

    def __init__(
        self,
        status: int,
        detail: Message,
        *,
        hint: Message | None = None,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extension: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.id = detail.id
        self.detail = detail if hint is None else join([detail, hint], by="semicolon")
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extension = dict(extension or {})

    def members(self) -> dict[str, Any]:
        """Return the members of the problem document, in the language of the request."""
        language = ANSWER_LANGUAGE.get()
        members: dict[str, Any] = {
            "type": f"/problems/{self.id}",
            "title": _TITLES.get(self.status) or HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": translate(self.detail, language),
            "id": self.id,
        }
        if self.errors:
            members["errors"] = [
                {"pointer": error.pointer, "message": translate(error.message, language)}
                for error in self.errors
            ]
        return members | self.extension

    def response(self) -> Response:
        """Return the HTTP response."""
        return Response(
            json.dumps(self.members(), ensure_ascii=False).encode("utf-8"),
            status_code=self.status,
            media_type=MEDIA_TYPE,
            headers=self.headers,
        )


def unauthorised(detail: Message) -> Problem:
    """Return the answer to a request without a usable API key (401)."""
    return Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="anchor"'} | CLOSE)


def explain(error: Problem | AnchorError | OSError) -> Problem:
    """Return the problem that reports an error to a client, without details for the operator."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, OSError):  # the message names a path, which is for the operator
        _LOG.error("%s: %s", type(error).__name__, error)
        return Problem(
            503,
            Message("service-machine-failed"),
            headers=RETRY_LATER,
        )
    status, detail = next(row[1:] for row in _ANSWERS if isinstance(error, row[0]))
    if detail is None:
        return Problem(status, error.message, hint=error.hint)
    # Paths and hosts of the store are for the operator only, who finds them in the log.
    _LOG.error("%s", error.message)
    headers = RETRY_LATER if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return Problem(status, detail, headers=headers)


def answer_problems(app: FastAPI, refuse: Callable[[Scope, Problem], Response]) -> None:
    """Register handlers that answer every error of ``app`` as a problem.

    ``refuse`` returns the answer to a request that no route takes.
    """
    for kind in (Problem, AnchorError, OSError):
        app.add_exception_handler(kind, _answer_error)
    app.add_exception_handler(
        HTTPException, lambda request, error: refuse(request.scope, _explain_http(request, error))
    )
    app.add_exception_handler(RequestValidationError, _answer_invalid)


def _answer_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, (Problem, AnchorError, OSError))
    return explain(error).response()


_DETAILS = {
    404: Message("address-not-found"),
    405: Message("address-method-not-allowed"),
}


def _explain_http(request: Request, error: Exception) -> Problem:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        error.headers = {**(error.headers or {}), **_allow(request)}
    other = Message("request-refused", status=error.status_code, reason=error.detail)
    detail = _DETAILS.get(error.status_code, other)
    return Problem(error.status_code, detail, headers=error.headers)


def _allow(request: Request) -> dict[str, str]:
    """Return the header with all methods of the address; a route alone names only its own."""
    route = request.scope.get("route")
    methods = request.app.openapi()["paths"].get(route.path) if route is not None else None
    return {"Allow": ", ".join(sorted(map(str.upper, methods)))} if methods else {}


def _answer_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [
        # The first part is the parameter's location: query, path or header.
        FieldError(".".join(str(part) for part in field["loc"][1:]), describe_fault(field))
        for field in error.errors()
    ]
    return Problem(422, Message("request-parameter-invalid"), errors=errors).response()
