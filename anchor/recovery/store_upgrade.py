"""Bringing a project's store to this release's schema, after a backup that shows that it can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from anchor.project.config import Config
from anchor.project.files import BEFORE_UPGRADE
from anchor.project.project import open_project
from anchor.recovery.backup import make_backup
from anchor.store.backup_folder import backup_path, open_generations
from anchor.store.database import MIGRATION_HEAD
from anchor.store.schema_upgrade import hold_outdated


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradedStore:
    """Which schema the store had and has, and where the backup from before is."""

    before: str
    after: str
    backup: Path


def upgrade_store(
    config: Config, backup: Path | None, report: Callable[[str], None]
) -> UpgradedStore | None:
    """Upgrade the store; return None where it has this release's schema already.

    The backup at ``backup``, or below the project's folder, is checked by doing the same to a copy
    of the store and recomputing its log.  The store itself follows in one transaction.

    Raises:
        ConfigError: There is no store.
        UnknownVersionError: A newer release made the store.
        LeaseHeldError, StoreBusyError: Another process works with it; nothing was changed.
        MismatchError: It is damaged; nothing was changed.
        StorageError: The disk is full or failing, or the store's server is away.
    """
    with hold_outdated(config.store) as outdated:
        if outdated is None:
            return None
        partial = None
        if backup is None:
            partial = open_generations(config.folder / BEFORE_UPGRADE)
            backup = backup_path(partial.parent, datetime.now(UTC))
        made = make_backup(config, outdated.copy, backup, report, partial=partial)
        report(f"the store as it was is in {made.folder}")
        # A crash here leaves the store as it was, and a backup too many.
        outdated.upgrade()
    open_project(config).database.close()
    return UpgradedStore(before=outdated.version, after=MIGRATION_HEAD, backup=made.folder)
