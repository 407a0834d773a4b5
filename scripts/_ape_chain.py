"""The chain ape is connected to, as the library's own node.

Where ape has a URL, the library asks that node itself, with its own bounds and checks.
``ethereum:local:test`` has none: it is eth-tester inside this process, and ``InProcessRpc`` makes
its answers those of a node.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import eth_tester.exceptions as tester  # type: ignore[import-untyped]  # it ships no types
from ape.api import ProviderAPI
from ape_test import LocalProvider
from eth_utils.exceptions import ValidationError
from web3.exceptions import MethodUnavailable

from anchor.chain.devnet.accounts import CREATE2_PROXY, CREATE2_PROXY_CODE
from anchor.chain.json_rpc import Rpc
from anchor.chain.node import Node
from anchor.errors import NodeRefusedError, UsageError

# geth's codes: rpc/errors.go (method not found, server error) and internal/ethapi/errors.go (3).
_METHOD_NOT_FOUND = -32601
_SERVER_ERROR = -32000
_REVERTED = 3

# Which parameter of a method names a block.
_BLOCK_PARAMS = {
    "eth_call": 1,
    "eth_getBalance": 1,
    "eth_getCode": 1,
    "eth_getStorageAt": 2,
    "eth_getTransactionCount": 1,
}

# The proxy's one deployment: the same transaction on every chain, with a made-up signature, so that
# nobody holds its key (github.com/Arachnid/deterministic-deployment-proxy, README).
_PROXY_SENDER = "0x3fAB184622Dc19b6109349B94811493BF2a45362"
_PROXY_GAS = 100_000
_PROXY_GAS_PRICE = 100 * 10**9
_PROXY_TRANSACTION = (
    "0xf8a58085174876e800830186a08080b853"  # nonce 0, gas price, gas, no receiver, no value
    "604580600e600039806000f350fe"  # returns the code that follows
    f"{CREATE2_PROXY_CODE.hex()}1ba0{'22' * 32}a0{'22' * 32}"
)


class InProcessRpc:
    """ape's in-process chain, asked as ``anchor.chain.json_rpc.Rpc`` asks a node."""

    def __init__(self, provider: LocalProvider) -> None:
        self.name = f"ape:{provider.network_choice}"
        self._request = provider.web3.manager.request_blocking

    def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        """Make one request and return its result in the encodings of JSON-RPC.

        Raises:
            NodeRefusedError: what a node answers with an error object.
        """
        params = list(params)
        place = _BLOCK_PARAMS.get(method)
        if place is not None:
            params[place] = self._block_param(params[place])
        try:
            return _encode(self._request(method, params))
        except tester.TransactionFailed as error:
            reason = str(error)
            raise self._refusal(method, _REVERTED, reason, _revert_data(reason)) from error
        except (tester.ValidationError, ValidationError) as error:
            raise self._refusal(method, _SERVER_ERROR, str(error), None) from error
        except MethodUnavailable as error:
            raise self._refusal(method, _METHOD_NOT_FOUND, "no such method", None) from error

    def close(self) -> None:
        """Do nothing: the chain is ape's."""

    def _block_param(self, block: Any) -> Any:
        """Return a tag as it is and a block hash (EIP-1898) or number as eth-tester's integer."""
        if isinstance(block, Mapping):
            # eth-tester finds canonical blocks only, so `requireCanonical` holds.
            members = self.call("eth_getBlockByHash", [block["blockHash"], False])
            if members is None:
                raise self._refusal("the block", _SERVER_ERROR, "header not found", None)
            block = members["number"]
        return int(block, 16) if block.startswith("0x") else block

    def _refusal(self, what: str, code: int, reason: str, data: str | None) -> NodeRefusedError:
        message = f"the node {self.name} refused {what}: {reason}"
        return NodeRefusedError(message, code=code, reason=reason, data=data)


def open_node(provider: ProviderAPI) -> Node:
    """Return the library's node for what ape is connected to.

    Raises:
        UsageError: ape reaches it over IPC or a web socket only.
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
    """Put the CREATE2 proxy on ape's in-process chain; every other devnet starts with it."""
    if not isinstance(provider, LocalProvider):
        return
    rpc = InProcessRpc(provider)
    if rpc.call("eth_getCode", ["0x" + CREATE2_PROXY.hex(), "latest"]) != "0x":
        return
    cost = {"to": _PROXY_SENDER, "value": hex(_PROXY_GAS * _PROXY_GAS_PRICE)}
    rpc.call("eth_sendTransaction", [{"from": rpc.call("eth_accounts")[0], **cost}])
    rpc.call("eth_sendRawTransaction", [_PROXY_TRANSACTION])


def _encode(value: Any) -> Any:
    """Write integers as quantities; hashes and data are hex already."""
    if isinstance(value, Mapping):
        return {name: _encode(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(item) for item in value]
    return hex(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _revert_data(reason: str) -> str | None:
    """Return the revert's data; eth-tester has it only as the text of a bytes literal."""
    literal = reason.removeprefix("execution reverted: ")
    if not literal.startswith(("b'", 'b"')):
        return None
    data: bytes = ast.literal_eval(literal)
    return "0x" + data.hex()
