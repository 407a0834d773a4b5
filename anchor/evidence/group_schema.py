"""The JSON Schema of record groups, in which members may be absent and are never null."""

from __future__ import annotations

from typing import Any

from anchor.evidence.record_groups import RecordGroups


def build_group_schema(
    ref_template: str = "#/$defs/{model}",
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema of the groups' members, and the definitions that it refers to."""
    schema = _without_defaults(RecordGroups.model_json_schema(ref_template=ref_template))
    definitions: dict[str, Any] = schema.pop("$defs")
    return schema, definitions


def _without_defaults(schema: Any) -> Any:
    """Return a schema without generated titles and without default values, which are all null."""
    if isinstance(schema, list):
        return [_without_defaults(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _without_defaults(value)
        for name, value in schema.items()
        # A member of this name has a schema, not a text or null.
        if name not in ("default", "title") or isinstance(value, dict)
    }
