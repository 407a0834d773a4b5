"""Backup folders: a single backup, or several generations in one folder.

Each backup is renamed to its place when it is complete.  A generation is named by its starting
time.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from anchor.base.errors import (
    ConfigError,
    LeaseHeldError,
    UsageError,
)
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import sync_folder
from anchor.store.backup_files import disk_error, location_error
from anchor.store.backup_manifest import MANIFEST

_PARTIAL = ".partial"
_REMOVED = ".removed"
_NAME = "%Y%m%dT%H%M%SZ"
_GENERATION = re.compile(r"[0-9]{8}T[0-9]{6}Z")


def find_backup(folder: Path) -> Path:
    """Return ``folder`` if it is a backup, otherwise the newest backup in it."""
    if (folder / MANIFEST).is_file():
        return folder
    kept = list_generations(folder)
    if not kept:
        raise ConfigError(
            Message("backup-none-in-folder", folder=folder),
            hint=Message("backup-folder-hint"),
        )
    return kept[-1]


def list_generations(folder: Path) -> list[Path]:
    """Return the backups kept in ``folder``, oldest first."""
    try:
        names = sorted(name for name in os.listdir(folder) if _GENERATION.fullmatch(name))
    except OSError:
        return []
    return [folder / name for name in names if (folder / name / MANIFEST).is_file()]


def backup_path(folder: Path, moment: datetime) -> Path:
    """Return the path below ``folder`` for a backup that is begun at ``moment``.

    The name sorts after every existing generation.  If there is one of this second or later,
    because two backups began at once or the clock was set back, the next free second is used.
    """
    names = os.listdir(folder) if folder.is_dir() else []
    moment = moment.astimezone(UTC).replace(microsecond=0)
    for name in names:
        with suppress(ValueError, OverflowError):  # not a generation: its name is not a time
            taken = datetime.strptime(name, _NAME).replace(tzinfo=UTC)
            moment = max(moment, taken + timedelta(seconds=1))
    return folder / f"{moment:{_NAME}}"


def open_generations(folder: Path) -> Path:
    """Create the folder for several backups if missing; return the path for an unfinished one."""
    try:
        folder.mkdir(0o700, exist_ok=True)
    except OSError as error:
        raise location_error(folder, error) from error
    # All processes use the same name, so that two never make a backup at the same time.
    return folder / _PARTIAL


def forget_generations(folder: Path, keep: int) -> list[Path]:
    """Remove all backups in ``folder`` except the newest ``keep``; return those removed."""
    old = list_generations(folder)[:-keep]
    try:
        for path in old:
            # Renamed first, so that a partly removed backup is never mistaken for a complete one.
            path.rename(path.with_name(f".{path.name}{_REMOVED}"))
        if old:
            sync_folder(folder)
        for name in os.listdir(folder):
            if name.startswith(".") and name.endswith(_REMOVED):
                shutil.rmtree(folder / name)
    except OSError as error:
        raise disk_error(folder, error) from error
    return old


@contextmanager
def fill_folder(folder: Path, partial: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder to fill; rename it to ``folder`` at the end of the block.

    ``partial`` is its name until then; remains of an earlier process are removed. If the block
    fails, nothing is left at ``folder``.

    Raises:
        LeaseHeldError: Another process is filling the folder.
    """
    _check_free(folder)
    folder = folder.absolute()  # the working directory has no name otherwise
    partial = partial or folder.with_name(f".{folder.name}{_PARTIAL}")
    descriptor = _hold(partial)
    try:
        try:
            _empty(partial)
            yield partial
            sync_folder(partial)
            # A crash here leaves a complete backup under its temporary name, which does
            # not count.
            _check_free(folder)
            partial.rename(folder)
            sync_folder(folder.parent)
        except OSError as error:
            raise disk_error(folder, error) from error
    except BaseException:
        with suppress(OSError):
            _empty(partial)
            partial.rmdir()
        raise
    finally:
        os.close(descriptor)


def _check_free(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(Message("backup-target-not-folder", folder=folder))
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(
            Message("backup-target-not-empty", folder=folder),
            hint=Message("backup-target-hint"),
        )


def _hold(partial: Path) -> int:
    """Create and lock the folder; the operating system drops the lock when the process ends."""
    try:
        with suppress(FileExistsError):
            partial.mkdir(0o700)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(partial, flags)
    except OSError as error:
        raise location_error(partial.parent, error) from error
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise UsageError(
                Message("backup-folder-of-other-user", folder=partial),
                hint=Message("backup-private-folder-hint"),
            )
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another process may have renamed it to its final name in between.
        if os.fstat(descriptor).st_ino != partial.stat().st_ino:
            raise BlockingIOError
    except (BlockingIOError, FileNotFoundError) as error:
        os.close(descriptor)
        raise LeaseHeldError(
            Message("backup-folder-held", parent=partial.parent),
            hint=Message("process-wait-then-rerun-hint"),
        ) from error
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _empty(folder: Path) -> None:
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
