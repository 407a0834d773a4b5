"""Programs that tests use, of the list that ``scripts/test`` reads: ``tests/tools.txt``."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest
from support.paths import ROOT, TESTS

from anchor.chain.devnet import find_anvil

# What commands do not find where a program of the list is missing.
_BROUGHT_BY = {"anvil": "npm", "font with Chinese characters": "fc-list"}


@cache
def read_tools() -> dict[str, tuple[str, str]]:
    """Return the Debian packages of each program, and what must succeed for it to do."""
    lines = (TESTS / "tools.txt").read_text("utf-8").splitlines()
    rows = [line.split("|", 3) for line in lines if not line.startswith("#")]
    return {program: (packages, check) for program, _, packages, check in rows}


@cache
def find_program(name: str) -> str | None:
    """Return a program's path, or nothing where it is missing or does not do."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    _, check = read_tools()[name]
    if path and check and subprocess.run(["sh", "-c", check], capture_output=True).returncode:
        return None
    return path


def check_program(name: str) -> str:
    """Return a program's path; do not run the test where it is missing or does not do."""
    return find_program(name) or miss(name)


def check_anvil() -> Path:
    """Return the anvil to test with; do not run the test where none works."""
    return find_anvil(ROOT) or miss("anvil", "npm ci, or name one with ANCHOR_ANVIL")


def miss(name: str, how: str = "") -> NoReturn:
    """Do not run a test, for want of a tool."""
    pytest.skip(explain(name, how))


def explain(name: str, how: str = "") -> str:
    """Return why a test is not run."""
    if name == "root":
        how = how or "only root may do this"
    return f"not run: no {name} ({how or 'on Debian: apt install ' + read_tools()[name][0]})"


def find_cause(error: BaseException, text: str) -> str | None:
    """Return the missing program for want of which a test failed, if any; or ``root``.

    ``text`` is what the test printed and raised, in which a shell or a command of ours says what it
    did not find.
    """
    if isinstance(error, PermissionError) and error.errno == errno.EPERM and os.geteuid() != 0:
        return "root"
    named = Path(str(getattr(error, "filename", None) or ""))
    if isinstance(error, FileNotFoundError) and "node_modules" in named.parts:
        named = Path("node")
    if isinstance(error, subprocess.CalledProcessError) and isinstance(error.cmd, list):
        # It was too old for what it was asked.
        program = Path(error.cmd[0]).name
        if program in read_tools() and find_program(program) is None:
            return program
    for wanted, name in {**{name: name for name in read_tools()}, **_BROUGHT_BY}.items():
        is_named = isinstance(error, FileNotFoundError) and named.name == wanted
        it = re.escape(wanted)
        said = rf"\b{it}: (command )?not found|\bno {it} was found|未找到 ?{it}"
        if (is_named or re.search(said, text, re.I)) and find_program(name) is None:
            return name
    return None
