"""A command in the foreground, to which this process passes the signals that it receives."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from anchor.base.messages.message import Message
from anchor.base.system.os_errors import describe_os_error

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What shells report: a program that cannot be run, one that is not found, and, added to the
# signal's number, a command that a signal ended.
NOT_RUNNABLE, NOT_FOUND, _SIGNALLED = 126, 127, 128


def run_forwarding(
    command: Sequence[str], environment: Mapping[str, str], report: Callable[[Message], None]
) -> int:
    """Run a command to its end, without a shell, and return its exit code as shells report it.

    ``report`` gets the reason why it could not be started.
    """
    child: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def forward(number: int, _: FrameType | None) -> None:
        if child is None:
            early.append(number)
        elif number != signal.SIGINT or not _is_in_foreground():
            child.send_signal(number)

    before = {name: signal.signal(name, forward) for name in _FORWARDED}
    try:
        child = subprocess.Popen(command, env=environment)
        for number in early:
            child.send_signal(number)
        code = child.wait()
    except OSError as error:
        text = Message("command-not-started", command=command[0])
        report(Message("with-reason", failure=text, reason=describe_os_error(error)))
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUNNABLE
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
    return code if code >= 0 else _SIGNALLED - code


def _is_in_foreground() -> bool:
    """Return whether a terminal sends Ctrl-C to this process's group, and so to the child too."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
