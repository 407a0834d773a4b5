"""``anchor search``: evidence by name, or by any number that is printed of it."""

from __future__ import annotations

from typing import Annotated

import typer

from anchor.base.errors import MalformedError, UsageError
from anchor.base.messages.message import Message
from anchor.cli.console import Output
from anchor.cli.context import project_session
from anchor.cli.evidence_options import LimitOption, ListedTenantOption
from anchor.cli.evidence_table import print_evidence
from anchor.cli.options import ConfigOption, JsonOption
from anchor.evidence.preservation_number import is_number
from anchor.evidence.printed_number import is_certificate_number, read_number


def command(
    text: Annotated[
        str,
        typer.Argument(
            metavar="TEXT",
            help="Preservation number, certificate number, digest of a file or record, id, leaf "
            "hash, root or transaction hash; of hashes the first six hex digits are enough, except "
            "of the last two. Or part of a name or path.",
        ),
    ],
    tenant: ListedTenantOption = None,
    limit: LimitOption = 50,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find evidence by its preservation number, another number or part of its name.

    Prints the same columns as `anchor list`. Names match regardless of case. A complete number is
    looked up at once; for anything else every record is read.
    """
    if not text.strip():
        raise UsageError(Message("search-text-missing"))
    output = Output(as_json=as_json)
    with project_session(config_path, only_reads=True) as project:
        if not print_evidence(output, project, limit, tenant, text):
            output.line(Message("search-no-match", text=text[:80]))
            _explain_number(output, text)


def _explain_number(output: Output, text: str) -> None:
    """Print what is wrong with a text that looks like a number, and end as bad usage if it is."""
    if is_certificate_number(text):
        output.note(Message("certificate-number-unknown"))
    try:
        read_number(text)
    except MalformedError as error:
        if is_number(text):
            output.note_error(error)
            raise typer.Exit(error.exit_code) from None
