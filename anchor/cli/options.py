"""Options that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message, join
from anchor.ethereum.known_chains import NETWORKS, Chain
from anchor.verification.policy import MAX_DEPTH, FinalityRule

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document instead of text.")
]

DEVNET_VARIABLE = "ANCHOR_DEVNET_URL"
"""Names the chain of ``anchor devnet --exec`` to its command."""

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The project's anchor.toml; default: $ANCHOR_CONFIG, else the nearest in this "
        "folder or above, if you created or allowed it.",
    ),
]

RpcOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rpc",
        metavar="URL",
        help="Node to ask instead of the policy's; repeatable: of several, two must agree.",
    ),
]

QuorumOption = Annotated[
    int | None,
    typer.Option(
        "--quorum",
        min=1,
        metavar="N",
        help="Number of nodes that must agree, unless the policy requires more.",
    ),
]

TrustOption = Annotated[
    Path | None,
    typer.Option(
        "--trust",
        metavar="POLICY",
        help="Your trust policy; default: $ANCHOR_TRUST, else those kept by `anchor trust` and "
        "that of your own project.",
    ),
]

ChainIdOption = Annotated[
    list[int] | None,
    typer.Option(
        "--chain-id",
        min=1,
        max=2**53 - 1,
        metavar="N",
        help="Consider only anchors on this chain; repeatable; your policy, if any, must name "
        "it too.",
    ),
]

AcceptUnpinnedOption = Annotated[
    bool,
    typer.Option(
        "--accept-unpinned",
        help="Without a policy, accept the chain and owner that the receipt or log states, "
        "instead of exit code 20.",
    ),
]

BlockHashOption = Annotated[
    list[str] | None,
    typer.Option(
        "--block-hash",
        metavar="HASH",
        help="Hash of a final block that you looked up yourself; proofs for that block need no "
        "node; repeatable.",
    ),
]

OfflineOption = Annotated[
    bool,
    typer.Option(
        "--offline", help="Ask no node; use the block hashes of --block-hash or the policy."
    ),
]

EmbeddedOption = Annotated[
    bool, typer.Option("--embedded", help="Use py-evm even if anvil is installed.")
]

ApeAccountOption = Annotated[
    str | None,
    typer.Option(
        "--ape-account",
        metavar="NAME",
        help="Ape account whose keyfile to use instead of --keystore.",
    ),
]

NotBeforeOption = Annotated[
    bool | None,
    typer.Option(
        "--not-before/--no-not-before",
        help="Name a final block in new records, asking the project's nodes: proves later that "
        "the records (not the evidence) were not made before it; default: set in the "
        "configuration.",
    ),
]

WaitOption = Annotated[
    str | None,
    typer.Option(
        "--wait",
        metavar="included|final",
        help="State of the anchor to wait for; default: set in the configuration.",
    ),
]

FinalityOption = Annotated[
    str | None,
    typer.Option(
        "--finality",
        metavar="RULE",
        help="'finalized' (default), or a number of blocks on a chain without that tag.",
    ),
]


def parse_finality(text: str) -> FinalityRule:
    """Parse a ``FinalityOption``."""
    if text == "finalized":
        return "finalized"
    if text.isdecimal() and text.isascii() and len(text) <= 6 and int(text) <= MAX_DEPTH:
        return int(text)
    raise UsageError(Message("option-finality-unknown", limit=MAX_DEPTH, actual=text[:80]))


def parse_network(text: str) -> Chain:
    """Return the listed chain of that name."""
    if text in NETWORKS:
        return NETWORKS[text]
    raise UsageError(
        Message("option-network-unknown", actual=text[:80], known=join(NETWORKS)),
        hint=Message("option-network-unknown-hint"),
    )


WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        max=64,
        metavar="N",
        help="Number of hashing threads or processes; default: one per core.",
    ),
]
ExecutorOption = Annotated[
    str,
    typer.Option(
        "--executor",
        metavar="threads|processes|dask[:ADDRESS]",
        help="Workers that hash; default: threads.",
    ),
]
BandwidthOption = Annotated[
    str | None,
    typer.Option(
        "--limit-bandwidth",
        metavar="RATE",
        help="Bytes a second to read from object stores, such as 20M; default: no limit.",
    ),
]

_RATE = re.compile(r"([0-9]{1,9})([KMG]?)(?:i?B)?(?:/s)?", re.IGNORECASE)
_UNITS = {"": 1, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000}


def parse_rate(text: str) -> float:
    """Parse bytes a second: a number, with K, M or G for thousands, millions or billions."""
    match = _RATE.fullmatch(text.strip())
    rate = int(match[1]) * _UNITS[match[2].upper()] if match else 0
    if rate == 0:
        raise UsageError(Message("rate-malformed", rate=text))
    return rate
