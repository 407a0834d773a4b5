"""The schema of records and the page about their groups, made from the models."""

from __future__ import annotations

from inspect import getdoc
from typing import Any

from anchor.evidence.collection_profiles import PROFILE_DEMANDS
from anchor.base.digests import SHA256, SM3
from anchor.evidence.group_members import Group, find_group, list_members
from anchor.evidence.group_schema import build_group_schema
from anchor.evidence.record import MAX_NAME_CHARACTERS, SCHEMA
from anchor.evidence.record_groups import RecordGroups
from anchor.base.messages.message import translate

_HEX = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_NO_DEMAND = "It demands nothing.\n"
_START, _END = "<!-- generated from the models: start -->\n", "<!-- generated: end -->\n"


def describe_record_schema() -> dict[str, Any]:
    """Return the JSON Schema of a record, whose groups are those of the models."""
    groups, definitions = build_group_schema()
    properties = {
        "schema": {"const": SCHEMA},
        "digests": {"type": "object", "minProperties": 1, "properties": {SHA256: _HEX, SM3: _HEX}},
        "size": {"type": "integer", "minimum": 0, "maximum": 2**53 - 1},
        "name": {"type": "string", "minLength": 1, "maxLength": MAX_NAME_CHARACTERS},
        "media_type": {"type": "string"},
        "salt": _HEX,
        "log": {"type": "string", "pattern": "^0x[0-9a-f]{64}$"},
        "recorded_at": {"type": "string"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": definitions,
        "title": SCHEMA,
        "description": "A record of one piece of evidence. Other members are allowed; a reader "
        "does not refuse a record whose groups have another form.",
        "type": "object",
        "required": ["schema", "digests", "name", "salt", "recorded_at"],
        "properties": properties | groups["properties"],
    }


def describe_groups(page: str) -> str:
    """Return docs/record-groups.md with its tables of members and profiles generated anew."""
    parts = [_table(RecordGroups, "Members of the record")]
    for name in list_members(RecordGroups):
        parts += [_table(group, f"`{path}`") for path, group in _groups_below(RecordGroups, name)]
    parts.append("## Demands of the profiles\n")
    for profile, demands in PROFILE_DEMANDS.items():
        rows = [
            f"| `{demand.name}`{f', {demand.least} at least' if demand.least > 1 else ''} "
            f"| {demand.level} | {demand.source} | {translate(demand.source, 'zh')} |\n"
            for demand in demands
        ]
        head = "| member | level | source | 依据 |\n|---|---|---|---|\n"
        parts.append(f"### `{profile}`\n\n{head + ''.join(rows) if rows else _NO_DEMAND}")
    before, _, rest = page.partition(_START)
    _, _, after = rest.partition(_END)
    return before + _START + "\n" + "\n".join(parts) + "\n" + _END + after


def _groups_below(owner: type[Group], name: str) -> list[tuple[str, type[Group]]]:
    group = find_group(owner, name)
    if group is None:
        return []
    below = [
        (f"{name}.{path}", inner)
        for member in list_members(group)
        for path, inner in _groups_below(group, member)
    ]
    return [(name, group), *below]


def _table(group: type[Group], title: str) -> str:
    schema = group.model_json_schema(by_alias=True)
    required = schema.get("required", [])
    rows = "".join(
        f"| `{name}` | {member.label} | {translate(member.label, 'zh')} "
        f"| {_describe_form(schema['properties'][name])}"
        f"{', required' if name in required else ''} | {member.origin} |\n"
        for name, member in list_members(group).items()
    )
    head = "| member | meaning | 含义 | form | |\n|---|---|---|---|---|\n"
    return f"## {title}\n\n{getdoc(group)}\n\n{head}{rows}"


def _describe_form(schema: dict[str, Any]) -> str:
    """Return the form of a member in a few words."""
    if "anyOf" in schema:
        return " or ".join(map(_describe_form, schema["anyOf"]))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "$ref" in schema:
        return "object"
    if schema.get("type") == "array":
        bounds = f"{schema.get('minItems', 0)} to {schema['maxItems']}"
        return f"list of {bounds}, each {_describe_form(schema['items'])}"
    pattern = schema.get("pattern", "")
    if pattern.startswith(r"^\d{4}"):
        return "time in UTC"
    if pattern.endswith("{64}$"):
        return "64 hex digits"
    return {"string": "text"}.get(str(schema.get("type")), str(schema.get("type")))
