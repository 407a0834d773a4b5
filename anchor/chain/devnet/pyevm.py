"""The embedded devnet: py-evm behind a JSON-RPC server in a thread of this process."""

from __future__ import annotations

from types import TracebackType
from typing import Literal, Self

from anchor.chain.devnet.accounts import (
    CREATE2_PROXY,
    CREATE2_PROXY_CODE,
    DEV_ADDRESSES,
    DEV_BALANCE,
    DEVNET_CHAIN_ID,
)
from anchor.chain.devnet.evm import EmbeddedChain
from anchor.chain.devnet.jsonrpc import HOST, LoopbackServer
from anchor.chain.devnet.methods import Methods
from anchor.types import ChainId


class PyEvmNode:
    """A node for trying things out where no anvil is installed; serves from construction on.

    It keeps everything in memory, has no finality, no state proofs and no mempool: a transaction is
    mined when it is sent, or refused.

    Raises:
        UsageError: py-evm is not installed, or the port is taken.
    """

    kind: Literal["py-evm"] = "py-evm"
    chain_id: ChainId = DEVNET_CHAIN_ID
    has_finality = False

    def __init__(self, *, port: int = 0) -> None:
        chain = EmbeddedChain(
            chain_id=DEVNET_CHAIN_ID,
            balances=dict.fromkeys(DEV_ADDRESSES, DEV_BALANCE),
            codes={CREATE2_PROXY: CREATE2_PROXY_CODE},
        )
        self._server = LoopbackServer(port, Methods(chain))
        self._open = True

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self._server.server_port}"

    def close(self) -> None:
        """Stop serving and forget the chain; does nothing the second time."""
        if self._open:
            self._open = False
            self._server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
