"""``anchor status``: the state of the log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import typer

from anchor.cli.console import Output, describe_error
from anchor.cli.context import project_session
from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.status_json import (
    CopiesDocument,
    FinalAnchorDocument,
    LogDocument,
    LogHeadDocument,
    OnChainDocument,
    StatusDocument,
    UnprovenDocument,
)
from anchor.errors import CannotCheckError, ChainGuardError, StorageError
from anchor.monitor.overview_json import build_log_json
from anchor.operate.anchor_watch import judge_clock_at, look_at_chain
from anchor.operate.finality import update_anchors
from anchor.operate.funds import find_key, low_funds_warning
from anchor.operate.preconditions import check_standing
from anchor.operate.state_proofs import review_proofs
from anchor.project.nodes import open_chain
from anchor.project.project import OpenProject
from anchor.store.evidence import count_evidence
from anchor.store.heads import (
    AnchoredHead,
    load_reversible_anchors,
    newest_final_anchor,
    newest_head,
)
from anchor.store.sqlite_integrity import find_damage_within
from anchor.system.clock import format_time, unix_now, utc_now
from anchor.types import Head

# Time limit for checking the store's file for damage; `anchor audit` checks without a limit.
_SECONDS = 2.0


def command(config_path: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show what is accepted, sealed, included and final."""
    output = Output(as_json=as_json)
    with project_session(config_path, only_reads=True) as project:
        _check_file(project)
        document = _read_store(project, output)
        _print_store(output, document)
        try:
            chain = _look_at_chain(project, output)
        except (CannotCheckError, ChainGuardError) as error:
            # The state known without the node is printed nevertheless.
            output.result(document.model_copy(update=describe_error(error)).model_dump())
            output.note_error(error)
            raise typer.Exit(error.exit_code) from None
        _print_chain(output, chain)
        output.result(document.model_copy(update={"chain": chain}).model_dump())


def _check_file(project: OpenProject) -> None:
    """Check the store for damage, for at most ``_SECONDS``.

    Raises:
        StorageError: The store is damaged.
    """
    with project.database.read() as connection:
        damage = find_damage_within(connection, _SECONDS)
    if damage is not None:
        raise StorageError(
            damage,
            hint="stop what writes to it, and look after the disk; `anchor restore --replace "
            "--salvage` takes over what can still be read",
        )


def _read_store(project: OpenProject, output: Output) -> StatusDocument:
    with project.database.read() as connection:
        total, waiting = count_evidence(connection)
        newest = newest_head(connection)
    return StatusDocument(
        format="anchor-status/1",
        time=utc_now(),
        log=LogDocument.model_validate(build_log_json(project.config)),
        accepted=total,
        waiting=waiting,
        head=None if newest is None else _describe_head(newest.head),
        copies=_copies(project, output),
        chain=None,
        error=None,
        hint=None,
        exit_code=0,
    )


def _copies(project: OpenProject, output: Output) -> CopiesDocument | None:
    """Return how many servers hold the store; None if one is enough."""
    copies = project.database.read_copies()
    if copies is None:
        return None
    if not copies.is_enough:
        output.note(f"second-copy-missing: {copies.format_standbys()}", mark="alarm: ")
    return CopiesDocument(count=copies.count, required=copies.rule.copies)


def _look_at_chain(project: OpenProject, output: Output) -> OnChainDocument:
    node = open_chain(project.config, output.note)
    state = check_standing(project, node)
    is_kept = project.database.read_only_note is None  # otherwise on read-only media
    if is_kept:
        update_anchors(project, node)
    # The newest block is read from one node; the final block from as many as have to agree.
    newest, final_block = look_at_chain(project, node)
    fault = judge_clock_at(project, node, unix_now(), newest, final_block)
    if fault is not None:
        output.note(str(fault), mark="warning: ")
    unproven = review_proofs(project, node) if is_kept else None
    key = find_key(project.config)
    shortage = None if key is None else low_funds_warning(project, node, key)
    if shortage is not None:
        output.note(shortage)
    if unproven is not None:
        output.note(f"receipts go without state proofs: {unproven.trouble}")
    with project.database.read() as connection:
        final = newest_final_anchor(connection, project.config.chain_id)
        reversible = load_reversible_anchors(connection, project.config.chain_id)
    sealed, anchored = (head.size if head else 0 for head in (state.newest, state.head_on_chain))
    return OnChainDocument(
        head=None if state.head_on_chain is None else _describe_head(state.head_on_chain),
        final=None if final is None else _describe_anchor(final),
        reversible=len(reversible),
        unanchored=max(sealed - anchored, 0),
        clock_off=None if fault is None else round(fault.seconds),
        unproven=None
        if unproven is None
        else UnprovenDocument(
            anchors=unproven.anchors, first_sequence=unproven.first, reason=unproven.trouble
        ),
        low_on_funds=None if key is None else shortage is not None,
    )


def _describe_head(head: Head) -> LogHeadDocument:
    return LogHeadDocument(size=head.size, root=head.root.hex())


def _describe_anchor(anchored: AnchoredHead) -> FinalAnchorDocument:
    return FinalAnchorDocument(
        size=anchored.head.size,
        root=anchored.head.root.hex(),
        sequence=anchored.sequence,
        block_number=anchored.block_number,
        included_at=format_time(datetime.fromtimestamp(anchored.timestamp, UTC)),
        final_at=anchored.final_at,
    )


def _print_store(output: Output, document: StatusDocument) -> None:
    log, head, copies = document.log, document.head, document.copies
    rows: dict[str, str | int] = {
        "log": f"number {log.number} of {log.owner}",
        "registry": f"{log.registry} on chain {log.chain_id}",
        "accepted": document.accepted,
        "not sealed": document.waiting,
        "head": f"{head.size} leaves, root {head.root}" if head else "none",
    }
    if copies is not None:
        rows["copies"] = f"{copies.count} of {copies.required}"
    _print_rows(output, rows)


def _print_chain(output: Output, chain: OnChainDocument) -> None:
    head, final, unproven, off = chain.head, chain.final, chain.unproven, chain.clock_off
    unproven_from = unproven and f"{unproven.anchors:,} anchors, from {unproven.first_sequence} on"
    rows: dict[str, str | int] = {
        "on chain": f"{head.size} leaves" if head else "nothing yet",
        "final": f"{final.size} leaves, anchor {final.sequence}" if final else "none",
        "clock": "as the chain's" if off is None else f"off by {off:,} seconds",
        "reversible": chain.reversible,
        "unproven": unproven_from or "none",
        "to anchor": chain.unanchored,
    }
    _print_rows(output, rows)


def _print_rows(output: Output, rows: Mapping[str, str | int]) -> None:
    for name, value in rows.items():
        output.line(f"{name:<14}{value}")
