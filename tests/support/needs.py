"""What tests need beside ``pip install -e '.[test]'``: a marker for each tool, set by its users.

Markers choose (``-m "not needs_chromium"``).  A test whose tool is missing is not run, which pytest
lists with the tool's name, and ``scripts/test`` counts; under ``CI=1`` that fails.  A test in
``tests/unit`` that needs a marked tool is an error.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from support.paths import TESTS
from support.tools import check_program, explain, find_cause


@dataclass(frozen=True, slots=True)
class Need:
    """A tool, the fixtures that start it, the modules of ``support`` that do, and its program.

    Without a program whoever starts the tool looks for it.
    """

    marker: str
    fixtures: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    program: str = ""


NEEDS = (
    Need("needs_anvil", ("anvil", "anvil_path", "bare_anvil", "module_anvil", "own_anvil")),
    Need("needs_postgresql", ("postgres", "postgresql"), ("standbys",)),
    Need("needs_chromium", ("browser", "tab"), ("web_site",)),
    Need("needs_node", (), ("page_script", "page_campaign", "four_judges"), "node"),
    Need("needs_hardhat", ("hardhat", "running_hardhat"), (), "node"),
    Need("needs_pgbouncer", (), ("pooler",), "pgbouncer"),
    Need("needs_faketime", (), ("wrong_clock",), "faketime"),
    Need("needs_strace", (), ("strace",), "strace"),
    Need("needs_pdfsig", ("pdfsig",), (), "pdfsig"),
    Need("needs_softhsm", ("token_module",), (), "softhsm2-util"),
    Need("needs_ssh_keygen", (), ("signers",), "ssh-keygen"),
    Need("needs_web_servers", (), ("webservers",)),
    Need("needs_xvfb", (), ("screens",), "ffmpeg"),
    Need("needs_clamav", ("clamscan",), (), "clamscan"),
    Need("needs_ffmpeg", ("ffmpeg",), (), "ffmpeg"),
    Need("needs_mitmdump", ("recorder",)),
    Need("needs_go", (), ("foreign_judge",), "go"),
    Need("needs_podman", (), ("containers",), "podman"),
    Need("needs_firefox", (), ("firefox",), "firefox-esr"),
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
    """Do not run a test whose tool is missing."""
    for need in NEEDS:
        if need.program and item.get_closest_marker(need.marker):
            check_program(need.program)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report a test that failed for want of a program as not run."""
    report = yield
    if report.failed and call.excinfo is not None:
        error = call.excinfo.value
        said = f"{report.longreprtext}\n{report.capstdout}\n{report.capstderr}"
        if name := find_cause(error, f"{said}\n{getattr(error, 'stderr', '')}"):
            report.outcome = "skipped"
            report.longrepr = (str(item.path), item.reportinfo()[1] or 0, explain(name))
    return report


@cache
def _support_modules(path: Path) -> frozenset[str]:
    return frozenset(re.findall(r"^from support\.(\w+) import", path.read_text("utf-8"), re.M))
