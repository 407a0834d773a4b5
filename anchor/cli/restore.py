"""``anchor restore``: rebuild a project's store from what is left."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.output import Output
from anchor.cli.session import finish_erasures, note_project, open_chain, project_session
from anchor.errors import AnchorError, CannotCheckError, ChainGuardError

if TYPE_CHECKING:
    from anchor.chain.node import Node
    from anchor.config import Config
    from anchor.pipeline.leafsources import LeafSource
    from anchor.store.database import Database
    from anchor.store.places import StorePlace

NAME = "restore"


def command(
    place: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(
            metavar="[DIR|URL]", help="The published log; without it, the project's own tiles."
        ),
    ] = None,
    backup: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="FILE|URL",
            help="Another store of this log to take over, such as an old backup: a SQLite file, or "
            "postgresql://user@host/database.",
        ),
    ] = None,
    receipts: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option(metavar="DIR", help="Take records from the receipts in DIR and below, too."),
    ] = None,
    is_replacing: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Move a SQLite file that is there aside; what it holds is taken over first.",
        ),
    ] = False,
    is_partial: Annotated[
        bool,
        typer.Option(
            "--partial",
            help="Take leaves that lead to an earlier anchor only: enough for `anchor succeed`.",
        ),
    ] = False,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rebuild the store after it was lost, or went back to an old backup.

    The registry decides: leaves are taken only if they lead to its head. Records come from the
    backup and from receipts; a leaf whose record is lost stays as its hash.
    """
    from anchor.config import load_config
    from anchor.filenames import RECEIPT_SUFFIX
    from anchor.pipeline.anchoring import check_chain, check_registry
    from anchor.pipeline.leafsources import find_receipts
    from anchor.pipeline.rebuilding import Remains
    from anchor.pipeline.restoring import restore_project
    from anchor.store.database import is_taken, lock_place
    from anchor.store.places import PostgresDatabase, find_moved, parse_place

    output = Output(as_json=as_json)
    file = _find_own_config(config_path)
    config = load_config(file)
    store = config.store
    with ExitStack() as stack:
        # Also against writers: what they added after it was read would stay behind.
        stack.enter_context(lock_place(store))
        is_there = is_taken(store)
        if is_there:
            _check_replaceable(store, is_replacing=is_replacing)
        node = open_chain(config, output.note)
        check_chain(config, node)
        check_registry(config, node)
        stores: dict[str, Database] = {}
        # After a crash between two renames, the store is the one that was moved aside.
        left = store if is_there else find_moved(store)
        if left is not None:
            try:
                stores[str(left)] = _open_store(stack, replace(config, store=left))
            except AnchorError as error:
                output.note(f"the store in {left} is not used: {error.message}")
        if backup is not None:
            other = parse_place(backup, Path.cwd())
            stores[str(other)] = _open_store(stack, replace(config, store=other))
            if isinstance(other, PostgresDatabase):
                # Whoever seals and sends with it would do so beside the new one.
                stack.enter_context(lock_place(other))
        found = find_receipts([config.receipts, *(receipts or ())], config.log, RECEIPT_SUFFIX)
        leaves, sizes = _find_leaves(config, node, place, stores, is_partial=is_partial)
        remains = Remains(leaves=leaves, stores=list(stores.values()), receipts=found, sizes=sizes)
        restored = restore_project(config, node, remains, output.note, is_partial=is_partial)
    note_project(output, file)
    with project_session(file) as project:  # once the new store is nobody's any more
        finish_erasures(output, project)
    output.line(f"{restored.head.size:,} leaves, root {restored.head.root.hex()}")
    output.line(f"leaves from {restored.source}; {restored.anchors:,} anchors from the registry")
    output.line(
        f"{restored.records:,} leaves with their records, {restored.hashes_only:,} as hashes only"
    )
    output.line(f"{restored.waiting:,} pieces of evidence wait for a place in the log")
    if restored.unreadable:
        output.line(f"{restored.unreadable:,} more have no readable record left, and stay behind")
    if restored.moved is not None:
        output.line(f"the store that was there is now {restored.moved}")
    then = "`anchor succeed`" if is_partial else "`anchor audit`, then go on as before"
    output.line(f"Next: {then}.")
    output.result(
        {
            "size": restored.head.size,
            "root": restored.head.root.hex(),
            "source": restored.source,
            "anchors": restored.anchors,
            "records": restored.records,
            "hashes_only": restored.hashes_only,
            "waiting": restored.waiting,
            "unreadable": restored.unreadable,
            "moved": None if restored.moved is None else str(restored.moved),
        }
    )


def _find_own_config(config_path: Path | None) -> Path:
    """Return the project to restore: the one of this folder, as a backup has it, becomes one's own.

    Above this folder, only one that is the user's already counts.
    """
    from anchor.allowlist import find_config, named_config
    from anchor.filenames import CONFIG

    here = Path(CONFIG).absolute()
    if named_config(config_path) is None and here.is_file():
        return here
    return find_config(config_path)


def _check_replaceable(store: StorePlace, *, is_replacing: bool) -> None:
    """Refuse to write over a store: only a file can be moved aside, and only where that is told."""
    from anchor.store.places import SqliteFile

    if not isinstance(store, SqliteFile):
        raise ChainGuardError(
            f"there is a store in {store}, and none in PostgreSQL is replaced",
            hint="name an empty database, or another schema, as the `store`; --backup and this "
            "one's URL take over what it holds",
        )
    if not is_replacing:
        raise ChainGuardError(
            f"there is a store at {store}, and nothing is written over",
            hint="--replace moves it aside under another name, after what it holds was taken over",
        )


def _open_store(stack: ExitStack, config: Config) -> Database:
    from anchor.pipeline.project import open_project

    database = open_project(config).database
    stack.callback(database.close)
    return database


def _find_leaves(
    config: Config, node: Node, place: str | None, stores: dict[str, Database], *, is_partial: bool
) -> tuple[list[LeafSource], frozenset[int]]:
    """Return where leaves may be, and the sizes that a published list of anchors speaks of."""
    from anchor.checkpoint import log_origin, open_checkpoint
    from anchor.pipeline.leafsources import (
        leaves_of_folder,
        leaves_of_publication,
        leaves_of_store,
    )
    from anchor.pipeline.registrystate import fetch_head
    from anchor.published import CHECKPOINT, open_source, read_anchors
    from anchor.tilestore import TileFolder

    leaves = [leaves_of_store(name, database) for name, database in stores.items()]
    head = fetch_head(config, node, "latest")
    size = 0 if head is None else head.anchor.size
    leaves.append(leaves_of_folder(TileFolder(config.tiles), 0 if is_partial else size))
    if place is None:
        return leaves, frozenset()
    source = open_source(place)
    note = source.read(CHECKPOINT)
    if note is None:
        raise CannotCheckError(
            f"there is no checkpoint in {source.name}",
            hint="name the folder or URL below which `checkpoint` lies",
        )
    # Its signature says nothing here: the registry judges the leaves.
    checkpoint = open_checkpoint(note, None)
    if checkpoint.origin != log_origin(config.chain_id, config.registry, config.log):
        raise ChainGuardError(f"what is published in {source.name} is another log's")
    leaves.append(leaves_of_publication(source, checkpoint.head.size, size))
    sizes: set[int] = set()
    with suppress(AnchorError):  # a hint only
        bound = replace(checkpoint.head, size=min(size, checkpoint.head.size))
        sizes.update(anchored.size for anchored in read_anchors(source, bound))
    return leaves, frozenset(sizes)
