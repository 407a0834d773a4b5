"""Locks by files, which the system releases when the process ends in any way."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anchor.base.errors import AnchorError, StoreAwayError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import open_private
from anchor.base.system.os_errors import explain_os_error

# Seconds between two attempts to lock a file that another process holds.
_POLL = 0.002


@contextmanager
def hold_file(path: Path, held: AnchorError, deadline: float = 0) -> Iterator[None]:
    """Lock the file ``path`` for the block; create it if it is missing.

    ``deadline`` (monotonic seconds) limits the wait for another process's lock.

    Raises:
        AnchorError: Another process holds the lock; the error raised is ``held``.
    """
    descriptor = open_lock(path)
    try:
        try:
            wait_for_lock(descriptor, deadline)
        except BlockingIOError as error:
            raise held from error
        except OSError as error:
            raise lock_error(path, error) from error
        yield
    finally:
        os.close(descriptor)


def wait_for_lock(descriptor: int, deadline: float) -> None:
    """Lock an open file exclusively, waiting until ``deadline`` (monotonic seconds)."""
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_POLL)


def open_lock(path: Path) -> int:
    """Return a descriptor of the lock file; create it if it is missing."""
    try:
        return open_private(path, os.O_CREAT | os.O_RDWR)
    except OSError as error:
        raise lock_error(path, error) from error


def lock_error(path: Path, error: OSError) -> StoreAwayError:
    """Return the error for a lock file that could not be opened or locked; no work has started."""
    explained = explain_os_error(Message("lock-not-taken", path=path), error, is_named=False)
    return StoreAwayError(explained.message, hint=explained.hint)
