"""The service's OpenAPI page (3.1)."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from anchor.service.documents import DigestSubmission, RecordSubmission
from anchor.service.problems import MEDIA_TYPE

_DESCRIPTION = """\
Submit digests or records, and get receipts: proofs that they existed no later than a block of the
chain, and are unchanged since. Nothing here takes a URL, and no evidence is sent: only its hashes.

Errors are `application/problem+json` (RFC 9457). Send a key as `Authorization: Bearer KEY`.
"""


def build_openapi(app: FastAPI) -> dict[str, Any]:
    """Return the page, made once."""
    if app.openapi_schema is None:
        page = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version="3.1.0",
            summary=app.summary,
            description=_DESCRIPTION,
            routes=app.routes,
        )
        schemas = page.setdefault("components", {}).setdefault("schemas", {})
        for model in (DigestSubmission, RecordSubmission):
            schemas[model.__name__] = model.model_json_schema()
        # FastAPI describes its own form of errors, which ours take the place of.
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for operations in page["paths"].values():
            for operation in operations.values():
                _mend_errors(operation)
        app.openapi_schema = page
    return app.openapi_schema


def _mend_errors(operation: dict[str, Any]) -> None:
    for status, response in operation["responses"].items():
        content = response.get("content", {})
        if int(status) >= 400 and "application/json" in content:
            response["content"] = {MEDIA_TYPE: content["application/json"]}
