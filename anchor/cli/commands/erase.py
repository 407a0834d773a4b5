"""``anchor erase``: erase evidence from store, side file and receipts."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.cli.confirmation import confirm
from anchor.cli.console import Output
from anchor.cli.context import project_session
from anchor.cli.evidence_arguments import parse_selection
from anchor.cli.evidence_options import (
    DigestsOption,
    LeavesOption,
    NamesArgument,
    TenantOption,
)
from anchor.cli.options import ConfigOption, JsonOption
from anchor.evidence.erasure_statement import check_words
from anchor.operate.erasing import ErasureOrder, check_erasable, erase
from anchor.operate.erasure_cleanup import CleanupResult, clean_up
from anchor.operate.evidence_selection import Selection, find_pieces, load_names
from anchor.operate.key_audit_trail import find_user
from anchor.project.project import OpenProject
from anchor.store.columns import ERASED
from anchor.store.erasures import Piece
from anchor.store.file_origins import tenant_of


def command(
    names: NamesArgument = None,
    digest: DigestsOption = None,
    leaf: LeavesOption = None,
    tenant: TenantOption = None,
    basis: Annotated[
        str | None,
        typer.Option(metavar="gdpr-17|pipl-47|other", help="Legal basis; will be recorded."),
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Reason, without anybody's name; will be recorded."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who erases; will be recorded; default: your user name."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be erased; erase nothing.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask for confirmation; erasure cannot be undone.")
    ] = False,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase evidence irreversibly: record, salt, name, digests and ids.

    The leaf, a salted hash, stays in the log. A statement of what was erased, when, by whom and why
    is recorded as evidence, in the folder erasures/. Without a selection, an interrupted erasure is
    completed. docs/erasure.md lists the copies that this command cannot erase.
    """
    output = Output(as_json=as_json)
    selection = parse_selection(names, digest, leaf, tenant)
    with project_session(config_path, only_reads=dry_run) as project:
        if dry_run:
            _list(output, project, selection)
            return
        left = clean_up(project)
        if selection.is_empty:
            if left is None:
                raise UsageError(Message("evidence-to-erase-unnamed"))
            _report(output, [], left)
            return
        if basis is None or reason is None:
            raise UsageError(Message("erasure-reason-missing"))
        order = ErasureOrder(basis=basis, by=by or find_user(), reason=reason)
        check_words(order.basis, {"--by": order.by, "--reason": order.reason})
        if not yes:
            confirm(
                output,
                Message("erasure-question"),
                declined=Message("erasure-declined"),
                show=lambda: _list(output, project, selection),
            )
        pieces = erase(project, selection, order)
        _report(output, pieces, clean_up(project))


def _list(output: Output, project: OpenProject, selection: Selection) -> None:
    listed: list[dict[str, Any]] = []
    with project.database.read() as connection:
        pieces = [each for each in find_pieces(connection, selection) if each.source != ERASED]
        check_erasable(connection, pieces)
        for piece, name in load_names(connection, pieces):
            owner = tenant_of(piece.source)
            cells = [_describe_position(piece), piece.leaf.hex()]
            cells.append(name or Message("erasure-record-lost"))
            if owner is not None:
                cells.append(Message("erasure-tenant-note", tenant=owner))
            output.row(*cells, widths=(12,))
            listed.append(
                {
                    "leaf": piece.leaf.hex(),
                    "index": piece.leaf_index,
                    "name": name,
                    "source": piece.source,
                    "tenant": owner,
                }
            )
    output.line(Message("erasure-dry-run-count", count=len(listed)))
    output.result({"would_erase": listed}, kind="preview")


def _report(output: Output, pieces: list[Piece], cleaned: CleanupResult | None) -> None:
    for piece in pieces:
        output.row(_describe_position(piece), piece.leaf.hex(), widths=(12,))
    count = len(pieces) or (0 if cleaned is None else cleaned.leaves)
    output.line(Message("erasure-done", count=count) if count else Message("erasure-done-before"))
    statements = [] if cleaned is None else [str(path) for path in cleaned.statements]
    remains = [] if cleaned is None else list(cleaned.remains)
    for path in statements:
        output.line(Message("erasure-statement-written", path=path))
    for text in remains:
        output.note(text, mark=Message("erasure-remains-mark"))
    output.note(
        Message("erasure-copies-remain"),
        mark=Message("erasure-remains-mark"),
    )
    output.result(
        {
            "erased": [{"leaf": piece.leaf.hex(), "index": piece.leaf_index} for piece in pieces],
            "finished": 0 if cleaned is None else cleaned.leaves,
            "statements": statements,
            "receipts_removed": 0 if cleaned is None else cleaned.receipts,
            "remains": remains,
        }
    )


def _describe_position(piece: Piece) -> Message:
    if piece.leaf_index is None:
        return Message("leaf-waiting")
    return Message("leaf-position", index=piece.leaf_index)
