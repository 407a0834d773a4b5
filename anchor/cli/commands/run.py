"""``anchor run``: seal and anchor added evidence, once or until it is stopped."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from random import SystemRandom
from typing import Annotated, Any

import typer

import anchor
from anchor.cli.console import Output, document_format
from anchor.cli.context import (
    ProjectKey,
    choose_wait,
    finish_erasures,
    open_signer,
    project_session,
)
from anchor.cli.options import ConfigOption, JsonOption, WaitOption
from anchor.cli.standard_streams import EventLines
from anchor.errors import ConfigError, ExitCode, UsageError
from anchor.log.publication import open_writer
from anchor.operate.backoff import Backoff
from anchor.operate.daemon import Daemon, Pace
from anchor.operate.events import Event
from anchor.operate.publisher import Publisher
from anchor.operate.store_outage import StoreWait, run_through_outages
from anchor.project.allowlist import find_config
from anchor.project.config import Config, load_config
from anchor.project.nodes import open_chain
from anchor.project.project import OpenProject, open_project
from anchor.store.incidents import accept_incidents
from anchor.system.clock import StoppableClock, Stopped, SystemClock, unix_now, utc_now
from anchor.system.signals import STOP_SIGNALS
from anchor.units import format_leaves

# Seconds between two checks of a standby whether it is needed.
_STANDBY_POLL = 1.0
# Seconds that a pending transaction gets after the signal to stop.
_GRACE = 20.0


def command(
    once: Annotated[bool, typer.Option("--once", help="Do it once and end.")] = False,
    wait: WaitOption = None,
    every: Annotated[
        float | None,
        typer.Option(
            min=1, max=86_400, metavar="SECONDS", help="Seal this often; by default once a minute."
        ),
    ] = None,
    leaves: Annotated[
        int | None,
        typer.Option(min=1, help="Seal earlier when so many are waiting; by default 10,000."),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            "--bytes", min=1, help="Seal earlier when the records that wait have so many bytes."
        ),
    ] = None,
    standby: Annotated[
        bool,
        typer.Option(
            "--standby", help="While another process runs for this log, wait and then take over."
        ),
    ] = False,
    publish: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|URL",
            help="Publish the log there, as `export-log` does, whenever a newer head is final; by "
            "default in [publish] of the configuration.",
        ),
    ] = None,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept-incidents",
            help="With --once: where final anchors were contradicted, go by what the chain says "
            "now.",
        ),
    ] = False,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Seal and anchor what was added, once or until it is stopped.

    With --json, `run --once` prints one document, and `run` one for each event, a line each.
    """
    if once and not (every is None and leaves is None and size is None):
        raise UsageError(
            "--every, --leaves and --bytes say how `run` goes on; with --once it does not"
        )
    if publish is not None and once:
        raise UsageError("--publish goes with `run`: after `run --once` use `anchor export-log`")
    if wait is not None and not once:
        raise UsageError("--wait goes with --once: `run` watches every anchor until it is final")
    if accept and not once:
        raise UsageError("--accept-incidents goes with --once: look at what comes of it")
    if standby and once:
        raise UsageError("--standby goes with `run`; `run --once` is refused beside another run")
    if once:
        with project_session(config_path) as opened:
            finish_erasures(Output(as_json=False), opened)
            output = Output(as_json=as_json)
            with anchor.Project(opened, report=output.note) as project, project.lead():
                if accept:
                    _accept_incidents(output, opened)
                _run_once(output, project, wait)
    else:
        config = load_config(find_config(config_path))
        pace = Pace(seconds=every or 60.0, leaves=leaves or 10_000, size=size)
        _run_on(as_json, config, pace, publish or config.publish, standby=standby)


def _accept_incidents(output: Output, project: OpenProject) -> None:
    with project.database.sequence() as connection:
        count = accept_incidents(connection, project.config.chain_id, utc_now())
    output.note(f"accepted {count} incidents; both observations stay in the store")


def _run_once(output: Output, project: anchor.Project, wait: str | None) -> None:
    config = project.config
    result = project.run_once(signer=ProjectKey(config), wait=choose_wait(config, wait))
    members: dict[str, Any] = {"sealed": result.sealed, "state": result.state.value}
    if result.anchored is None:
        output.line("the log is empty: add evidence with `anchor add`")
    else:
        anchored = result.anchored
        output.line(
            f"sealed {format_leaves(result.sealed)}; the log's head has {anchored.head.size:,}, "
            f"root {anchored.head.root.hex()}"
        )
        output.line(
            f"anchor {anchored.sequence} in block {anchored.block_number}: {result.state.value}"
        )
        members |= {
            "size": anchored.head.size,
            "root": anchored.head.root.hex(),
            "sequence": anchored.sequence,
            "block_number": anchored.block_number,
            "timestamp": anchored.timestamp,
        }
    output.result(members)
    if result.timed_out:
        output.note("not final within the time the configuration allows; it stays included")
        raise typer.Exit(ExitCode.NOT_FINAL)


def _run_on(
    as_json: bool, config: Config, pace: Pace, publication: str | None, *, standby: bool
) -> None:
    lines = EventLines(Output(as_json=as_json).note)

    def emit(event: Event) -> None:
        if as_json:
            document = {
                "format": document_format("event"),
                "time": utc_now(),
                "event": event.event,
                "text": event.text,
            }
            line = json.dumps({**document, **event.figures})
        else:
            line = f"{utc_now()} {event.event:<9} {event.text}"
        lines.print(line)

    # Opened now, so that a wrong password is reported at once.
    signer = open_signer(config)
    target = None if publication is None else open_writer(publication)
    jitter = SystemRandom().random
    clock = StoppableClock(SystemClock(), grace=_GRACE)
    for name in STOP_SIGNALS:
        signal.signal(name, lambda *_: clock.stopping.set())

    def wait() -> None:
        if clock.stopping.is_set():
            raise Stopped
        clock.sleep(_STANDBY_POLL)

    def work(project: OpenProject, note_open: Callable[[], None]) -> None:
        database = project.database
        if standby and database.is_leased():
            emit(Event(event="standby", text="another process runs for this log; waiting"))
        finish_erasures(Output(as_json=False), project)
        with database.wait_for_lease(wait) if standby else database.hold_lease():
            note_open()
            emit(Event(event="started", text=f"{pace}; stop it with Ctrl-C or SIGTERM"))
            node = open_chain(config, lambda text: emit(Event(event="nodes", text=text)))
            publisher = None
            if target is not None:
                publisher = Publisher(project, target, clock, emit=emit, jitter=jitter)
            daemon = Daemon(
                project, node, signer, clock, pace,
                tell=emit, jitter=jitter, wall=unix_now, publisher=publisher,
            )  # fmt: skip
            daemon.run()

    waiting = StoreWait(clock, emit, Backoff(jitter, first=1.0, longest=60.0))
    try:
        run_through_outages(waiting, lambda: _open_named(config), work)
    except Stopped:
        emit(Event(event="stopped", text="it was still waiting"))
        return
    emit(Event(event="stopped", text="what is added from now on waits for the next run"))


def _open_named(config: Config) -> OpenProject:
    """Open the store that the configuration file names now.

    After a restore into another location only the file names the new store.
    """
    try:
        store = load_config(config.file).store
    except ConfigError:
        store = config.store  # the file may be in the middle of a write
    return open_project(replace(config, store=store))
