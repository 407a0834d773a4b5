"""``anchor serve``: the HTTP service."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from anchor.base.errors import StorageError, StoreBusyError, UsageError
from anchor.base.messages.message import Message
from anchor.cli.confirmation import choose_config
from anchor.cli.console import Output
from anchor.cli.context import project_session
from anchor.cli.demo_site import open_demo_site
from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.standard_streams import EventLines
from anchor.service.app import check_captures, make_ceremony, make_providers
from anchor.service.client_address import parse_proxies
from anchor.service.server import listen, serve
from anchor.service.settings import CaptureSettings, Settings

_LOCAL: Final = ("127.0.0.1", "::1", "localhost")


def command(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65_535, metavar="PORT", help="Port to listen on; 0: any free port."
        ),
    ] = 8080,
    workers: Annotated[
        int, typer.Option(min=1, max=64, metavar="N", help="Number of worker processes.")
    ] = 2,
    drain: Annotated[
        int,
        typer.Option(
            min=0,
            max=3_600,
            metavar="SECONDS",
            help="Seconds to finish open requests after SIGTERM.",
        ),
    ] = 20,
    per_peer: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Maximum connections per address and worker."),
    ] = 128,
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address or network of a proxy whose X-Forwarded-For and X-Forwarded-Proto to "
            "trust; repeatable.",
        ),
    ] = None,
    anonymous_rate: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Maximum requests per second without a key, per address and worker; 0: no limit.",
        ),
    ] = 100,
    captures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Let tenants order captures, which `anchor capture-worker DIR` makes.",
        ),
    ] = None,
    captures_per_day: Annotated[
        int, typer.Option(min=1, metavar="N", help="Captures that a tenant may order a day (UTC).")
    ] = 100,
    demo: Annotated[
        bool,
        typer.Option(
            "--demo", help="Serve a temporary project on a local test chain, to try the pages out."
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Do not log requests to standard error.")
    ] = False,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Accept evidence over HTTP until SIGTERM or Ctrl-C.

    The service does not seal or anchor: run `anchor run` as well.  With --demo everything is there
    for trying out, on this machine alone: a temporary chain, the daemon, and a tenant with persons.
    """
    output = Output(as_json=as_json)
    proxies = tuple(proxy or ())
    parse_proxies(proxies)
    settings = Settings(
        access_log=not quiet,
        drain_seconds=drain,
        max_per_peer=per_peer,
        proxies=proxies,
        anonymous_rate=anonymous_rate,
        captures=None
        if captures is None
        else CaptureSettings(folder=captures.resolve(), per_day=captures_per_day),
    )
    if demo:
        if config_path is not None or proxies or captures or host not in _LOCAL:
            raise UsageError(Message("demo-site-not-local"), hint=Message("demo-site-hint"))
        listener = listen(host, port)
        url = _format_url(host, listener)
        output.line(Message("demo-site-address", url=url))
        output.note(Message("demo-site-starting"))
        with open_demo_site(url) as site:
            output.line(Message("demo-site-open", url=url))
            output.line(Message("demo-site-files", path=site.files))
            output.line(Message("demo-site-keys"))
            output.line(Message("demo-site-node", url=site.chain))
            output.line(Message("demo-site-operator", key=site.operator, url=url))
            _serve(
                output,
                site.config,
                replace(settings, sample_people=site.people),
                listener,
                url,
                workers,
            )
        return
    file = choose_config(config_path).resolve()
    try:
        # Opened once here, so that a faulty project is reported at once.
        with project_session(file) as project:
            file = project.config.file
            if captures is not None:
                check_captures(project.config, captures.resolve())
            # Here, too, because a worker would only wait for the fault to be mended.
            for provider in make_providers(project.config.platform).values():
                provider.queue.close()
            make_ceremony(project.config.platform)
            if project.config.mail is not None:
                project.config.mail.read_password()
    except (StorageError, StoreBusyError) as error:
        output.note(Message("service-store-unavailable", reason=error.message))
    listener = listen(host, port)
    _serve(output, file, settings, listener, _format_url(host, listener), workers)


def _format_url(host: str, listener: socket.socket) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def _serve(
    output: Output, file: Path, settings: Settings, listener: socket.socket, url: str, workers: int
) -> None:
    with EventLines(output.note).printing():
        output.line(Message("service-started", project=file.parent, url=url, workers=workers))
        output.result({"url": url, "workers": workers})
    serve(file, settings, listener, workers)
