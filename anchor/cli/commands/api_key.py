"""``anchor api-key``: the keys for access to the service."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import format_time, utc_now
from anchor.cli.console import Output
from anchor.cli.context import project_session
from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.typer_app import make_group
from anchor.operate.key_audit_trail import find_user, record_key_event
from anchor.people.actors import Actor
from anchor.people.lifetimes import MAX_KEY_DAYS
from anchor.store.api_keys import Quota, describe_key_state, load_keys
from anchor.store.tenant_keys import issue_key, key_id_of, withdraw_key

_SCOPES = ("submit", "read")
# Default lifetime of a key in days: a lost key must not be valid for ever.
_DAYS = 365

app = make_group("api-key")


@app.command("create")
def create(
    tenant: Annotated[
        str,
        typer.Argument(help="Tenant that gets the key: lower-case letters, digits and hyphens."),
    ],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="submit|read|audit|manage|admin",
            help="Permission of the key; repeatable; default: submit and read.",
        ),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(
            min=1, max=MAX_KEY_DAYS, metavar="N", help="Days until the key expires; default: 365."
        ),
    ] = None,
    never_expires: Annotated[
        bool,
        typer.Option("--never-expires", help="Create a key that is valid until it is revoked."),
    ] = False,
    per_day: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Maximum pieces of new evidence a day, for all the tenant's keys.",
        ),
    ] = None,
    per_minute: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Maximum pieces of new evidence a minute, for all the tenant's keys.",
        ),
    ] = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a key and print it; it cannot be shown again.

    If only one limit is given, the tenant's other limit is removed.
    """
    if never_expires and days is not None:
        raise UsageError(Message("option-days-with-never-expires"))
    output = Output(as_json=as_json)
    created_at = datetime.now(UTC)
    expires_at = None
    if not never_expires:
        expires_at = format_time(created_at + timedelta(days=_DAYS if days is None else days))
    limits = None
    if per_day is not None or per_minute is not None:
        limits = Quota(per_day=per_day, per_minute=per_minute)
    with project_session(config_path) as project, project.database.write() as connection:
        token = issue_key(
            connection,
            tenant,
            scope or _SCOPES,
            Actor("operator", find_user()),
            at=format_time(created_at),
            expires_at=expires_at,
            limits=limits,
        )
        id = key_id_of(token)
        record_key_event(
            project.config,
            "key-created",
            at=format_time(created_at),
            key=id,
            tenant=tenant,
            scopes=sorted(scope or _SCOPES),
            expires_at=expires_at,
        )
        if limits is not None:
            record_key_event(
                project.config,
                "quota-changed",
                at=format_time(created_at),
                tenant=tenant,
                per_day=per_day,
                per_minute=per_minute,
            )
    output.note(
        Message("api-key-shown-once", expires_at=expires_at or Message("api-key-never-expires"))
    )
    output.text(token)
    output.result({"key": token, "id": id, "tenant": tenant, "expires_at": expires_at})


@app.command("list")
def show(config_path: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the keys, without their secrets."""
    output = Output(as_json=as_json)
    with project_session(config_path) as project, project.database.read() as connection:
        keys = load_keys(connection)
    time = utc_now()
    for key in keys:
        scopes = ",".join(key.scopes)
        output.row(key.id, key.tenant, scopes, describe_key_state(key, time), widths=(0, 20, 18))
    if not keys:
        output.line(Message("api-key-none"))
    described = [asdict(key) for key in keys]
    for members in described:
        members |= members.pop("limits")
    output.result({"keys": described})


@app.command("revoke")
def revoke(
    key: Annotated[
        str,
        typer.Argument(
            metavar="ID|KEY", help="Id, as shown by `anchor api-key list`, or the key itself."
        ),
    ],
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke a key; running services apply this within two seconds."""
    output = Output(as_json=as_json)
    revoked_at = utc_now()
    with project_session(config_path) as project, project.database.write() as connection:
        id = withdraw_key(connection, key, Actor("operator", find_user()), revoked_at)
        record_key_event(project.config, "key-revoked", at=revoked_at, key=id)
    output.line(Message("api-key-revoked", id=id))
    output.result({"revoked": id})
