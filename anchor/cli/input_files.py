"""Finding and reading receipts and evidence named on the command line."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from anchor.errors import UsageError
from anchor.evidence.digests import SHA256, SM3, Digests, digest_stream
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
        UsageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise explain_os_error(f"{path} cannot be read", error, is_named=True) from error


def digest_file(file: Path, *, hint: str | None = None) -> Digests:
    """Digest a file with every algorithm a record can hold.

    ``hint`` says what else to name where it is missing.

    Raises:
        UsageError: it is missing or cannot be read.
    """
    try:
        # Not blocking: a pipe that was named by mistake must not wait for a writer.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise UsageError(f"the file {file} is missing", hint=hint) from error
    except OSError as error:
        raise explain_os_error(f"{file} cannot be read", error, is_named=True) from error
    try:
        # Before open(), which refuses a folder's descriptor in words of its own.
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UsageError(f"{file} is not a regular file")
        with open(descriptor, "rb", closefd=False) as stream:
            return digest_stream(stream, (SHA256, SM3))
    except OSError as error:  # it was opened: what is wrong is this file, as for `anchor add`
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)


def is_regular_file(path: Path) -> bool:
    """Return whether ``path`` is a regular file; a name that no file can have is none."""
    try:
        return path.is_file()
    except OSError:
        return False
