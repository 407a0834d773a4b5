"""The doctor's check that everything that the daemon writes can be written, and for how long."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from anchor.base.errors import StorageError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import try_folder
from anchor.base.system.os_errors import explain_os_error
from anchor.project.project import OpenProject
from anchor.store.sqlite import RESERVE


def check_room(project: OpenProject) -> int:
    """Write and sync some bytes beside all that is written; return the least free room in bytes."""
    project.database.try_writing()
    least = 0
    for folder in _list_folders(project):
        # A folder that is made at its first use is on the disk of the one above.
        place = next(each for each in (folder, *folder.parents) if each.exists())
        try:
            try_folder(place)
            free = shutil.disk_usage(place).free
        except OSError as error:
            failure = Message("doctor-folder-unwritable", path=folder)
            raise explain_os_error(failure, error, is_named=False) from error
        if free < RESERVE:
            raise StorageError(
                Message("doctor-room-low", path=folder, free=free >> 20, reserve=RESERVE >> 20),
                hint=Message("store-disk-nearly-full-hint"),
            )
        least = min(least or free, free)
    return least


def _list_folders(project: OpenProject) -> Iterator[Path]:
    config = project.config
    yield config.file.parent.absolute()
    yield config.side_file.parent.absolute()
    yield config.tiles.absolute()
    yield config.receipts.absolute()
    target = config.publish
    if target is not None and "://" not in target:
        yield Path(target).absolute()
