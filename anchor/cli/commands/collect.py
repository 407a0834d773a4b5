"""``anchor collect``: record files with an account of how they were collected."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from anchor.cli.collection_report import (
    describe_capture,
    describe_collection,
    print_captures,
    print_collection,
)
from anchor.cli.console import Output
from anchor.cli.context import project_session
from anchor.cli.input_files import read_bounded
from anchor.cli.options import ConfigOption, JsonOption, NotBeforeOption
from anchor.cli.progress_bar import show_hashing
from anchor.collection.collection_details import build_template, parse_collection_details
from anchor.collection.questions import ask_details
from anchor.errors import ExitCode, UsageError
from anchor.evidence.discovery import find_sources
from anchor.evidence.hashing_pool import open_executor
from anchor.evidence.record_groups import PROFILES, ProfileName, RecordGroups
from anchor.foreign_capture.capture_import import ImportedCapture, import_captures
from anchor.messages.message import Message, join
from anchor.operate.evidence_collection import (
    collect_bundle,
    collect_files,
    observe_collection,
)
from anchor.operate.receipt_files import skip_receipts
from anchor.operate.recent_block import choose_block
from anchor.system.details_toml import MAX_DETAILS_BYTES
from anchor.timestamps.trusted_tsa import parse_roots


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
    chosen = _parse_profile(profile)
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
    if web_capture and bundle is not None:
        raise UsageError(Message("option-capture-with-bundle"))
    if capture_roots is not None and not web_capture:
        raise UsageError(Message("option-roots-without-capture"))
    roots = _read_roots(capture_roots)
    with project_session(config_path) as project:
        stated = _read_details(output, chosen, details)
        argv = ["anchor", "collect", "--profile", chosen]
        argv += [] if details is None else ["--details", str(details)]
        argv += [] if bundle is None else ["--bundle", str(bundle)]
        argv += ["--web-capture"] if web_capture else []
        argv += [] if capture_roots is None else ["--capture-roots", str(capture_roots)]
        groups = observe_collection(project.config, chosen, stated, argv=argv)
        sources = skip_receipts(find_sources(files, follow_symlinks=False), project.config.log)
        name_block = choose_block(project, not_before, output.note)
        captures: tuple[ImportedCapture, ...] = ()
        with open_executor() as executor, show_hashing(output) as count:
            if web_capture:
                imported = import_captures(
                    project,
                    sources,
                    groups,
                    roots=roots,
                    executor=executor,
                    name_block=name_block,
                    on_done=count,
                )
                captures, result = imported.captures, imported.collection
            else:
                collect = (
                    collect_files if bundle is None else partial(collect_bundle, manifest=bundle)
                )
                result = collect(
                    project,
                    sources,
                    groups,
                    executor=executor,
                    name_block=name_block,
                    on_done=count,
                )
    print_captures(output, captures)
    print_collection(output, result)
    listed = {"captures": list(map(describe_capture, captures))} if web_capture else {}
    output.result(describe_collection(result) | listed)
    if result.intake.problems or not result.intake.files:
        raise typer.Exit(ExitCode.USAGE)


def _read_roots(path: Path | None) -> tuple[bytes, ...]:
    if path is None:
        return ()
    data = read_bounded(path, MAX_DETAILS_BYTES)
    return parse_roots(data.decode("ascii", "replace"))


def _parse_profile(text: str) -> ProfileName:
    for profile in PROFILES:
        if text == profile:
            return profile
    raise UsageError(Message("profile-unknown", actual=text[:80], expected=join(PROFILES)))


def _read_details(output: Output, profile: ProfileName, path: Path | None) -> RecordGroups:
    """Return the operator's statements: from the file, or else from a terminal, if there is one."""
    if path is not None:
        return parse_collection_details(read_bounded(path, MAX_DETAILS_BYTES + 1))
    if output.as_json or not sys.stdin.isatty():
        return RecordGroups()

    def ask(question: Message) -> str:
        answer: str = typer.prompt(output.say(question), default="", show_default=False, err=True)
        return answer.strip()

    return ask_details(profile, ask=ask, refuse=output.note)
