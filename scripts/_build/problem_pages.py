"""The table of problem types in docs/problems.md, read from the service's sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from anchor.base.messages.catalogue import load_catalogue

_INTRODUCTION = """\
# Problems

For programs that talk to [the service](service.md). `scripts/_build/build_docs.py` writes this page from
the program.

Every error answer is `application/problem+json` (RFC 9457):

| member | |
|---|---|
| `type` | `/problems/ID` at the service: a page with its meaning, in English and Chinese |
| `title` | the name of the status |
| `status` | the HTTP status |
| `detail` | a sentence for people, with the values filled in; a hint may follow it |
| `id` | the last part of `type`; it stays when the sentence is reworded |
| `errors` | the members (JSON pointers) or parameters at fault, each with a reason |

A status of 429 or 503 with `Retry-After` may be tried again. Besides these types, a 409 or 422 may
have that of an error of the program itself, whose sentence its page has, too.

| `id` | status | `detail` |
|---|---|---|
"""


def describe_problems(root: Path) -> str:
    """Return the text of docs/problems.md."""
    catalogue = load_catalogue("en")
    statuses: dict[str, set[int]] = {}
    for path in sorted((root / "anchor" / "service").rglob("*.py")):
        for status, name in _read(ast.parse(path.read_text("utf-8"))):
            statuses.setdefault(name, set()).add(status)
    rows = []
    for name in sorted(statuses):
        codes = ", ".join(map(str, sorted(statuses[name])))
        rows.append(f"| `{name}` | {codes} | {_escape(catalogue[name])} |\n")
    return _INTRODUCTION + "".join(rows)


def _read(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the status and the id of each problem that a module makes in one expression."""
    constants = {
        target.id: name
        for node in tree.body
        if isinstance(node, ast.Assign) and (name := _message_id(node.value)) is not None
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name("Problem"), args=[ast.Constant(int(status)), text, *_]):
                pass
            case ast.Call(func=ast.Name("unauthorised"), args=[text]):
                status = 401
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    name = _message_id(value)
                    if isinstance(key, ast.Constant) and isinstance(key.value, int) and name:
                        yield key.value, name
                continue
            case ast.Tuple(elts=[ast.Name(), ast.Constant(int(status)), text]):
                pass
            case _:
                continue
        name = constants.get(text.id) if isinstance(text, ast.Name) else _message_id(text)
        if name is not None:
            yield status, name


def _message_id(node: ast.expr) -> str | None:
    match node:
        case ast.Call(func=ast.Name("Message"), args=[ast.Constant(str(name))]):
            return name
    return None


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
