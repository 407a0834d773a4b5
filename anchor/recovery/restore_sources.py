"""Sources to restore a project from: its store, backups, tiles, receipts and side files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from anchor.base.errors import (
    AnchorError,
    CannotCheckError,
    ChainGuardError,
    ConfigError,
    MismatchError,
    StorageError,
    UnknownVersionError,
    UsageError,
)
from anchor.base.messages.message import Message
from anchor.chain.node import Node
from anchor.chain.registry_reader import RegistryReader
from anchor.log.checkpoint import log_origin, open_checkpoint
from anchor.log.publication import CHECKPOINT, open_reader, read_anchors
from anchor.project.config import Config
from anchor.project.files import ERASURES, SIDE_FILE, TIMESTAMPS
from anchor.project.project import load_pinned_registry, open_project
from anchor.recovery.backup_source import check_backup_folder
from anchor.recovery.erasure_restoration import KnownErasures, load_known_erasures
from anchor.recovery.leaf_origins import (
    LeafOrigin,
    find_receipts,
    leaves_of_folder,
    leaves_of_publication,
    leaves_of_store,
)
from anchor.recovery.owners import LeafOwners, join_pairs
from anchor.recovery.remains import Remains
from anchor.store.acknowledged_log import SideFile
from anchor.store.acknowledged_log_frames import Entry, EntryBlock
from anchor.store.backup_files import OTHER_BACKUP
from anchor.store.backup_manifest import STORE, TILES
from anchor.store.batches import in_batches
from anchor.store.database import Database, lock_location, open_database
from anchor.store.location import (
    PostgresDatabase,
    SqliteFile,
    StoreLocation,
    copy_location,
    discard,
    find_copies,
    parse_location,
)
from anchor.store.replaced_store_fence import Fence, fenced
from anchor.store.snapshot import open_copy
from anchor.store.sqlite_integrity import find_damage
from anchor.store.sqlite_salvage import salvage_store
from anchor.store.tile_folder import TileFolder

Report = Callable[[Message], None]

# Entries of side files that are compared and appended at once: some MiB.
_BATCH = 1 << 14


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    """The sources named for a restore, and how an existing store is treated.

    ``publication`` is where the log is published; ``backup`` is a store, or a folder made by
    `anchor backup`; ``side_files`` are side files other than the project's own.
    """

    publication: str | None = None
    backup: str | None = None
    receipts: tuple[Path, ...] = ()
    side_files: tuple[Path, ...] = ()
    is_partial: bool = False
    without_store: bool = False
    is_salvaging: bool = False


def gather_remains(
    stack: ExitStack,
    config: Config,
    node: Node,
    wanted: RestoreOptions,
    left: StoreLocation | None,
    report: Report,
) -> Remains:
    """Open every source that a store can be rebuilt from, until ``stack`` is closed.

    ``left`` is the present store, or one that was moved aside. The caller holds the lock of its
    location, so that any working copies found belong to a restore that was killed.
    """
    for copied in find_copies(config.folder):
        discard(copied)
    folder = _find_backup_folder(config, wanted.backup)
    fences: list[Fence] = []
    stores = _open_stores(stack, config, wanted, left, folder, fences, report)
    leaves, sizes = _find_leaves(config, node, wanted, stores, folder)
    statements = [config.erasures, *([folder / ERASURES] if folder else [])]
    erased = load_known_erasures(list(stores.values()), statements)
    return Remains(
        leaves=leaves,
        stores=list(stores.values()),
        receipts=find_receipts([config.receipts, *wanted.receipts], config.log),
        sizes=sizes,
        erased=erased,
        owners=_load_owners(stack, config, wanted, folder, erased, report),
        side_file=SideFile(config.side_file),
        timestamps=folder / TIMESTAMPS if folder else None,
        fences=fences,
    )


def _find_backup_folder(config: Config, backup: str | None) -> Path | None:
    if backup is None or not Path(backup).is_dir():
        return None
    return check_backup_folder(Path(backup), config)


def _open_stores(
    stack: ExitStack,
    config: Config,
    wanted: RestoreOptions,
    left: StoreLocation | None,
    folder: Path | None,
    fences: list[Fence],
    report: Report,
) -> dict[str, Database]:
    """Open the stores that can be read; return them by name, the project's own first."""
    stores: dict[str, Database] = {}
    if left is not None and not wanted.without_store:
        stores[str(left)] = _open_left(stack, config, wanted, left, report)
    elif left is not None:
        report(Message("restore-store-skipped", store=left))
    if folder is not None:
        stores[str(folder / STORE)] = _open_backup(stack, config, folder)
    elif wanted.backup is not None:
        other = parse_location(wanted.backup, Path.cwd())
        if wanted.is_salvaging and isinstance(other, SqliteFile):
            stores[str(other)] = _salvage(stack, config, other, report)
        else:
            stores[str(other)] = _open_store(stack, config, other)
        if isinstance(other, PostgresDatabase):
            # A process that seals and sends with this store would do so in parallel to the new one.
            stack.enter_context(lock_location(other))
            # Everything committed before the fence is read below; later writes are refused.
            fences.append(stack.enter_context(fenced(stores[str(other)])))
    return stores


