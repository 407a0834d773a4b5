"""Finding and reading receipts and evidence named on the command line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.os_errors import explain_os_error
from anchor.project.files import BUNDLE_SUFFIX, RECEIPT_SUFFIX, receipts_file, sidecar_path
from anchor.receipt.bundle import is_bundle_file
from anchor.receipt.format import MAX_RECEIPT_BYTES


def receipt_path(argument: Path) -> Path:
    """Return ``argument`` if it is a receipt by its name, else the path of the receipt beside it.

    Raises:
        UsageError: The path beside it is not a regular file; reading a pipe could wait for ever.
            Or it is a folder, which no receipt lies beside.
    """
    if receipts_file(argument) is not None:
        return argument
    path = sidecar_path(argument)
    if is_folder(argument) and not os.path.lexists(path):
        raise UsageError(
            Message("file-is-folder", path=argument), hint=Message("receipt-of-folder-hint")
        )
    if os.path.lexists(path) and not is_regular_file(path):
        raise UsageError(
            Message("file-not-regular", path=path), hint=Message("receipt-not-regular-hint")
        )
    return path


def list_receipts(arguments: Sequence[Path]) -> list[Path]:
    """Return the receipts that ``arguments`` name, and those in and below its folders.

    Raises:
        UsageError: A folder holds no receipt, or a path is no regular file.
    """
    paths: list[Path] = []
    for argument in arguments:
        if not is_folder(argument):
            paths.append(receipt_path(argument))
            continue
        within = sorted(path for path in argument.rglob(f"?*{RECEIPT_SUFFIX}") if path.is_file())
        if not within:
            raise UsageError(
                Message("folder-without-receipts", path=argument),
                hint=Message("folder-without-receipts-hint", suffix=RECEIPT_SUFFIX),
            )
        paths += within
    return paths


def read_receipt(path: Path) -> bytes:
    """Read a receipt's bytes, up to the maximal size of a receipt."""
    return read_bounded(path, MAX_RECEIPT_BYTES + 1)


def read_bounded(path: Path, most: int) -> bytes:
    """Read at most ``most`` bytes of a file, so that a parser can refuse one that is too long."""
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise explain_os_error(
            Message("file-unreadable", path=path), error, is_named=True
        ) from error


def names_bundle(file: Path) -> bool:
    """Return whether ``file`` is a bundle whose receipts are all to be verified, by its name."""
    return file.name.endswith(BUNDLE_SUFFIX) and is_bundle_file(file)


def is_folder(path: Path) -> bool:
    """Return whether ``path`` is a folder; False for a name that no folder can have."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_regular_file(path: Path) -> bool:
    """Return whether ``path`` is a regular file; False for a name that no file can have."""
    try:
        return path.is_file()
    except OSError:
        return False
