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
from support.paths import TESTS

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
    used = _name_program(error)
    for wanted, name in ({name: name for name in read_tools()} | _BROUGHT_BY).items():
        it = re.escape(wanted)
        said = rf"\b{it}: (command )?not found|\bno {it} was found|未找到 ?{it}"
        if (wanted == used or re.search(said, text, re.I)) and find_program(name) is None:
            return name
    return None


def _name_program(error: BaseException) -> str | None:
    """Return the program that was not there, or that failed, perhaps because it is too old."""
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        path = Path(os.fsdecode(error.filename))
        return "node" if "node_modules" in path.parts else path.name
    if isinstance(error, subprocess.CalledProcessError) and isinstance(error.cmd, (list, tuple)):
        return Path(os.fsdecode(error.cmd[0])).name
    return None
