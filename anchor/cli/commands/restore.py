"""``anchor restore``: rebuild a project's store from the remaining data."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from anchor.base.errors import ChainGuardError, UsageError
from anchor.base.messages.message import Message, join
from anchor.cli.confirmation import choose_config
from anchor.cli.console import Colour, Output
from anchor.cli.context import finish_erasures, note_project, project_session
from anchor.cli.options import ConfigOption, JsonOption
from anchor.operate.key_audit_trail import (
    find_noted_holds,
    find_noted_keys,
    find_noted_tenants,
)
from anchor.operate.preconditions import check_chain, check_registry
from anchor.project.allowlist import find_allowed, named_config
from anchor.project.config import load_config
from anchor.project.files import CONFIG
from anchor.project.missing_files import list_missing_files
from anchor.project.nodes import open_chain
from anchor.project.project import OpenProject
from anchor.recovery.restore import RestoreResult, restore_project
from anchor.recovery.restore_sources import RestoreOptions, gather_remains
from anchor.store.database import is_taken, lock_location
from anchor.store.left_behind import LABELS, count_left_behind, list_named
from anchor.store.legal_holds import load_holds
from anchor.store.location import SqliteFile, StoreLocation, find_replaced_store

# The most lost pieces named on a terminal; ``--json`` names all.
_NAMED = 50


def command(
    publication: Annotated[
        str | None,
        typer.Argument(metavar="DIR|URL", help="Published log; default: the project's own tiles."),
    ] = None,
    backup: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|FILE|URL",
            help="Backup folder, or another store of this log (SQLite file or "
            "postgresql://user@host/database), to take over.",
        ),
    ] = None,
    receipts: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="Also take records from the receipts in DIR and below; repeatable."
        ),
    ] = None,
    acknowledged: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Further acknowledged.log, such as that of another machine; repeatable.",
        ),
    ] = None,
    is_replacing: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Take over the existing SQLite store and move it aside; if it cannot be read, do "
            "nothing.",
        ),
    ] = False,
    without_store: Annotated[
        bool,
        typer.Option(
            "--without-store",
            help="With --replace: do not read the existing store; what only it contains is left "
            "behind.",
        ),
    ] = False,
    is_salvaging: Annotated[
        bool,
        typer.Option(
            "--salvage",
            help="Take over what is still readable in damaged SQLite files (the existing store and "
            "--backup).",
        ),
    ] = False,
    is_partial: Annotated[
        bool,
        typer.Option(
            "--partial",
            help="Accept leaves that lead only to an earlier anchor; enough for `anchor succeed`.",
        ),
    ] = False,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rebuild a store that is lost, damaged or out of date.

    Leaves are taken only if they lead to the log's head in the registry. Records come from the
    backup and from receipts; a leaf whose record is lost is kept as a hash.
    """
    output = Output(as_json=as_json)
    file = _find_own_config(config_path)
    config = load_config(file)
    store = config.store
    options = RestoreOptions(
        publication=publication,
        backup=backup,
        receipts=tuple(receipts or ()),
        side_files=tuple(acknowledged or ()),
        is_partial=is_partial,
        without_store=without_store,
        is_salvaging=is_salvaging,
    )
    if without_store and is_salvaging:
        raise UsageError(Message("option-salvage-without-store"))
    with ExitStack() as stack:
        # Also excludes writers: evidence added after the store was read would be left out.
        stack.enter_context(lock_location(store))
        exists = is_taken(store)
        if exists:
            _check_replaceable(store, is_replacing=is_replacing)
        node = open_chain(config, output.note)
        check_chain(config, node)
        check_registry(config, node)
        # After a crash between the two renames, the old store is the one moved aside.
        left = store if exists else find_replaced_store(store)
        remains = gather_remains(stack, config, node, options, left, output.note)
        named = list_named(remains.stores)
        named["api_keys"] |= find_noted_keys(config).keys()
        named["tenants"] |= find_noted_tenants(config)
        restored = restore_project(config, node, remains, output.note, is_partial=is_partial)
    if find_allowed(file) is None:
        note_project(output, file)
    with project_session(file) as project:  # after the lock on the new store is released
        finish_erasures(output, project)
        _report_lost_holds(output, project)
        with project.database.read() as connection:
            left_behind = count_left_behind(
                connection, named, is_complete=left is not None and not without_store
            )
    _show(output, restored, is_partial=is_partial)
    _show_left_behind(output, left_behind)
    for text, hint in list_missing_files(config):
        output.note(text, mark=Message("warning-mark"), colour=Colour.YELLOW)
        output.note(hint, mark="  ")
    then = "`anchor succeed`" if is_partial else Message("restore-audit-step")
    output.line(Message("restore-next-step", detail=then))
    output.result(_describe(restored) | {"not_restored": left_behind})


