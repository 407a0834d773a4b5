"""The plugin as pytest loads it, in a process of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import environment
from support.paths import ROOT

PAGE = ROOT / "docs" / "testing.md"
EXAMPLE = ROOT / "examples" / "pytest" / "test_evidence.py"
# In this environment ape's plugin would be loaded as well; ours is loaded once, by its module.
PLUGINS = ("no:ape_test", "no:schemathesis", "no:anchor", "anchor.testing.pytest_plugin")


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder that has only what it needs, with warnings as errors."""
    plugins = [word for name in PLUGINS for word in ("-p", name)]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", *plugins, *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def test_the_tests_of_the_example_and_of_the_page_pass(folder: Path) -> None:
    shutil.copy(EXAMPLE, folder)
    [block] = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    (folder / "test_page.py").write_text(block)
    done = run_pytest(folder, "--anchor-chain=py-evm")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


LOADED = """
import sys
from anchor.testing import AnchorChain, AnchorProject

def test_loaded():
    heavy = {"web3", "sqlalchemy", "pydantic", "eth", "eth_account", "requests", "typer"}
    assert not heavy & {name.partition(".")[0] for name in sys.modules}
    ours = {name for name in sys.modules if name.partition(".")[0] == "anchor"}
    plugin = {"anchor.testing.pytest_plugin", "anchor.testing.fixture_types"}
    assert ours == {"anchor", "anchor.testing", *plugin}
"""


def test_a_session_that_uses_no_fixture_loads_nothing_heavy(folder: Path) -> None:
    (folder / "test_loaded.py").write_text(LOADED)
    done = run_pytest(folder)
    assert done.returncode == 0, done.stdout


def test_a_chain_that_is_not_known_fails_with_one_sentence(folder: Path) -> None:
    (folder / "pytest.ini").write_text("[pytest]\nanchor_chain = hardhat\n")
    (folder / "test_chain.py").write_text("def test_chain(anchor_chain): pass\n")
    done = run_pytest(folder)
    assert done.returncode == 1
    assert "hardhat is no chain for tests: it must be auto, anvil, py-evm or" in done.stdout
    assert "Traceback" not in done.stdout and "local_chain.py" not in done.stdout
