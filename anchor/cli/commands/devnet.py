"""``anchor devnet``: a local chain for trying things out."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from anchor.chain.devnet import find_anvil, open_devnet
from anchor.cli.console import Output
from anchor.cli.options import EmbeddedOption
from anchor.messages.message import Message
from anchor.project.files import find_checkout
from anchor.system.signals import STOP_SIGNALS


def command(
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="PORT", help="Port to listen on; 0: any free port."),
    ] = 8545,
    state: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File that keeps the chain between runs (anvil only)."),
    ] = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Run a local test chain until Ctrl-C: anvil if it is installed, else py-evm."""
    output = Output(as_json=False)
    ended = threading.Event()
    for name in STOP_SIGNALS:
        signal.signal(name, lambda *_: ended.set())
    anvil = None if embedded else find_anvil(find_checkout())
    with open_devnet(port=port, anvil=anvil, state=state) as chain:
        output.line(Message("devnet-started", kind=chain.kind, chain=chain.chain_id, url=chain.url))
        if not chain.has_finality:
            output.line(Message("devnet-without-finality"))
        output.line(Message("devnet-keys-public"))
        option = "" if port == 8545 else f" --rpc {chain.url}"
        output.line(Message("devnet-init-step", option=option))
        output.line(Message("devnet-stop-step"))
        ended.wait()