def _report_lost_holds(output: Output, project: OpenProject) -> None:
    """Print each legal hold of the audit trail that the restored store does not contain."""
    with project.database.read() as connection:
        known = {hold.name for hold in load_holds(connection)}
    for name, at in find_noted_holds(project.config).items():
        if name not in known:
            output.note(
                Message("hold-lost", name=name, time=at),
            )


def _show(output: Output, restored: RestoreResult, *, is_partial: bool) -> None:
    filled, lost = restored.filled, restored.filled.lost
    output.line(Message("head-summary", size=restored.head.size, root=restored.head.root.hex()))
    output.line(Message("restore-origin", origin=restored.origin, anchors=restored.anchors))
    output.line(Message("restore-records-count", records=filled.records, hashes=filled.hashes_only))
    if filled.hashes_only:
        output.line(Message("restore-hashes-only-advice", count=filled.hashes_only))
        # Without them, receipts older than an erasure bring back what it erased.
        output.line(Message("restore-hashes-may-be-statements"))
    output.line(Message("restore-waiting-count", count=filled.waiting))
    if restored.timestamps:
        output.line(Message("restore-timestamps-count", count=restored.timestamps))
    if filled.unreadable:
        output.line(Message("restore-unreadable-count", count=filled.unreadable))
    if filled.beyond:
        output.line(
            Message("restore-beyond-partial-count", count=filled.beyond)
            if is_partial
            else Message("restore-beyond-count", count=filled.beyond)
        )
    if lost:
        output.line(Message("restore-lost-count", count=len(lost)))
    for piece in lost[:_NAMED]:
        whose = piece.tenant or Message("restore-own-piece")
        output.row(piece.identity.hex(), whose, widths=(), mark="  ")
    if len(lost) > _NAMED:
        output.line(Message("restore-lost-more", count=len(lost) - _NAMED))
    if restored.moved is not None:
        output.line(Message("restore-store-moved", path=restored.moved))


def _show_left_behind(output: Output, counts: Mapping[str, int | None]) -> None:
    """Print what did not come back: each kind with its number, and those of unknown number."""
    for kind, count in counts.items():
        if count:
            text = Message("restore-left-behind", name=LABELS[kind], count=count)
            output.line(text, mark=Message("warning-mark"), colour=Colour.YELLOW)
    unknown = [LABELS[kind] for kind, count in counts.items() if count is None]
    if unknown:
        text = Message("restore-left-behind-unknown", names=join(unknown))
        output.line(text, mark=Message("warning-mark"), colour=Colour.YELLOW)


def _describe(restored: RestoreResult) -> dict[str, object]:
    filled = restored.filled
    return {
        "size": restored.head.size,
        "root": restored.head.root.hex(),
        "source": restored.origin,
        "anchors": restored.anchors,
        "records": filled.records,
        "hashes_only": filled.hashes_only,
        "waiting": filled.waiting,
        "timestamps": restored.timestamps,
        "unreadable": filled.unreadable,
        "receipts_left": filled.beyond,
        "lost": [
            {"id": piece.identity.hex(), "tenant": piece.tenant or None} for piece in filled.lost
        ],
        "moved": None if restored.moved is None else str(restored.moved),
    }


def _find_own_config(config_path: Path | None) -> Path:
    """Return the project to restore; one in this folder, as in a backup, becomes the user's own.

    A project in a folder above counts only if it is the user's already.
    """
    local = Path(CONFIG).absolute()
    if named_config(config_path) is None and local.is_file() and find_allowed(local) is None:
        return local
    return choose_config(config_path)


def _check_replaceable(store: StoreLocation, *, is_replacing: bool) -> None:
    """Refuse to overwrite a store: only a file can be moved aside, and only on request."""
    if not isinstance(store, SqliteFile):
        raise ChainGuardError(
            Message("restore-store-in-postgresql", store=store),
            hint=Message("restore-store-in-postgresql-hint"),
        )
    if not is_replacing:
        raise ChainGuardError(
            Message("restore-store-exists", store=store),
            hint=Message("restore-store-exists-hint"),
        )
