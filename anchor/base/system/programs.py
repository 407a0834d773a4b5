"""Running programs that the machine has, without a shell and within bounds."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anchor.base.errors import CannotCheckError
from anchor.base.messages.message import Message

# Signatures are verified within milliseconds; the rest is for a machine that is busy.
_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a program ended: its exit code and what it printed on both streams."""

    code: int
    output: str
    complaint: str


def find_program(name: str) -> str | None:
    """Return the absolute path of a program of ``PATH``; None if there is none."""
    path = shutil.which(name)
    # A relative one would be whatever lies in the working directory.
    return path if path is not None and os.path.isabs(path) else None


def run_program(program: str, words: Sequence[str], *, folder: Path, data: bytes = b"") -> Finished:
    """Run a program in ``folder`` with ``data`` on its standard input, and no terminal.

    Raises:
        CannotCheckError: It cannot be run, or does not end within a minute.
    """
    try:
        done = subprocess.run(
            [program, *words],
            input=data,
            capture_output=True,
            cwd=folder,
            env=_environment(),
            timeout=_SECONDS,
            start_new_session=True,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotCheckError(
            Message("program-not-run", program=program, reason=type(error).__name__)
        ) from error
    return Finished(
        code=done.returncode,
        output=done.stdout.decode("utf-8", "replace"),
        complaint=done.stderr.decode("utf-8", "replace"),
    )


def run_at_terminal(program: str, words: Sequence[str], *, folder: Path) -> bool:
    """Run a program that may ask the user for a password; return whether it succeeded.

    Its questions and complaints go to the terminal, and its standard output nowhere.
    """
    try:
        done = subprocess.run(
            [program, *words],
            stdout=subprocess.DEVNULL,
            cwd=folder,
            env=_environment(),
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0


def _environment() -> dict[str, str]:
    # What they print is read here; an agent's address stays.
    return {**os.environ, "LC_ALL": "C", "LANGUAGE": ""}
