"""What tests need beside ``pip install -e '.[test]'``: a marker for each tool, set by its users.

Markers choose (``-m "not needs_chromium"``) and skip nothing: a test whose tool is missing fails
and says how to install it.  A test in ``tests/unit`` that needs a tool is an error.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from support.paths import TESTS


@dataclass(frozen=True, slots=True)
class Need:
    """A tool, the fixtures that start it, the modules of ``support`` that do, and its programs.

    Without a program whoever starts the tool looks for it, and says how to install it.
    """

    marker: str
    fixtures: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    program: str = ""
    install: str = ""


_NODE = "install Node 20 or later, then run `npm ci --ignore-scripts` here and in web/"
NEEDS = (
    Need("needs_anvil", ("anvil", "anvil_path", "bare_anvil", "module_anvil", "own_anvil")),
    Need("needs_postgresql", ("postgres", "postgresql"), ("standbys",)),
    Need("needs_chromium", ("browser", "tab"), ("web_site",)),
    Need("needs_node", (), ("page_script", "page_campaign", "four_judges"), "node", _NODE),
    Need("needs_hardhat", ("hardhat", "running_hardhat"), (), "node", _NODE),
    Need("needs_pgbouncer", (), ("pooler",), "pgbouncer", "apt install pgbouncer"),
    Need("needs_faketime", (), ("wrong_clock",), "faketime", "apt install faketime"),
    Need("needs_strace", (), ("strace",)),
    Need("needs_pdfsig", ("pdfsig",), (), "pdfsig", "apt install poppler-utils"),
    Need("needs_softhsm", ("token_module",), (), "softhsm2-util", "apt install softhsm2"),
    Need("needs_ssh_keygen", (), ("signers",), "ssh-keygen", "apt install openssh-client"),
    Need("needs_web_servers", (), ("webservers",)),
    Need("needs_xvfb", (), ("screens",), "ffmpeg", "apt install xvfb ffmpeg"),
    Need("needs_clamav", ("clamscan",), (), "clamscan", "apt install clamav"),
    Need("needs_ffmpeg", ("ffmpeg",), (), "ffmpeg", "apt install ffmpeg"),
    Need("needs_mitmdump", ("recorder",)),
    Need("needs_go", (), ("foreign_judge",), "go", "apt install golang-go"),
    Need("needs_podman", (), ("containers",), "podman", "apt install podman crun netavark"),
    Need("needs_firefox", (), ("firefox",), "firefox-esr", "apt install firefox-esr"),
)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers."""
    for need in NEEDS:
        tool = need.marker.removeprefix("needs_").replace("_", " ")
        config.addinivalue_line("markers", f"{need.marker}: starts {tool}")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test with what it needs.

    Raises:
        UsageError: it is in ``tests/unit``, which needs no tool.
    """
    used = {*getattr(item, "fixturenames", ())}
    if callspec := getattr(item, "callspec", None):
        used.update(value for value in callspec.params.values() if isinstance(value, str))
    modules = _support_modules(item.path)
    for need in NEEDS:
        if used.intersection(need.fixtures) or modules.intersection(need.modules):
            if TESTS / "unit" in item.path.parents:
                raise pytest.UsageError(f"{item.nodeid} is in tests/unit and {need.marker}")
            item.add_marker(need.marker)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test whose tool is missing, with how to install it."""
    for need in NEEDS:
        if need.program and item.get_closest_marker(need.marker):
            check_program(need.program, need.install)


def check_program(name: str, how: str) -> str:
    """Return a program's path; fail with how to install it where it is missing."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.fail(f"no {name} was found, which this test needs: {how}", pytrace=False)
    return path


@cache
def _support_modules(path: Path) -> frozenset[str]:
    return frozenset(re.findall(r"^from support\.(\w+) import", path.read_text("utf-8"), re.M))
