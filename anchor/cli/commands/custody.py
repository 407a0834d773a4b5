"""``anchor custody``: events in the custody of evidence, as records in the same log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from anchor.cli.console import Colour, Output
from anchor.cli.context import project_session
from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.typer_app import make_group
from anchor.errors import MismatchError, UsageError
from anchor.evidence.custody_event import EVENTS
from anchor.evidence.file_hashing import digest_file
from anchor.evidence.group_members import dump_group
from anchor.messages.message import Message, join
from anchor.operate.custody import CustodyChain, add_event, load_chain
from anchor.operate.key_audit_trail import find_user
from anchor.operate.named_evidence import names_file
from anchor.operate.proving import open_prover
from anchor.operate.receipt_files import ReceiptFolder
from anchor.project.nodes import open_chain
from anchor.project.project import OpenProject
from anchor.verification.custody_chain import check_digests

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
    if event not in EVENTS:
        raise UsageError(Message("custody-event-unknown", actual=event[:80], expected=join(EVENTS)))
    if after is None and names_file(subject):
        after = Path(subject)
    members = {
        "event": event,
        "actor": actor or find_user(),
        "from": handed_over_by,
        "to": to,
        "purpose": purpose,
        "authority": authority,
        "medium": medium,
        "place": place,
        "at": at,
        "digest_before": _digest(before),
        "digest_after": _digest(after),
    }
    with project_session(config_path) as project:
        chain, added, accepted = add_event(project, subject, members)
    number = len(chain.links) + 1
    _warn_of_digests(output, chain.followed_by(added))
    output.line(Message("custody-event-added", number=number, event=event, subject=subject))
    output.result(
        {
            "subject": chain.subject.record.hex(),
            "number": number,
            "id": accepted.identity.hex(),
            "leaf": accepted.leaf.hex(),
            "event": dump_group(added),
        }
    )


def _digest(file: Path | None) -> str | None:
    digest = None if file is None else digest_file(file).sha256
    return None if digest is None else digest.hex()


def _warn_of_digests(output: Output, chain: CustodyChain) -> None:
    """Print whether an event found or left the evidence with an unexpected digest."""
    try:
        check_digests(chain.subject, chain.links)
    except MismatchError as error:
        output.note(error.message, mark=Message("warning-mark"), colour=Colour.YELLOW)


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
        written = [] if out is None else _write_receipts(output, project, chain, out)
    for number, link in enumerate(chain.links, 1):
        event = link.event
        line = Message(
            "custody-event-line", number=number, time=event.at, event=event.event, actor=event.actor
        )
        output.line(line)
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
            "receipts": written,
        }
    )


def _write_receipts(
    output: Output, project: OpenProject, chain: CustodyChain, out: Path
) -> list[str]:
    """Write the receipt of each event.

    Raises:
        NotFinalError: An event is not sealed yet.
    """
    prover = open_prover(project, lambda: open_chain(project.config, output.note), output.note)
    folder = ReceiptFolder(out)
    receipts = [prover.prove(chain.stored[link.record]) for link in chain.links]
    return [str(folder.save(receipt)[0]) for receipt in receipts]
