"""Classification of operating system errors: a wrong path, or a fault of the machine.

Only a handful of errors mean that a path is wrong, and only if a user has just named it.  All
others (a full, failing or read-only disk, too many open files, no locks, a stale network file
system) are faults of this machine, and so is every error on a file that a project had before.
"""

from __future__ import annotations

import errno
import os
from os import PathLike
from pathlib import Path

from anchor.base.errors import AnchorError, StorageError, UsageError
from anchor.base.messages.message import Message

HINT = Message("storage-fault-hint")

# Errors that mean a wrong path, not a failing disk.
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


_REASONS = {
    errno.EACCES: Message("os-permission-denied"),
    errno.EADDRINUSE: Message("os-address-in-use"),
    errno.EADDRNOTAVAIL: Message("os-address-unavailable"),
    errno.EAGAIN: Message("os-unavailable-now"),
    errno.EBUSY: Message("os-device-busy"),
    errno.ECONNREFUSED: Message("os-connection-refused"),
    errno.ECONNRESET: Message("os-connection-reset"),
    errno.EDQUOT: Message("os-quota-exceeded"),
    errno.EEXIST: Message("os-file-exists"),
    errno.EFBIG: Message("os-file-too-large"),
    errno.EHOSTDOWN: Message("os-host-down"),
    errno.EHOSTUNREACH: Message("os-host-unreachable"),
    errno.EILSEQ: Message("os-text-encoding-invalid"),
    errno.EINVAL: Message("os-argument-invalid"),
    errno.EIO: Message("os-input-output-error"),
    errno.EISDIR: Message("os-is-directory"),
    errno.ELOOP: Message("os-links-too-many"),
    errno.EMFILE: Message("os-open-files-too-many"),
    errno.ENAMETOOLONG: Message("os-file-name-too-long"),
    errno.ENETUNREACH: Message("os-network-unreachable"),
    errno.ENFILE: Message("os-open-files-too-many-in-system"),
    errno.ENODEV: Message("os-device-missing"),
    errno.ENOENT: Message("os-file-missing"),
    errno.ENOLCK: Message("os-locks-missing"),
    errno.ENOMEM: Message("os-memory-missing"),
    errno.ENOSPC: Message("os-device-full"),
    errno.ENOTDIR: Message("os-not-directory"),
    errno.ENOTEMPTY: Message("os-directory-not-empty"),
    errno.ENXIO: Message("os-device-or-address-missing"),
    errno.EOPNOTSUPP: Message("os-operation-not-supported"),
    errno.EPERM: Message("os-operation-not-permitted"),
    errno.EPIPE: Message("os-broken-pipe"),
    errno.EROFS: Message("os-read-only"),
    errno.ESTALE: Message("os-file-stale"),
    errno.ETIMEDOUT: Message("os-connection-timed-out"),
}


def explain_os_error(
    failure: Message, error: OSError, *, is_named: bool, hint: Message | None = None
) -> AnchorError:
    """Return the error for ``failure``, the clause that states what could not be done.

    ``is_named``: the user has just named the path, so the error may mean that it is wrong.
    """
    message = Message("with-reason", failure=failure, reason=describe_os_error(error))
    if is_named and error.errno in _OF_THE_PLACE:
        path = Path(error.filename) if isinstance(error.filename, str | PathLike) else None
        return UsageError(message, hint=hint, path=path)
    return StorageError(message, hint=HINT)


def describe_os_error(error: OSError) -> Message:
    """Return the system's reason, without the path."""
    number, text = error.errno, error.strerror
    if number in _REASONS and text in (None, os.strerror(number)):
        return _REASONS[number]
    return Message("os-error-other", reason=text or type(error).__name__)
