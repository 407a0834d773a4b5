"""``anchor collect``: record files with an account of how they were collected."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anchor.base.errors import ExitCode, UsageError
from anchor.base.messages.message import Message
from anchor.cli.collection_inputs import (
    CollectionInput,
    parse_database_input,
    parse_file_input,
    parse_screen_input,
)
from anchor.cli.collection_report import describe_collection, print_collection
from anchor.cli.collection_statements import parse_profile, read_details
from anchor.cli.console import Output
from anchor.cli.context import project_session
from anchor.cli.options import ConfigOption, JsonOption, NotBeforeOption
from anchor.cli.progress_bar import show_hashing
from anchor.collection.collection_details import build_template
from anchor.evidence.hashing_pool import open_executor
from anchor.extraction.extract_tables import ExtractLimits
from anchor.operate.evidence_collection import observe_collection
from anchor.operate.recent_block import choose_block
from anchor.recording.screen_recorder import MAX_SECONDS


def command(
    profile: Annotated[
        str,
        typer.Option(
            metavar="civil-zh|criminal-zh|us-902|plain",
            help="List of what the record should hold; what is missing is reported.",
        ),
    ],
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Files to record, and folders with all their contents."),
    ] = None,
    details: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="TOML file with the operator's statements; without it, a terminal asks for them.",
        ),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            metavar="MANIFEST",
            help="Make one record of all files: write their manifest-sha256.txt here, and record "
            "that.",
        ),
    ] = None,
    web_capture: Annotated[
        bool,
        typer.Option(
            "--web-capture",
            help="The files are web captures made elsewhere (WACZ, WARC, MHTML, HAR): check each "
            "as far as it can be, and record the findings with it.",
        ),
    ] = False,
    capture_roots: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="PEM certificates that signers and timestamps of --web-capture must lead to.",
        ),
    ] = None,
    sql: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Record rows of a database instead of files: postgresql://USER@HOST/DATABASE or "
            "sqlite:///PATH. Passwords come from PGPASSWORD or ~/.pgpass.",
        ),
    ] = None,
    query: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="File with one SELECT for --sql; repeat for more."),
    ] = None,
    screen: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MAX_SECONDS,
            metavar="SECONDS",
            help="Record the screen instead of files, for so long or until Ctrl-C.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="New folder for what --sql or --screen collects."
        ),
    ] = None,
    max_rows: Annotated[
        int, typer.Option(min=1, metavar="N", help="Most rows of all queries together.")
    ] = 10_000_000,
    max_bytes: Annotated[
        int, typer.Option(min=1, metavar="N", help="Most bytes of all rows together.")
    ] = 10_000_000_000,
    template: Annotated[
        bool, typer.Option("--template", help="Print a file for --details to fill in.")
    ] = False,
    not_before: NotBeforeOption = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record files with an account of how and by whom they were collected.

    The machine is observed first: system, CA store, hosts file, proxy, clock, software. A check
    that fails is recorded and stops nothing. `anchor run` anchors the records later.
    """
    chosen = parse_profile(profile)
    console = Output(as_json=as_json)
    is_file_wanted = bool(files) or bundle is not None or web_capture
    kinds = [is_file_wanted, sql is not None, screen is not None]
    if template:
        if any(kinds) or details is not None:
            raise UsageError(Message("option-template-with-files"))
        for line in build_template(chosen).splitlines():
            console.text(line)
        console.result({"profile": chosen, "template": build_template(chosen)}, kind="template")
        return
    if sum(kinds) > 1:
        raise UsageError(Message("collection-of-two-kinds"))
    limits = ExtractLimits(max_rows, max_bytes)
    collected: CollectionInput
    if screen is not None:
        collected = parse_screen_input(screen, output)
        console.note(Message("screen-recording-started"))
    elif sql is not None:
        collected = parse_database_input(sql, query or [], output, limits)
    else:
        collected = parse_file_input(
            files or [],
            bundle,
            is_capture=web_capture,
            roots=capture_roots,
            is_other=bool(query) or output is not None,
        )
    with project_session(config_path) as project:
        stated = read_details(console, chosen, details)
        argv = ["anchor", "collect", "--profile", chosen]
        argv += [] if details is None else ["--details", str(details)]
        argv += collected.words
        groups = observe_collection(project.config, chosen, stated, argv=argv)
        with open_executor() as executor, show_hashing(console) as count:
            result = collected.collect(
                project=project,
                groups=groups,
                executor=executor,
                name_block=choose_block(project, not_before, console.note),
                on_done=count,
            )
    print_collection(console, result)
    console.result(describe_collection(result))
    if result.intake.problems or not result.intake.files:
        raise typer.Exit(ExitCode.USAGE)
