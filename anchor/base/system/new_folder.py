"""Folders that appear with all of their files, or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import sync_folder
from anchor.base.system.os_errors import explain_os_error


@contextmanager
def create_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill in, which becomes ``path`` if the block ends without an error.

    A crash leaves a hidden folder beside ``path``, and no ``path``.
    """
    if os.path.lexists(path):
        raise UsageError(Message("file-exists", path=path), path=path)
    partial = path.with_name(f".anchor-{secrets.token_hex(8)}.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        for file in sorted(partial.iterdir()):
            with file.open("rb") as written:
                os.fsync(written.fileno())
        sync_folder(partial)
        # Not over a folder with files that was made meanwhile: the system refuses that.
        partial.rename(path)
        sync_folder(path.parent)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        failure = Message("folder-unwritable", path=path)
        raise explain_os_error(failure, error, is_named=True) from error
