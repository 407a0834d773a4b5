"""``anchor status``: the state of the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import typer

from anchor.base.errors import CannotCheckError, ChainGuardError, StorageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import format_time, unix_now, utc_now
from anchor.base.types import Head
from anchor.cli.console import Output, describe_error
from anchor.cli.context import project_session
from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.status_json import (
    CopiesDocument,
    FinalAnchorDocument,
    LogDocument,
    LogHeadDocument,
    OnChainDocument,
    RetentionCountsDocument,
    StatusDocument,
    UnfinishedErasuresDocument,
    UnprovenDocument,
)
from anchor.monitor.erasure_check import describe_unfinished, find_overdue
from anchor.monitor.overview_json import build_log_json
from anchor.operate.anchor_watch import judge_clock_at, look_at_chain
from anchor.operate.clock_check import TOLERANCE, describe_held, find_held
from anchor.operate.finality import update_anchors
from anchor.operate.funds import find_key, low_funds_warning
from anchor.operate.preconditions import check_standing
from anchor.operate.state_proofs import review_proofs
from anchor.project.nodes import open_chain
from anchor.project.project import OpenProject
from anchor.store.erasures import find_unfinished
from anchor.store.evidence import count_evidence
from anchor.store.heads import (
    AnchoredHead,
    load_reversible_anchors,
    newest_final_anchor,
    newest_head,
)
from anchor.store.retentions import count_retentions
from anchor.store.sqlite_integrity import find_damage_within

# Time limit for checking the store's file for damage; `anchor audit` checks without a limit.
_SECONDS = 2.0


def command(config_path: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show how much evidence is accepted, sealed, included and final.

    "not sealed": evidence without a place in the log yet. "head": the newest sealed head. "on
    chain": the newest head in the registry. "final": the newest anchor in a final block.
    "reversible": anchors in blocks that are not final yet. "unproven": final anchors for whose
    receipts no node gave a state proof. "to anchor": leaves after the head on chain. "clock": this
    machine's, compared with the chain's. "copies": servers that hold the store.
    "retention": evidence with a retention date. "erasures": those not finished on disk.

    `anchor list --help` explains the states of one piece.
    """
    output = Output(as_json=as_json)
    with project_session(config_path, only_reads=True) as project:
        _check_file(project)
        document = _read_store(project, output)
        _print_store(output, document)
        held = find_held(project, unix_now())
        if held is not None:
            output.note(describe_held(held), mark=Message("warning-mark"))
            output.note(Message("evidence-held-back-hint"))
        try:
            chain, clock = _look_at_chain(project, output)
        except (CannotCheckError, ChainGuardError) as error:
            # The state known without the node is printed nevertheless.
            output.note_error(error)
            known = document.model_copy(update=describe_error(error))
            output.document_error(error, known.model_dump())
            raise typer.Exit(error.exit_code) from None
        _print_chain(output, document, chain, clock)
        output.result(document.model_copy(update={"chain": chain}).model_dump())


def _check_file(project: OpenProject) -> None:
    """Check the store for damage, for at most ``_SECONDS``."""
    with project.database.read() as connection:
        damage = find_damage_within(connection, _SECONDS)
    if damage is not None:
        raise StorageError(
            damage,
            hint=Message("store-damaged-hint"),
        )


