"""Verification of a backup: the hashes of its files, and the recomputed log they contain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from anchor.base.errors import ChainGuardError, ConfigError, UnknownVersionError
from anchor.base.messages.message import Message
from anchor.project.files import SIDE_FILE
from anchor.project.project import is_pinned
from anchor.recovery.store_audit import audit_log, limit_breaches
from anchor.store.acknowledged_log import SideFile
from anchor.store.backup_files import find_changes, read_manifest
from anchor.store.backup_manifest import MANIFEST, STORE, TILES, Manifest
from anchor.store.database import Database
from anchor.store.evidence import count_waiting
from anchor.store.heads import newest_head
from anchor.store.snapshot import open_copy
from anchor.store.tile_folder import TileFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedBackup:
    """The result of checking a backup; ``waiting`` counts its evidence that is not sealed yet.

    ``breaches`` holds one message for each violation found.
    """

    folder: Path
    manifest: Manifest
    waiting: int
    breaches: tuple[Message, ...]


def check_backup(folder: Path) -> CheckedBackup:
    """Verify a backup's files and recompute the log in it, without changing the folder."""
    return check_contents(folder, read_manifest(folder))


def check_contents(folder: Path, manifest: Manifest) -> CheckedBackup:
    """Verify the files in ``folder`` against ``manifest`` and the log, as ``check_backup`` does."""
    waiting, breaches = 0, list(find_changes(folder, manifest))
    if (folder / STORE).is_file():
        try:
            with open_copy(folder / STORE) as database:
                breaches += _find_breaches(folder, manifest, database)
                with database.read() as connection:
                    waiting = count_waiting(connection)
        except (ConfigError, ChainGuardError) as error:
            breaches.append(Message("with-reason", failure=STORE, reason=error.message))
    elif STORE not in manifest.files:
        breaches.append(Message("file-missing", path=STORE))
    breaches += _find_damage(folder / SIDE_FILE)
    return CheckedBackup(
        folder=folder, manifest=manifest, waiting=waiting, breaches=limit_breaches(breaches)
    )


def _find_damage(path: Path) -> list[Message]:
    """Read the side file if it exists; return one message for each unreadable entry."""
    damages: list[Message] = []
    try:
        for _ in SideFile(path).read_entries(damages.append):
            pass
    except UnknownVersionError as error:
        damages.append(error.message)
    return damages


def _find_breaches(folder: Path, manifest: Manifest, database: Database) -> Iterator[Message]:
    """Recompute the log, compare it with ``backup.json``, and yield one message per violation."""
    with database.read() as connection:
        if not is_pinned(connection, manifest.chain_id, manifest.registry, manifest.log):
            yield Message("backup-log-differs", store=STORE, manifest=MANIFEST)
        newest = newest_head(connection)
    if (newest and newest.head) != manifest.head:
        yield Message("backup-head-differs", store=STORE, manifest=MANIFEST)
    tiles = TileFolder(folder / TILES)
    yield from audit_log(database, tiles).breaches
    size = manifest.head.size if manifest.head else 0
    try:
        if tiles.size != size:
            yield Message(
                "backup-tiles-size-differs", tiles=TILES, actual=tiles.size, expected=size
            )
    except ChainGuardError as error:
        yield error.message
