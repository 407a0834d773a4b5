"""Tests say what they need, and one whose tool is missing is not run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import needs, tools
from support.needs import pytest_itemcollected
from support.paths import TESTS
from support.tools import check_program


class Collected:
    """A test as pytest hands it over."""

    nodeid = "the test"

    def __init__(self, path: Path, fixtures: tuple[str, ...] = (), **params: Any) -> None:
        self.path = path
        self.fixturenames = fixtures
        self.callspec = self
        self.params = params
        self.markers: list[str] = []

    def add_marker(self, marker: str) -> None:
        self.markers.append(marker)


@pytest.mark.parametrize(
    ("test", "markers"),
    [
        (Collected(TESTS / "cli/test_help.py"), []),
        (Collected(TESTS / "cli/test_help.py", ("tmp_path", "anvil_path")), ["needs_anvil"]),
        (Collected(TESTS / "cli/test_help.py", kind="postgresql"), ["needs_postgresql"]),
        (Collected(TESTS / "cli/test_help.py", kind="sqlite", number=1), []),
        (Collected(TESTS / "browser/test_rules.py"), ["needs_node"]),
        (Collected(TESTS / "browser/test_page.py", ("browser",)), ["needs_chromium"]),
        (Collected(TESTS / "faults/test_syscalls.py"), ["needs_strace"]),
        (Collected(TESTS / "faults/test_rpc.py", node="hardhat"), ["needs_hardhat"]),
    ],
)
def test_a_test_is_marked_with_what_it_uses(test: Any, markers: list[str]) -> None:
    pytest_itemcollected(test)
    assert test.markers == markers


def test_no_unit_test_needs_a_tool() -> None:
    test: Any = Collected(TESTS / "unit/test_canonical.py", ("browser",))
    with pytest.raises(pytest.UsageError, match="tests/unit and needs_chromium"):
        pytest_itemcollected(test)


def test_a_test_whose_program_is_missing_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"sh": ("dash", ""), "anchorless": ("nothing", ""), "env": ("coreutils", "false")}
    monkeypatch.setattr(tools, "read_tools", lambda: known)
    tools.find_program.cache_clear()
    assert Path(check_program("sh")).is_file()
    for name in ("anchorless", "env"):
        with pytest.raises(pytest.skip.Exception, match=f"not run: no {name} .*apt install"):
            check_program(name)
    tools.find_program.cache_clear()


_FAILING = """\
import subprocess, pytest

@pytest.fixture
def started(): subprocess.run(["anchorless"])
def test_a(): subprocess.run(["anchorless"])
def test_b(): subprocess.run(["sh", "-c", "anchorless"], check=True)
def test_c(): subprocess.run(["bash", "-c", "anchorless"], check=True, capture_output=True)
def test_d(started): pass
def test_e(): subprocess.run(["sh", "-c", "false"], check=True)
def test_f(): subprocess.run(["unlisted"])
def test_g(): open("sh")
def test_h(): print("error: no Anchorless was found"); assert False
def test_i(): subprocess.run(["false"], check=True)
"""
_LISTING = f"""\
import sys
sys.path.append({str(TESTS)!r})
from support import tools
tools.read_tools = lambda: {{
    "anchorless": ("nothing", ""),
    "sh": ("dash", ""),
    "false": ("coreutils", "command -v anchorless"),
}}
pytest_plugins = ["support.needs"]
"""


def test_a_test_that_fails_for_want_of_a_program_of_the_list_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(_LISTING, "utf-8")
    (tmp_path / "test_it.py").write_text(_FAILING, "utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", "utf-8")
    command = [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider"]
    alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=alone, capture_output=True, text=True, check=False
    )
    assert done.stdout.count("not run: no anchorless (on Debian: apt install nothing)") == 5
    # It is here, and too old.
    assert done.stdout.count("not run: no false (on Debian: apt install coreutils)") == 1
    failed = re.findall(r"^FAILED test_it.py::test_(\w)", done.stdout, re.M)
    assert failed == ["e", "f", "g"]


def test_every_program_that_a_marker_names_is_in_the_list() -> None:
    assert {need.program for need in needs.NEEDS if need.program} <= tools.read_tools().keys()


@pytest.mark.parametrize(("number", "user", "cause"), [(1, 1, "root"), (1, 0, None), (13, 1, None)])
def test_what_only_root_may_do_is_not_run_by_others(
    number: int, user: int, cause: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools.os, "geteuid", lambda: user)
    assert tools.find_cause(PermissionError(number, "what the system says"), "") == cause
