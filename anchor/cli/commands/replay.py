"""``anchor replay``: replay a capture offline, by pywb, next to its screenshot and its state."""

from __future__ import annotations

import shutil
import signal
import tempfile
import threading
from pathlib import Path
from typing import Annotated

import typer

from anchor.base.errors import CannotCheckError
from anchor.base.messages.message import Message
from anchor.base.system.signals import STOP_SIGNALS
from anchor.cli.console import Output
from anchor.cli.options import JsonOption
from anchor.comparison.capture_bag import open_capture
from anchor.comparison.comparison_json import describe_side
from anchor.replay.pywb_server import build_collection, find_pywb, serve_collection
from anchor.replay.replay_page import (
    ReplayFacts,
    describe_receipt,
    locate_replay,
    render_replay,
    serve_page,
)
from anchor.replay.replayed_archive import extract_warcs

_PULSE = 0.5


def command(
    bag: Annotated[Path, typer.Argument(metavar="BAG", help="Bag of the capture.")],
    as_json: JsonOption = False,
) -> None:
    """Replay a web capture offline in a browser, until Ctrl-C.

    The bag is verified first. pywb, a separate program that you install, then serves its archive on
    this machine only. The page whose address is printed shows the replay next to the screenshot.
    """
    output = Output(as_json=as_json)
    programs = find_pywb()
    capture = open_capture(bag)
    stopping = threading.Event()
    for name in STOP_SIGNALS:
        signal.signal(name, lambda *_: stopping.set())
    folder = Path(tempfile.mkdtemp(prefix="anchor-replay-"))
    try:
        build_collection(programs, folder, extract_warcs(capture, folder))
        with serve_collection(programs, folder) as running:
            replay_url = locate_replay(running, capture)
            facts = ReplayFacts(
                capture=capture, receipt=describe_receipt(capture), replay_url=replay_url
            )
            with serve_page(render_replay(facts, output.language)) as address:
                output.line(Message("replay-files", count=len(capture.bag.payload)))
                output.line(facts.receipt)
                output.line(Message("replay-started", address=address))
                output.result({**describe_side(capture), "address": address, "replay": replay_url})
                output.note(Message("replay-ends"))
                while not stopping.wait(_PULSE):
                    if running.process.poll() is not None:
                        raise CannotCheckError(Message("replay-ended-early"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
