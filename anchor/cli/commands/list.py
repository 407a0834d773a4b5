"""``anchor list``: the project's evidence."""

from __future__ import annotations

from anchor.base.messages.message import Message
from anchor.cli.console import Output
from anchor.cli.context import project_session
from anchor.cli.evidence_options import LimitOption, ListedTenantOption
from anchor.cli.evidence_table import print_evidence
from anchor.cli.options import ConfigOption, JsonOption


def command(
    tenant: ListedTenantOption = None,
    limit: LimitOption = 50,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List your evidence, newest first, with the state of each piece.

    The states are: accepted (stored, not in the log yet), sealed (in the log), included (in an
    anchor that is not final yet) and anchored (in a final anchor).
    """
    output = Output(as_json=as_json)
    with project_session(config_path, only_reads=True) as project:
        if not print_evidence(output, project, limit, tenant):
            output.line(Message("evidence-none"))
