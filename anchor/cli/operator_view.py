"""Views of a log's operators: a table, the lines of a trust policy, JSON members."""

from __future__ import annotations

from typing import Any

from anchor.base.messages.message import Message
from anchor.base.types import Address, log_number, log_owner
from anchor.cli.console import Output
from anchor.ethereum.keccak import format_address
from anchor.operate.finality import build_finality_json
from anchor.operate.operators import FIRST_IDS, Operator, OperatorList, spell_policy
from anchor.project.config import Config


def show_operators(
    output: Output, config: Config, listed: OperatorList, signer: Address | None
) -> None:
    """Print the keys that may anchor, the block read, and the extent of the search."""
    owner = log_owner(config.log)
    output.line(Message("operator-log", number=log_number(config.log), owner=format_address(owner)))
    rows = [(0, owner, Message("operator-is-owner"))]
    rows += [(each.id, each.key, _describe_state(each)) for each in listed.operators]
    for number, key, state in rows:
        cells = [str(number), format_address(key), state]
        if key == signer:
            cells.append(Message("operator-is-own-signer"))
        output.row(*cells, widths=(-5,))
    output.line(_describe_search(config, listed))
    output.text()
    show_policy(output, config, listed)


def show_policy(output: Output, config: Config, listed: OperatorList) -> None:
    """Print the lines of a trust policy that accept these operators only."""
    output.line(Message("operator-policy-lines"))
    for line in ("", *spell_policy(config, listed).splitlines()):
        output.text(line)


def describe_operators(config: Config, listed: OperatorList) -> dict[str, Any]:
    """Return the JSON members that describe the log's operators."""
    return {
        "log": "0x" + config.log.hex(),
        "owner": format_address(log_owner(config.log)),
        "final_block": None if listed.final is None else listed.final.number,
        **build_finality_json(config),
        "operators": [
            {
                "id": each.id,
                "key": format_address(each.key),
                "active": each.is_active,
                "active_in_final_block": each.is_final_active,
            }
            for each in listed.operators
        ],
        "looked_at": {
            "ids_up_to": FIRST_IDS,
            "events": listed.changes is not None,
            "events_from_block": listed.from_block,
        },
        "policy": spell_policy(config, listed),
    }


def _describe_state(operator: Operator) -> Message:
    state = Message("operator-active") if operator.is_active else Message("operator-inactive")
    settled = operator.is_final_active is not None and (
        operator.is_final_active == operator.is_active
    )
    return state if settled else Message("operator-state-not-final", state=state)


def _describe_search(config: Config, listed: OperatorList) -> Message:
    looked = (
        Message("operator-search-without-events", last=FIRST_IDS)
        if listed.changes is None
        else Message("operator-search-with-events", last=FIRST_IDS, block=listed.from_block)
    )
    if listed.final is None:
        return Message("operator-search-not-final", detail=looked)
    if config.final_after is not None:
        block = listed.final.number
        return Message("operator-search-final-by-depth", block=block, detail=looked)
    return Message("operator-search-final", block=listed.final.number, detail=looked)
