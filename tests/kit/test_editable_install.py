"""What ``scripts/demo`` installs, as a user's own code sees it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import ROOT
from support.pipelines import user_environment
from support.wheels import make_environment

# The extension is compiled.
pytestmark = pytest.mark.release

OWN_CODE = """\
import anchor
number: int = anchor.verify
"""


def test_a_type_checker_sees_the_types_of_the_checkout(tmp_path: Path) -> None:
    tools = make_environment(tmp_path / "tools", ["rpc"], ["setuptools", "mypy"])
    [packages] = tools.parent.glob("lib/python*/site-packages")
    checkout = tmp_path / "checkout"
    unbuilt = shutil.ignore_patterns("__pycache__", "*.so")
    for name in ("anchor", "scripts"):
        shutil.copytree(ROOT / name, checkout / name, ignore=unbuilt)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    (checkout / "nothing.txt").touch()
    environment = user_environment(tools, tmp_path, PYTHONPATH=str(packages))
    script = '. scripts/environment.sh; fill_environment "$1" "$2" nothing.txt'
    words = ["sh", "-euc", script, "sh", str(tmp_path / "filled"), sys.executable]
    subprocess.run(words, cwd=checkout, env=environment, check=True)
    own = tmp_path / "own"
    own.mkdir()
    (own / "code.py").write_text(OWN_CODE)
    found = subprocess.run(
        [tmp_path / "filled/bin/python", "-m", "mypy", "--strict", "code.py"],
        cwd=own, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "import-not-found" not in found.stdout, found
    assert "Incompatible types in assignment" in found.stdout, found
