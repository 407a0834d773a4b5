"""Lock files: one for as long as a process seals or sends, one for as long as a writer writes."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anchor.errors import ChainGuardError, ConfigError

# Seconds between two tries to get a lock that others hold only for one transaction.
_POLL = 0.002


def is_locked(path: Path) -> bool:
    """Say whether some process holds the lock on ``path``; creates nothing.

    Asking takes the lock for an instant, shared: two askers never disturb each other.

    Raises:
        ConfigError: the lock file cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(f"the lock {path} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold the exclusive lock on ``path``; the operating system drops it when the process ends.

    Raises:
        ChainGuardError: another process holds it.
    """
    descriptor = _open(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ChainGuardError(
                f"another process is sealing or anchoring for this log ({path})",
                hint="wait until it is done, or stop it",
            ) from error
        yield
    finally:
        os.close(descriptor)


@contextmanager
def wait_for_lock(path: Path, seconds: float) -> Iterator[None]:
    """Hold the exclusive lock on ``path``, for which others are waited ``seconds`` at most.

    Raises:
        ChainGuardError: they took longer.
    """
    deadline = time.monotonic() + seconds
    descriptor = _open(path)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise ChainGuardError(
                        f"the store is locked by another process ({path})",
                        hint="wait for it, or stop it; nothing was changed",
                    ) from error
                time.sleep(_POLL)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"the lock {path} cannot be opened: {error.strerror}") from error
