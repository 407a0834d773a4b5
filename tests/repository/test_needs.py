"""Tests say what they need, and a missing tool is an error that says how to install it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.needs import check_program, pytest_itemcollected
from support.paths import TESTS


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


def test_a_missing_program_is_named_with_how_to_install_it(monkeypatch: Any) -> None:
    assert Path(check_program("sh", "never said")).is_file()
    with pytest.raises(pytest.fail.Exception, match=r"no anchorless was found.*: install it"):
        check_program("anchorless", "install it")
