"""A folder that ``anchor backup`` made, as restore reads it: its files are checked first."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from anchor.canonical import JsonValue, parse_strict
from anchor.config import Config
from anchor.errors import ChainGuardError, MalformedError, MismatchError, UnknownVersionError
from anchor.filenames import SIDE_FILE

BACKUP_FORMAT = "anchor-backup/1"
MANIFEST = "backup.json"
# A file takes some 130 bytes: the tiles of more than 400 million leaves.
_MAX_MANIFEST_BYTES = 256 << 20
_OTHER = "take another backup, or name what is whole of this one by itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupFolder:
    """A backup whose files are as they were written."""

    folder: Path

    @property
    def store(self) -> Path:
        """Return where its SQLite store is."""
        return self.folder / "store.db"

    @property
    def tiles(self) -> Path:
        """Return where its tiles are."""
        return self.folder / "tiles"

    @property
    def side_file(self) -> Path:
        """Return where its side file is."""
        return self.folder / SIDE_FILE


def is_backup_folder(path: Path) -> bool:
    """Return whether ``anchor backup`` made this folder, as far as its files tell."""
    return (path / MANIFEST).is_file()


def check_backup_folder(folder: Path, config: Config) -> BackupFolder:
    """Compare each file of a backup with its hash, and its log with the project's.

    Raises:
        MismatchError: A file is missing or damaged.
        ChainGuardError: It is the backup of another log.
        UnknownVersionError: A newer release made it.
    """
    path = folder / MANIFEST
    try:
        value = parse_strict(path.read_bytes(), what=str(path), max_bytes=_MAX_MANIFEST_BYTES)
        members = _expect_object(value)
        if members.get("format") != BACKUP_FORMAT:
            raise UnknownVersionError(f"{path} is not of the format {BACKUP_FORMAT}")
        for name, entry in _expect_object(members.get("files")).items():
            _check_file(folder, name, _expect_object(entry))
    except MalformedError as error:
        raise MismatchError(f"the backup is damaged: {error.message}", hint=_OTHER) from error
    expected = {
        "chain_id": config.chain_id,
        "registry": "0x" + config.registry.hex(),
        "log": "0x" + config.log.hex(),
    }
    for name, wanted in expected.items():
        if str(members.get(name)).lower() != str(wanted):
            raise ChainGuardError(
                f"the {name} of the backup in {folder} is {members.get(name)}, and this project's "
                f"is {wanted}",
                hint="name a backup of this log",
            )
    return BackupFolder(folder=folder)


def _check_file(folder: Path, name: str, entry: Mapping[str, JsonValue]) -> None:
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts:
        raise MalformedError(f"{name[:80]!r} is no name of a file in a backup")
    path = folder / parts
    if not path.is_file():
        raise MismatchError(f"the backup lacks its file {path}", hint=_OTHER)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    if (path.stat().st_size, digest.hexdigest()) != (entry.get("size"), entry.get("sha256")):
        raise MismatchError(f"{path} is not the file that was backed up", hint=_OTHER)


def _expect_object(value: JsonValue | None) -> Mapping[str, JsonValue]:
    if not isinstance(value, dict):
        raise MalformedError(f"something else stands in {MANIFEST} where an object belongs")
    return value
