"""Views of a log's operators: a table, the lines of a trust policy, JSON members."""

from __future__ import annotations

from typing import Any

from anchor.cli.console import Output
from anchor.ethereum.keccak import format_address
from anchor.operate.operators import FIRST_IDS, Operator, OperatorList, spell_policy
from anchor.project.config import Config
from anchor.types import Address, log_number, log_owner


def show_operators(
    output: Output, config: Config, listed: OperatorList, signer: Address | None
) -> None:
    """Print the keys that may anchor, the block read, and the extent of the search."""
    owner = log_owner(config.log)
    output.line(f"log {log_number(config.log)} of {format_address(owner)}")
    rows = [(0, owner, "owner")]
    rows += [(each.id, each.key, _spell_state(each)) for each in listed.operators]
    for number, key, state in rows:
        mark = "  <- this project's signer" if key == signer else ""
        output.line(f"{number:>5}  {format_address(key)}  {state}{mark}")
    output.line(_spell_search(listed))
    output.line()
    show_policy(output, config, listed)


def show_policy(output: Output, config: Config, listed: OperatorList) -> None:
    """Print the lines of a trust policy that accept these operators only."""
    output.line("A trust policy that names operators needs, in this log's entry:")
    for line in ("", *spell_policy(config, listed).splitlines()):
        output.line(line)


def describe_operators(config: Config, listed: OperatorList) -> dict[str, Any]:
    """Return the JSON members that describe the log's operators."""
    return {
        "log": "0x" + config.log.hex(),
        "owner": format_address(log_owner(config.log)),
        "final_block": None if listed.final is None else listed.final.number,
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


def _spell_state(operator: Operator) -> str:
    state = "active" if operator.is_active else "removed"
    settled = operator.is_final_active is not None and (
        operator.is_final_active == operator.is_active
    )
    return state if settled else f"{state}, not final yet"


def _spell_search(listed: OperatorList) -> str:
    looked = f"Looked at ids 1 to {FIRST_IDS}, at those that this project's calls name"
    if listed.changes is None:
        looked += "; the registry's events were not to be had, so there may be others"
    else:
        looked += f", and at those of the registry's events since block {listed.from_block}"
    if listed.final is None:
        return f"The nodes do not say what is final. {looked}."
    return f"As of final block {listed.final.number}. {looked}."
