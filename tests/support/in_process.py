"""The ``anchor`` command in the tests' own process: for what it refuses, which is most of a suite.

Arguments, folder, environment and the two descriptors are as in a process of its own.
"""

from __future__ import annotations

import gc
import io
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, chdir, contextmanager
from pathlib import Path
from typing import IO
from unittest.mock import patch

import pytest
from support.command import Ran, check_manners, environment

from anchor.cli import main


def run_in_process(*arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> Ran:
    """Run ``anchor`` in ``cwd`` to its end; standard input is empty."""
    words = [str(argument) for argument in arguments]
    with ExitStack() as stack:
        stack.enter_context(chdir(cwd))
        stack.enter_context(patch.dict(os.environ, environment(**(env or {})), clear=True))
        stack.enter_context(patch.object(sys, "argv", ["anchor", *words]))
        out, err = stack.enter_context(_captured(1)), stack.enter_context(_captured(2))
        for name in ("stdout", "stderr"):  # the command puts others in their place
            stack.enter_context(patch.object(sys, name, getattr(sys, name)))
        stack.enter_context(patch.object(sys, "stdin", io.StringIO()))
        stack.callback(gc.enable)
        with pytest.raises(SystemExit) as ended:
            main()
        code, printed, noted = int(ended.value.code or 0), _read(out), _read(err)
    ran = Ran(arguments=tuple(words), code=code, out=printed, err=noted)
    check_manners(ran)
    return ran


@contextmanager
def _captured(descriptor: int) -> Iterator[IO[bytes]]:
    """Yield the file into which a descriptor's output goes meanwhile."""
    kept = os.dup(descriptor)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), descriptor)
        try:
            yield file
        finally:
            os.dup2(kept, descriptor)
            os.close(kept)


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8")
