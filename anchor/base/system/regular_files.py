"""Reading files that others may replace meanwhile, without waiting for a pipe in a file's place.

A file is opened once, and what is checked, hashed and kept is read through that descriptor: a name
that is looked up again may lead to another file.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message


def read_regular_file(path: Path, most: int = -1, *, follows_links: bool = True) -> bytes:
    """Return at most ``most`` bytes of a file, as ``open_regular_file`` opens it."""
    with open(open_regular_file(path, follows_links=follows_links), "rb") as file:
        return file.read(most)


def open_regular_file(path: Path, *, follows_links: bool = True, folder: int | None = None) -> int:
    """Return the descriptor of a file opened for reading, below ``folder`` if that is given."""
    # Not blocking: opening a pipe would wait for a writer.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | (0 if follows_links else os.O_NOFOLLOW), dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ENXIO or (error.errno == errno.ELOOP and not follows_links):
            raise UsageError(Message("file-not-regular", path=path), path=path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(Message("file-not-regular", path=path), path=path)
    return descriptor
