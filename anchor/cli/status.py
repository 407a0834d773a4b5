"""``anchor status``: where the log stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.output import Output, describe_error
from anchor.cli.session import open_chain, project_session
from anchor.errors import CannotCheckError, ChainGuardError

if TYPE_CHECKING:
    from anchor.cli.documents import (
        FinalAnchorDocument,
        HeadDocument,
        OnChainDocument,
        StatusDocument,
    )
    from anchor.pipeline.project import Project
    from anchor.store.heads import AnchoredHead
    from anchor.types import Head

NAME = "status"


def command(config_path: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show what is accepted, sealed, included and anchored (final)."""
    output = Output(as_json=as_json)
    with project_session(config_path) as project:
        document = _read_store(project)
        _print_store(output, document)
        try:
            chain = _look_at_chain(project, output)
        except (CannotCheckError, ChainGuardError) as error:
            # What is known without the node is printed all the same.
            output.result(document.model_copy(update=describe_error(error)).model_dump())
            output.note_error(error)
            raise typer.Exit(error.exit_code) from None
        _print_chain(output, chain)
        output.result(document.model_copy(update={"chain": chain}).model_dump())


def _read_store(project: Project) -> StatusDocument:
    from anchor.cli.documents import LogDocument, StatusDocument
    from anchor.pipeline.document import describe_log
    from anchor.pipeline.project import utc_now
    from anchor.store.evidence import count_evidence
    from anchor.store.heads import newest_head

    with project.database.read() as connection:
        total, waiting = count_evidence(connection)
        newest = newest_head(connection)
    return StatusDocument(
        format="anchor-status/1",
        time=utc_now(),
        log=LogDocument.model_validate(describe_log(project.config)),
        accepted=total,
        waiting=waiting,
        head=None if newest is None else _describe_head(newest.head),
        chain=None,
        error=None,
        hint=None,
        exit_code=0,
    )


def _look_at_chain(project: Project, output: Output) -> OnChainDocument:
    from anchor.cli.documents import OnChainDocument, UnprovenDocument
    from anchor.pipeline.anchoring import check_standing, refresh_anchors
    from anchor.pipeline.funds import describe_shortage, find_key
    from anchor.pipeline.states import review_proofs
    from anchor.store.heads import load_reversible_anchors, newest_final_anchor

    node = open_chain(project.config, output.note)
    state = check_standing(project, node)
    refresh_anchors(project, node)
    unproven = review_proofs(project, node)
    key = find_key(project.config)
    shortage = None if key is None else describe_shortage(project, node, key)
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
        unproven=None
        if unproven is None
        else UnprovenDocument(
            anchors=unproven.anchors, first_sequence=unproven.first, reason=unproven.trouble
        ),
        low_on_funds=None if key is None else shortage is not None,
    )


def _describe_head(head: Head) -> HeadDocument:
    from anchor.cli.documents import HeadDocument

    return HeadDocument(size=head.size, root=head.root.hex())


def _describe_anchor(anchored: AnchoredHead) -> FinalAnchorDocument:
    from datetime import UTC, datetime

    from anchor.cli.documents import FinalAnchorDocument
    from anchor.record import format_time

    return FinalAnchorDocument(
        size=anchored.head.size,
        root=anchored.head.root.hex(),
        sequence=anchored.sequence,
        block_number=anchored.block_number,
        included_at=format_time(datetime.fromtimestamp(anchored.timestamp, UTC)),
        final_at=anchored.final_at,
    )


def _print_store(output: Output, document: StatusDocument) -> None:
    log, head = document.log, document.head
    _print_line(output, "log", f"number {log.number} of {log.owner}")
    _print_line(output, "registry", f"{log.registry} on chain {log.chain_id}")
    _print_line(output, "accepted", document.accepted)
    _print_line(output, "not sealed", document.waiting)
    _print_line(output, "head", f"{head.size} leaves, root {head.root}" if head else "none")


def _print_chain(output: Output, chain: OnChainDocument) -> None:
    head, final, unproven = chain.head, chain.final, chain.unproven
    _print_line(output, "on chain", f"{head.size} leaves" if head else "nothing yet")
    _print_line(
        output, "final", f"{final.size} leaves, anchor {final.sequence}" if final else "none"
    )
    _print_line(output, "reversible", chain.reversible)
    _print_line(
        output,
        "unproven",
        f"{unproven.anchors:,} anchors, from {unproven.first_sequence} on" if unproven else "none",
    )
    _print_line(output, "to anchor", chain.unanchored)


def _print_line(output: Output, name: str, value: str | int) -> None:
    output.line(f"{name:<14}{value}")
