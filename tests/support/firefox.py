"""Firefox ESR, driven by WebDriver BiDi."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.npm_packages import install_packages
from support.paths import ROOT
from support.tools import check_program

_FOLDER = ROOT / "tests" / "firefox"


@dataclass(frozen=True)
class Firefox:
    """One tab; each call is an action of ``tests/firefox/driver.mjs``."""

    process: subprocess.Popen[str]
    downloads: Path

    def do(self, action: str, **named: Any) -> Any:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": action, **named}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, (action, named, answer)
        return answer["value"]


@contextmanager
def run_firefox(downloads: Path) -> Iterator[Firefox]:
    """Run Firefox without a window; what it downloads goes to a folder."""
    program = check_program("firefox-esr")
    install_packages(_FOLDER)
    command = ["node", str(_FOLDER / "driver.mjs"), program, str(downloads)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        try:
            yield Firefox(process, downloads)
        finally:
            process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
