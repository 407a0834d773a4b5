"""Mutation-test the contract: apply every small edit, and check that a test fails.

    python scripts/_check/mutate.py [--only TEXT] [--first NUMBER] [--last NUMBER] [--list]

Works on a copy, never on the sources themselves.  A mutant is one edit of contracts/.  It is killed
if it does not compile, if a forge test fails, or if an ape test fails other than the gas and
artifact snapshots, which any change breaks.  Mutants that compile to the registry's own bytes do
not count.  A survivor must be listed in tests/contracts/equivalent-mutants.toml with the reason why
its behaviour is the same as the contract's; otherwise the run fails.  Takes hours, so it is not
part of scripts/test.  Needs .venv-ape active and scripts/foundry.sh sourced.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("contracts/AnchorRegistry.sol", "contracts/Rfc9162.sol")
EQUIVALENTS = ROOT / "tests" / "contracts" / "equivalent-mutants.toml"
NOT_COPIED = {".git", "node_modules", ".build", "__pycache__", ".hypothesis"}

# Replacements of a token.  Tokens are matched outside comments and never inside longer operators.
REPLACEMENTS: dict[str, tuple[str, ...]] = {
    "==": ("!=",),
    "!=": ("==",),
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "&&": ("||",),
    "||": ("&&",),
    "&": ("|",),
    "+": ("-",),
    "-": ("+",),
    ">>=": ("<<=",),
    "++": ("--",),
    "!": ("",),
    "0": ("1",),
    "1": ("0", "2"),
    "5": ("4", "6"),
    "32": ("31", "33"),
    "33": ("32", "34"),
    "65": ("64", "66"),
    "96": ("64", "0"),
    "0x01": ("0x00", "0x02"),
    "0x40": ("0x60",),
    "uint48": ("uint40",),
    "max": ("min",),
}
# Names of the same type, each of which is replaced by the others.
LIKE_NAMES = (
    ("log", "root"),
    ("root", "head"),
    ("oldLog", "newLog", "fromRoot"),
    ("oldRoot", "newRoot"),
    ("oldSize", "newSize"),
    ("oldHash", "newHash"),
    ("leafHash", "root"),
    ("index", "size"),
    ("size", "headSize"),
    ("node", "last"),
    ("left", "right"),
    ("sibling", "hash"),
    ("key", "holder"),
    ("previousRoot", "root"),
    ("heads", "lastHeads", "successors", "predecessors"),
    ("CLOSED", "0"),
)
_TOKEN = re.compile(r"0x[0-9a-fA-F]+|\w+|>>=|<<=|=>|[<>=!]=|&&|\|\||\+\+|--|[-+*/&|^<>!=?]|\S")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


class Mutant(NamedTuple):
    """One edit: ``old`` at ``start`` of the file becomes ``new``."""

    path: str
    line: int
    start: int
    old: str
    new: str

    def apply(self, text: str) -> str:
        assert text.startswith(self.old, self.start)
        return text[: self.start] + self.new + text[self.start + len(self.old) :]

    def describe(self, text: str) -> str:
        """Return the edit's name, the line that it makes: edits elsewhere do not change it."""
        changed = self.apply(text)
        first = changed.rfind("\n", 0, self.start) + 1
        last = changed.find("\n", self.start + len(self.new))
        return " ".join(changed[first:last].split()) or f"(deleted) {' '.join(self.old.split())}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutation test of the contract.")
    parser.add_argument("--only", default="", help="only mutants whose new line has this text")
    parser.add_argument("--first", type=int, default=1, help="go on from the mutant of this number")
    parser.add_argument("--last", type=int, default=sys.maxsize, help="stop after this one")
    parser.add_argument("--list", action="store_true", help="print the mutants, run nothing")
    options = parser.parse_args()
    texts = {path: (ROOT / path).read_text("utf-8") for path in SOURCES}
    mutants = [
        mutant
        for path in SOURCES
        for mutant in make_mutants(path, texts[path])
        if options.only in mutant.describe(texts[path])
    ]
    if options.list:
        for mutant in mutants:
            print(f"{mutant.path}:{mutant.line}: {mutant.describe(texts[mutant.path])}")
        return 0
    equivalents = {
        (entry["file"], entry["becomes"])
        for entry in tomllib.loads(EQUIVALENTS.read_text("utf-8"))["equivalent"]
        if entry["reason"].strip()
    }
    with tempfile.TemporaryDirectory() as folder:
        laboratory = Laboratory(Path(folder))
        fates = Counter[str]()
        unlisted = 0
        for number, mutant in enumerate(mutants, 1):
            if not options.first <= number <= options.last:
                continue
            text = texts[mutant.path]
            fate = laboratory.judge(mutant, text)
            listed = (mutant.path, mutant.describe(text)) in equivalents
            if fate == "SURVIVED" and listed:
                fate = "equivalent"
            fates[fate] += 1
            unlisted += fate == "SURVIVED"
            place = f"{mutant.path}:{mutant.line}"
            print(f"{number}/{len(mutants)} {fate:16} {place}: {mutant.describe(text)}", flush=True)
    print(", ".join(f"{count} {fate}" for fate, count in fates.most_common()))
    return 1 if unlisted else 0


