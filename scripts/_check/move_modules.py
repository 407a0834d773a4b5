"""Move modules of the package and rewrite whatever names them: ``move_modules.py MAPPING``.

A line of the mapping is ``OLD NEW``, both dotted and relative to ``anchor``: a module, or a package
with what remains of it.  ``OLD -`` removes a package of which nothing remains; ``+ NEW SENTENCE``
creates a package with that docstring.  Unit tests move with their module, the others stay.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOTTED = re.compile(r"\banchor((?:\.[A-Za-z_]\w*)+)")
SLASHED = re.compile(r"\banchor((?:/[\w.-]*\w)+)")
LEFT_ALONE = ("tests/vectors/", "scripts/_check/move_modules.py", "package-lock.json")


def git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


class Moves:
    """The moves that a mapping asks for."""

    def __init__(self, mapping: str) -> None:
        self.targets: dict[str, str] = {}
        self.removed: set[str] = set()
        self.created: dict[str, str] = {}
        for line in mapping.splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            old, new, *rest = line.split(maxsplit=2)
            if old == "+":
                self.created[new] = rest[0]
            elif new == "-":
                self.removed.add(old)
            else:
                assert old not in self.targets, old
                self.targets[old] = new
        self.files = [Path(name) for name in git("ls-files", "-z").split("\0") if name]
        self.names = {self.name(path) for path in self.files if self.is_module(path)}
        self.folders = {
            ".".join(parent.parts[1:])
            for path in self.files
            if path.parts[0] == "anchor"
            for parent in path.parents
            if parent.parts
        }
        unknown = {old for old in self.targets if old not in self.names | self.folders}
        assert not unknown, f"no such module: {sorted(unknown)}"

    @staticmethod
    def is_module(path: Path) -> bool:
        return path.parts[0] == "anchor" and path.suffix == ".py"

    @staticmethod
    def name(path: Path) -> str:
        parts = path.with_suffix("").parts[1:]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def resolve(self, name: str) -> str:
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            prefix = ".".join(parts[:length])
            if prefix in self.targets:
                return ".".join([self.targets[prefix], *parts[length:]])
        return name

    def place(self, path: Path) -> Path | None:
        """Return where a file goes; None where it stays."""
        if path.parts[0] == "anchor":
            folder = ".".join(path.parent.parts[1:])
            if self.is_module(path):
                new = self.resolve(self.name(path))
                if path.name == "__init__.py":
                    if self.name(path) in self.removed:
                        return None
                    target = Path("anchor", *new.split("."), "__init__.py")
                else:
                    target = Path("anchor", *new.split(".")).with_suffix(".py")
            elif folder:
                target = Path("anchor", *self.resolve(folder).split("."), path.name)
            else:
                return None
        elif path.parts[:2] == ("tests", "unit") and len(path.parts) > 3:
            package = ".".join(path.parts[2:-1])
            module = f"{package}.{path.stem.removeprefix('test_')}"
            known = path.stem.startswith("test_") and module in self.names
            new = self.resolve(module).rpartition(".")[0] if known else self.resolve(package)
            target = Path("tests", "unit", *new.split("."), path.name)
            if known:
                target = target.with_name(f"test_{self.resolve(module).rpartition('.')[2]}.py")
        else:
            return None
        return None if target == path else target

    def rewrite_name(self, match: re.Match[str]) -> str:
        parts = match[1][1:].split(".")
        for length in range(len(parts), 0, -1):
            name = ".".join(parts[:length])
            if name in self.names:
                return ".".join(["anchor", self.resolve(name), *parts[length:]])
        return match[0]

    def rewrite_path(self, match: re.Match[str]) -> str:
        path = Path("anchor" + match[1])
        if path in self.files:
            return str(self.place(path) or path)
        dotted = ".".join(path.parts[1:])
        if dotted in self.folders and dotted not in self.removed:
            return "/".join(["anchor", *self.resolve(dotted).split(".")])
        return match[0]

    def rewrite_imports(self, text: str) -> str:
        """Divide ``from PACKAGE import MODULE`` by where the modules go."""
        lines = text.splitlines(keepends=True)
        for node in sorted(
            (n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom)),
            key=lambda n: -n.lineno,
        ):
            source = node.module or ""
            if source != "anchor" and not source.startswith("anchor."):
                continue
            package = source[7:]
            divided: dict[str, list[str]] = {}
            changed = False
            for alias in node.names:
                full = f"{package}.{alias.name}".lstrip(".")
                new_package, new_name = package, alias.name
                if full in self.names:
                    new = self.resolve(full)
                    new_package, _, new_name = new.rpartition(".")
                    changed |= new != f"{self.resolve(package)}.{alias.name}".lstrip(".")
                else:
                    new_package = self.resolve(package)
                bound = alias.asname or (alias.name if new_name != alias.name else None)
                divided.setdefault(new_package, []).append(
                    new_name + (f" as {bound}" if bound and bound != new_name else "")
                )
            if not changed:
                continue
            end = node.end_lineno or node.lineno
            indent = " " * node.col_offset
            tail = lines[end - 1].encode()[node.end_col_offset :].decode()
            made = [
                f"{indent}from {'.'.join(filter(None, ['@anchor', to]))} import {', '.join(names)}"
                for to, names in divided.items()
            ]
            lines[node.lineno - 1 : end] = ["\n".join(made) + tail]
        return "".join(lines)

    def rewrite(self, path: Path, text: str) -> str:
        if path.suffix in {".py", ".pyi"}:
            text = self.rewrite_imports(text)
        text = DOTTED.sub(
            lambda m: m[0] if text[max(m.start() - 1, 0)] == "@" else self.rewrite_name(m), text
        )
        return SLASHED.sub(self.rewrite_path, text.replace("from @anchor", "from anchor"))

    def run(self) -> None:
        for path in self.files:
            if str(path).startswith(LEFT_ALONE) or not (ROOT / path).is_file():
                continue
            try:
                text = (ROOT / path).read_bytes().decode()
            except UnicodeDecodeError:
                continue
            if "anchor" in text and (new := self.rewrite(path, text)) != text:
                (ROOT / path).write_bytes(new.encode())
        for path in self.files:
            if (target := self.place(path)) is not None:
                assert not (ROOT / target).exists(), f"{path} -> {target}: it exists"
                (ROOT / target).parent.mkdir(parents=True, exist_ok=True)
                git("mv", str(path), str(target))
        for name in self.removed:
            git("rm", "-q", "-f", str(Path("anchor", *name.split("."), "__init__.py")))
        for name, sentence in self.created.items():
            init = ROOT / Path("anchor", *name.split("."), "__init__.py")
            init.parent.mkdir(parents=True, exist_ok=True)
            init.write_text(f'"""{sentence}"""\n')
        git("add", "-A", "anchor", "tests/unit")


if __name__ == "__main__":
    Moves(Path(sys.argv[1]).read_text()).run()
