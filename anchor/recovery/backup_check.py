"""Checking a backup: its files, and the log that is in them, recomputed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from anchor.errors import ChainGuardError, ConfigError, UnknownVersionError
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
    """A backup as it was read again; ``waiting`` is the evidence in it without a place.

    ``breaches`` holds a sentence for each thing that is not as it must be.
    """

    folder: Path
    manifest: Manifest
    waiting: int
    breaches: tuple[str, ...]


def check_backup(folder: Path) -> CheckedBackup:
    """Read a backup again and recompute the log in it; nothing in the folder is changed.

    Raises:
        ConfigError: The folder is no backup.
        MismatchError: Its ``backup.json`` is damaged.
        UnknownVersionError: A newer release made it.
        StorageError: The disk fails.
    """
    return check_contents(folder, read_manifest(folder))


def check_contents(folder: Path, manifest: Manifest) -> CheckedBackup:
    """Check what ``manifest`` says of the files in ``folder``, as ``check_backup`` does."""
    waiting, breaches = 0, list(find_changes(folder, manifest))
    if (folder / STORE).is_file():
        try:
            with open_copy(folder / STORE) as database:
                breaches += _find_breaches(folder, manifest, database)
                with database.read() as connection:
                    waiting = count_waiting(connection)
        except (ConfigError, ChainGuardError) as error:
            breaches.append(f"{STORE}: {error.message}")
    elif STORE not in manifest.files:
        breaches.append(f"{STORE} is missing")
    breaches += _find_damage(folder / SIDE_FILE)
    return CheckedBackup(
        folder=folder, manifest=manifest, waiting=waiting, breaches=limit_breaches(breaches)
    )


def _find_damage(path: Path) -> list[str]:
    """Read the side file if there is one; return a sentence for each entry that cannot be read."""
    damages: list[str] = []
    try:
        for _ in SideFile(path).read_entries(damages.append):
            pass
    except UnknownVersionError as error:
        damages.append(error.message)
    return damages


def _find_breaches(folder: Path, manifest: Manifest, database: Database) -> Iterator[str]:
    """Recompute the log, and compare it with what ``backup.json`` says of it."""
    with database.read() as connection:
        if not is_pinned(connection, manifest.chain_id, manifest.registry, manifest.log):
            yield f"{STORE} is another log's, or in another registry, than {MANIFEST} says"
        newest = newest_head(connection)
    if (newest and newest.head) != manifest.head:
        yield f"{STORE} has another newest head than {MANIFEST} says"
    tiles = TileFolder(folder / TILES)
    yield from audit_log(database, tiles).breaches
    size = manifest.head.size if manifest.head else 0
    try:
        if tiles.size != size:
            yield f"{TILES} holds the tree of {tiles.size:,} leaves instead of {size:,}"
    except ChainGuardError as error:
        yield error.message
