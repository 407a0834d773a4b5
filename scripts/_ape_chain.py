"""The chain that ape is connected to, as a node of the library.

If ape has a URL, the library queries that node itself, with its own limits and checks.
``ethereum:local:test`` has none: it is py-evm inside this process, which answers as the library's
embedded chain does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ape.api import ProviderAPI
from ape_test import LocalProvider

from anchor.base.errors import NodeRefusedError, UsageError
from anchor.chain.devnet.accounts import CREATE2_PROXY_CODE
from anchor.chain.devnet.evm import PyEvmChain
from anchor.chain.devnet.jsonrpc import RpcError
from anchor.chain.devnet.methods import Methods
from anchor.chain.json_rpc import Rpc
from anchor.chain.node import Node
from anchor.registry.artifact import CREATE2_PROXY

# The proxy's deployment: the same transaction on every chain, with a made-up signature, so that
# nobody holds its key (github.com/Arachnid/deterministic-deployment-proxy, README).
_PROXY_SENDER = "0x3fAB184622Dc19b6109349B94811493BF2a45362"
_PROXY_COST = 100_000 * 100 * 10**9
_PROXY_TRANSACTION = (
    "0xf8a58085174876e800830186a08080b853"  # nonce 0, gas price, gas, no recipient, no value
    "604580600e600039806000f350fe"  # returns the code that follows as the contract's code
    f"{CREATE2_PROXY_CODE.hex()}1ba0{'22' * 32}a0{'22' * 32}"
)


class InProcessRpc:
    """ape's in-process chain, with the interface of ``anchor.chain.json_rpc.Rpc``."""

    def __init__(self, provider: LocalProvider) -> None:
        self.name = f"ape:{provider.network_choice}"
        self._provider = provider

    def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        """Make one request and return its result in the encodings of JSON-RPC.

        Raises:
            NodeRefusedError: The chain refuses a request that a node would answer with an error
                object.
        """
        # After a snapshot is restored, ape has a new chain object.
        answer = Methods(PyEvmChain(self._provider.evm_backend.chain))
        try:
            return answer(method, list(params))
        except RpcError as error:
            raise NodeRefusedError(
                f"the node {self.name} refused {method}: {error.message}",
                code=error.code,
                reason=error.message,
                data=error.data,
            ) from error

    def close(self) -> None:
        """Do nothing: the chain belongs to ape."""


def open_node(provider: ProviderAPI) -> Node:
    """Return the library's node for the network that ape is connected to.

    Raises:
        UsageError: ape reaches the network only over IPC or a web socket.
    """
    if isinstance(provider, LocalProvider):
        return Node(InProcessRpc(provider))
    url = provider.http_uri
    if url is None:
        raise UsageError(
            f"ape's provider {provider.name!r} has no HTTP URL",
            hint="name one: --network ethereum:NETWORK:http://HOST:PORT",
        )
    return Node(Rpc(url))


def provide_create2_proxy(provider: ProviderAPI) -> None:
    """Deploy the CREATE2 proxy on ape's in-process chain; every other devnet starts with it."""
    if not isinstance(provider, LocalProvider):
        return
    rpc = InProcessRpc(provider)
    if rpc.call("eth_getCode", ["0x" + CREATE2_PROXY.hex()]) != "0x":
        return
    eth = provider.web3.eth
    eth.send_transaction({"from": eth.accounts[0], "to": _PROXY_SENDER, "value": _PROXY_COST})
    rpc.call("eth_sendRawTransaction", [_PROXY_TRANSACTION])
