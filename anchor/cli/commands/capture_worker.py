"""``anchor capture-worker``: the worker of the captures that tenants of the service order."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from anchor.base.messages.message import Message
from anchor.base.system.signals import STOP_SIGNALS
from anchor.capture.browser_session import find_browser
from anchor.capture.capture_spool import CaptureSpool
from anchor.capture.capture_worker import CaptureLimits, CaptureWorker
from anchor.capture.name_answers import parse_resolver
from anchor.cli.console import Output
from anchor.cli.options import JsonOption

_MODULE = "anchor.capture.ordered_capture"


def command(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="The folder that `anchor serve --captures` names."),
    ],
    resolver: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS[:PORT]",
            help="DNS resolver to ask beside this machine's own; repeatable.",
        ),
    ] = None,
    ntp: Annotated[
        list[str] | None,
        typer.Option(metavar="SERVER", help="NTP server to compare the clock with; repeatable."),
    ] = None,
    parallel: Annotated[
        int, typer.Option(min=1, max=16, metavar="N", help="Captures at the same time.")
    ] = 1,
    seconds: Annotated[
        int, typer.Option(min=30, max=7_200, metavar="SECONDS", help="Seconds for one capture.")
    ] = 900,
    memory: Annotated[
        int,
        typer.Option(min=256, max=65_536, metavar="MIB", help="Memory of one capture, in MiB."),
    ] = 1_536,
    once: Annotated[
        bool, typer.Option("--once", help="End when no order waits, instead of at SIGTERM.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Capture the pages that tenants of the HTTP service order.

    Works until SIGTERM or Ctrl-C. Runs as a user of its own, which needs no project, no key and no
    store: orders come and bags go through the folder. All traffic of the browser goes through a
    proxy that reaches public addresses only.
    """
    output = Output(as_json=as_json)
    for address in resolver or ():
        parse_resolver(address)
    find_browser()
    ended = threading.Event()
    for name in STOP_SIGNALS:
        signal.signal(name, lambda *_: ended.set())
    words = [sys.executable, "-m", _MODULE]
    words += [f"--resolver={address}" for address in resolver or ()]
    words += [f"--ntp={server}" for server in ntp or ()]
    limits = CaptureLimits(seconds=seconds, memory=memory << 20, parallel=parallel)
    worker = CaptureWorker(CaptureSpool(folder.resolve()), words, limits, output.note)
    output.note(Message("capture-worker-started", path=folder))
    worker.run(ended, is_once=once)
    output.result({"made": worker.made, "refused": worker.refused})
