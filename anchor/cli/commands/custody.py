"""``anchor custody``: events in the custody of evidence, as records in the same log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from anchor.base.messages.message import Message
from anchor.cli.console import Colour, Output
from anchor.cli.context import project_session
from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.typer_app import make_group
from anchor.evidence.custody_event import EVENTS
from anchor.evidence.group_members import dump_group
from anchor.evidence.group_values import spell_value
from anchor.operate.custody import (
    CustodyChain,
    add_event,
    describe_event,
    load_chain,
    save_receipts,
)

app = make_group("custody")

_SubjectArgument = Annotated[
    str,
    typer.Argument(
        metavar="SUBJECT",
        help="Evidence in the log: a file, its receipt, sha256:HEX, sm3:HEX, or an id.",
    ),
]


def _text(help: str) -> Any:
    return typer.Option(metavar="TEXT", help=help)


@app.command("add")
def add(
    subject: _SubjectArgument,
    event: Annotated[str, typer.Option(metavar="|".join(EVENTS), help="What happened.")],
    actor: Annotated[str | None, _text("Who did it; default: your user name.")] = None,
    handed_over_by: Annotated[
        str | None, typer.Option("--from", metavar="TEXT", help="Who handed it over.")
    ] = None,
    to: Annotated[str | None, _text("Who received it.")] = None,
    purpose: Annotated[str | None, _text("Why.")] = None,
    authority: Annotated[str | None, _text("On what authority.")] = None,
    medium: Annotated[str | None, _text("The medium on which the evidence is.")] = None,
    place: Annotated[str | None, _text("Where.")] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When, such as 2026-01-02T03:04:05Z; default: now."),
    ] = None,
    before: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The evidence before the event, to record its digest."),
    ] = None,
    after: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The evidence after the event; default: SUBJECT, if that is a file.",
        ),
    ] = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record an event in the custody of evidence; `anchor run` anchors it later."""
    output = Output(as_json=as_json)
    stated = {
        "event": event,
        "actor": actor,
        "from": handed_over_by,
        "to": to,
        "purpose": purpose,
        "authority": authority,
        "medium": medium,
        "place": place,
        "at": at,
    }
    members = describe_event(subject, stated, before=before, after=after)
    with project_session(config_path) as project:
        chain, added, accepted = add_event(project, subject, members)
    number = len(chain.links) + 1
    _warn_of_digests(output, chain.followed_by(added))
    name = spell_value("event", event)
    output.line(Message("custody-event-added", number=number, event=name, subject=subject))
    output.result(
        {
            "subject": chain.subject.record.hex(),
            "number": number,
            "id": accepted.identity.hex(),
            "leaf": accepted.leaf.hex(),
            "event": dump_group(added),
        }
    )


def _warn_of_digests(output: Output, chain: CustodyChain) -> None:
    mismatch = chain.find_mismatch()
    if mismatch is not None:
        output.note(mismatch.message, mark=Message("warning-mark"), colour=Colour.YELLOW)


@app.command("show")
def show(
    subject: _SubjectArgument,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Also write the receipts of the events into this folder.",
        ),
    ] = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the custody events of evidence, in order."""
    output = Output(as_json=as_json)
    with project_session(config_path, only_reads=True) as project:
        chain = load_chain(project, subject)
        written = [] if out is None else save_receipts(project, chain, out, output.note)
    for number, link in enumerate(chain.links, 1):
        event, name = link.event, spell_value("event", link.event.event)
        output.line(
            Message(
                "custody-event-line", number=number, time=event.at, event=name, actor=event.actor
            )
        )
    _warn_of_digests(output, chain)
    if not chain.links:
        output.line(Message("custody-events-none", subject=subject))
    output.result(
        {
            "subject": chain.subject.record.hex(),
            "events": [
                {"record": link.record.hex(), "index": link.index, **dump_group(link.event)}
                for link in chain.links
            ],
            "receipts": [str(path) for path in written],
        }
    )
