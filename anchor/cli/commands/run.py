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
from anchor.base.errors import AnchorError, ConfigError, ExitCode, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import StoppableClock, Stopped, SystemClock, unix_now, utc_now
from anchor.base.system.signals import STOP_SIGNALS
from anchor.base.units import format_leaves
from anchor.cli.confirmation import choose_config
from anchor.cli.console import Output, document_format, pad
from anchor.cli.context import (
    ProjectKey,
    choose_wait,
    finish_erasures,
    open_signer,
    project_session,
)
from anchor.cli.options import ConfigOption, JsonOption, WaitOption
from anchor.cli.standard_streams import EventLines
from anchor.log.publication import open_writer
from anchor.operate.audit_trail_evidence import record_due_days, recorded_event
from anchor.operate.backoff import Backoff
from anchor.operate.daemon import Daemon, Pace
from anchor.operate.events import Event
from anchor.operate.finality import build_finality_json
from anchor.operate.heartbeat import keep_beating
from anchor.operate.publisher import Publisher
from anchor.operate.recent_block import choose_block
from anchor.operate.single_run import run_state_message
from anchor.operate.store_outage import StoreWait, run_through_outages
from anchor.operate.timestamper import Timestamper
from anchor.project.config import Config, load_config
from anchor.project.nodes import open_chain
from anchor.project.project import OpenProject, open_project
from anchor.store.incidents import accept_incidents

# Seconds between a standby's checks of whether it is needed.
_STANDBY_POLL = 1.0
# Seconds that a pending transaction gets after the signal to stop.
_GRACE = 20.0

# A test compares these names with the events that the daemon reports.
_EVENT_NAMES = {
    "anchored": Message("event-name-anchored"),
    "audit-trail": Message("event-name-audit-trail"),
    "cut off": Message("event-name-cut-off"),
    "erasure": Message("event-name-erasure"),
    "failed": Message("event-name-failed"),
    "final": Message("event-name-final"),
    "included": Message("event-name-included"),
    "late": Message("event-name-late"),
    "nodes": Message("event-name-nodes"),
    "progress": Message("event-name-progress"),
    "published": Message("event-name-published"),
    "reorganised": Message("event-name-reorganised"),
    "retention": Message("event-name-retention"),
    "standby": Message("event-name-standby"),
    "started": Message("event-name-started"),
    "stopped": Message("event-name-stopped"),
    "store away": Message("event-name-store-away"),
    "store back": Message("event-name-store-back"),
    "timestamped": Message("event-name-timestamped"),
    "unpublished": Message("event-name-unpublished"),
    "unstamped": Message("event-name-unstamped"),
    "warning": Message("event-name-warning"),
}


def command(
    once: Annotated[
        bool, typer.Option("--once", help="Run one round of sealing and anchoring, then exit.")
    ] = False,
    wait: WaitOption = None,
    every: Annotated[
        float | None,
        typer.Option(
            min=1,
            max=86_400,
            metavar="SECONDS",
            help="Seal evidence at most this long after it was accepted, or once the round before "
            "has ended; default: 60.",
        ),
    ] = None,
    leaves: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Start a round early when N leaves are waiting; default: 16,384.",
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            "--bytes",
            min=1,
            metavar="N",
            help="Start a round early when N bytes of records are waiting.",
        ),
    ] = None,
    standby: Annotated[
        bool,
        typer.Option(
            "--standby", help="Wait while another process runs for this log, then take over."
        ),
    ] = False,
    publish: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|URL",
            help="Where to publish the log each time a newer head is final; default: [publish] in "
            "the configuration.",
        ),
    ] = None,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept-incidents",
            help="If the chain contradicts final anchors, accept its present state.",
        ),
    ] = False,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Append recorded evidence to the log and anchor it, once or continuously.

    Without --once it runs until SIGTERM or Ctrl-C. The options --wait and --accept-incidents need
    --once; --every, --leaves, --bytes, --standby and --publish cannot be used with it. With --json,
    `run --once` prints one document, and `run` prints one line for each event.
    """
    if once and not (every is None and leaves is None and size is None):
        raise UsageError(Message("option-pace-with-once"))
    if publish is not None and once:
        raise UsageError(Message("option-publish-with-once"))
    if wait is not None and not once:
        raise UsageError(Message("option-wait-without-once"))
    if accept and not once:
        raise UsageError(Message("option-accept-incidents-without-once"))
    if standby and once:
        raise UsageError(Message("option-standby-with-once"))
    if once:
        with project_session(config_path) as opened:
            finish_erasures(Output(as_json=False), opened)
            output = Output(as_json=as_json)
            with anchor.Project(opened, report=output.note) as project, project.lead():
                if accept:
                    _accept_incidents(output, opened)
                _record_audit_trails(output, opened)
                _run_once(output, project, wait)
    else:
        config = load_config(choose_config(config_path))
        pace = Pace(seconds=every or 60.0, leaves=leaves or 16_384, size=size)
        _run_on(as_json, config, pace, publish or config.publish, standby=standby)


def _record_audit_trails(output: Output, project: OpenProject) -> None:
    """Record the days of the tenants' audit trails that are due; a failure is only reported."""
    try:
        recorded = record_due_days(project, unix_now(), choose_block(project, None, output.note))
    except AnchorError as error:
        output.note(Message("audit-trail-not-recorded", reason=error.message))
        return
    for each in recorded:
        output.note(recorded_event(each).text)


