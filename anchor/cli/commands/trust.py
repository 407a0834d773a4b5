"""``anchor trust``: the verifier's own policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from anchor.chain.verifier_nodes import Nodes
from anchor.cli.console import Output
from anchor.cli.options import (
    FinalityOption,
    JsonOption,
    QuorumOption,
    RpcOption,
    parse_finality,
)
from anchor.cli.policy_commands import app
from anchor.errors import UsageError
from anchor.ethereum.keccak import format_address, parse_address
from anchor.messages.message import Message, join
from anchor.registry.artifact import registry_address
from anchor.system.durable_files import write_file
from anchor.system.urls import is_plain_url
from anchor.types import Assurance, parse_hash
from anchor.verification.pinning import PinOptions, encode_policy, pin_registry


@app.command("pin")
def pin(
    owner: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Who owns the log; find out whose key that is.")
    ],
    log: Annotated[
        list[int] | None,
        typer.Option(
            min=0, max=2**96 - 1, metavar="N", help="The owner's log; repeat it for several.  [0]"
        ),
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="The registry; by default the address that this release's has on every chain. At "
            "any other, check the transaction that deployed it first.",
        ),
    ] = None,
    code_hash: Annotated[
        str | None,
        typer.Option(
            metavar="HASH",
            help="Keccak-256 of the registry's code, as you checked it; by default that of this "
            "release's contract.",
        ),
    ] = None,
    rpc: RpcOption = None,
    quorum: QuorumOption = None,
    finality: FinalityOption = "finalized",
    time_slack: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=86_400,
            help="Seconds that a block's time may be off; by default what this release knows of "
            "the chain. On one that it does not list, nothing is known.",
        ),
    ] = None,
    assurance: Annotated[
        str | None,
        typer.Option(
            metavar="LEVEL",
            help="The least that suffices: rpc, quorum, asserted or proof. By default rpc where "
            "one node is enough, else quorum.",
        ),
    ] = None,
    block_hash: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HASH",
            help="The hash of a final block, as you found it out; repeat it for several.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="Where to write it.")
    ] = Path("trust.toml"),
    as_json: JsonOption = False,
) -> None:
    """Write a policy that pins a registry and a log that you checked.

    Chain id, genesis block and code are read from the nodes; the code has to be the expected one.
    """
    output = Output(as_json=as_json)
    if not rpc:
        raise UsageError(Message("option-rpc-missing"), hint=Message("option-rpc-missing-hint"))
    if out.exists():
        raise UsageError(Message("file-exists", path=out), hint=Message("policy-file-exists-hint"))
    address = (
        registry_address() if registry is None else parse_address(registry, subject="--registry")
    )
    wish = PinOptions(
        registry=address,
        code_hash=None if code_hash is None else parse_hash(code_hash, subject="--code-hash"),
        owner=parse_address(owner, subject="--owner"),
        logs=tuple(log or (0,)),
        finality=parse_finality(finality),
        time_slack=time_slack,
        assurance=_parse_assurance(assurance),
        block_hashes=tuple(parse_hash(text, subject="--block-hash") for text in block_hash or ()),
    )
    nodes = Nodes(rpc, quorum, lambda _: ((), 1), output.note)
    are_plain = all(map(is_plain_url, rpc))
    urls = tuple(rpc) if are_plain else ()
    entry = pin_registry(nodes.open(), wish, rpc=urls, quorum=nodes.needed)
    write_file(out, encode_policy([entry]))
    output.line(Message("policy-chain-pinned", chain=entry.chain_id, genesis=entry.genesis.hex()))
    output.line(
        Message(
            "policy-registry-pinned",
            address=format_address(address),
            code_hash=entry.code_hash.hex(),
        )
    )
    output.line(
        Message(
            "policy-logs-pinned",
            numbers=join(map(str, entry.logs)),
            owner=format_address(entry.owner),
        )
    )
    output.line(Message("policy-written", path=out, quorum=entry.quorum, assurance=entry.assurance))
    output.note(Message("policy-unchecked-values"))
    output.note(Message("policy-unchecked-values-hint"))
    if address != registry_address():
        output.note(Message("policy-registry-nonstandard"))
        output.note(Message("policy-registry-nonstandard-hint"))
    if entry.time_slack is None:
        output.note(Message("policy-time-slack-unknown"))
        output.note(Message("policy-time-slack-unknown-hint"))
    if not are_plain:
        output.note(Message("policy-nodes-omitted"))
    output.result(
        {
            "policy": str(out),
            "chain_id": entry.chain_id,
            "genesis": "0x" + entry.genesis.hex(),
            "registry": format_address(address),
            "code_hash": "0x" + entry.code_hash.hex(),
            "owner": format_address(entry.owner),
            "logs": list(entry.logs),
            "nodes": nodes.asked,
        }
    )


def _parse_assurance(text: str | None) -> Assurance | None:
    for level in get_args(Assurance):
        if text == level:
            return cast("Assurance", level)
    if text is None:
        return None
    raise UsageError(Message("option-assurance-unknown", actual=text[:80]))
