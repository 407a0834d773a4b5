"""Reading files that others may replace meanwhile, without waiting for a pipe in a file's place.

A file is opened once, and what is checked, hashed and kept is read through that descriptor: a name
that is looked up again may lead to another file.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from anchor.errors import UsageError
from anchor.messages.message import Message


def read_regular_file(path: Path, most: int) -> bytes:
    """Return at most ``most`` bytes of a file.

    Raises:
        UsageError: The path is a folder, a pipe or a device.
        OSError: The file cannot be opened or read.
    """
    with open(open_regular_file(path), "rb") as file:
        return file.read(most)


def open_regular_file(path: Path, flags: int = 0, *, folder: int | None = None) -> int:
    """Return the descriptor of a file opened for reading, below ``folder`` if that is given.

    Raises:
        UsageError: The path is a folder, a pipe or a device.
        OSError: The file cannot be opened.
    """
    # Not blocking: opening a pipe would wait for a writer.
    flags |= os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(Message("file-not-regular", path=path), path=path)
    return descriptor
