"""A folder that ``anchor backup`` made, as restore reads it: its files are checked first."""

from __future__ import annotations

from pathlib import Path

from anchor.errors import ChainGuardError, MismatchError
from anchor.project.config import Config
from anchor.store.backup_files import OTHER_BACKUP, find_changes, read_manifest
from anchor.store.backup_folder import find_backup


def check_backup_folder(folder: Path, config: Config) -> Path:
    """Compare each file of a backup, or of a folder's newest backup, with its hash; return which.

    Raises:
        ConfigError: The folder is no backup and holds none.
        MismatchError: A file is missing or damaged.
        ChainGuardError: The backup is of another log.
        UnknownVersionError: A newer release made the backup.
    """
    folder = find_backup(folder)
    manifest = read_manifest(folder)
    changed = next(find_changes(folder, manifest), None)
    if changed is not None:
        raise MismatchError(f"the backup in {folder} is damaged: {changed}", hint=OTHER_BACKUP)
    for name, recorded, wanted in (
        ("chain_id", manifest.chain_id, config.chain_id),
        ("registry", manifest.registry, config.registry),
        ("log", manifest.log, config.log),
    ):
        if recorded != wanted:
            raise ChainGuardError(
                f"the {name} of the backup in {folder} is another than this project's",
                hint="name a backup of this log",
            )
    return folder
