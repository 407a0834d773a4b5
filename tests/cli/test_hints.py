"""What messages, hints and documents tell people to type exists: commands and their options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from support.fixtures import MakeSite
from support.in_process import run_in_process
from support.paths import ROOT

from anchor.chain.devnet import Devnet
from anchor.cli import app
from anchor.cli.typer_app import LazyCommand

PACKAGE = ROOT / "anchor"
SPOKEN = re.compile(r"`anchor ([^`\n]+)`")
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z0-9-]*")
SOURCES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "scripts").rglob("*.py")])
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").iterdir()])


@cache
def commands() -> dict[str, frozenset[str]]:
    """Return the options of every command, by its words; a group's words have none."""
    return dict(_walk(app, ()))


def _walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, frozenset[str]]]:
    command = command.load() if isinstance(command, LazyCommand) else command
    options = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    yield " ".join(words), frozenset(options | {"--help", "-h"})
    for name, inner in getattr(command, "commands", {}).items():
        yield from _walk(inner, (*words, name))


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the strings of a module, with what is put into them left as ``{}``."""
    inside: set[ast.AST] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            inside |= set(node.values)
            yield (
                node.lineno,
                "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "{}"
                    for part in node.values
                ),
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inside:
            yield node.lineno, node.value


def complain(spoken: str) -> str | None:
    """Return what is wrong with ``anchor`` and these words."""
    words = spoken.partition(" | ")[0].split()  # what a shell pipes elsewhere is no part of it
    if words[0].startswith(("-", "{", "…", "X")) or words[0].isupper():
        return None
    name = words[0]
    if name not in commands():
        return f"there is no command {name}"
    if len(words) > 1 and f"{name} {words[1]}" in commands():
        name = f"{name} {words[1]}"
    options = [word.partition("=")[0] for word in words if word.startswith("-") and word != "-"]
    unknown = [each for each in options if each.strip(",.;:…]") not in commands()[name]]
    return f"{name} has no {unknown}" if unknown else None


def said(paths: list[Path]) -> Iterator[tuple[str, str]]:
    for path in paths:
        if path.suffix == ".py":
            for line, text in texts(path):
                for spoken in SPOKEN.findall(" ".join(text.split())):
                    yield f"{path.relative_to(ROOT)}:{line}", spoken
        else:
            text = path.read_text("utf-8")
            for match in SPOKEN.finditer(text):
                line = text.count("\n", 0, match.start()) + 1
                yield f"{path.relative_to(ROOT)}:{line}", match[1]


@pytest.mark.parametrize("paths", [SOURCES, PAGES], ids=["code", "documents"])
def test_every_command_that_is_named_exists_with_its_options(paths: list[Path]) -> None:
    named = list(said(paths))
    assert len(named) > 100
    wrong = [(place, spoken, complain(spoken)) for place, spoken in named]
    assert not [each for each in wrong if each[2] is not None]


def test_every_option_that_code_names_belongs_to_some_command() -> None:
    known = frozenset().union(*commands().values())
    wrong = [
        (f"{path.relative_to(ROOT)}:{line}", option)
        for path in sorted((PACKAGE / "cli").glob("*.py"))
        for line, text in texts(path)
        for option in OPTION.findall(text)
        if option.startswith("--") and option not in known
    ]
    assert not wrong


def owner(path: Path) -> list[str]:
    """Return the commands that one module of the command line makes; none for a shared one."""
    name = path.stem.replace("_", "-")
    return [each for each in commands() if each == name or each.startswith(name + " ")]


def test_the_errors_of_a_commands_own_module_name_its_own_options() -> None:
    wrong = []
    for path in sorted((PACKAGE / "cli").glob("*.py")):
        options = frozenset().union(*(commands()[name] for name in owner(path)))
        for line, text in errors(path) if options else ():
            wrong += [
                (f"{path.name}:{line}", each)
                for each in OPTION.findall(re.sub("`[^`]+`", "", text))
                if each.startswith("--") and each not in options
            ]
    assert not wrong


def errors(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the strings from which a module makes its errors."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if not is_call or not node.func.id.endswith("Error"):
            continue
        for inner in ast.walk(node):
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                yield inner.lineno, inner.value


@pytest.mark.parametrize(
    "words",
    [
        ("prove", "missing.txt"),
        ("prove", "there.txt"),
        ("log", "deadbeef"),
        ("log", "there.txt"),
        ("log", "99"),
        ("verify", "there.txt"),
        ("verify", "missing.txt"),
        ("certify", "there.txt"),
        ("certify", "missing.txt"),
        ("explain", "there.txt"),
        ("upgrade", "there.txt"),
        ("audit", "missing"),
        ("add", "missing.txt"),
        ("stamp", "missing.txt"),
    ],
    ids=" ".join,
)
def test_a_command_names_its_own_options_only(
    new_site: MakeSite, embedded: Devnet, words: tuple[str, ...]
) -> None:
    site = new_site(embedded)
    site.write("there.txt", b"there")
    ran = run_in_process(*words, cwd=site.folder)
    assert ran.code not in (0, 1), ran
    bare = SPOKEN.sub("", ran.err)
    assert not [each for each in OPTION.findall(bare) if each not in commands()[words[0]]], ran
