"""Nodes for tests: questions to one, another chain, and servers that misbehave."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from anchor.base.types import ChainId
from anchor.chain.devnet import DEV_ADDRESS, PyEvmNode

DEV = "0x" + DEV_ADDRESS.hex()


def ask(url: str, method: str, *params: Any) -> Any:
    """Return a method's result."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    answer = json.loads(_post(url, body))
    assert "error" not in answer, answer
    return answer["result"]


def _post(url: str, body: bytes) -> bytes:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return bytes(response.read())


def nonce(url: str, address: str = DEV, block: str = "latest") -> int:
    """Return how many transactions ``address`` has sent."""
    return int(ask(url, "eth_getTransactionCount", address, block), 16)


def wait_until(question: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Return the first true answer."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.05)
    return answer


def stop_the_clock(url: str) -> None:
    """Let anvil mine for transactions only, so that nothing becomes final by itself."""
    ask(url, "anvil_setIntervalMining", 0)
    ask(url, "evm_setAutomine", True)


@contextmanager
def other_chain(chain_id: int) -> Iterator[str]:
    """Run the embedded chain under another chain id, and give its URL."""
    with PyEvmNode(chain_id=ChainId(chain_id)) as node:
        yield node.url


Respond = Callable[[BaseHTTPRequestHandler, bytes], None]


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    """Send one whole response, which pages of any origin may read, as those of anvil."""
    handler.send_response(status)
    handler.send_header("Access-Control-Allow-Origin", "*")
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def serve(respond: Respond) -> Iterator[str]:
    """Run an HTTP server whose POST requests ``respond`` answers, and give its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            respond(self, self.rfile.read(length))

        def do_OPTIONS(self) -> None:
            """Let a browser send JSON."""
            send(self, 204, b"", **{"Access-Control-Allow-Headers": "content-type"})

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Say nothing: clients go away in these tests."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
