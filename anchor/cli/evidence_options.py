"""Options of commands about evidence: what is selected or listed, and what a notice says."""

from __future__ import annotations

from typing import Annotated

import typer

DigestsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--digest",
        metavar="ALGORITHM:HEX",
        help="Select all evidence with this digest, of any tenant.",
    ),
]

LeavesOption = Annotated[
    list[str] | None,
    typer.Option("--leaf", metavar="HEX", help="Select the evidence with this leaf hash."),
]

TenantOption = Annotated[
    str | None,
    typer.Option(
        "--tenant", metavar="NAME", help="Select all evidence of this tenant of the service."
    ),
]

NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="ID|FILE",
        help="Ids returned by the service, or files; a file selects all evidence with its "
        "content or, if it is gone, recorded from its path.",
    ),
]

LimitOption = Annotated[
    int,
    typer.Option(
        "--limit", min=1, max=1_000_000, metavar="N", help="Maximum number of pieces to show."
    ),
]
ListedTenantOption = Annotated[
    str | None,
    typer.Option(
        "--tenant", metavar="NAME", help="Only show evidence of this tenant of the service."
    ),
]

ReasonOption = Annotated[str, typer.Option(metavar="TEXT", help="Why, as everybody may read it.")]
ActorOption = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Who decided it; default: your user name.")
]
AtOption = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="When, such as 2026-01-02T03:04:05Z; default: now."),
]
