"""``anchor log``: a live view of the log, and details of one leaf or two heads."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from anchor.base.errors import NotFinalError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import unix_now
from anchor.cli.console import Output
from anchor.cli.context import project_session
from anchor.cli.log_view import draw_overview
from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.path_text import draw_extension, draw_path
from anchor.evidence.file_hashing import digest_file
from anchor.monitor.alarms import raise_alarms
from anchor.monitor.chain_status import StatusPoller
from anchor.monitor.log_lookup import (
    locate_leaf,
    parse_index,
    parse_leaf,
    prove_consistency,
    search_leaf,
)
from anchor.monitor.overview import read_overview
from anchor.monitor.overview_json import (
    build_consistency_json,
    build_overview_json,
    build_position_json,
)
from anchor.operate.anchor_watch import Watched
from anchor.operate.clock_check import find_clock_fault
from anchor.project.nodes import open_chain
from anchor.project.project import OpenProject
from anchor.store.evidence import find_evidence

# Seconds between two redraws, and the longest wait for the node before the first.
_PAUSE = 2.0
_PATIENCE = 10.0


def command(
    leaf: Annotated[
        str | None,
        typer.Argument(
            metavar="LEAF|FILE|INDEX",
            help="Leaf hash, file or index whose position and path to show.",
        ),
    ] = None,
    old: Annotated[
        int | None,
        typer.Option("--from", min=1, metavar="SIZE", help="Size of the older head; needs --to."),
    ] = None,
    new: Annotated[
        int | None,
        typer.Option(
            "--to",
            min=1,
            metavar="SIZE",
            help="Size of the newer head; verify that it extends --from.",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print once and exit.")] = False,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show log heads, anchors, queue and alarms live, or one leaf's Merkle path.

    On a terminal the display is updated until Ctrl-C; elsewhere it is printed once. Nothing is
    sealed or sent.
    """
    if (old is None) != (new is None) or (leaf is not None and old is not None):
        raise UsageError(Message("option-log-view-conflict"))
    output = Output(as_json=as_json)
    with project_session(config_path) as project:
        if leaf is not None:
            _show_leaf(output, project, leaf)
        elif old is not None and new is not None:
            _show_extension(output, project, old, new)
        else:
            _show_log(output, project, once=once or as_json or not sys.stdout.isatty())


def _show_leaf(output: Output, project: OpenProject, text: str) -> None:
    position = locate_leaf(project, _find_index(project, text))
    for line in draw_path(position, is_by_depth=project.config.final_after is not None):
        output.text(line)
    output.result(build_position_json(project.config, position), kind="leaf")


def _find_index(project: OpenProject, text: str) -> int:
    index = parse_index(text)
    if index is not None:
        return index
    leaf = parse_leaf(text)
    if leaf is not None:
        return search_leaf(project, leaf, most=None)
    file = Path(text)
    with project.database.read() as connection:
        evidence = find_evidence(connection, file, digest_file(file))
    if evidence.leaf_index is None:
        raise NotFinalError(
            Message("evidence-file-not-sealed", path=file),
            hint=Message("evidence-not-sealed-hint"),
        )
    return evidence.leaf_index


def _show_extension(output: Output, project: OpenProject, old: int, new: int) -> None:
    extension = prove_consistency(project, old, new)
    for line in draw_extension(extension):
        output.line(line)
    output.result(build_consistency_json(extension), kind="extension")


def _show_log(output: Output, project: OpenProject, *, once: bool) -> None:
    outside = StatusPoller(
        project,
        open_chain(project.config, lambda _: None),
        time.time,
        lambda: Watched(clock=find_clock_fault(project, unix_now())),
    )
    outside.snapshot(_PATIENCE)
    if output.as_json:
        output.result(_take_picture(output, project, outside)[1])
        return
    console = Console()
    if once:
        console.print(_take_picture(output, project, outside)[0])
        return
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(_take_picture(output, project, outside)[0], refresh=True)
            time.sleep(_PAUSE)


def _take_picture(
    output: Output, project: OpenProject, outside: StatusPoller
) -> tuple[Any, dict[str, Any]]:
    config = project.config
    overview, status = read_overview(project, time.time()), outside.snapshot()
    alarms = raise_alarms(config, overview, status)
    view = draw_overview(output.say, config, overview, status, alarms)
    return view, build_overview_json(config, overview, status, alarms)
