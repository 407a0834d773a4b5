"""``anchor tenant``: the tenants of the service's pages, and invitations for their first people."""

from __future__ import annotations

from typing import Annotated

import typer

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.cli.console import Output
from anchor.cli.context import project_session
from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.typer_app import make_group
from anchor.operate.key_audit_trail import find_user, record_key_event
from anchor.people.actors import Actor
from anchor.people.lifetimes import INVITATION_DAYS, MAX_INVITATION_DAYS, invitation_end
from anchor.people.roles import parse_role
from anchor.people.stated_person import clean_email
from anchor.store.api_keys import check_tenant
from anchor.store.invitations import create_invitation
from anchor.store.memberships import count_members, ensure_tenant

app = make_group("tenant")


@app.command("invite")
def invite(
    tenant: Annotated[
        str,
        typer.Argument(help="Tenant, created if it is new: lower-case letters, digits, hyphens."),
    ],
    role: Annotated[
        str,
        typer.Option(metavar="owner|member|reader|auditor", help="Role of the person."),
    ] = "member",
    email: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="For whom it is, as a note; nothing is sent."),
    ] = None,
    days: Annotated[
        int,
        typer.Option(
            min=1,
            max=MAX_INVITATION_DAYS,
            metavar="N",
            help="Days until the invitation expires.",
        ),
    ] = INVITATION_DAYS,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an invitation and print its link, which cannot be shown again.

    Whoever opens the link first and signs in joins the tenant.
    """
    output = Output(as_json=as_json)
    check_tenant(tenant)
    named = parse_role(role)
    address = None if email is None else clean_email(email)
    if email is not None and address is None:
        raise UsageError(Message("option-email-invalid"))
    made_at = utc_now()
    expires_at = invitation_end(made_at, days)
    actor = Actor("operator", find_user())
    with project_session(config_path) as project, project.database.write() as connection:
        ensure_tenant(connection, tenant, actor, made_at)
        token = create_invitation(
            connection,
            tenant,
            named,
            actor,
            email=address,
            made_at=made_at,
            expires_at=expires_at,
        )
        record_key_event(
            project.config,
            "invitation-made",
            at=made_at,
            tenant=tenant,
            role=named,
            expires_at=expires_at,
        )
        url = project.config.platform.url
    link = f"{url or ''}/join?token={token}"
    output.note(Message("invitation-shown-once", expires_at=expires_at))
    if url is None:
        output.note(Message("invitation-without-address"))
    output.text(link)
    output.result({"link": link, "tenant": tenant, "role": named, "expires_at": expires_at})


@app.command("list")
def show(config_path: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the tenants, with the number of their members."""
    output = Output(as_json=as_json)
    with project_session(config_path) as project, project.database.read() as connection:
        counts = count_members(connection)
    for tenant, members in counts.items():
        output.row(tenant, Message("tenant-member-count", count=members), widths=(24,))
    if not counts:
        output.line(Message("tenant-none"))
    output.result(
        {"tenants": [{"tenant": tenant, "members": count} for tenant, count in counts.items()]}
    )
