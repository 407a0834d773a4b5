"""The embedded devnet: py-evm behind a JSON-RPC server in a thread of this process."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Literal

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.types import ChainId
from anchor.chain.devnet.accounts import DEVNET_CHAIN_ID
from anchor.chain.devnet.jsonrpc import HOST, LoopbackServer


class PyEvmNode(AbstractContextManager["PyEvmNode"]):
    """A test node for machines without anvil; it serves from construction on.

    It keeps everything in memory and has no finality and no mempool: a transaction is either mined
    when it is sent, or refused.
    """

    kind: Literal["py-evm"] = "py-evm"
    has_finality = False

    def __init__(self, *, port: int = 0, chain_id: ChainId = DEVNET_CHAIN_ID) -> None:
        try:
            # py-evm takes most of a second to import.
            from anchor.chain.devnet.evm import PyEvmChain, create_chain
            from anchor.chain.devnet.methods import Methods
        except ImportError as error:
            raise UsageError(
                Message("devnet-py-evm-missing", reason=error),
                hint=Message("devnet-py-evm-missing-hint"),
            ) from error
        chain = create_chain(chain_id, timestamp=int(time.time()))
        self.chain_id = chain_id
        self._server = LoopbackServer(port, Methods(PyEvmChain(chain)))
        self._open = True

    @property
    def url(self) -> str:
        """The JSON-RPC endpoint."""
        return f"http://{HOST}:{self._server.server_port}"

    def close(self) -> None:
        """Stop serving and discard the chain; a second call does nothing."""
        if self._open:
            self._open = False
            self._server.stop()

    def __exit__(self, *_: object) -> None:
        self.close()
