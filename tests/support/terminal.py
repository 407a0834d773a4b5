"""A terminal, in which commands ask."""

from __future__ import annotations

import os
import pty
import select
import time
from pathlib import Path

from support.command import ANCHOR, environment


def in_terminal(cwd: Path, *words: str, answers: tuple[str, ...]) -> tuple[int, str]:
    """Run ``anchor`` in a terminal, type the answers as it asks, and return what is on screen."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(cwd)
        os.execve(ANCHOR[0], [*ANCHOR, *words], environment())
    screen = b""
    left = list(answers)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 30)[0]:
            break
        try:
            piece = os.read(terminal, 1024)
        except OSError:  # its end, on Linux
            break
        if not piece:
            break
        screen += piece
        # OpenSSL writes no space after the name of the key that it asks a password for.
        if left and screen.endswith((b": ", b".pem:")):
            os.write(terminal, left.pop(0).encode() + b"\n")
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), screen.decode()
