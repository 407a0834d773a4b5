"""``anchor capture``: capture web pages, each as one bag and one record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from anchor.bag.bag_surroundings import check_outside_bags
from anchor.base.errors import AnchorError, CannotCheckError, ExitCode, UsageError
from anchor.base.messages.message import Message
from anchor.capture.browser_session import find_browser
from anchor.capture.capture_options import (
    DEFAULT_VIEWPORT,
    MAX_VIEWPORTS,
    CaptureOptions,
    check_language,
    check_mode,
    check_proxy,
    parse_capture_url,
    parse_viewport,
)
from anchor.capture.capture_recording import CaptureRecorder, discard_capture
from anchor.capture.login_profile import check_profile
from anchor.capture.name_answers import parse_resolver
from anchor.capture.recording_proxy import find_recorder
from anchor.capture.wacz_signing import load_wacz_key
from anchor.cli.capture_report import describe_capture, print_capture
from anchor.cli.collection_statements import parse_profile, read_details
from anchor.cli.comparison_report import report_comparison
from anchor.cli.console import Colour, Output
from anchor.cli.context import project_session
from anchor.cli.input_files import read_bounded
from anchor.cli.options import ConfigOption, JsonOption, NotBeforeOption
from anchor.comparison.capture_change import find_change
from anchor.operate.recent_block import choose_block
from anchor.project.project import OpenProject
from anchor.verification.report import severest_code

_MAX_SCRIPT_BYTES = 1 << 20


def command(
    urls: Annotated[
        list[str] | None,
        typer.Argument(metavar="URL", help="Pages to capture, http:// or https://."),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="BAG BAG",
            help="Compare two captures instead; exit code 20 if a view cannot be compared.",
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FILE", help="HTML page to write the comparison of --compare to."
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option("-o", "--out", metavar="DIR", help="Folder for the bags."),
    ] = Path("captures"),
    if_changed: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="TEXT PICTURE",
            help="Record a page only if a larger share of its text or of its pixels, such as 0 and "
            "0.01, differs from its last recorded capture in that folder.",
        ),
    ] = None,
    wait: Annotated[
        float,
        typer.Option(min=0, max=600, metavar="SECONDS", help="Seconds to wait after loading."),
    ] = 1.0,
    wait_for: Annotated[
        str | None,
        typer.Option(metavar="SELECTOR", help="CSS selector of an element to wait for."),
    ] = None,
    viewport: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WxH",
            help="Size of the window in pixels; repeatable, for a screenshot of each; default: "
            "1280x800.",
        ),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            min=1,
            max=3600,
            metavar="SECONDS",
            help="Seconds that a page may load, and its --script may take.",
        ),
    ] = 60.0,
    max_bytes: Annotated[
        int,
        typer.Option(
            min=1 << 16, max=1 << 30, metavar="BYTES", help="Limit of all bodies of a page."
        ),
    ] = 1 << 28,
    proxy: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Proxy for the browser; the record says so."),
    ] = None,
    depth: Annotated[
        int,
        typer.Option(
            min=0, max=3, metavar="N", help="Follow links within the page's origin N times."
        ),
    ] = 0,
    script: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JavaScript to run in each page once it has loaded; the record says so.",
        ),
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            metavar="cdp|proxy",
            help="Keep bodies as the browser decoded them, or as servers sent them to a recording "
            "proxy (mitmproxy); the record says which.",
        ),
    ] = "cdp",
    film: Annotated[
        bool,
        typer.Option("--film", help="Keep frames of each page while it loads and is scrolled."),
    ] = False,
    login_profile: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Profile of Chromium that is signed in; a copy is used, and the record says so.",
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option("--lang", metavar="TAG", help="Language to ask for, such as zh-CN."),
    ] = None,
    resolver: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS[:PORT]",
            help="DNS resolver to ask beside this machine's own; repeatable.",
        ),
    ] = None,
    keep_cookies: Annotated[
        bool,
        typer.Option("--keep-cookies", help="Keep values of cookies and credentials in headers."),
    ] = False,
    accept_bad_certificates: Annotated[
        bool,
        typer.Option(
            "--accept-bad-certificates",
            help="Capture in spite of a bad TLS certificate; the record says that it failed.",
        ),
    ] = False,
    sign_wacz: Annotated[
        bool,
        typer.Option(
            "--sign-wacz",
            help="Sign the WACZ file with the project's key wacz-key.pem, made at first use.",
        ),
    ] = False,
    profile: Annotated[
        str,
        typer.Option(
            metavar="civil-zh|criminal-zh|us-902|plain",
            help="List of what the record should hold; what is missing is reported.",
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
    """Capture web pages, each as one bag and one record.

    The machine is observed first and afterwards; a check that fails is recorded and stops nothing.
    What could not be captured is listed. `anchor run` anchors the records later. With --if-changed,
    for cron or a timer, captures that show no change are deleted.
    """
    output = Output(as_json=as_json)
    if compare is not None:
        _compare(output, compare, urls, page)
        return
    if page is not None:
        raise UsageError(Message("capture-output-without-compare"))
    pages = [parse_capture_url(url) for url in urls or ()]
    if not pages:
        raise UsageError(Message("capture-without-url"))
    check_outside_bags(out)
    if not all(0 <= share <= 1 for share in if_changed or ()):
        raise UsageError(Message("capture-share-range"))
    if len(viewport or ()) > MAX_VIEWPORTS:
        raise UsageError(Message("viewports-too-many", limit=MAX_VIEWPORTS))
    sizes = tuple(map(parse_viewport, viewport or ())) or (DEFAULT_VIEWPORT,)
    check_mode(mode, proxy)
    options = CaptureOptions(
        viewports=tuple(dict.fromkeys(sizes)),
        wait_seconds=wait,
        wait_for=wait_for,
        timeout=timeout,
        max_bytes=max_bytes,
        proxy=None if proxy is None else check_proxy(proxy),
        language=None if language is None else check_language(language),
        accepts_bad_certificates=accept_bad_certificates,
        keeps_cookies=keep_cookies,
        script=None if script is None else _read_script(script),
        depth=depth,
        films=film,
        recorder=find_recorder() if mode == "proxy" else None,
        login_profile=login_profile,
        resolvers=tuple(map(parse_resolver, resolver or ())),
    )
    chosen = parse_profile(profile)
    argv = ["anchor", "capture", "--profile", chosen]
    argv += [] if details is None else ["--details", str(details)]
    program = find_browser()
    if login_profile is not None:
        check_profile(login_profile, program)
    with project_session(config_path) as project:
        if sign_wacz:
            options = replace(options, wacz_key=load_wacz_key(project.config.folder))
        recorder = CaptureRecorder(
            project,
            options,
            profile=chosen,
            details=read_details(output, chosen, details, may_ask=False),
            program=program,
            name_block=choose_block(project, not_before, output.note),
            argv=argv,
        )
        document, errors = _capture_each(output, project, recorder, pages, out, if_changed)
    output.result(document)
    if errors:
        raise typer.Exit(severest_code([error.exit_code for error in errors]))


def _capture_each(
    output: Output,
    project: OpenProject,
    recorder: CaptureRecorder,
    urls: Sequence[str],
    out: Path,
    shares: tuple[float, float] | None,
) -> tuple[dict[str, Any], list[AnchorError]]:
    """Capture pages, each of which is reported, and return the failures, which stop no other."""
    captures, unchanged, failed = [], [], []
    errors: list[AnchorError] = []
    for url in urls:
        try:
            made = recorder.take(url, out)
            # A crash here leaves a complete bag without a record, which no later one is compared
            # with.
            change = None if shares is None else find_change(project, made, shares)
            if change is not None and not change.reasons:
                discard_capture(made.bag)
                output.line(Message("capture-unchanged", url=url, bag=change.last))
                unchanged.append({"url": url, "last": str(change.last)})
                continue
            capture = recorder.enter(made)
        except (CannotCheckError, UsageError) as error:
            output.note(error.message, mark=Message("error-mark"), colour=Colour.RED)
            if error.hint is not None:
                output.note(error.hint, mark="  ")
            failed.append({"url": url, "error": str(error.message)})
            errors.append(error)
            continue
        print_capture(output, capture, change)
        captures.append(describe_capture(capture, change))
    return {"captures": captures, "unchanged": unchanged, "failed": failed}, errors


def _compare(
    output: Output, bags: tuple[Path, Path], urls: Sequence[str] | None, page: Path | None
) -> None:
    if urls:
        raise UsageError(Message("capture-url-with-compare"))
    check_outside_bags(page)
    if not report_comparison(output, *bags, page):
        raise typer.Exit(ExitCode.CANNOT_CHECK)


def _read_script(path: Path) -> bytes:
    data = read_bounded(path, _MAX_SCRIPT_BYTES + 1)
    if len(data) > _MAX_SCRIPT_BYTES:
        raise UsageError(Message("capture-script-too-long", path=path, limit=_MAX_SCRIPT_BYTES))
    return data
