"""``anchor devnet``: a local chain for trying things out, and for tests."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from anchor.base.canonical import parse_strict
from anchor.base.errors import AnchorError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import write_file
from anchor.base.system.forwarded_command import run_forwarding
from anchor.base.system.regular_files import read_regular_file
from anchor.base.system.signals import STOP_SIGNALS
from anchor.chain.devnet import Devnet, find_anvil, open_devnet
from anchor.cli.console import Colour, Output, document_format
from anchor.cli.options import DEVNET_VARIABLE, EmbeddedOption, JsonOption
from anchor.project.files import find_checkout

# A ready file has about 150 bytes.
_MAX_READY_BYTES = 4_096

app = typer.Typer(add_completion=False, rich_markup_mode=None)


# Options after the command's name are the command's own.
@app.command("devnet", context_settings={"allow_interspersed_args": False})
def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="CMD", help="Command of --exec, with its arguments."),
    ] = None,
    is_executing: Annotated[
        bool,
        typer.Option(
            "--exec",
            help=f"Run CMD with the chain's URL in {DEVNET_VARIABLE}, and end with its exit code.",
        ),
    ] = False,
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="PORT", help="Port to listen on; 0: any free port."),
    ] = 8545,
    state: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File that keeps the chain between runs (anvil only)."),
    ] = None,
    ready_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JSON file with URL, chain id, kind and pid, there while the chain answers.",
        ),
    ] = None,
    embedded: EmbeddedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a local test chain until Ctrl-C: anvil if it is installed, else py-evm."""
    if is_executing != bool(words):
        raise UsageError(
            Message("devnet-exec-without-command")
            if is_executing
            else Message("devnet-command-without-exec")
        )
    if is_executing and as_json:
        raise UsageError(Message("devnet-exec-with-json"))
    output = Output(as_json=as_json)
    _check_replaceable(ready_file)
    ended = threading.Event()
    if not is_executing:
        for name in STOP_SIGNALS:
            signal.signal(name, lambda *_: ended.set())
    anvil = None if embedded else find_anvil(find_checkout())
    with open_devnet(port=port, anvil=anvil, state=state) as chain, _announced(chain, ready_file):
        if words:
            environment = {**os.environ, DEVNET_VARIABLE: chain.url}
            report = partial(output.note, mark=Message("error-mark"), colour=Colour.RED)
            raise typer.Exit(run_forwarding(words, environment, report))
        output.line(Message("devnet-started", kind=chain.kind, chain=chain.chain_id, url=chain.url))
        if not chain.has_finality:
            output.line(Message("devnet-without-finality"))
        output.line(Message("devnet-keys-public"))
        option = "" if port == 8545 else f" --rpc {chain.url}"
        output.line(Message("devnet-init-step", option=option))
        output.line(Message("devnet-stop-step"))
        output.result(_describe(chain))
        ended.wait()


@contextmanager
def _announced(chain: Devnet, path: Path | None) -> Iterator[None]:
    """Keep the file that says that the chain answers, until the end of the block."""
    if path is None:
        yield
        return
    path = path.absolute()
    _check_replaceable(path)  # the chain may have taken long to start
    document = {"format": document_format(), **_describe(chain)}
    text = json.dumps(document, indent=1).encode() + b"\n"
    write_file(path, text, durable=False)
    try:
        yield
    finally:
        with suppress(OSError):
            if path.read_bytes() == text:  # not that of another chain by now
                path.unlink()


def _check_replaceable(path: Path | None) -> None:
    """Refuse the path of a file that no devnet wrote; one that was killed leaves its own."""
    if path is None or not os.path.lexists(path):
        return
    with suppress(OSError, AnchorError):
        data = read_regular_file(path, _MAX_READY_BYTES + 1)
        document = parse_strict(data, subject=str(path), max_bytes=_MAX_READY_BYTES)
        if isinstance(document, dict) and document.get("format") == document_format():
            return
    raise UsageError(Message("devnet-ready-file-occupied", path=path), path=path)


def _describe(chain: Devnet) -> dict[str, Any]:
    return {
        "url": chain.url,
        "chain_id": chain.chain_id,
        "kind": chain.kind,
        "pid": os.getpid(),
    }
