"""``/docs``: the API for people, from its OpenAPI document and without anything of another site."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from anchor.base.messages.message import Message
from anchor.service.pages.language import CurrentReader
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.rendering import answer_page

router = APIRouter(include_in_schema=False, route_class=PageRoute)

Json = Mapping[str, Any]
_TAGS: Final[Mapping[str, Message]] = {
    "evidence": Message("api-tag-evidence"),
    "captures": Message("api-tag-captures"),
    "certificates": Message("api-tag-certificates"),
    "cases": Message("api-tag-cases"),
    "packages": Message("api-tag-packages"),
    "copies": Message("api-tag-copies"),
    "search": Message("api-tag-search"),
    "notices": Message("api-tag-notices"),
    "log": Message("api-tag-log"),
    "usage": Message("api-tag-usage"),
    "people": Message("api-tag-people"),
    "webhooks": Message("api-tag-webhooks"),
    "operator": Message("api-tag-operator"),
    "public log": Message("api-tag-public-log"),
    "public look-up": Message("api-tag-public-look-up"),
    "health": Message("api-tag-health"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiField:
    """A parameter, or a member of a document."""

    name: str
    kind: str
    is_required: bool
    description: str
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOperation:
    """What a request does: its parameters, the types of body and answer, and an example."""

    method: str
    path: str
    summary: str
    description: str
    fields: tuple[ApiField, ...]
    body: str
    answer: str
    problems: tuple[str, ...]
    example: str


@router.get("/docs")
async def api_page(request: Request, reader: CurrentReader) -> Response:
    """Show every request of the API, by subject, and every document."""
    document = request.app.openapi()
    values = {
        "here": "about",
        "version": document["info"]["version"],
        "groups": list_groups(document),
        "schemas": list_schemas(document),
    }
    return answer_page("api.html", values, reader)


def list_groups(document: Json) -> list[tuple[Message | str, list[ApiOperation]]]:
    """Return the operations by their subject, in the order of the document."""
    groups: dict[str, list[ApiOperation]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = next(iter(operation.get("tags", ())), "other")
            groups.setdefault(tag, []).append(_describe(method.upper(), path, operation))
    return [(_TAGS.get(tag, tag), operations) for tag, operations in groups.items()]


def list_schemas(document: Json) -> list[tuple[str, str, list[ApiField]]]:
    """Return name, description and members of every document, by name."""
    return [
        (
            name,
            schema.get("description", ""),
            [
                ApiField(
                    name=member,
                    kind=spell_type(own),
                    is_required=member in schema.get("required", ()),
                    description=own.get("description", ""),
                )
                for member, own in schema.get("properties", {}).items()
            ],
        )
        for name, schema in sorted(document["components"]["schemas"].items())
    ]


def spell_type(schema: Json) -> str:
    """Return a schema's type in a few words: ``array of Heads | null``."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " | ".join(map(spell_type, schema[several]))
    if "enum" in schema or "const" in schema:
        return " | ".join(json.dumps(each) for each in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "any")
    if kind == "array":
        return f"array of {spell_type(schema.get('items', {}))}"
    return str(schema.get("title", kind)) if kind == "object" else str(kind)


def _describe(method: str, path: str, operation: Json) -> ApiOperation:
    content = operation.get("requestBody", {}).get("content", {})
    done = {code: each for code, each in operation["responses"].items() if code < "400"}
    return ApiOperation(
        method=method,
        path=path,
        summary=operation.get("summary", ""),
        description=operation.get("description", ""),
        fields=tuple(map(_describe_parameter, operation.get("parameters", ()))),
        body=_spell_content(content),
        answer="; ".join(
            f"{code} {_spell_content(each.get('content', {}))}".strip()
            for code, each in done.items()
        ),
        problems=tuple(sorted(operation["responses"].keys() - done.keys())),
        example=_write_example(method, path, operation, next(iter(content), None)),
    )


def _describe_parameter(parameter: Json) -> ApiField:
    return ApiField(
        name=parameter["name"],
        kind=spell_type(parameter["schema"]),
        is_required=parameter.get("required", False),
        description=parameter.get("description", ""),
        place=parameter["in"],
    )


def _spell_content(content: Json) -> str:
    return ", ".join(
        f"{spell_type(each['schema'])} ({media})" if each.get("schema") else media
        for media, each in content.items()
    )


def _write_example(method: str, path: str, operation: Json, media: str | None) -> str:
    """Return the request as a command for a shell."""
    parts = ["curl -s"]
    if method != "GET":
        parts.append(f"-X {method}")
    if operation.get("security"):
        parts.append('-H "Authorization: Bearer $KEY"')
    if media is not None:
        parts.append(f"-H 'Content-Type: {media}' --data-binary @BODY")
    return " ".join([*parts, f'"$SERVICE{path}"'])
