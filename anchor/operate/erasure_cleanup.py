"""Removal of erased evidence from disk: statements are written, receipts and entries removed.

Each step can be repeated any number of times; the next call completes an interrupted one.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anchor.base.errors import StorageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.base.system.durable_files import is_temporary, private_mode, sync_folder, write_files
from anchor.base.system.os_errors import describe_os_error
from anchor.base.types import Hash32
from anchor.evidence.erasure_statement import find_statement
from anchor.evidence.record import parse_record
from anchor.log.merkle import hash_leaf
from anchor.operate.receipt_files import read_receipt
from anchor.project.config import Config
from anchor.project.files import BEFORE_UPGRADE, RECEIPT_SUFFIX
from anchor.project.project import OpenProject
from anchor.store.acknowledged_log import SideFile
from anchor.store.backup_folder import list_generations
from anchor.store.erasures import (
    Erasure,
    find_by_ids,
    find_by_leaves,
    finish_erasures,
    hash_id,
    load_erasures,
    load_records,
)
from anchor.store.location import SqliteFile, find_copies
from anchor.store.runs import lock_intake

# The name of a statement in its record, given by `anchor.operate.erasing`.
_STATEMENT = re.compile(r"erasure-[0-9A-Za-z]+-[0-9a-f]{16}\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanupResult:
    """What a cleanup removed from disk after erasures.

    ``remains`` are sentences about what this program cannot remove.
    """

    leaves: int
    statements: Sequence[Path]
    receipts: int
    remains: Sequence[Message]


def clean_up(project: OpenProject) -> CleanupResult | None:
    """Remove erased evidence from disk; return what was removed, or None without an open erasure.

    Raises:
        StoreBusyError: Other processes keep the store busy; calling again continues.
        StorageError: The disk is full or fails; calling again continues.
    """
    config, database = project.config, project.database
    with database.read() as connection:
        unfinished = load_erasures(connection, is_unfinished=True)
        if not unfinished:
            return None
        said = {erasure.statement for erasure in unfinished if erasure.statement is not None}
        records = list(load_records(connection, find_by_leaves(connection, said)))
    leaves = {erasure.leaf for erasure in unfinished}
    files = write_statements(config, [record for _, record in records if record is not None])
    receipts = remove_receipts(_walk_receipts(config.receipts), leaves, config.receipts)
    remains: list[Message] = []
    _clear_side_file(project, unfinished, remains.append)
    remains += [*database.purge(), *_list_old_stores(config)]
    with database.write() as connection:
        finish_erasures(connection, unfinished, utc_now())
    return CleanupResult(leaves=len(leaves), statements=files, receipts=receipts, remains=remains)


def remove_receipts(paths: Iterator[Path], leaves: Collection[Hash32], below: Path | None) -> int:
    """Remove the receipts of ``leaves``; return how many.

    Folders ``below`` that become empty are removed too: their names come from the evidence.
    """
    removed = [
        path
        for path in paths
        if (receipt := read_receipt(path)) is not None and hash_leaf(receipt.record) in leaves
    ]
    try:
        for path in removed:
            path.unlink(missing_ok=True)
            folder = path.parent
            while below in folder.parents and not any(folder.iterdir()):
                folder.rmdir()
                folder = folder.parent
            sync_folder(folder)
    except OSError as error:
        raise StorageError(
            Message(
                "erasure-receipt-not-removable",
                path=error.filename,
                reason=describe_os_error(error),
            ),
            hint=Message("erasure-receipt-not-removable-hint"),
        ) from error
    return len(removed)


def write_statements(config: Config, records: Sequence[bytes]) -> list[Path]:
    """Write each statement to its file, from which ``anchor prove`` makes its receipt."""
    files: dict[Path, bytes] = {}
    for record in records:
        statement = find_statement(record)
        name = parse_record(record).name
        # A foreign store may hold a record with any name, even a path.
        if statement is not None and _STATEMENT.fullmatch(name):
            files[config.erasures / name] = statement.encode()
    missing = [(path, data) for path, data in files.items() if not path.exists()]
    write_files(missing, mode=private_mode(config.folder), is_named=False)
    return list(files)


def _clear_side_file(
    project: OpenProject, erasures: Sequence[Erasure], report: Callable[[Message], None]
) -> None:
    """Remove the side file's entries of erased evidence, including those never committed.

    The entry of evidence that was submitted again since then is kept.
    """
    side_file = SideFile(project.config.side_file)
    leaves = {erasure.leaf for erasure in erasures}
    hashes = {erasure.id_hash for erasure in erasures}
    with project.database.write() as connection:
        lock_intake(connection)
        ids = {
            entry.identity
            for entry in side_file.read_entries(lambda _: None)
            if hash_id(entry.tenant or None, entry.identity) in hashes
        }
        stored = {piece.leaf for piece in find_by_ids(connection, ids)}
        side_file.remove_where(
            lambda entry: (
                entry.leaf in leaves or (entry.identity in ids and entry.leaf not in stored)
            ),
            report,
        )


def _walk_receipts(folder: Path) -> Iterator[Path]:
    """Yield the receipts below ``folder``, including those that a crash left half written."""
    for path in folder.rglob("*"):
        if path.name.endswith(RECEIPT_SUFFIX) or is_temporary(path.name):
            yield path


def _list_old_stores(config: Config) -> list[Message]:
    """Return a sentence for each store that a restore, or an upgrade before 0.1.0, left."""
    stores = [copied.path for copied in find_copies(config.folder)]
    stores += list_generations(config.folder / BEFORE_UPGRADE)
    if isinstance(config.store, SqliteFile):
        path = config.store.path
        name = glob.escape(path.name)
        for pattern in (
            f"{name}.before-restore-*Z",
            f"{name}.building",
            f"{name}.building.damaged",
        ):
            stores += path.parent.glob(pattern)
    return [Message("erasure-earlier-store-left", store=old) for old in sorted(stores)]
