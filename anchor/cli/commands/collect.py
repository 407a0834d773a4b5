"""``anchor collect``: record files with an account of how they were collected."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from anchor.cli.collection_inputs import parse_profile, read_details
from anchor.cli.collection_report import describe_collection, print_collection
from anchor.cli.console import Output
from anchor.cli.context import project_session
from anchor.cli.options import ConfigOption, JsonOption, NotBeforeOption
from anchor.cli.progress_bar import show_hashing
from anchor.collection.collection_details import build_template
from anchor.errors import ExitCode, UsageError
from anchor.evidence.discovery import find_sources
from anchor.evidence.hashing_pool import open_executor
from anchor.messages.message import Message
from anchor.operate.evidence_collection import (
    collect_bundle,
    collect_files,
    observe_collection,
)
from anchor.operate.receipt_files import skip_receipts
from anchor.operate.recent_block import choose_block


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
    output = Output(as_json=as_json)
    if template:
        if files or details is not None or bundle is not None:
            raise UsageError(Message("option-template-with-files"))
        for line in build_template(chosen).splitlines():
            output.text(line)
        output.result({"profile": chosen, "template": build_template(chosen)}, kind="template")
        return
    if not files:
        raise UsageError(Message("evidence-to-collect-unnamed"))
    with project_session(config_path) as project:
        stated = read_details(output, chosen, details)
        argv = ["anchor", "collect", "--profile", chosen]
        argv += [] if details is None else ["--details", str(details)]
        argv += [] if bundle is None else ["--bundle", str(bundle)]
        groups = observe_collection(project.config, chosen, stated, argv=argv)
        sources = skip_receipts(find_sources(files, follow_symlinks=False), project.config.log)
        with open_executor() as executor, show_hashing(output) as count:
            collect = collect_files if bundle is None else partial(collect_bundle, manifest=bundle)
            result = collect(
                project,
                sources,
                groups,
                executor=executor,
                name_block=choose_block(project, not_before, output.note),
                on_done=count,
            )
    print_collection(output, result)
    output.result(describe_collection(result))
    if result.intake.problems or not result.intake.files:
        raise typer.Exit(ExitCode.USAGE)
