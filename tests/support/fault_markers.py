"""The fault markers in the tests' source, found without running or importing any test."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.paths import TESTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """One ``pytest.mark.fault(id, how=…, then=…)``; ``where`` is its file and line."""

    where: str
    id: str
    how: str
    then: str


def find_markers(tests: Path = TESTS) -> list[Marker]:
    """Return every marker below ``tests``, in the order of files and lines.

    Raises:
        ValueError: one that does not have its three parts as literal strings.
    """
    return [
        marker
        for path in sorted(tests.rglob("*.py"))
        if path.name not in ("faults.py", "fault_markers.py")
        for marker in _find_in(path, path.relative_to(tests).as_posix())
    ]


def _find_in(path: Path, name: str) -> Iterator[Marker]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault":
            where = f"{name}:{node.lineno}"
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            if len(node.args) == 1:
                given["id"] = node.args[0]
            if set(given) != {"id", "how", "then"}:
                raise ValueError(f"{where}: a fault marker is (id, how=…, then=…)")
            yield Marker(
                where=where, **{key: _literal(value, where) for key, value in given.items()}
            )


def _literal(value: ast.expr, where: str) -> str:
    if not isinstance(value, ast.Constant) or not isinstance(value.value, str) or not value.value:
        raise ValueError(f"{where}: the parts of a fault marker are literal strings")
    return value.value
