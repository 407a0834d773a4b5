"""``anchor hold``: legal holds, which keep evidence from being erased."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated

import typer

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.cli.console import Output
from anchor.cli.context import project_session
from anchor.cli.evidence_arguments import parse_selection
from anchor.cli.evidence_options import (
    DigestsOption,
    LeavesOption,
    NamesArgument,
    TenantOption,
)
from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.typer_app import make_group
from anchor.evidence.erasure_statement import check_words
from anchor.operate.evidence_selection import find_pieces, is_tenant
from anchor.operate.key_audit_trail import find_user, record_key_event
from anchor.store.columns import ERASED
from anchor.store.erasures import lock_holds
from anchor.store.legal_holds import (
    LegalHold,
    insert_holds,
    load_case_holds,
    load_holds,
    remove_holds,
)

app = make_group("hold")

_NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the hold, such as your case number.")
]


@app.command("add")
def add(
    name: _NameArgument,
    names: NamesArgument = None,
    digest: DigestsOption = None,
    leaf: LeavesOption = None,
    tenant: TenantOption = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Reason for the hold.")] = "",
    by: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who places the hold; default: your user name."),
    ] = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put evidence under a hold; with --tenant, also all that the tenant submits later."""
    output = Output(as_json=as_json)
    selection = parse_selection(names, digest, leaf, tenant)
    if selection.is_empty:
        raise UsageError(Message("evidence-to-hold-unnamed"))
    by, placed_at = by or find_user(), utc_now()
    check_words("other", {"NAME": name, "--reason": reason, "--by": by})
    hold = LegalHold(
        name=name, leaf=None, tenant=tenant, reason=reason, placed_by=by, placed_at=placed_at
    )
    with project_session(config_path) as project, project.database.write() as connection:
        lock_holds(connection)
        # A hold on a mistyped name would silently protect nothing.
        if tenant is not None and not is_tenant(connection, tenant):
            raise UsageError(Message("hold-tenant-unknown", tenant=tenant))
        pieces = find_pieces(connection, replace(selection, tenant=None))
        if any(piece.source == ERASED for piece in pieces):
            raise UsageError(Message("hold-evidence-erased"))
        holds = [replace(hold, leaf=piece.leaf, tenant=None) for piece in pieces]
        holds += [] if tenant is None else [hold]
        record_key_event(project.config, "hold-added", at=placed_at, hold=name, scopes=len(holds))
        count = insert_holds(connection, holds)
    output.line(Message("hold-added", name=name, count=count, known=len(holds) - count))
    output.result({"name": name, "added": count, "known": len(holds) - count})


@app.command("list")
def show(config_path: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the holds and what each protects."""
    output = Output(as_json=as_json)
    session = project_session(config_path, only_reads=True)
    with session as project, project.database.read() as connection:
        holds = [*load_holds(connection), *load_case_holds(connection)]
    for hold in holds:
        scope = (
            Message("hold-scope-tenant", tenant=hold.tenant)
            if hold.leaf is None
            else Message("hold-scope-leaf", leaf=hold.leaf.hex())
        )
        output.line(
            Message(
                "hold-line", name=hold.name, scope=scope, time=hold.placed_at, user=hold.placed_by
            )
        )
    if not holds:
        output.line(Message("hold-none"))
    output.result(
        {
            "holds": [
                asdict(hold) | {"leaf": None if hold.leaf is None else hold.leaf.hex()}
                for hold in holds
            ],
        }
    )


@app.command("remove")
def remove(
    name: _NameArgument, config_path: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """End a hold; its evidence can then be erased, unless another hold protects it."""
    output = Output(as_json=as_json)
    with project_session(config_path) as project, project.database.write() as connection:
        lock_holds(connection)
        if not load_holds(connection, name):
            raise UsageError(Message("hold-unknown", name=name), hint=Message("hold-unknown-hint"))
        record_key_event(project.config, "hold-removed", at=utc_now(), hold=name)
        count = remove_holds(connection, name)
    output.line(Message("hold-removed", name=name, count=count))
    output.result({"name": name, "removed": count})