def _open_backup(stack: ExitStack, config: Config, folder: Path) -> Database:
    """Open a copy of the store in a backup.

    Raises:
        MismatchError: The store cannot be read although its file hashes match.
    """
    try:
        with open_copy(folder / STORE):
            pass  # an error names the backup, not a copy of it
        return _open_store(stack, config, _copy_aside(stack, config, folder / STORE))
    except ConfigError as error:
        raise MismatchError(
            Message("restore-backup-store-unreadable", path=folder / STORE),
            hint=OTHER_BACKUP,
        ) from error


def _open_left(
    stack: ExitStack, config: Config, wanted: RestoreOptions, left: StoreLocation, report: Report
) -> Database:
    """Open the present store, or a salvaged copy of a damaged one.

    Raises:
        StorageError: The store is damaged, and no option says how to treat it.
    """
    if wanted.is_salvaging and isinstance(left, SqliteFile):
        return _salvage(stack, config, left, report)
    try:
        database = _open_store(stack, config, left)
        damage = _find_damage(database)
    except UnknownVersionError as error:
        error.hint = Message("restore-store-version-hint")
        raise
    except ConfigError as error:
        damage = error.message
    if damage is not None:
        raise StorageError(
            Message("restore-store-damaged", store=left, detail=damage),
            hint=Message("restore-store-damaged-hint"),
        )
    return database


def _find_damage(database: Database) -> Message | None:
    with database.read() as connection:
        return next(find_damage(connection), None)


def _salvage(stack: ExitStack, config: Config, left: SqliteFile, report: Report) -> Database:
    """Return a store with the readable rows of a damaged one, and report what is lost."""
    copy = _make_copy_location(stack, config)
    salvaged = salvage_store(left, copy)
    for sentence in salvaged.lost:
        report(Message("restore-lost", detail=sentence))
    report(Message("restore-evidence-read", count=salvaged.pieces, store=left))
    database = open_database(copy)
    stack.callback(database.close)
    if load_pinned_registry(database) is None:
        # Its leaves are verified against the registry, as those of tiles are.
        return database
    return _open_store(stack, config, copy)


def _open_store(stack: ExitStack, config: Config, store: StoreLocation) -> Database:
    # The number of copies required of the project's own store does not apply to this one.
    database = open_project(replace(config, store=store, copies=None)).database
    stack.callback(database.close)
    return database


def _copy_aside(stack: ExitStack, config: Config, store: Path) -> SqliteFile:
    """Copy a store that must not change, because SQLite may write to any file it opens."""
    copied = _make_copy_location(stack, config)
    shutil.copyfile(store, copied.path)
    copied.path.chmod(0o600)
    return copied


