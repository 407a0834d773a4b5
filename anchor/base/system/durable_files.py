"""Files that are written completely or not at all, and that survive a power failure.

Readers get the old bytes or the new ones, never a mixture.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Iterable
from itertools import islice, takewhile
from pathlib import Path

from anchor.base.messages.message import Message
from anchor.base.system.os_errors import explain_os_error

# A process may be limited to 256 descriptors.
_OPEN_AT_ONCE = 100
# Bytes written to test whether the disk accepts more.
_TRIED = 16_384
_TEMPORARY = re.compile(r"\.anchor-[0-9a-f]{16}\.tmp")


def write_file(path: Path, data: bytes, *, durable: bool = True, mode: int = 0o666) -> None:
    """Replace the file ``path`` atomically.

    ``durable`` waits until a power failure cannot undo it; ``mode`` is narrowed by the umask.
    """
    write_files([(path, data)], durable=durable, mode=mode)


def write_files(
    files: Iterable[tuple[Path, bytes]],
    *,
    durable: bool = True,
    mode: int = 0o666,
    is_named: bool = True,
) -> None:
    """Replace several files, each atomically.  After a crash, some are old and the others new.

    Files are written in batches before they are synced, so that the waits for the disk overlap.
    ``is_named``: the user has just named the paths, so an error may mean that one is wrong.

    Raises:
        UsageError: A path is wrong; the other files may have been written.
    """
    rest = iter(files)
    while batch := list(islice(rest, _OPEN_AT_ONCE)):
        pieces = [(path, (data,)) for path, data in batch]
        _write_batch(pieces, durable=durable, mode=mode, is_named=is_named)


def write_chunks(path: Path, chunks: Iterable[bytes], *, mode: int = 0o666) -> None:
    """Replace the file ``path`` atomically and durably by ``chunks``, which are not kept in memory.

    If producing the chunks fails, the old file stays.
    """
    _write_batch([(path, chunks)], durable=True, mode=mode, is_named=True)


def private_mode(folder: Path) -> int:
    """Return the mode of private files: 0600, or 0660 in a shared folder.

    A folder with the set-group-ID bit and write permission for its group is shared by that group,
    for example if the service and the signer are two users.
    """
    try:
        mode = folder.stat().st_mode
    except OSError:
        return 0o600
    is_shared = mode & stat.S_ISGID and mode & stat.S_IWGRP
    return 0o660 if is_shared else 0o600


def open_private(path: Path, flags: int) -> int:
    """Open a private file, with the mode of ``private_mode`` whatever the umask is."""
    mode = private_mode(path.parent)
    descriptor = os.open(path, flags | os.O_CLOEXEC, mode)
    status = os.fstat(descriptor)
    if flags & os.O_CREAT and status.st_uid == os.geteuid() and mode & ~status.st_mode:
        os.fchmod(descriptor, mode)
    return descriptor


def is_temporary(name: str) -> bool:
    """Return whether this is the name of a temporary file that a crash left behind."""
    return _TEMPORARY.fullmatch(name) is not None


def _write_batch(
    files: Iterable[tuple[Path, Iterable[bytes]]], *, durable: bool, mode: int, is_named: bool
) -> None:
    pending: list[tuple[int, Path, Path]] = []
    changed: dict[Path, None] = {}
    path = Path()
    try:
        for path, chunks in files:
            # Unguessable, O_EXCL, O_NOFOLLOW: no other user can place a file or link in advance.
            temporary = path.parent / f".anchor-{secrets.token_hex(8)}.tmp"
            changed |= dict.fromkeys(_make_folder(path.parent))
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            pending.append((os.open(temporary, flags, mode), temporary, path))
            for chunk in chunks:
                _write_all(pending[-1][0], chunk)
        if durable:
            for descriptor, _, _ in pending:
                os.fsync(descriptor)
        # A crash here leaves temporary files and the old content.
        for _, temporary, path in pending:
            temporary.replace(path)
        if durable:
            for folder in changed:
                sync_folder(folder)
    except BaseException as error:
        for _, temporary, _ in pending:
            with contextlib.suppress(OSError):
                temporary.unlink()
        if not isinstance(error, OSError):
            raise
        raise explain_os_error(
            Message("file-unwritable", path=path), error, is_named=is_named
        ) from error
    finally:
        for descriptor, _, _ in pending:
            os.close(descriptor)


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder for a new file; return the folders whose entries change by it."""
    # A new folder survives a power failure only if the one above it is synced too.
    missing = list(takewhile(lambda each: not each.exists(), (folder, *folder.parents)))
    folder.mkdir(parents=True, exist_ok=True)
    return [folder, *(each.parent for each in missing)]


def try_folder(folder: Path) -> None:
    """Write and sync some bytes to a temporary file in the folder, and remove it.

    Raises:
        OSError: That is not possible, but for want of permission to create files.
    """
    path = folder / f".anchor-{secrets.token_hex(8)}.tmp"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except PermissionError:
        return  # appending needs no permission to create files
    try:
        _write_all(descriptor, bytes(_TRIED))
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
