"""Files of a backup: making them durable, listing them in ``backup.json``, and verifying them."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from anchor.errors import (
    AnchorError,
    ConfigError,
    MalformedError,
    MismatchError,
    StorageError,
    UsageError,
)
from anchor.store.backup_manifest import (
    MANIFEST,
    MAX_MANIFEST_BYTES,
    FileEntry,
    Manifest,
    encode_manifest,
    parse_manifest,
)
from anchor.system.durable_files import sync_folder, write_file

# The user named a wrong place; any other error is a fault of the disk.
_WRONG_PLACE = frozenset(
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
    }
)

OTHER_BACKUP = "take another backup: nothing in this one can be relied on"
"""The hint for a damaged backup."""


def read_manifest(folder: Path) -> Manifest:
    """Read and parse the ``backup.json`` of a backup.

    Raises:
        ConfigError: The folder is not a backup.
        MismatchError: The file is damaged.
        UnknownVersionError: The file has another format.
        StorageError: The disk fails.
    """
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise ConfigError(
                f"{folder} is no backup: it has no {MANIFEST}",
                hint="name a folder that `anchor backup` made; one that it did not finish is none",
            ) from error
        raise location_error(path, error) from error
    try:
        return parse_manifest(data, str(path))
    except MalformedError as error:
        raise MismatchError(f"the backup is damaged: {error.message}", hint=OTHER_BACKUP) from error


def make_durable(folder: Path) -> dict[str, FileEntry]:
    """Sync every file and make it private to its owner; return sizes and hashes by path.

    Raises:
        StorageError: The disk is full or failing.
    """
    entries: dict[str, FileEntry] = {}
    try:
        for parent, _, names in os.walk(folder, topdown=False):
            for name in names:
                path = Path(parent, name)
                with path.open("rb") as file:
                    os.fchmod(file.fileno(), 0o600)
                    os.fsync(file.fileno())
                    # So that a later check reads from the disk and not from the cache.
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                entries[path.relative_to(folder).as_posix()] = _read_entry(path)
            os.chmod(parent, 0o700)
            sync_folder(Path(parent))
    except OSError as error:
        raise disk_error(folder, error) from error
    return entries


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``backup.json`` durably, which makes the folder a backup."""
    write_file(folder / MANIFEST, encode_manifest(manifest), mode=0o600)


def find_changes(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Read every file of a backup again; yield one message for each that has changed.

    Raises:
        StorageError: The disk fails.
    """
    unexpected = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if not path.is_dir() or path.is_symlink()
    }
    for name, entry in sorted(manifest.files.items()):
        path = unexpected.pop(name, None)
        # Only regular files: reading a pipe would wait.
        if path is None or path.is_symlink() or not path.is_file():
            yield f"{name} is missing"
            continue
        try:
            current = _read_entry(path)
        except OSError as error:
            raise disk_error(path, error) from error
        if current.size != entry.size:
            yield f"{name} has {current.size:,} bytes instead of {entry.size:,}"
        elif current != entry:
            yield f"{name} is not the file that was written: its SHA-256 is {current.sha256.hex()}"
    unexpected.pop(MANIFEST, None)
    yield from (f"{name} is no part of the backup" for name in unexpected)


def _read_entry(path: Path) -> FileEntry:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return FileEntry(size=file.tell(), sha256=digest.digest())


def location_error(path: Path, error: OSError) -> AnchorError:
    """Return the error for a location named by the user where nothing can be created."""
    if error.errno in _WRONG_PLACE:
        return UsageError(f"{path} cannot be written: {error.strerror}")
    return disk_error(path, error)


def disk_error(path: Path, error: OSError) -> StorageError:
    """Return the error for a file that must exist and cannot be read or written."""
    return StorageError(
        f"{error.filename or path} cannot be read or written: {error.strerror}",
        hint="look after the disk (`df`, `dmesg`), then run the same again",
    )
