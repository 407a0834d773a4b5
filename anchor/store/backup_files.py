"""Files of a backup: making them durable, listing them in ``backup.json``, and verifying them."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from anchor.base.errors import (
    AnchorError,
    ConfigError,
    MalformedError,
    MismatchError,
    StorageError,
    UsageError,
)
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import sync_folder, write_file
from anchor.base.system.os_errors import describe_os_error
from anchor.base.system.regular_files import open_regular_file
from anchor.store.backup_manifest import (
    MANIFEST,
    MAX_MANIFEST_BYTES,
    FileEntry,
    Manifest,
    encode_manifest,
    parse_manifest,
)

# Errors caused by the location that the user named; any other error is a fault of the disk.
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

OTHER_BACKUP = Message("backup-take-another-hint")
"""The hint for a damaged backup."""


def read_manifest(folder: Path) -> Manifest:
    """Read and parse the ``backup.json`` of a backup."""
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise ConfigError(
                Message("backup-manifest-missing", folder=folder, manifest=MANIFEST),
                hint=Message("backup-folder-hint"),
            ) from error
        raise location_error(path, error) from error
    try:
        return parse_manifest(data, str(path))
    except MalformedError as error:
        raise MismatchError(
            Message("backup-damaged", reason=error.message), hint=OTHER_BACKUP
        ) from error


def make_durable(folder: Path) -> dict[str, FileEntry]:
    """Sync every file and make it private to its owner; return sizes and hashes by path."""
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


def find_changes(folder: Path, manifest: Manifest) -> Iterator[Message]:
    """Read every file of a backup again; yield one message for each that has changed."""
    unexpected = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if not path.is_dir() or path.is_symlink()
    }
    for name, entry in sorted(manifest.files.items()):
        path = unexpected.pop(name, None)
        try:
            current = None if path is None else _read_entry(path)
        except (UsageError, FileNotFoundError):
            current = None
        except OSError as error:
            raise disk_error(folder / name, error) from error
        if current is None:
            yield Message("backup-file-missing", name=name)
            continue
        if current.size != entry.size:
            yield Message(
                "backup-file-size-differs", name=name, actual=current.size, expected=entry.size
            )
        elif current != entry:
            yield Message("backup-file-altered", name=name, sha256=current.sha256.hex())
    unexpected.pop(MANIFEST, None)
    yield from (Message("backup-file-unexpected", name=name) for name in unexpected)


def _read_entry(path: Path) -> FileEntry:
    with open(open_regular_file(path, follows_links=False), "rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return FileEntry(size=file.tell(), sha256=digest.digest())


def location_error(path: Path, error: OSError) -> AnchorError:
    """Return the error for a location named by the user, in which nothing can be created."""
    if error.errno in _WRONG_PLACE:
        return UsageError(
            Message("file-unwritable-because", path=path, reason=describe_os_error(error))
        )
    return disk_error(path, error)


def disk_error(path: Path, error: OSError) -> StorageError:
    """Return the error for a file that must exist and cannot be read or written."""
    return StorageError(
        Message(
            "file-read-or-write-failed",
            path=error.filename or path,
            reason=describe_os_error(error),
        ),
        hint=Message("disk-check-then-rerun-hint"),
    )
