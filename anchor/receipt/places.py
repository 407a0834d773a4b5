"""Receipt files: reading them, and refusing to overwrite other files."""

from __future__ import annotations

from pathlib import Path

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.os_errors import explain_os_error
from anchor.base.system.regular_files import read_regular_file


def read_place(path: Path, most: int) -> bytes:
    """Return at most ``most`` bytes of a receipt's file."""
    try:
        return read_regular_file(path, most)
    except OSError as error:
        raise explain_os_error(
            Message("file-unreadable", path=path), error, is_named=True
        ) from error


def read_taken_place(path: Path, most: int) -> bytes | None:
    """Return the bytes at a receipt's path: None if it is free, empty if it is no regular file."""
    try:
        return read_regular_file(path, most)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise explain_os_error(
            Message("file-unreadable", path=path), error, is_named=True
        ) from error
    except UsageError:
        return b""


def refuse_place(path: Path) -> UsageError:
    """Return the error for a file that must not be overwritten."""
    return UsageError(
        Message("receipt-path-occupied", path=path),
        hint=Message("receipt-path-occupied-hint"),
        path=path,
    )
