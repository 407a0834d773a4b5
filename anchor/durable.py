"""Files that are there as a whole or not at all, and stay when the power goes.

Readers see the old bytes or the new ones, never a part.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from anchor.errors import UsageError


def write_file(path: Path, data: bytes, *, durable: bool = True, mode: int = 0o666) -> None:
    """Replace ``path`` as a whole.

    ``durable`` also waits until a power cut cannot undo it; ``mode`` is narrowed by the umask.

    Raises:
        UsageError: it cannot be written.
    """
    write_files([(path, data)], durable=durable, mode=mode)


def write_files(
    files: Iterable[tuple[Path, bytes]], *, durable: bool = True, mode: int = 0o666
) -> None:
    """Replace several files, each as a whole.  A crash leaves any of them old and the others new.

    All are written before the first is waited for, so that their waits overlap.

    Raises:
        UsageError: one cannot be written; the others may have been.
    """
    pending: list[tuple[int, Path, Path]] = []
    path = Path()
    try:
        for path, data in files:
            # Not guessable, and never through a link that somebody else put there.
            temporary = path.with_name(f".anchor-{secrets.token_hex(8)}.tmp")
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            pending.append((os.open(temporary, flags, mode), temporary, path))
            _write_all(pending[-1][0], data)
        if durable:
            for descriptor, _, _ in pending:
                os.fsync(descriptor)
        # A crash here leaves temporary files and the old content.
        for _, temporary, path in pending:
            temporary.replace(path)
        if durable:
            for folder in dict.fromkeys(path.parent for _, _, path in pending):
                sync_folder(folder)
    except OSError as error:
        for _, temporary, _ in pending:
            with contextlib.suppress(OSError):
                temporary.unlink()
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        for descriptor, _, _ in pending:
            os.close(descriptor)


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
