"""``anchor watch-pages``: capture web pages at intervals, and record each change."""

from __future__ import annotations

import json
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from anchor.capture.browser_session import find_browser
from anchor.capture.capture_recording import CaptureRecorder
from anchor.capture.login_profile import check_profile
from anchor.capture.recording_proxy import find_recorder
from anchor.capture.wacz_signing import load_wacz_key
from anchor.cli.collection_statements import parse_profile, read_details
from anchor.cli.console import Colour, Output, document_format
from anchor.cli.context import project_session
from anchor.cli.input_files import read_bounded
from anchor.cli.options import ConfigOption, JsonOption, NotBeforeOption
from anchor.cli.standard_streams import EventLines
from anchor.errors import AnchorError
from anchor.messages.message import Message, join
from anchor.operate.recent_block import choose_block
from anchor.page_watch.page_watcher import INDEX, PageWatcher, open_watcher
from anchor.page_watch.watch_plan import WatchedPage, parse_plan, seconds_until_due
from anchor.system.clock import utc_now
from anchor.system.details_toml import MAX_DETAILS_BYTES
from anchor.system.signals import STOP_SIGNALS
from anchor.verification.report import severest_code


def command(
    plan_path: Annotated[
        Path, typer.Argument(metavar="FILE", help="TOML file with the pages to watch.")
    ],
    once: Annotated[
        bool, typer.Option("--once", help="Capture every page once, whenever it was last.")
    ] = False,
    profile: Annotated[
        str,
        typer.Option(
            metavar="civil-zh|criminal-zh|us-902|plain",
            help="List of what the records should hold.",
        ),
    ] = "plain",
    details: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="TOML file with the operator's statements."),
    ] = None,
    not_before: NotBeforeOption = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Capture web pages at intervals, and record each change.

    Each capture is compared with the last that was recorded; one that shows no change beyond the
    thresholds is deleted. `changes.html` in the folder of the captures lists the changes side by
    side. Without --once it runs until SIGTERM or Ctrl-C. `anchor run` anchors the records.
    """
    output = Output(as_json=as_json)
    plan = parse_plan(read_bounded(plan_path, MAX_DETAILS_BYTES + 1), plan_path)
    chosen = parse_profile(profile)
    program = find_browser()
    stopping = threading.Event()
    if not once:
        for name in STOP_SIGNALS:
            signal.signal(name, lambda *_: stopping.set())
    with project_session(config_path) as project:
        stated = read_details(output, chosen, details, may_ask=False)
        name_block = choose_block(project, not_before, output.note)

        def make_recorder(page: WatchedPage) -> CaptureRecorder:
            if page.options.login_profile is not None:
                check_profile(page.options.login_profile, program)
            folder = project.config.folder
            options = replace(
                page.options,
                recorder=find_recorder() if page.uses_recorder else None,
                wacz_key=load_wacz_key(folder) if page.signs_wacz else None,
            )
            return CaptureRecorder(
                project, options, profile=chosen, details=stated, program=program,
                name_block=name_block, argv=["anchor", "watch-pages", str(plan_path)],
            )  # fmt: skip

        with open_watcher(project, plan, make_recorder, output.language) as watcher:
            run = _WatchRun(output, watcher, is_long=not once)
            if once:
                for page in plan.pages:
                    run.check(page)
                output.result({"pages": run.results, "index": str(plan.folder / INDEX)})
                if run.failures:
                    raise typer.Exit(severest_code([each.exit_code for each in run.failures]))
                return
            _run_on(run, plan.pages, stopping)


class _WatchRun:
    """Checks of pages, each of which is reported; a failure stops no other page."""

    def __init__(self, output: Output, watcher: PageWatcher, *, is_long: bool) -> None:
        self.watcher = watcher
        self.results: list[dict[str, Any]] = []
        self.failures: list[AnchorError] = []
        self._output = output
        self._is_long = is_long
        self._lines = EventLines(output.note)

    def check(self, page: WatchedPage) -> None:
        """Check a page, and print what became of it."""
        result: dict[str, Any] = {"url": page.url, "state": "failed", "bag": None}
        try:
            recovered = self.watcher.recover(page.url)
            if recovered is not None:
                self._print(Message("watch-recovered", url=page.url, bag=recovered.bag))
            checked = self.watcher.check(page)
        except AnchorError as error:
            self.failures = [*self.failures, error] if not self._is_long else []
            result["error"] = str(error.message)
            self._print(
                Message("watch-failed", url=page.url, reason=error.message), colour=Colour.RED
            )
        else:
            result["state"] = "unchanged" if checked.change is None else "recorded"
            result["reasons"] = list(map(str, checked.reasons))
            if checked.change is None:
                self._print(Message("watch-unchanged", url=page.url))
            else:
                result["bag"] = checked.change.bag
                reasons = join(checked.reasons, "semicolon")
                self._print(
                    Message(
                        "watch-recorded", url=page.url, bag=checked.change.bag, reasons=reasons
                    ),
                    colour=Colour.YELLOW,
                )
        if not self._is_long:
            self.results.append(result)
        elif self._output.as_json:
            document = {"format": document_format("event"), "time": utc_now(), **result}
            self._lines.print(json.dumps(document))

    def _print(self, text: Message, colour: Colour | None = None) -> None:
        if not self._is_long:
            self._output.line(text, mark="", colour=colour)
        elif not self._output.as_json:
            self._lines.print(f"{utc_now()} {self._output.say(text)}")


def _run_on(run: _WatchRun, pages: tuple[WatchedPage, ...], stopping: threading.Event) -> None:
    """Check each page when it is due, by a clock that nobody sets, until told to stop."""
    start = time.monotonic()
    due: dict[str, float] = {}
    for page in pages:
        checked_at = run.watcher.state.page(page.url).checked_at
        due[page.url] = start + seconds_until_due(checked_at, page.every, utc_now())
    while not stopping.is_set():
        page = min(pages, key=lambda each: due[each.url])
        if stopping.wait(max(0.0, due[page.url] - time.monotonic())):
            return
        # From now, not from when it was due: what was missed is not made up for.
        due[page.url] = time.monotonic() + page.every
        run.check(page)
