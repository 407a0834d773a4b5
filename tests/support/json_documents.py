"""The JSON documents of commands, and the schemas that are promised for them."""

from __future__ import annotations

import json
import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
from support.paths import ROOT

sys.path.append(str(ROOT / "scripts/_build"))
from command_documents import describe_commands

SCHEMAS = ROOT / "docs" / "schemas"
_OWN = {"status": "status.json", "verify": "verification.json"}
# Folders of tests, whose names differ from run to run.
_TEST_FOLDER = re.compile(r"/tmp/(pytest-of-\w+/pytest-\d+/[^/\"]+|anchor-tests-configuration-\w+)")
_LONGEST = 40_000


@cache
def load_schemas() -> dict[str, Any]:
    """Return the schema of each document, by its format without ``anchor-`` and ``/1``."""
    schemas: dict[str, Any] = describe_commands()["$defs"]
    own = {name: json.loads((SCHEMAS / file).read_bytes()) for name, file in _OWN.items()}
    return schemas | own


def stem_of(document: dict[str, Any]) -> str:
    """Return the format of a document without ``anchor-`` and ``/1``."""
    return str(document["format"]).removeprefix("anchor-").removesuffix("/1")


@cache
def _validator(stem: str) -> Any:
    return jsonschema_rs.validator_for(load_schemas()[stem])


def check_document(document: dict[str, Any]) -> dict[str, Any]:
    """Require the members and types that the schema of a document's format promises.

    With ``ANCHOR_TESTS_DOCUMENTS=DIR``, the longest document of each format is kept there.
    """
    stem = stem_of(document)
    _validator(stem).validate(document)
    if folder := os.environ.get("ANCHOR_TESTS_DOCUMENTS"):
        _keep(document, Path(folder) / f"{stem}.json")
    return document


def check_former(document: dict[str, Any]) -> None:
    """Require that the schemas still have all members of a document of an earlier release.

    It may lack members that came later.
    """
    jsonschema_rs.validator_for(_close(load_schemas()[stem_of(document)])).validate(document)


def _close(schema: Any) -> Any:
    """Return a schema that requires no member, and allows none that it does not name."""
    if isinstance(schema, list):
        return [_close(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {
        name: _close(part)
        for name, part in schema.items()
        if not (name == "required" and isinstance(part, list))
    }
    if "type" in schema and isinstance(schema.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed


def _keep(document: dict[str, Any], path: Path) -> None:
    text = json.dumps(document, indent=1) + "\n"
    text = _TEST_FOLDER.sub("/srv/evidence", text).replace(str(ROOT), "/srv/anchor")
    if not path.is_file() or len(path.read_text("utf-8")) < len(text) < _LONGEST:
        path.write_text(text, "utf-8")
