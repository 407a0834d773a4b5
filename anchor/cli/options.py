"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anchor.errors import UsageError
from anchor.messages.message import Message
from anchor.verification.policy import MAX_DEPTH, FinalityRule

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document instead of text.")
]

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The project's anchor.toml; by default $ANCHOR_CONFIG, or the nearest one upwards "
        "if you made or allowed it.",
    ),
]

RpcOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rpc",
        metavar="URL",
        help="A node to ask, instead of those of the policy; repeat it for several, of which two "
        "have to agree.",
    ),
]

QuorumOption = Annotated[
    int | None,
    typer.Option(
        "--quorum",
        min=1,
        metavar="N",
        help="How many of the nodes have to agree, where the policy does not ask for more.",
    ),
]

TrustOption = Annotated[
    Path | None,
    typer.Option(
        "--trust",
        metavar="POLICY",
        help="Your trust policy; by default $ANCHOR_TRUST, else those that `anchor trust` keeps "
        "and that of your own project around.",
    ),
]

ChainIdOption = Annotated[
    list[int] | None,
    typer.Option(
        "--chain-id",
        min=1,
        max=2**53 - 1,
        metavar="N",
        help="A chain that counts, of those that the policy names; repeat it for several.  Anchors "
        "on others are ignored.",
    ),
]

AcceptUnpinnedOption = Annotated[
    bool,
    typer.Option(
        "--accept-unpinned",
        help="Without a trust policy: take the receipt's word for chain and owner, instead of "
        "ending with 20.",
    ),
]

BlockHashOption = Annotated[
    list[str] | None,
    typer.Option(
        "--block-hash",
        metavar="HASH",
        help="The hash of a final block, as you found it out: what the receipt proves by that "
        "block needs no node.  Repeat it for several.",
    ),
]

OfflineOption = Annotated[
    bool, typer.Option("--offline", help="Ask no node: by --block-hash, or the policy's own.")
]

EmbeddedOption = Annotated[
    bool, typer.Option("--embedded", help="Use py-evm even where anvil is installed.")
]

ApeAccountOption = Annotated[
    str | None, typer.Option("--ape-account", help="Use this ape account's keyfile instead.")
]

WaitOption = Annotated[
    str | None,
    typer.Option(
        "--wait",
        metavar="included|final",
        help="What to wait for after sending; by default what the configuration says.",
    ),
]

FinalityOption = Annotated[
    str,
    typer.Option(
        "--finality",
        metavar="RULE",
        help="'finalized', or a number of blocks where a chain has no such tag.",
    ),
]


def parse_finality(text: str) -> FinalityRule:
    """Parse a ``FinalityOption``.

    Raises:
        UsageError: The text is neither ``finalized`` nor a number of blocks.
    """
    if text == "finalized":
        return "finalized"
    if text.isdecimal() and text.isascii() and len(text) <= 6 and int(text) <= MAX_DEPTH:
        return int(text)
    raise UsageError(Message("option-finality-unknown", limit=MAX_DEPTH, actual=text[:80]))
