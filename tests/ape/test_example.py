"""The tests of ``examples/ape-project``, run as its users do: with the wheel alone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from support.paths import ROOT
from support.pipelines import user_environment
from support.wheels import build_wheel, make_environment

COMMANDS = """\
pip install --quiet "anchor-evidence[ape] @ $WHEEL"
anchor source --manifest > anchor-registry.json
ape test --network ethereum:local:test
"""


def test_the_tests_of_the_example_pass(tmp_path: Path) -> None:
    (tmp_path / "wheel").mkdir()
    wheel = build_wheel(tmp_path / "wheel")
    programs = make_environment(tmp_path / "environment", ["ape"])
    project = shutil.copytree(ROOT / "examples" / "ape-project", tmp_path / "project")
    ran = subprocess.run(
        ["bash", "-euc", COMMANDS],
        cwd=project, env=user_environment(programs, tmp_path, WHEEL=wheel.as_uri()),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 0 and "1 passed" in ran.stdout, ran.stdout
