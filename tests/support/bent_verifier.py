"""The verifier in Go with one check bent at a time: which bends do the vectors not show?"""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

from support.foreign_judge import SOURCES, run_go

EQUIVALENTS = SOURCES / "equivalent-bends.toml"


def list_survivors(*kinds: str) -> dict[str, str]:
    """Return why no vector shows a bend: it is ``equivalent``, or a ``limit`` out of reach."""
    document = tomllib.loads(EQUIVALENTS.read_text("utf-8"))
    listed = [entry for kind in kinds for entry in document[kind]]
    reasons = {entry["bend"]: entry["reason"] for entry in listed}
    assert len(reasons) == len(listed)
    return reasons


def bend_each(folder: Path, vectors: Path) -> dict[str, str]:
    """Return of each bend what shows it.

    That is ``whole``, a vector of a whole verification; ``part``, another; or ``survives``.
    """
    program = folder / "bent"
    run_go("run", "./bend", ".", str(folder))
    run_go("build", "-C", str(folder), "-o", str(program), ".")
    done = subprocess.run([program, vectors], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = (line.partition("\t") for line in done.stdout.splitlines())
    return {name: fate for fate, _, name in lines}
