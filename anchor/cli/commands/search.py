"""``anchor search``: evidence by name, digest, id or leaf hash."""

from __future__ import annotations

from typing import Annotated

import typer

from anchor.cli.console import Output
from anchor.cli.context import project_session
from anchor.cli.evidence_table import LimitOption, TenantOption, print_evidence
from anchor.cli.options import ConfigOption, JsonOption
from anchor.errors import UsageError
from anchor.messages.message import Message


def command(
    text: Annotated[
        str,
        typer.Argument(
            metavar="TEXT",
            help="Part of a name or path, or at least the first six hex digits of a SHA-256, SM3, "
            "id or leaf hash.",
        ),
    ],
    tenant: TenantOption = None,
    limit: LimitOption = 50,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find evidence by part of its name, or by a digest, id or leaf hash.

    Prints the same columns as `anchor list`. Names match regardless of case.
    """
    if not text.strip():
        raise UsageError(Message("search-text-missing"))
    output = Output(as_json=as_json)
    with project_session(config_path, only_reads=True) as project:
        if not print_evidence(output, project, limit, tenant, text):
            output.line(Message("search-no-match", text=text[:80]))
