"""``anchor trust``: the verifier's own policy."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message, join
from anchor.base.system.durable_files import write_file
from anchor.base.system.urls import is_plain_url
from anchor.base.types import Assurance, parse_hash
from anchor.chain.verifier_nodes import Nodes
from anchor.cli.console import Colour, Output
from anchor.cli.options import (
    FinalityOption,
    JsonOption,
    parse_finality,
)
from anchor.cli.policy_commands import app
from anchor.ethereum.keccak import format_address, parse_address
from anchor.ethereum.known_chains import find_chain, label_chain
from anchor.registry.artifact import registry_address
from anchor.verification.pinning import PinOptions, encode_policy, find_empty_logs, pin_registry
from anchor.verification.policy import MAX_TIME_SLACK


@app.command("pin")
def pin(
    owner: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Address of the log's owner; find out whose key it is."
        ),
    ],
    log: Annotated[
        list[int] | None,
        typer.Option(
            min=0,
            max=2**96 - 1,
            metavar="N",
            help="Number of the owner's log; repeatable; default: 0.",
        ),
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address of the registry; default: the standard one. For another, first check the "
            "transaction that deployed it.",
        ),
    ] = None,
    code_hash: Annotated[
        str | None,
        typer.Option(
            metavar="HASH",
            help="Keccak-256 of the registry's code that you checked; default: that of this "
            "release.",
        ),
    ] = None,
    rpc: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL", help="Node to ask, and to name in the policy; required; repeatable."
        ),
    ] = None,
    quorum: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Number of nodes that must agree, now and in the policy; default: two of several.",
        ),
    ] = None,
    finality: FinalityOption = None,
    time_slack: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MAX_TIME_SLACK,
            metavar="SECONDS",
            help="Seconds by which a block's time may be off; default: this release's rule for the "
            "chain, if it has one.",
        ),
    ] = None,
    assurance: Annotated[
        str | None,
        typer.Option(
            metavar="LEVEL",
            help="Lowest assurance to accept: rpc, quorum, asserted or proof; default: rpc if one "
            "node is enough, else quorum.",
        ),
    ] = None,
    block_hash: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HASH",
            help="Hash of a final block that you looked up yourself; repeatable.",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE", help="File for the policy; must not exist."),
    ] = Path("trust.toml"),
    as_json: JsonOption = False,
) -> None:
    """Write a trust policy for a registry and a log that you checked.

    Chain id, genesis block and code are read from the nodes; if the code is not the expected one,
    no policy is written.
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
        finality=None if finality is None else parse_finality(finality),
        time_slack=time_slack,
        assurance=_parse_assurance(assurance),
        block_hashes=tuple(parse_hash(text, subject="--block-hash") for text in block_hash or ()),
    )
    nodes = Nodes(rpc, quorum, lambda _: ((), 1), output.note)
    are_plain = all(map(is_plain_url, rpc))
    urls = tuple(rpc) if are_plain else ()
    view = nodes.open()
    entry = pin_registry(view, wish, rpc=urls, quorum=nodes.needed)
    empty = find_empty_logs(view, entry)
    write_file(out, encode_policy([entry]))
    output.line(
        Message(
            "policy-chain-pinned",
            chain=label_chain(entry.chain_id),
            genesis=entry.genesis.hex(),
        )
    )
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
    for number in empty:
        output.note(
            Message("policy-log-empty", number=number, owner=format_address(entry.owner)),
            mark=Message("warning-mark"),
            colour=Colour.YELLOW,
        )
    if entry.quorum == 1 and not entry.block_hashes:
        output.note(Message("policy-single-node"))
    if address != registry_address():
        output.note(Message("policy-registry-nonstandard"))
        output.note(Message("policy-registry-nonstandard-hint"))
    if entry.time_slack is None:
        output.note(Message("policy-time-slack-unknown"))
        output.note(Message("policy-time-slack-unknown-hint"))
    if not are_plain:
        output.note(Message("policy-nodes-omitted"))
    output.note(Message("policy-next", path=shlex.quote(str(out))))
    output.result(
        {
            "policy": str(out),
            "chain_id": entry.chain_id,
            "network": find_chain(entry.chain_id).network,
            "genesis": "0x" + entry.genesis.hex(),
            "registry": format_address(address),
            "code_hash": "0x" + entry.code_hash.hex(),
            "owner": format_address(entry.owner),
            "logs": list(entry.logs),
            "logs_without_anchor": empty,
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
