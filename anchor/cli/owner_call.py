"""A call that a log's owner sends by other means: from a multisig, or with an offline key."""

from __future__ import annotations

from typing import Any

from anchor.base.messages.message import Message
from anchor.base.types import log_owner
from anchor.cli.console import Output
from anchor.ethereum.keccak import format_address
from anchor.project.config import Config
from anchor.registry.calldata import describe_call


def show_call(
    output: Output, config: Config, call: bytes | None, *, members: dict[str, Any] | None = None
) -> None:
    """Print the call that the log's owner has to send; ``call=None``: no call is needed.

    ``members`` are added to the JSON document.
    """
    owner, registry = format_address(log_owner(config.log)), format_address(config.registry)
    spelled = None if call is None else describe_call(call)
    if call is not None:
        output.line(Message("call-from-line", owner=owner))
        output.line(Message("call-to-line", registry=registry, chain=config.chain_id))
        for member, text in (("value", "0"), ("data", f"0x{call.hex()}"), ("call", spelled or "")):
            output.row(member, text, widths=(5,))
    output.result(
        {
            **(members or {}),
            "from": owner,
            "to": registry,
            "chain_id": config.chain_id,
            "value": 0,
            "data": None if call is None else "0x" + call.hex(),
            "call": spelled,
        },
        kind="call",
    )