def _accept_incidents(output: Output, project: OpenProject) -> None:
    with project.database.sequence() as connection:
        count = accept_incidents(connection, project.config.chain_id, utc_now())
    output.note(Message("incident-accepted-count", count=count))


def _run_once(output: Output, project: anchor.Project, wait: str | None) -> None:
    config = project.config
    result = project.run_once(signer=ProjectKey(config), wait=choose_wait(config, wait))
    is_by_depth = config.final_after is not None
    members: dict[str, Any] = {
        "sealed": result.sealed,
        "state": result.state.value,
        **build_finality_json(config),
    }
    if result.anchored is None:
        output.line(Message("log-empty"))
    else:
        anchored = result.anchored
        output.line(
            Message(
                "run-leaves-sealed",
                leaves=format_leaves(result.sealed),
                size=anchored.head.size,
                root=anchored.head.root.hex(),
            )
        )
        output.line(
            Message(
                "run-head-anchored",
                sequence=anchored.sequence,
                block=anchored.block_number,
                state=run_state_message(result.state, is_by_depth=is_by_depth),
            )
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
        output.note(Message("run-not-final-in-time"))
        raise typer.Exit(ExitCode.NOT_FINAL)


def _run_on(
    as_json: bool, config: Config, pace: Pace, publication: str | None, *, standby: bool
) -> None:
    output = Output(as_json=as_json)
    lines = EventLines(output.note)

    def emit(event: Event) -> None:
        if as_json:
            document = {
                "format": document_format("event"),
                "time": utc_now(),
                "event": event.event,
                "text": event.text,
            }
            lines.print(json.dumps({**document, **event.figures}))
        else:
            name = pad(output.say(_EVENT_NAMES.get(event.event, event.event)), 9)
            lines.print(f"{utc_now()} {name} {output.say(event.text)}")

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
            emit(Event(event="standby", text=Message("run-standby-waiting")))
        finish_erasures(Output(as_json=False), project)
        with database.wait_for_lease(wait) if standby else database.hold_lease():
            note_open()
            emit(Event(event="started", text=Message("run-started", detail=pace.describe())))
            node = open_chain(config, lambda text: emit(Event(event="nodes", text=text)))
            publisher = None
            if target is not None:
                publisher = Publisher(project, target, clock, emit=emit, jitter=jitter)
            timestamper = None
            if config.tsa:
                timestamper = Timestamper(project, clock, emit=emit, jitter=jitter)
            daemon = Daemon(
                project, node, signer, clock, pace,
                tell=emit, jitter=jitter, wall=unix_now, publisher=publisher,
                timestamper=timestamper,
            )  # fmt: skip
            with keep_beating(config, database.read_epoch(), clock, unix_now):
                daemon.run()

    waiting = StoreWait(clock, emit, Backoff(jitter, first=1.0, longest=60.0))
    try:
        run_through_outages(waiting, lambda: _open_named(config), work)
    except Stopped:
        emit(Event(event="stopped", text=Message("run-stopped-while-waiting")))
        return
    emit(Event(event="stopped", text=Message("run-stopped")))


def _open_named(config: Config) -> OpenProject:
    """Open the store that the configuration file names now.

    After a restore into another location only the file names the new store.
    """
    try:
        store = load_config(config.file).store
    except ConfigError:
        store = config.store  # the file may be in the middle of a write
    return open_project(replace(config, store=store))
