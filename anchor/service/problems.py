"""Errors as documents: ``application/problem+json`` (RFC 9457), naming the field at fault."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from anchor.errors import (
    AnchorError,
    CannotCheckError,
    ChainGuardError,
    ClockError,
    ConfigError,
    ContradictedError,
    CopyMissingError,
    IncidentError,
    MalformedError,
    NotFinalError,
    StorageError,
    StoreBusyError,
    UnknownVersionError,
    UsageError,
)

MEDIA_TYPE = "application/problem+json"

_LOG = logging.getLogger("anchor.service")
# What an error of the package means to a client; the first that fits counts.
_STATUS: tuple[tuple[type[AnchorError], int], ...] = (
    # No client configures the service.
    (ConfigError, 503),
    (MalformedError, 422),
    (UnknownVersionError, 422),
    (UsageError, 422),
    (NotFinalError, 409),
    (StoreBusyError, 503),
    (StorageError, 503),
    (ChainGuardError, 503),
    (CannotCheckError, 503),
)
RETRY_LATER = {"Retry-After": "5"}
"""Header of an answer: the same request may succeed in five seconds."""
CLOSE = {"Connection": "close"}
"""Header of an answer to a body that was not read, which must not be taken for a next request."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one member: a JSON pointer (RFC 6901) or a parameter, and why."""

    pointer: str
    message: str


class Problem(Exception):
    """An answer that is an error.

    ``detail`` is a sentence for people; ``errors`` name members of the body (``/sha256``) or
    parameters (``wait``).
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def members(self) -> dict[str, Any]:
        """Return the document."""
        members: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            members["errors"] = [
                {"pointer": error.pointer, "message": error.message} for error in self.errors
            ]
        return members

    def response(self) -> Response:
        """Return the answer."""
        return Response(
            json.dumps(self.members(), ensure_ascii=False).encode("utf-8"),
            status_code=self.status,
            media_type=MEDIA_TYPE,
            headers=self.headers,
        )


def unauthorised(detail: str) -> Problem:
    """Return the answer to a request without a usable API key."""
    return Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="anchor"'} | CLOSE)


def explain(error: AnchorError) -> Problem:
    """Return what an error of the package means to a client, without what is the operator's own."""
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    if status < 500:
        hint = f"; {error.hint}" if error.hint else ""
        return Problem(status, f"{error.message}{hint}")
    # Paths and hosts of the store are for the operator, who finds them in the log.
    _LOG.error("%s", error.message)
    headers = RETRY_LATER if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    if isinstance(error, StoreBusyError):
        detail = "the store is busy; nothing was taken in"
    elif isinstance(error, CopyMissingError):
        detail = "the second copy is missing: whether this is written is not known; repeat it"
    elif isinstance(error, StorageError):
        detail = "the store cannot be written or read; what was not acknowledged may be missing"
    elif isinstance(error, ClockError):
        detail = (
            "the service's clock is far from the chain's; nothing is taken in until it is right"
        )
    elif isinstance(error, (IncidentError, ContradictedError)):
        detail = "the chain contradicts the log; nothing is taken in or handed out meanwhile"
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        detail = "the service needs its operator before it can answer this"
    else:
        detail = "an error of the service"
    return Problem(status, detail, headers=headers)


def explain_system_error(error: OSError) -> Problem:
    """Return what an error of the operating system means to a client: never that it erred."""
    # Its path is for the operator.
    _LOG.error("%s: %s", type(error).__name__, error)
    return Problem(
        503,
        "this machine could not do it just now; what was not acknowledged may be missing",
        headers=RETRY_LATER,
    )


def answer_problems(app: FastAPI) -> None:
    """Register handlers that answer every error of ``app`` as a problem."""
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(AnchorError, _answer_error)
    app.add_exception_handler(OSError, _answer_system_error)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(RequestValidationError, _answer_invalid)


def _answer_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


def _answer_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, AnchorError)
    return explain(error).response()


def _answer_system_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError)
    return explain_system_error(error).response()


_DETAILS = {
    404: "there is nothing at this address",
    405: "this address does not take that method",
}


def _answer_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = _DETAILS.get(error.status_code, str(error.detail))
    return Problem(error.status_code, detail, headers=error.headers).response()


def _answer_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [
        # The first part says where the parameter is: query, path or header.
        FieldError(".".join(str(part) for part in field["loc"][1:]), str(field["msg"]))
        for field in error.errors()
    ]
    return Problem(422, "a parameter is not as it has to be", errors=errors).response()
