"""``anchor status``: where the log stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.output import Output
from anchor.cli.session import open_chain, project_session
from anchor.errors import CannotCheckError, ChainGuardError

if TYPE_CHECKING:
    from anchor.pipeline.project import Project

NAME = "status"
# In which damage to the store's file is looked for: `anchor audit` takes its time.
_SECONDS = 2.0


def command(config_path: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show what is accepted, sealed, included and anchored (final)."""
    output = Output(as_json=as_json)
    with project_session(config_path) as project:
        _check_file(project)
        members = _local(project)
        for name, value in members.items():
            output.line(f"{name:<14}{value}")
        try:
            chain = _on_chain(project, output)
        except (CannotCheckError, ChainGuardError) as error:
            # What is known without the node is printed all the same.
            output.error(error, known=members | {"chain": None})
            raise typer.Exit(error.exit_code) from None
        for name, value in chain.items():
            output.line(f"{name:<14}{value}")
        output.result(members | {"chain": chain})


def _check_file(project: Project) -> None:
    """See that the store can be relied on, as far as that can be seen at once.

    Raises:
        StorageError: It is damaged.
    """
    from anchor.errors import StorageError
    from anchor.store.integrity import find_damage_within

    with project.database.read() as connection:
        damage = find_damage_within(connection, _SECONDS)
    if damage is not None:
        raise StorageError(
            damage,
            hint="stop what writes to it, and look after the disk; `anchor restore --replace "
            "--salvage` takes over what can still be read",
        )


def _local(project: Project) -> dict[str, Any]:
    from anchor.registry.keccak import format_address
    from anchor.store.evidence import count_evidence
    from anchor.store.heads import newest_head
    from anchor.types import log_number, log_owner

    config = project.config
    with project.database.read() as connection:
        total, waiting = count_evidence(connection)
        newest = newest_head(connection)
    return {
        "log": f"number {log_number(config.log)} of {format_address(log_owner(config.log))}",
        "registry": f"{format_address(config.registry)} on chain {config.chain_id}",
        "accepted": total,
        "not sealed": waiting,
        "head": f"{newest.head.size} leaves, root {newest.head.root.hex()}" if newest else "none",
    }


def _on_chain(project: Project, output: Output) -> dict[str, Any]:
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
    with project.database.read() as connection:
        final = newest_final_anchor(connection, project.config.chain_id)
        reversible = load_reversible_anchors(connection, project.config.chain_id)
    on_chain = state.head_on_chain
    unproven_text = "none"
    if unproven is not None:
        unproven_text = f"{unproven.anchors:,} anchors, from {unproven.first} on"
        output.note(f"receipts go without state proofs: {unproven.trouble}")
    return {
        "on chain": f"{on_chain.size} leaves" if on_chain else "nothing yet",
        "final": f"{final.head.size} leaves, anchor {final.sequence}" if final else "none",
        "reversible": len(reversible),
        "unproven": unproven_text,
        "to anchor": (state.newest.size if state.newest else 0)
        - (on_chain.size if on_chain else 0),
    }
