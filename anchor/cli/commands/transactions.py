"""``anchor transactions``: transactions that this project signed and that are not settled."""

from __future__ import annotations

from typing import Annotated

import typer

from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.chain.tx_state import LOST
from anchor.cli.console import Output
from anchor.cli.context import project_session
from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.typer_app import make_group
from anchor.ethereum.keccak import format_address
from anchor.operate import tx_abandonment
from anchor.operate.preconditions import check_chain
from anchor.project.nodes import open_chain
from anchor.store.tx_journal import StoredJournal

app = make_group("transactions")


@app.command("list")
def show(config_path: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List nonces that are open, given up or lost in a reorganisation, with their transactions."""
    output = Output(as_json=as_json)
    with project_session(config_path) as project:
        slots = StoredJournal(project.database, utc_now).list_slots(project.config.chain_id)
    for slot, outcome in slots:
        output.line(
            Message(
                "tx-nonce-state",
                nonce=slot.nonce,
                address=format_address(slot.sender),
                state=_describe_outcome(outcome),
            )
        )
        for attempt in slot.attempts:
            content = (
                Message("tx-without-anchor")
                if attempt.head_size is None
                else Message("leaf-count", size=attempt.head_size)
            )
            output.row(f"0x{attempt.tx_hash.hex()}", content, widths=(), mark="  ")
    if not slots:
        output.line(Message("tx-all-settled"))
    output.result(
        {
            "transactions": [
                {
                    "nonce": slot.nonce,
                    "sender": format_address(slot.sender),
                    "state": outcome or "open",
                    "hashes": [f"0x{attempt.tx_hash.hex()}" for attempt in slot.attempts],
                }
                for slot, outcome in slots
            ]
        }
    )


@app.command("give-up")
def give_up(
    nonce: Annotated[
        int,
        typer.Argument(
            metavar="NONCE", min=0, help="Nonce, as shown by `anchor transactions list`."
        ),
    ],
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give up a transaction that waits for unused earlier nonces, so that the log can go on.

    This is refused unless the final block, as enough nodes agree, shows that no block can include
    the transaction. If the earlier nonces are used later, the signed transaction becomes valid
    again, but the registry refuses its outdated head.
    """
    output = Output(as_json=as_json)
    with project_session(config_path) as project, project.database.hold_lease():
        node = open_chain(project.config, output.note)
        check_chain(project.config, node)
        done = tx_abandonment.give_up(project, node, nonce)
    output.line(Message("tx-given-up", nonce=nonce, address=format_address(done.slot.sender)))
    output.line(Message("tx-gap-unused", count=done.final_nonce, block=done.final_block))
    output.line(Message("tx-next-run-nonce"))
    output.result(
        {
            "given_up": nonce,
            "sender": format_address(done.slot.sender),
            "final_block": done.final_block,
            "final_nonce": done.final_nonce,
        }
    )


def _describe_outcome(outcome: str | None) -> Message:
    if outcome is None:
        return Message("tx-state-open")
    return Message("tx-state-lost") if outcome == LOST else Message("tx-state-given-up")
