"""Finding and reading receipts and evidence named on the command line."""

from __future__ import annotations

import os
from pathlib import Path

from anchor.errors import UsageError
from anchor.project.files import RECEIPT_SUFFIX, sidecar_path
from anchor.receipt.format import MAX_RECEIPT_BYTES
from anchor.system.os_errors import explain_os_error


def receipt_path(argument: Path) -> Path:
    """Return the receipt that ``argument`` is, or that lies beside it, if one does.

    Raises:
        UsageError: what lies there is no regular file; a pipe there would be waited for.
    """
    if argument.name.endswith(RECEIPT_SUFFIX):
        return argument
    path = sidecar_path(argument)
    if os.path.lexists(path) and not is_regular_file(path):
        raise UsageError(f"{path} is not a regular file", hint="name the receipt itself")
    return path


def read_receipt(path: Path) -> bytes:
    """Read a receipt's bytes, within its bound."""
    return read_bounded(path, MAX_RECEIPT_BYTES + 1)


def read_bounded(path: Path, most: int) -> bytes:
    """Read at most ``most`` bytes of a file; parsers then refuse what is longer than they allow.

    Raises:
        UsageError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise explain_os_error(f"{path} cannot be read", error, is_named=True) from error


def is_regular_file(path: Path) -> bool:
    """Return whether ``path`` is a regular file; a name that no file can have is none."""
    try:
        return path.is_file()
    except OSError:
        return False
