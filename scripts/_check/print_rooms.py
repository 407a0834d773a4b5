"""Print the figures of the package's structure: ``print_rooms.py``.

A room is the folder that a module's name begins with.  Everything is taken by AST, imports inside
functions and packages above an imported module included.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "anchor"
# From below; ``receipt`` to ``verification`` become one room, ``project`` and ``monitor`` go into
# ``operate``.
CORE = (
    "base", "evidence", "log", "ethereum", "registry",
    "receipt", "timestamps", "signatures", "verification", "bag",
    "chain", "store", "project", "operate", "monitor", "cli",
)  # fmt: skip
FRONT = ("", "__main__", "library", "testing", "page", "standalone", "client")
VERIFIER = "verification.verifier"


def find_modules() -> dict[str, Path]:
    """Return the path of each module by its name relative to the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def list_imports(path: Path, modules: Iterable[str]) -> dict[str, int]:
    """Return the modules of the package that a module imports, and how many names of each."""
    names: Counter[str] = Counter()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name[7:] for alias in node.names if alias.name[:7] == "anchor.")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("anchor."):
            package = (node.module or "")[7:]
            for alias in node.names:
                module = f"{package}.{alias.name}"
                names[module if module in modules else package] += 1
    return dict(names)


def close(start: str, graph: dict[str, dict[str, int]]) -> set[str]:
    """Return a module and what it imports, directly or not."""
    found = {start}
    left = [start]
    while left:
        for target in graph[left.pop()]:
            for name in (target, *list_parents(target)):
                if name not in found:
                    found.add(name)
                    left.append(name)
    return found


def list_parents(name: str) -> list[str]:
    """Return the packages that a module lies in."""
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def find_knots(graph: dict[str, dict[str, int]]) -> list[list[str]]:
    """Return the groups of rooms that import each other."""
    rooms: dict[str, dict[str, int]] = {}
    for name, targets in graph.items():
        rooms.setdefault(room_of(name), {}).update({room_of(target): 1 for target in targets})
    reached = {name: close(name, rooms) for name in rooms}
    knots = {
        tuple(sorted(other for other in reached[name] if name in reached[other])) for name in rooms
    }
    return sorted(list(knot) for knot in knots if len(knot) > 1)


def room_of(name: str) -> str:
    """Return the room of a module."""
    return name.partition(".")[0]


def main() -> None:
    """Print the figures."""
    modules = find_modules()
    graph = {name: list_imports(path, modules) for name, path in modules.items()}
    lines = {name: path.read_text("utf-8").count("\n") for name, path in modules.items()}
    importers = Counter(target for name in graph for target in graph[name] if target != name)
    edges = [
        (room_of(name), room_of(target))
        for name, targets in graph.items()
        for target in targets
        if room_of(name) != room_of(target)
    ]
    core, front = set(CORE), set(FRONT)
    wings = {room_of(name) for name in modules} - core - front
    verifier = close(VERIFIER, graph)
    across = sum(
        count
        for name, targets in graph.items()
        for target, count in targets.items()
        if room_of(name) != room_of(target)
    )
    upwards = sum(CORE.index(b) > CORE.index(a) for a, b in edges if {a, b} <= core)
    short = [name for name, path in modules.items() if path.stem != "__init__" and lines[name] < 40]
    print(f"modules: {len(modules)}, lines: {sum(lines.values()):,}")
    print(f"rooms: {len({room_of(name) for name in modules})}, outside the core: {sorted(wings)}")
    print(f"imports core -> wing: {sum(a in core and b in wings for a, b in edges)}")
    print(f"imports wing -> wing: {sum(a in wings and b in wings for a, b in edges)}")
    print(f"imports upwards in the core: {upwards}")
    print(f"rooms that import each other: {find_knots(graph) or 'none'}")
    print(f"modules with one importer: {sum(count == 1 for count in importers.values())}")
    print(f"modules under 40 lines, no front door: {len(short)}")
    print(
        f"verifier alone: {len(verifier)} modules, {sum(lines[name] for name in verifier):,} lines"
    )
    print(f"names imported across rooms: {across:,}")


if __name__ == "__main__":
    main()
