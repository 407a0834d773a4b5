"""``anchor networks``: the chains that this release lists."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from anchor.base.messages.message import Message
from anchor.cli.console import Output
from anchor.cli.options import JsonOption, parse_network
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import (
    KIND_SENTENCES,
    NETWORKS,
    Chain,
    has_block_history,
    label_chain,
)
from anchor.registry.artifact import expected_code_hash, registry_address

_WIDTHS = (16, -8)


def command(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Name of one network, to show all that is known."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the chains that this release knows by name, or show one of them.

    Nothing is asked of a node or an explorer. `anchor init --network NAME` refuses a node of
    another chain.
    """
    output = Output(as_json=as_json)
    chains = list(NETWORKS.values()) if name is None else [parse_network(name)]
    for chain in chains:
        if name is None:
            output.row(str(chain.network), str(chain.id), chain.name, widths=_WIDTHS)
        else:
            _print_chain(output, chain)
    output.result(
        {
            "registry": format_address(registry_address()),
            "networks": [_describe(chain) for chain in chains],
        }
    )


def _print_chain(output: Output, chain: Chain) -> None:
    output.line(Message("network-chain-line", chain=label_chain(chain.id)))
    if chain.kind != "main":
        output.line(Message("network-kind-line", kind=KIND_SENTENCES[chain.kind]))
    if chain.genesis is not None:
        output.line(Message("network-genesis-line", genesis=chain.genesis.hex()))
    output.line(Message("network-registry-line", registry=format_address(registry_address())))
    output.line(Message("network-code-line", code_hash=expected_code_hash(chain.id).hex()))
    source = (
        Message("network-time-of-sequencer")
        if chain.is_sequenced
        else Message("network-time-of-protocol")
    )
    output.line(Message("network-time-line", seconds=chain.time_slack, source=source))
    for explorer in chain.explorers:
        output.line(Message("network-explorer-line", url=explorer))
    if not chain.tested:
        output.line(Message("network-untested-line"))


def _describe(chain: Chain) -> dict[str, Any]:
    return {
        "name": chain.network,
        "title": str(chain.name),
        "chain_id": chain.id,
        "kind": chain.kind,
        "genesis": None if chain.genesis is None else "0x" + chain.genesis.hex(),
        "code_hash": "0x" + expected_code_hash(chain.id).hex(),
        "finality": chain.finality,
        "time_slack": chain.time_slack,
        "times_set_by": "sequencer" if chain.is_sequenced else "protocol",
        "block_history": has_block_history(chain.id),
        "explorers": list(chain.explorers),
        "tested": chain.tested,
    }
