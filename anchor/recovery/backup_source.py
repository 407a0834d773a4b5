"""A backup made by ``anchor backup`` as a source for restore, with its file hashes verified."""

from __future__ import annotations

from pathlib import Path

from anchor.base.errors import ChainGuardError, MismatchError
from anchor.base.messages.message import Message
from anchor.project.config import Config
from anchor.store.backup_files import OTHER_BACKUP, find_changes, read_manifest
from anchor.store.backup_folder import find_backup


def check_backup_folder(folder: Path, config: Config) -> Path:
    """Verify the file hashes of a backup, or of the newest backup in a folder; return its path.

    Raises:
        ChainGuardError: The backup belongs to another log.
    """
    folder = find_backup(folder)
    manifest = read_manifest(folder)
    changed = next(find_changes(folder, manifest), None)
    if changed is not None:
        raise MismatchError(
            Message("backup-folder-damaged", folder=folder, detail=changed), hint=OTHER_BACKUP
        )
    for name, recorded, wanted in (
        ("chain_id", manifest.chain_id, config.chain_id),
        ("registry", manifest.registry, config.registry),
        ("log", manifest.log, config.log),
    ):
        if recorded != wanted:
            raise ChainGuardError(
                Message("backup-of-other-log", member=name, folder=folder),
                hint=Message("backup-of-other-log-hint"),
            )
    return folder
