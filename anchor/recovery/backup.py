"""Making a backup of a running project: everything that ``anchor restore`` needs.

The store is copied first, in one consistent state.  The tiles are made from that copy, so that both
belong to one head.  The side file of acknowledged evidence is copied last, so that it covers every
row of the store.  A backup contains no private key.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from anchor.base.errors import ChainGuardError, ConfigError, MismatchError, UsageError
from anchor.base.messages.message import Message, join
from anchor.base.system.clock import utc_now
from anchor.base.system.durable_files import is_temporary
from anchor.base.system.regular_files import open_regular_file
from anchor.base.types import Head
from anchor.ethereum.keccak import format_address
from anchor.operate.funds import find_key
from anchor.project.config import Config
from anchor.project.files import CONFIG, ERASURES, SIDE_FILE, TIMESTAMPS, TRUST_POLICY
from anchor.project.log_key import load_log_key, public_path
from anchor.project.project import OpenProject
from anchor.recovery.backup_check import CheckedBackup, check_contents
from anchor.store.acknowledged_log_frames import Damage, walk_frames
from anchor.store.backup_files import disk_error, make_durable, write_manifest
from anchor.store.backup_folder import fill_folder
from anchor.store.backup_manifest import LOG_KEY, OPERATOR, STORE, TILES, Manifest, is_name
from anchor.store.heads import newest_head
from anchor.store.schema_version import SCHEMA_VERSION
from anchor.store.sealing import write_tiles
from anchor.store.snapshot import copy_store, open_copy
from anchor.store.tile_folder import TileFolder


def make_backup(
    project: OpenProject,
    target: Path,
    report: Callable[[Message], None],
    *,
    partial: Path | None = None,
) -> CheckedBackup:
    """Make a backup at ``target``, which must not exist yet, and verify it before it becomes valid.

    Raises:
        UsageError: ``target`` exists, cannot be created, or lies in a public folder.
        MismatchError: The copied store is damaged, so that no backup was made.
        LeaseHeldError: Another process is making a backup at ``target``.
    """
    config = project.config
    _check_private(config, target)
    made_at = utc_now()
    with fill_folder(target, partial) as folder:
        copy_store(project.database, folder / STORE)
        # A crash from here on leaves an unfinished folder, which the next backup empties.
        head = _write_tiles(folder)
        _copy_files(config, folder, report)
        _write_keys(config, folder, report)
        manifest = Manifest(
            made_at=made_at,
            chain_id=config.chain_id,
            registry=config.registry,
            log=config.log,
            head=head,
            schema=SCHEMA_VERSION,
            files=make_durable(folder),
        )
        checked = check_contents(folder, manifest)
        if checked.breaches:
            raise _unusable(join(checked.breaches[:3], by="semicolon"))
        write_manifest(folder, manifest)
    return CheckedBackup(folder=target, manifest=manifest, waiting=checked.waiting, breaches=())


def _check_private(config: Config, target: Path) -> None:
    """Refuse a target in a folder that is published, handed out or managed by the project."""
    resolved = target.absolute().resolve()
    for folder in (config.tiles, config.receipts, config.erasures):
        if folder.resolve() in (resolved, *resolved.parents):
            raise UsageError(
                Message("backup-target-inside-project", target=target, folder=folder),
                hint=Message("backup-target-inside-project-hint"),
            )


def _write_tiles(folder: Path) -> Head | None:
    try:
        with open_copy(folder / STORE) as database:
            write_tiles(database, TileFolder(folder / TILES))
            with database.read() as connection:
                newest = newest_head(connection)
    except (ConfigError, ChainGuardError) as error:
        raise _unusable(error.message) from error
    return newest.head if newest else None


def _unusable(reason: Message) -> MismatchError:
    return MismatchError(
        Message("backup-not-made", reason=reason), hint=Message("backup-not-made-hint")
    )


def _copy_files(config: Config, folder: Path, report: Callable[[Message], None]) -> None:
    for source, name in (
        (config.side_file, SIDE_FILE),
        (config.file, CONFIG),
        (config.trust, TRUST_POLICY),
    ):
        try:
            shutil.copyfile(source, folder / name)
        except FileNotFoundError:
            if source == config.file:
                raise
        except OSError as error:
            raise disk_error(source, error) from error
    _cut_tail(folder / SIDE_FILE)
    try:
        for statement in config.erasures.glob("*.json"):
            is_plain = statement.is_file() and not statement.is_symlink()
            if not is_name(statement.name) or not is_plain:
                report(Message("backup-skips-foreign-statement", path=statement))
                continue
            (folder / ERASURES).mkdir(exist_ok=True)
            _copy_plain(statement, folder / ERASURES / statement.name)
    except OSError as error:
        raise disk_error(config.erasures, error) from error
    _copy_timestamps(config, folder)


def _copy_plain(source: Path, target: Path) -> None:
    with (
        open(open_regular_file(source, follows_links=False), "rb") as file,
        target.open("xb") as copy,
    ):
        shutil.copyfileobj(file, copy)


def _copy_timestamps(config: Config, folder: Path) -> None:
    """Copy the checkpoints' timestamps, which nothing but their authorities could make again."""
    try:
        for path in sorted(config.timestamps.glob("*")):
            if path.is_file() and not path.is_symlink() and not is_temporary(path.name):
                (folder / TIMESTAMPS).mkdir(exist_ok=True)
                _copy_plain(path, folder / TIMESTAMPS / path.name)
    except OSError as error:
        raise disk_error(config.timestamps, error) from error


def _cut_tail(path: Path) -> None:
    """Remove a last entry of the copied side file that was only partly written at the time."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        size = path.stat().st_size
        torn = (part for part in walk_frames(file, size) if isinstance(part, Damage))
        for part in torn:
            if part.is_tail:
                file.truncate(part.start)


def _write_keys(config: Config, folder: Path, report: Callable[[Message], None]) -> None:
    """Write the public keys; skip a key that cannot be read."""
    (folder / LOG_KEY).parent.mkdir()
    try:
        verifier = load_log_key(config).verifier().encode()
        (folder / LOG_KEY).write_text(verifier + "\n", "ascii")
    except (ConfigError, MismatchError) as error:
        report(Message("backup-without-log-key", reason=error.message))
        with suppress(FileNotFoundError):
            shutil.copyfile(public_path(config), folder / LOG_KEY)
    key = find_key(config)
    if key is None:
        report(Message("backup-without-operator-address"))
    members = {"address": None if key is None else format_address(key)}
    (folder / OPERATOR).write_text(json.dumps(members) + "\n", "ascii")
