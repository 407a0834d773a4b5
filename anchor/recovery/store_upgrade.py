"""Upgrade of a project's store to this release's schema, tried first on a backup."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from anchor.errors import StorageError, StoreBusyError
from anchor.messages.message import Message
from anchor.project.config import Config
from anchor.project.files import BEFORE_UPGRADE
from anchor.project.project import open_project
from anchor.recovery.backup import make_backup
from anchor.store.backup_folder import backup_path, open_generations
from anchor.store.database import MIGRATION_HEAD, Database
from anchor.store.location import SqliteFile
from anchor.store.name_index import enter_names
from anchor.store.record_index import enter_records
from anchor.store.retentions import enter_retentions
from anchor.store.schema_upgrade import hold_outdated


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradedStore:
    """The store's schema versions before and after an upgrade, and the path of the backup."""

    before: str
    after: str
    backup: Path


def upgrade_store(
    config: Config, backup: Path | None, report: Callable[[Message], None]
) -> UpgradedStore | None:
    """Upgrade the store; return None if it already has this release's schema.

    A backup is made at ``backup``, or below the project's folder, and checked by upgrading a copy
    of its store and recomputing the log.  Then the store is upgraded in one transaction, its
    pieces are entered in the index of records, and a SQLite file is rewritten without the old
    tables.

    Raises:
        ConfigError: There is no store.
        UnknownVersionError: A newer release made the store.
        LeaseHeldError, StoreBusyError: Another process uses the store; nothing was changed.
        MismatchError: The store is damaged; nothing was changed.
        StorageError: The disk is full or failing, or the store's server is unreachable.
    """
    with hold_outdated(config.store) as outdated:
        if outdated is None:
            return None
        partial = None
        if backup is None:
            partial = open_generations(config.folder / BEFORE_UPGRADE)
            backup = backup_path(partial.parent, datetime.now(UTC))
        made = make_backup(config, outdated.copy, backup, report, partial=partial)
        report(Message("store-before-upgrade", folder=made.folder))
        # A crash here leaves the store unchanged, and a superfluous backup.
        outdated.upgrade()
    # A crash here leaves the old tables' bytes in the file; the next erasure purges them as well.
    with closing(open_project(config).database) as database:
        # A crash in it leaves a shorter index, which the next `anchor run` continues.
        if enter_records(database):
            report(Message("record-index-entered"))
        enter_names(database)
        enter_retentions(database)
        if isinstance(config.store, SqliteFile):
            _free_space(database, report)
    return UpgradedStore(before=outdated.version, after=MIGRATION_HEAD, backup=made.folder)


def _free_space(database: Database, report: Callable[[Message], None]) -> None:
    """Rewrite a store's file without the tables that were dropped, or report why that failed."""
    try:
        database.purge()
    except (StorageError, StoreBusyError) as error:
        report(Message("store-space-not-freed", reason=error.message))
