"""Commands without what only runs them: their help needs no store, no node and no extra."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from importlib.abc import InspectLoader
from importlib.util import find_spec
from types import ModuleType


def load_signatures(name: str) -> ModuleType:
    """Run a module without the imports that only the bodies of its functions use.

    Its functions can be described and not called, so it is not kept as the imported module.
    """
    spec = find_spec(name)
    loader = None if spec is None else spec.loader
    source = loader.get_source(name) if isinstance(loader, InspectLoader) else None
    if source is None:
        return import_module(name)
    tree = ast.parse(source)
    used = {name for statement in tree.body for name in _list_names(statement)}
    tree.body = [statement for statement in tree.body if _is_needed(statement, used)]
    module = ModuleType(__name__)  # dataclasses look themselves up in an imported module
    exec(compile(tree, name, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 (our own)
    return module


def _is_needed(statement: ast.stmt, used: set[str]) -> bool:
    if not isinstance(statement, ast.Import | ast.ImportFrom):
        return True
    bound = {(each.asname or each.name).partition(".")[0] for each in statement.names}
    return bool(bound & (used | {"annotations"}))


def _list_names(statement: ast.AST) -> Iterator[str]:
    """Yield the names that a statement uses when it runs, and those in a command's signature."""
    match statement:
        case ast.Import() | ast.ImportFrom():
            return
        case ast.FunctionDef(name=name, decorator_list=decorators, args=arguments):
            is_command = name == "command" or decorators
            values = [*arguments.defaults, *filter(None, arguments.kw_defaults)]
            parts: list[ast.AST] = [*decorators, arguments] if is_command else [*values]
        case ast.Name(id=name):
            yield name
            return
        case _:
            parts = list(ast.iter_child_nodes(statement))
    for part in parts:
        yield from _list_names(part)
