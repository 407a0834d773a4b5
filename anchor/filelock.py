"""Locks by files: the system drops them when the process ends, however it does."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anchor.durable import DISK_ERRORS, open_private
from anchor.errors import AnchorError, ConfigError, StorageError


@contextmanager
def hold_file(path: Path, held: AnchorError) -> Iterator[None]:
    """Hold the lock file ``path``, which is made where it is missing, to the end of the block.

    Raises:
        AnchorError: ``held``, if another process holds it.
        ConfigError: it cannot be opened.
        StorageError: the disk is full, or fails.
    """
    descriptor = open_lock(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise held from error
        except OSError as error:
            raise describe_lock_failure(path, error) from error
        yield
    finally:
        os.close(descriptor)


def open_lock(path: Path) -> int:
    """Return a descriptor of the lock file, which is made where it is missing.

    Raises:
        ConfigError: it cannot be opened.
        StorageError: the disk is full, or fails.
    """
    try:
        return open_private(path, os.O_CREAT | os.O_RDWR)
    except OSError as error:
        raise describe_lock_failure(path, error) from error


def describe_lock_failure(path: Path, error: OSError) -> AnchorError:
    """Return what it means that a lock file could not be opened or locked."""
    message = f"the lock {path} cannot be taken: {error.strerror}"
    if error.errno in DISK_ERRORS:
        return StorageError(message, hint="see to the disk, then run the same again")
    return ConfigError(message)
