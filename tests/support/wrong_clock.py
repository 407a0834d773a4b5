"""``anchor`` in processes whose clock is off, by libfaketime."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from support.command import ANCHOR, Ran, environment, run_anchor
from support.projects import Site
from support.tools import check_program

_PATIENCE = 60


def run_at(off: str, site: Site, *arguments: str | Path) -> Ran:
    """Run ``anchor`` in a site's folder with a clock that is ``off``, such as ``+1y``."""
    settings = tuple(f"{name}={value}" for name, value in _settings(off).items())
    return run_anchor(*arguments, cwd=site.folder, command=("env", *settings, *ANCHOR))


@contextmanager
def daemon_at(off: str, site: Site) -> Iterator[Path]:
    """Run the daemon with a clock that is ``off``; yield the file that its events go to."""
    events = site.folder / "events"
    with (
        events.open("wb") as out,
        subprocess.Popen(
            [*ANCHOR, "run", "--every", "1", "--json"],
            cwd=site.folder, env=environment() | _settings(off), stdout=out, stderr=out,
        ) as process,
    ):  # fmt: skip
        try:
            yield events
        finally:
            process.terminate()
        assert process.wait(_PATIENCE) == 0, events.read_text()


@cache
def _settings(off: str) -> dict[str, str]:
    """Return the variables that a process needs itself: the program would be its parent."""
    program = check_program("faketime")
    library = ["sh", "-c", "echo $LD_PRELOAD"]
    found = subprocess.run([program, "-f", off, *library], capture_output=True, check=True)
    return {
        "LD_PRELOAD": found.stdout.decode().strip(),
        "FAKETIME": off,
        # What a monotonic clock shows has nothing to do with the time of day.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
