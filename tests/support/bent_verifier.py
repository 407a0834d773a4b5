"""The verifier in Go with one check bent at a time: which bends do the vectors not show?"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from support.foreign_judge import SOURCES, run_go

EQUIVALENTS = SOURCES / "equivalent-bends.toml"


class Bend(NamedTuple):
    """One edit of the verifier's sources: ``number`` chooses it in the bent copy."""

    number: int
    name: str


class BentVerifier:
    """A copy of the verifier that reads from its environment which check is bent."""

    def __init__(self, folder: Path, vectors: Path) -> None:
        listed = run_go("run", "./bend", ".", str(folder))
        self.bends = [
            Bend(int(number), name)
            for number, _, name in (line.partition("\t") for line in listed.splitlines())
        ]
        self._program = folder / "bent"
        self._vectors = vectors
        run_go("build", "-C", str(folder), "-o", str(self._program), ".")

    def passes(self, command: str, number: int) -> bool:
        """Return whether the verifier with this bend passes the vectors of a command."""
        done = subprocess.run(
            [self._program, command, self._vectors],
            env=os.environ | {"BEND": str(number)},
            capture_output=True,
            check=False,
        )
        return done.returncode == 0
