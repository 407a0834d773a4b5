"""What web3 and requests would do by themselves, and must not: retry, follow, log."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from eth_abi import encode
from support.nodes import send, serve

from anchor.base.errors import CannotCheckError, NodeRefusedError
from anchor.base.types import Address
from anchor.chain.devnet import DEV_ADDRESS
from anchor.chain.json_rpc import Rpc
from anchor.chain.node import Node

SECRET = "canary-path-key-90d2"
# OffchainLookup(address,string[],bytes,bytes4,bytes), ERC-3668.
OFFCHAIN_LOOKUP = bytes.fromhex("556f1830")
Respond = Callable[[BaseHTTPRequestHandler, bytes], None]


class Server:
    """Counts what it is asked, and answers as it is told."""

    def __init__(self, answer: Respond) -> None:
        self.requests: list[str] = []
        self._answer = answer

    def respond(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        self.requests.append(json.loads(body)["method"])
        self._answer(handler, body)


def cut(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    handler.close_connection = True


def busy(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    send(handler, 503, b"busy", **{"Retry-After": "0"})


def answering(**members: Any) -> Respond:
    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        document = {"jsonrpc": "2.0", "id": json.loads(body)["id"], **members}
        send(handler, 200, json.dumps(document).encode())

    return answer


@pytest.mark.fault(
    "E1",
    how="the connection is cut, or 503 with Retry-After, for reads and sends alike",
    then="asked once: whether to ask again is our decision, and never web3's",
)
@pytest.mark.parametrize("answer", [cut, busy], ids=["cut", "busy"])
def test_nothing_is_asked_twice_by_itself(answer: Respond, injected: Callable[[int], None]) -> None:
    # Those that web3 would ask again (its exception_retry_configuration), and our one send.
    methods = ["eth_getBlockByNumber", "eth_chainId", "eth_call", "eth_sendRawTransaction"]
    injected(len(methods))
    server = Server(answer)
    with serve(server.respond) as url:
        rpc = Rpc(url, timeout=60)
        for method in methods:
            with pytest.raises(CannotCheckError):
                rpc.call(method, ["0x"])
        rpc.close()
    assert server.requests == methods


@pytest.fixture
def elsewhere() -> Iterator[tuple[Server, str]]:
    """A server inside the network, which nobody may be led to."""
    server = Server(lambda handler, body: send(handler, 200, b'{"data": "0x"}'))
    with serve(server.respond) as url:
        yield server, url


@pytest.mark.fault(
    "E15",
    how="the node redirects a read and a send to another server in our network",
    then="cannot check (20): the other server is never asked",
)
@pytest.mark.fault(
    "J7",
    how="an answer names another server's URL as the place to go on (HTTP 307)",
    then="not followed",
)
def test_no_redirect_is_followed(elsewhere: tuple[Server, str]) -> None:
    inside, place = elsewhere
    server = Server(lambda handler, body: send(handler, 307, b"", Location=place))
    with serve(server.respond) as url:
        node = Node(Rpc(url, timeout=60))
        for question in (node.fetch_chain_id, lambda: node.send_raw_transaction(b"\x02")):
            with pytest.raises(CannotCheckError):
                question()
    assert inside.requests == []


@pytest.mark.fault(
    "E15",
    how="a call reverts with ERC-3668's OffchainLookup, which names a server in our network",
    then="a refusal like any other: no CCIP-Read, the server is never asked",
)
@pytest.mark.fault(
    "J7",
    how="a contract's revert names a URL to fetch data from (CCIP-Read)",
    then="not fetched",
)
def test_no_offchain_lookup_is_followed(elsewhere: tuple[Server, str]) -> None:
    inside, place = elsewhere
    operands = encode(
        ["address", "string[]", "bytes", "bytes4", "bytes"],
        ["0x" + "42" * 20, [place + "/{sender}/{data}"], b"x", b"abcd", b""],
    )
    error = {
        "code": 3,
        "message": "execution reverted",
        "data": "0x" + (OFFCHAIN_LOOKUP + operands).hex(),
    }
    server = Server(answering(error=error))
    with serve(server.respond) as url:
        node = Node(Rpc(url, timeout=60))
        with pytest.raises(NodeRefusedError):
            node.call(sender=DEV_ADDRESS, to=Address(b"\x42" * 20), data=b"")
    assert (server.requests, inside.requests) == (["eth_call"], [])


@pytest.mark.fault(
    "J8",
    how="everything is logged at DEBUG, as web3 and urllib3 would; the URL holds a key",
    then="no record holds the key",
)
def test_no_log_record_holds_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("web3", "urllib3", "requests"):
        caplog.set_level(logging.DEBUG, logger=name)
    server = Server(answering(result="0x1"))
    with serve(server.respond) as url:
        rpc = Rpc(f"{url}/v3/{SECRET}", timeout=60)
        assert Node(rpc).fetch_chain_id() == 1
        shown: list[Any] = [rpc, rpc.name, Node(rpc)]
        rpc.close()
    assert SECRET not in " ".join(map(repr, shown))
    assert caplog.records
    assert SECRET not in caplog.text
