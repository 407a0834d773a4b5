"""What an error of the operating system means: a place that was named wrongly, or a bad disk.

Only a handful of errors say that whoever named a path named a wrong one, and only where somebody
named it just now.  All others (a full, failing or read-only disk, too many open files, no locks, a
stale network file system) are this machine's, and so is every error on a file that a project had
before.
"""

from __future__ import annotations

import errno
from os import PathLike
from pathlib import Path

from anchor.errors import AnchorError, StorageError, UsageError

HINT = "see to the disk and to this machine's limits (`df`, `dmesg`, `ulimit -n`), then run again"

# What is wrong with a path, wherever it is on a disk that works.
_OF_THE_PLACE = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EACCES,
        errno.EPERM,
        errno.EEXIST,
        errno.ENOTEMPTY,
        errno.ENAMETOOLONG,
        errno.ELOOP,
        errno.EINVAL,
        errno.EILSEQ,
        errno.ENXIO,
    }
)


def explain_os_error(
    failure: str, error: OSError, *, is_named: bool, hint: str | None = None
) -> AnchorError:
    """Return the error for ``failure``, the sentence that says what could not be done.

    ``is_named`` says that the user named the path, so that the path may be wrong.
    """
    message = f"{failure}: {error.strerror or type(error).__name__}"
    if is_named and error.errno in _OF_THE_PLACE:
        path = Path(error.filename) if isinstance(error.filename, str | PathLike) else None
        return UsageError(message, hint=hint, path=path)
    return StorageError(message, hint=HINT)
