"""The meaning of errors of the operating system: a wrong path, or a fault of the machine.

Only a handful of errors mean that a path is wrong, and only if a user has just named it.  All
others (a full, failing or read-only disk, too many open files, no locks, a stale network file
system) are faults of this machine, and so is every error on a file that a project had before.
"""

from __future__ import annotations

import errno
from os import PathLike
from pathlib import Path

from anchor.errors import AnchorError, StorageError, UsageError

HINT = "see to the disk and to this machine's limits (`df`, `dmesg`, `ulimit -n`), then run again"

# Errors about a path on a disk that works.
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
    """Return the error for ``failure``, the clause that states what could not be done.

    ``is_named`` states that the user has just named the path, so that the path may be wrong.
    """
    message = f"{failure}: {error.strerror or type(error).__name__}"
    if is_named and error.errno in _OF_THE_PLACE:
        path = Path(error.filename) if isinstance(error.filename, str | PathLike) else None
        return UsageError(message, hint=hint, path=path)
    return StorageError(message, hint=HINT)
