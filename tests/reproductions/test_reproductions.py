"""Findings of former reviews, each kept as a script: none may reproduce any more.

`<file>_<id>.py` is finding `<id>` of that review. It ends with 0 where the finding does not
reproduce, and with 1, having said what it saw, where it does. By hand, from the repository's root:

    PYTHONPATH=tests python tests/reproductions/crypto_d1.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import ROOT

HERE = Path(__file__).resolve().parent
SCRIPTS = sorted(path for path in HERE.glob("*_*.py") if path.name != Path(__file__).name)


@pytest.mark.timeout(660)
@pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])
def test_a_finding_does_not_reproduce(script: Path, tmp_path: Path) -> None:
    variables = {name: text for name, text in os.environ.items() if not name.startswith("ANCHOR_")}
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        env=variables | {"PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
