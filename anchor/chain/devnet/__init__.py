"""Local test chains: anvil if it is installed, otherwise py-evm in this process.

Both are reached by URL only, exactly like a real node.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, Protocol

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.types import ChainId
from anchor.chain.devnet.accounts import (
    DEV_ADDRESS,
    DEVNET_CHAIN_ID,
    PUBLIC_DEV_KEY,
)
from anchor.chain.devnet.anvil import AnvilNode, find_anvil
from anchor.chain.devnet.pyevm import PyEvmNode

__all__ = [
    "DEVNET_CHAIN_ID",
    "DEV_ADDRESS",
    "PUBLIC_DEV_KEY",
    "AnvilNode",
    "Devnet",
    "PyEvmNode",
    "find_anvil",
    "open_devnet",
]


class Devnet(AbstractContextManager["Devnet"], Protocol):
    """A local chain that answers requests from construction until it is closed.

    Without ``has_finality`` the ``finalized`` tag names no block: the node answers with error
    -39001, and no block ever becomes final.
    """

    @property
    def url(self) -> str:
        """The JSON-RPC endpoint, on the loopback interface."""

    @property
    def kind(self) -> Literal["anvil", "py-evm"]:
        """The program that runs the chain."""

    @property
    def chain_id(self) -> ChainId:
        """The chain's id."""

    @property
    def has_finality(self) -> bool:
        """Whether blocks become final."""

    def close(self) -> None:
        """Stop the chain; safe to repeat."""


def open_devnet(*, port: int = 0, anvil: Path | None, state: Path | None = None) -> Devnet:
    """Start a devnet on 127.0.0.1: the program ``anvil``, or the embedded devnet if that is None.

    ``port`` 0 selects any free port.  ``state`` is the file that keeps the chain between runs.

    Raises:
        UsageError: The port is taken, py-evm is missing, or ``state`` is given without anvil.
    """
    if anvil is not None:
        return AnvilNode(anvil, port=port, state=state)
    if state is not None:
        raise UsageError(
            Message("devnet-state-file-unsupported"),
            hint=Message("devnet-state-file-unsupported-hint"),
        )
    return PyEvmNode(port=port)