def _make_copy_location(stack: ExitStack, config: Config) -> SqliteFile:
    """Return a location for a temporary store, which is removed when the restore ends."""
    copy = copy_location(config.folder)
    stack.callback(discard, copy)
    return copy


def _load_owners(
    stack: ExitStack,
    config: Config,
    wanted: RestoreOptions,
    folder: Path | None,
    erased: KnownErasures,
    report: Report,
) -> LeafOwners:
    """Load the side files, and append to the project's own the entries that it lacks.

    Erased evidence is not appended, even if the restore fails later.
    """
    owners = LeafOwners()
    stack.callback(owners.close)
    own = SideFile(config.side_file)
    others = [*wanted.side_files, *([folder / SIDE_FILE] if folder else [])]
    if not any(path.exists() for path in (own.path, *others)):
        report(Message("restore-side-file-missing", path=own.path))
    owners.add(in_batches(own.read_entries(report), _BATCH))
    for path in others:
        if path in wanted.side_files and not path.is_file():
            raise UsageError(Message("side-file-missing", path=path))
        batches = in_batches(SideFile(path).read_entries(report), _BATCH)
        owners.add(_append_unknown(own, batches, owners, erased.leaves))
    return owners


def _append_unknown(
    own: SideFile, batches: Iterable[list[Entry]], owners: LeafOwners, erased: Collection[bytes]
) -> Iterator[list[Entry]]:
    """Append the entries of another side file that are unknown to ``owners``; yield them.

    Those of erased evidence are only yielded, so that the erasure is still reported to its tenant.
    """
    for batch in batches:
        unknown = owners.compare(join_pairs(batch)).unknown
        new = [entry for entry in batch if entry.leaf in unknown and entry.leaf not in erased]
        own.append(_join_entries(new))
        yield [*new, *(entry for entry in batch if entry.leaf in erased)] if erased else new


def _join_entries(entries: Iterable[Entry]) -> Iterator[Entry | EntryBlock]:
    """Yield neighbouring entries of one tenant as blocks, except for those with keys."""
    for (tenant, has_key), group in groupby(
        entries, key=lambda entry: (entry.tenant, entry.key is not None)
    ):
        if has_key:
            yield from group
        else:
            yield EntryBlock(tenant, join_pairs(group))


def _find_leaves(
    config: Config,
    node: Node,
    wanted: RestoreOptions,
    stores: dict[str, Database],
    folder: Path | None,
) -> tuple[list[LeafOrigin], frozenset[int]]:
    """Return the possible sources of leaves, and the sizes in a published list of anchors."""
    leaves = [leaves_of_store(name, database) for name, database in stores.items()]
    head = RegistryReader(config.registry, config.log).head(node, "latest")
    size = 0 if head is None else head.anchor.size
    least = 0 if wanted.is_partial else size
    leaves.append(leaves_of_folder(TileFolder(config.tiles), least))
    if folder is not None:
        leaves.append(leaves_of_folder(TileFolder(folder / TILES), 0))
    if wanted.publication is None:
        return leaves, frozenset()
    reader = open_reader(wanted.publication)
    note = reader.read(CHECKPOINT)
    if note is None:
        raise CannotCheckError(
            Message("restore-checkpoint-missing", name=reader.name),
            hint=Message("checkpoint-missing-hint"),
        )
    # Its signature does not matter here: the leaves are verified against the registry.
    checkpoint = open_checkpoint(note, None)
    if checkpoint.origin != log_origin(config.chain_id, config.registry, config.log):
        raise ChainGuardError(Message("restore-publication-of-other-log", name=reader.name))
    leaves.append(leaves_of_publication(reader, checkpoint.head.size, size))
    sizes: set[int] = set()
    with suppress(AnchorError):  # the sizes are only a hint
        bound = replace(checkpoint.head, size=min(size, checkpoint.head.size))
        sizes.update(anchored.size for anchored in read_anchors(reader, bound))
    return leaves, frozenset(sizes)
