"""Incidents: final anchors that the chain contradicted, and the conditions for going on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from anchor.base.errors import (
    CannotCheckError,
    CopyMissingError,
    FinalityViolatedError,
    IncidentError,
    StoreAwayError,
    StoreBusyError,
)
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.base.types import MAX_LOG_SIZE, Block, Hash32
from anchor.chain.node import Node
from anchor.chain.registry_reader import RegistryReader
from anchor.operate.contradiction import (
    FinalReading,
    is_behind,
    is_in_place,
    is_moved,
    place_of,
)
from anchor.project.project import OpenProject
from anchor.store.heads import AnchorPosition, newest_final_anchor
from anchor.store.incidents import (
    Incident,
    load_open_incidents,
    open_incident,
    withdraw_incident,
)


def check_no_incident(project: OpenProject) -> None:
    """Check that no final anchor was contradicted, unless the operator has acted."""
    incidents = project.read(load_open_incidents)
    error = explain_incidents(incidents)
    if error is not None:
        raise error


def explain_incidents(incidents: Sequence[Incident]) -> IncidentError | None:
    """Return the error for the open incidents, given largest head first; None for an empty list."""
    if not incidents:
        return None
    return IncidentError(
        Message("incident-finality-violated", detail=describe_incident(incidents[0])),
        hint=Message("incident-finality-violated-hint"),
    )


def describe_incident(incident: Incident) -> Message:
    """Return what was seen, and in which block; the chain may show something else by now."""
    before = incident.before
    return Message(
        "incident-described",
        sequence=before.sequence,
        block=before.block_number,
        then=_describe_place(incident.current, incident.seen_block),
        noticed_at=incident.noticed_at,
    )


def _describe_place(after: AnchorPosition | None, seen_block: int | None) -> Message:
    """Return where the anchor was seen, as the end of a sentence."""
    if seen_block is None:
        return (
            Message("incident-anchor-gone")
            if after is None
            else Message("incident-anchor-moved", block=after.block_number)
        )
    if after is None:
        return Message("incident-anchor-gone-in-block", final=seen_block)
    return Message("incident-anchor-moved-in-block", block=after.block_number, final=seen_block)


def check_incidents(project: OpenProject, node: Node) -> None:
    """Review the open incidents, and check that none is left."""
    with suppress(CannotCheckError):  # without an answer, the incidents stay as stored
        review_incidents(project, node)
    check_no_incident(project)


def review_incidents(project: OpenProject, node: Node) -> None:
    """Withdraw the incidents whose anchors a final block shows in their former place.

    Either the node's earlier answer was wrong, or the chain returned to its former state.  A final
    block older than the one in which the contradiction was seen proves nothing.
    """
    config = project.config
    registry = RegistryReader(config.registry, config.log)
    incidents = project.read(load_open_incidents)
    if not incidents:
        return
    final = fetch_final(project, node)
    # The largest head first: the registry only grows, so that it holds the smaller ones as well.
    for incident in incidents:
        if is_behind(final, incident.before) or final.number < (incident.seen_block or 0):
            return
        stored = registry.agree_on_anchor(node, incident.head.root, final.hash)
        if stored is None or place_of(stored) != incident.before:
            return
        if project.database.read_only_note is not None:
            return  # on read-only media, the incidents stay as stored
        with project.database.write() as connection:
            withdraw_incident(connection, config.chain_id, incident, final.number, utc_now())


def fetch_final(project: OpenProject, node: Node) -> Block:
    """Return the newest final block; if it replaced another one, first store the contradictions."""
    try:
        return node.fetch_final_block(project.config.finality)
    except FinalityViolatedError as error:
        with suppress(CannotCheckError):
            instead = node.fetch_block(Hash32(error.block_hash))
            if instead is not None:
                note_contradictions(project, node, instead)
        raise


def note_contradictions(project: OpenProject, node: Node, final: Block) -> int:
    """Compare the newest final anchor with block ``final``; if it moved, also those before it.

    Contradictions are stored as incidents.  Returns how many there are.

    Raises:
        IncidentError: An anchor is contradicted, and the store cannot record that now.
    """
    config = project.config
    registry = RegistryReader(config.registry, config.log)
    moved: list[FinalReading] = []
    below = MAX_LOG_SIZE + 1
    while True:
        anchored = project.read(newest_final_anchor, below=below)
        if anchored is None:
            break
        stored = registry.agree_on_anchor(node, anchored.head.root, final.hash)
        reading = FinalReading(anchored=anchored, stored=stored, final=final)
        if is_in_place(reading):
            break
        if is_moved(reading):
            moved.append(reading)
        below = anchored.head.size
    if not moved:
        return 0
    if project.database.read_only_note is not None:
        raise _describe_unstored(moved[0], Message("incident-unstored-read-only-hint"))
    try:
        with project.database.write() as connection:
            for reading in moved:
                open_incident(
                    connection,
                    config.chain_id,
                    reading.anchored,
                    None if reading.stored is None else place_of(reading.stored),
                    seen_block=final.number,
                    at=utc_now(),
                )
    except (CopyMissingError, StoreAwayError, StoreBusyError) as error:
        # The incident counts all the same; the next check tries to store it again.
        raise _describe_unstored(
            moved[0], Message("incident-unstored-hint", reason=error.message)
        ) from error
    return len(moved)


def _describe_unstored(reading: FinalReading, hint: Message) -> IncidentError:
    anchored = reading.anchored
    return IncidentError(
        Message(
            "incident-anchor-missing",
            sequence=anchored.sequence,
            block=anchored.block_number,
            final=reading.final.number,
        ),
        hint=hint,
    )
