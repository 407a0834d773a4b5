"""Incidents: final anchors that the chain contradicted, and when work goes on after one."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from anchor.chain.node import Node
from anchor.errors import CannotCheckError, IncidentError
from anchor.pipeline.project import Project, utc_now
from anchor.pipeline.registrystate import fetch_anchor
from anchor.store.heads import AnchoredHead
from anchor.store.incidents import Incident, Place, load_open_incidents, withdraw_incident
from anchor.types import Anchor
from anchor.verify import Block


def place_of(anchor: Anchor | AnchoredHead) -> Place:
    """Return where an anchor is."""
    return Place(
        sequence=anchor.sequence, block_number=anchor.block_number, timestamp=anchor.timestamp
    )


def is_behind(final: Block, place: Place | AnchoredHead) -> bool:
    """Say whether ``final`` is older than the block of an anchor, and so does not tell of it."""
    # By the time first: the registry's numbers may be a parent chain's.
    return (final.timestamp, final.number) < (place.timestamp, place.block_number)


def check_no_incident(project: Project) -> None:
    """Check that no final anchor was contradicted without the operator's having acted.

    Raises:
        IncidentError: one was.
    """
    with project.database.read() as connection:
        found = load_open_incidents(connection, project.config.chain_id)
    if found:
        raise IncidentError(
            f"finality was violated: {describe_incident(found[0])}",
            hint="nothing is sealed, sent or issued meanwhile. Once a later final block shows the "
            "anchor where it was, work goes on by itself. Else find out what happened to the "
            "chain and its nodes; if the chain is right, raise chain.finality, go on with `anchor "
            "run --once --accept-incidents`, and write the receipts anew that name the old block",
        )


def describe_incident(incident: Incident) -> str:
    """Return what was seen, and in which block: what is so now is another question."""
    before, now = incident.before, incident.now
    then = "was not in the registry" if now is None else f"was in block {now.block_number}"
    seen = "" if incident.seen_block is None else f" in final block {incident.seen_block}"
    return (
        f"anchor {before.sequence} was final in block {before.block_number}, and {then}{seen} "
        f"(noticed {incident.noticed_at})"
    )


def check_incidents(project: Project, node: Node) -> None:
    """Look again at what was contradicted, and check that nothing is left of it.

    Raises:
        IncidentError: something is.
    """
    with suppress(CannotCheckError):  # then what was seen last counts
        review_incidents(project, node)
    check_no_incident(project)


def review_incidents(project: Project, node: Node) -> None:
    """Withdraw the incidents whose anchors a final block shows where they were.

    What the node said then was wrong, or the chain came back to what it was.  A final block that is
    older than the one in which the contradiction was seen tells nothing.

    Raises:
        CannotCheckError: the nodes do not say what is final, or disagree about the anchor.
    """
    config = project.config
    with project.database.read() as connection:
        found = load_open_incidents(connection, config.chain_id)
    if not found:
        return
    final = node.fetch_final_block(config.finality)
    for incident in found:
        if is_behind(final, incident.before) or final.number < (incident.seen_block or 0):
            continue
        read = partial(fetch_anchor, config, root=incident.head.root, block=final.hash)
        stored = node.confirm(read)
        if stored is not None and place_of(stored) == incident.before:
            with project.database.write() as connection:
                withdraw_incident(connection, config.chain_id, incident, final.number, utc_now())