def _read_store(project: OpenProject, output: Output) -> StatusDocument:
    with project.database.read() as connection:
        total, waiting = count_evidence(connection)
        newest = newest_head(connection)
        dates = count_retentions(connection, utc_now())
        unfinished, oldest = find_unfinished(connection)
    overdue = find_overdue(unfinished, oldest, unix_now())
    if overdue is not None:
        output.note(overdue, mark=Message("alarm-mark"))
    return StatusDocument(
        format="anchor-status/1",
        time=utc_now(),
        log=LogDocument.model_validate(build_log_json(project.config)),
        accepted=total,
        waiting=waiting,
        head=None if newest is None else _describe_head(newest.head),
        copies=_copies(project, output),
        retention=RetentionCountsDocument(**asdict(dates)),
        erasures=UnfinishedErasuresDocument(unfinished=unfinished, oldest_at=oldest),
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
        output.note(
            Message("alarm-second-copy-missing", detail=copies.format_standbys()),
            mark=Message("alarm-mark"),
        )
    return CopiesDocument(count=copies.count, required=copies.rule.copies)


def _look_at_chain(project: OpenProject, output: Output) -> tuple[OnChainDocument, Message]:
    """Return the log's state on chain, and what is known of this machine's clock."""
    node = open_chain(project.config, output.note)
    state = check_standing(project, node)
    is_kept = project.database.read_only_note is None  # on read-only media, nothing is stored
    if is_kept:
        update_anchors(project, node)
    # The newest block is read from one node; the final block from as many as have to agree.
    newest, final_block = look_at_chain(project, node)
    wall = unix_now()
    fault = judge_clock_at(project, node, wall, newest, final_block)
    if fault is not None:
        output.note(fault.describe(), mark=Message("warning-mark"))
    unproven = review_proofs(project, node) if is_kept else None
    key = find_key(project.config)
    shortage = None if key is None else low_funds_warning(project, node, key)
    if shortage is not None:
        output.note(shortage)
    if unproven is not None:
        output.note(Message("receipt-without-state-proof", reason=unproven.trouble))
    with project.database.read() as connection:
        final = newest_final_anchor(connection, project.config.chain_id)
        reversible = load_reversible_anchors(connection, project.config.chain_id)
    sealed, anchored = (head.size if head else 0 for head in (state.newest, state.head_on_chain))
    document = OnChainDocument(
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
    if fault is not None:
        return document, Message("clock-off", seconds=round(fault.seconds))
    # A clock that is behind the newest block is found by final ones; ahead of it, by steady ones.
    is_known = wall - newest.timestamp <= TOLERANCE
    return document, Message("clock-in-step") if is_known else Message("clock-not-known")


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
    registry = Message("registry-on-chain-location", registry=log.registry, chain=log.chain_id)
    newest = (
        Message("status-head", size=head.size, root=head.root) if head else Message("status-none")
    )
    rows: list[tuple[Message, str | int]] = [
        (Message("status-row-log"), Message("status-log", number=log.number, owner=log.owner)),
        (Message("status-row-registry"), registry),
        (Message("status-row-accepted"), document.accepted),
        (Message("status-row-not-sealed"), document.waiting),
        (Message("status-row-head"), newest),
    ]
    if copies is not None:
        count = Message("status-copies", count=copies.count, required=copies.required)
        rows.append((Message("status-row-copies"), count))
    dates = document.retention
    if dates.dated:
        counts = Message(
            "status-retention", dated=dates.dated, passed=dates.passed, beaten=dates.beaten
        )
        rows.append((Message("status-row-retention"), counts))
    if document.erasures.unfinished:
        ordered = describe_unfinished(document.erasures.unfinished, document.erasures.oldest_at)
        rows.append((Message("status-row-erasures"), ordered))
    _print_rows(output, rows)


def _print_chain(
    output: Output, document: StatusDocument, chain: OnChainDocument, clock: Message
) -> None:
    head, final, unproven = chain.head, chain.final, chain.unproven
    none = Message("status-none")
    on_chain = Message("head-size", size=head.size) if head else Message("status-chain-empty")
    newest = final and (
        Message("status-final", size=final.size, sequence=final.sequence)
        if document.log.final_after_blocks is None
        else Message("status-final-by-depth", size=final.size, sequence=final.sequence)
    )
    since = unproven and Message(
        "status-unproven", count=unproven.anchors, sequence=unproven.first_sequence
    )
    rows: list[tuple[Message, str | int]] = [
        (Message("status-row-on-chain"), on_chain),
        (Message("status-row-final"), newest or none),
        (Message("status-row-clock"), clock),
        (Message("status-row-reversible"), chain.reversible),
        (Message("status-row-unproven"), since or none),
        (Message("status-row-to-anchor"), chain.unanchored),
    ]
    _print_rows(output, rows)


def _print_rows(output: Output, rows: Sequence[tuple[Message, str | int]]) -> None:
    for name, value in rows:
        output.row(name, value if isinstance(value, str) else str(value), widths=(12,))
