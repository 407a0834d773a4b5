"""The service's OpenAPI 3.1 document."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from anchor.evidence.group_schema import build_group_schema
from anchor.evidence.record_groups import RecordGroups
from anchor.service.problems import MEDIA_TYPE
from anchor.service.submission_schemas import DigestSubmission, RecordSubmission

_REFERENCE = "#/components/schemas/{model}"
_DESCRIPTION = """\
Submit digests or records, and get receipts: proofs that they existed no later than a block of the
chain, and are unchanged since. Only webhooks take a URL, and no evidence is sent: only its hashes.

Errors are `application/problem+json` (RFC 9457). Send a key as `Authorization: Bearer KEY`.
"""


def build_openapi(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, which is built once and kept."""
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
            schema = _without_null(model.model_json_schema(ref_template=_REFERENCE))
            schemas[model.__name__] = {
                name: value for name, value in schema.items() if name != "$defs"
            }
        schemas[RecordGroups.__name__], definitions = build_group_schema(_REFERENCE)
        schemas.update(definitions)
        # At least one of the two digests is required, which the model alone does not express.
        schemas[DigestSubmission.__name__]["anyOf"] = [
            {"required": ["sha256"]},
            {"required": ["sm3"]},
        ]
        # FastAPI documents its own error format, which this service does not use.
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for operations in page["paths"].values():
            for operation in operations.values():
                _mend_errors(operation)
                _describe_pages(operation, schemas)
                schemas.update(_take_definitions(operation))
        app.openapi_schema = page
    return app.openapi_schema


def _describe_pages(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Describe the header that names the next page, on answers that are pages of a list."""
    answer = operation["responses"].get("200", {})
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    model = schemas.get(schema.get("$ref", "").rpartition("/")[2], {})
    if "next" in model.get("properties", {}):
        description = 'The next page, if there is one, as `rel="next"` (RFC 8288).'
        answer["headers"] = {"Link": {"description": description, "schema": {"type": "string"}}}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a model's schema, in which members may be left out and are never null."""
    members = {}
    for name, member in schema["properties"].items():
        kinds = [kind for kind in member.get("anyOf", [member]) if kind != {"type": "null"}]
        rest = {key: value for key, value in member.items() if key not in ("anyOf", "default")}
        members[name] = kinds[0] | rest if len(kinds) == 1 else member
    return schema | {"properties": members}


def _take_definitions(operation: dict[str, Any]) -> dict[str, Any]:
    """Remove the definitions that the schemas of a body bring with them, and return them."""
    definitions: dict[str, Any] = {}
    for content in operation.get("requestBody", {}).get("content", {}).values():
        definitions |= content.get("schema", {}).pop("$defs", {})
    return definitions


def _mend_errors(operation: dict[str, Any]) -> None:
    # FastAPI lists 422 for every route with parameters; remove it from those that never answer it.
    invalid = operation["responses"].get("422", {}).get("content", {}).get("application/json", {})
    if invalid.get("schema", {}).get("$ref", "").endswith("/HTTPValidationError"):
        del operation["responses"]["422"]
    for status, response in operation["responses"].items():
        content = response.get("content", {})
        if int(status) >= 400 and "application/json" in content:
            response["content"] = {MEDIA_TYPE: content["application/json"]}