def make_mutants(path: str, text: str) -> Iterator[Mutant]:
    """Yield each edit of a source file, once."""
    code = _COMMENT.sub(lambda comment: re.sub(r"[^\n]", " ", comment[0]), text)
    # Everything above the first function or constructor is only declarations.
    body = re.search(r"\b(constructor|function)\b", code)
    assert body
    seen = set()
    for start, old, new in [
        *_edit_tokens(code, body.start()),
        *_edit_conditions(code),
        *_delete_statements(code, body.start()),
    ]:
        if (start, old, new) not in seen:
            seen.add((start, old, new))
            yield Mutant(path, text.count("\n", 0, start) + 1, start, old, new)


def _edit_tokens(code: str, begin: int) -> Iterator[tuple[int, str, str]]:
    for match in _TOKEN.finditer(code, begin):
        token = match[0]
        alternatives = [*REPLACEMENTS.get(token, ())]
        for names in LIKE_NAMES:
            if token in names:
                alternatives += [name for name in names if name != token]
        for new in dict.fromkeys(alternatives):
            yield match.start(), token, new


def _edit_conditions(code: str) -> Iterator[tuple[int, str, str]]:
    for match in re.finditer(r"\b(?:if|while) \(", code):
        start, depth, end = match.end(), 1, match.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(code[end], 0)
            end += 1
        for new in ("true", "false"):
            yield start, code[start : end - 1], new
    for match in re.finditer(r"([^=?;\n]+) \? ([^:;]+) : ([^;]+);", code):
        condition, yes, no = match.groups()
        yield match.start(), match[0], f"{condition} ? {no} : {yes};"


def _delete_statements(code: str, begin: int) -> Iterator[tuple[int, str, str]]:
    # A statement follows a brace, a semicolon or `)` / `else` of its condition.
    for match in re.finditer(r"(?<=[;{})])\s+(?!else\b)([^;{}]+;)", code[begin:]):
        statement = match[1]
        # Inside an `if`, the statement is removed and the condition stays.
        inner = re.match(r"(?:else )?if \(.*?\)\s+(?=\w)", statement, re.DOTALL)
        if inner:
            statement = statement[inner.end() :]
        yield begin + match.end() - len(statement), statement, "{}"
    # Statements of the assembly blocks end with their line.
    for match in re.finditer(r"^ +((?:mstore|mstore8)\(.*\)|\w+ := .*)$", code, re.MULTILINE):
        yield match.start(1), match[1], ""


class Laboratory:
    """A copy of the source tree in which one file at a time is mutated."""

    def __init__(self, folder: Path) -> None:
        self._tree = folder / "tree"
        shutil.copytree(
            ROOT,
            self._tree,
            symlinks=True,
            ignore=lambda _, names: {
                name for name in names if name in NOT_COPIED or name.startswith(".venv")
            },
        )
        (self._tree / "node_modules").symlink_to(ROOT / "node_modules")
        self._original = self._compile()
        assert self._original
        if not (self._passes_forge() and self._passes_ape()):
            sys.exit("the tests fail on the contract as it is: mend that first")

    def judge(self, mutant: Mutant, text: str) -> str:
        """Return what killed the mutant, or that it survived."""
        place = self._tree / mutant.path
        place.write_text(mutant.apply(text), "utf-8")
        try:
            code = self._compile()
            if code is None:
                return "does not compile"
            if code == self._original:
                return "same bytes"
            lanes = {"forge": self._passes_forge, "ape": partial(self._passes_ape, mutant.path)}
            if mutant.path != SOURCES[0]:
                # The library is compiled into forge's tests, so that a build takes
                # half a minute.
                lanes = dict(reversed(lanes.items()))
            for lane, passes in lanes.items():
                if not passes():
                    return f"killed by {lane}"
            return "SURVIVED"
        finally:
            place.write_text(text, "utf-8")

    def _compile(self) -> str | None:
        if self._run("forge", "build", "--skip", "*/tests/**"):
            return None
        artifact = self._tree / ".build/forge/AnchorRegistry.sol/AnchorRegistry.json"
        code: str = json.loads(artifact.read_text("utf-8"))["bytecode"]["object"]
        return code

    def _passes_forge(self) -> bool:
        return self._run("forge", "test", "--fail-fast") == 0

    def _passes_ape(self, broken: str = SOURCES[0]) -> bool:
        if self._run(sys.executable, "scripts/_build/build_artifact.py"):
            return False
        lane = sorted(
            path.relative_to(self._tree).as_posix()
            for path in (self._tree / "tests/contracts").glob("test_registry_*.py")
        )
        library = [f"tests/contracts/test_{name}.py" for name in ("rfc9162", "known_attacks")]
        # The tests that are likely to fail come first.
        lane = library + lane if broken != SOURCES[0] else lane + library
        command = ["-m", "pytest", "-x", "-q", "-c", "tests/contracts/pytest.ini", *lane]
        # The packaged standard input is not compared, because the mutant changed it.
        return self._run(sys.executable, *command) == 0

    def _run(self, *command: str) -> int:
        environment = {**os.environ, "FOUNDRY_PROFILE": "mutation"}
        return subprocess.run(
            command, cwd=self._tree, env=environment, capture_output=True
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
