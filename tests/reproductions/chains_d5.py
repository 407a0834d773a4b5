"""chains D5: given-up exchanges never end while bytes drip; threads and sockets pile up."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler

from support.nodes import serve

from anchor.chain.json_rpc import Rpc
from anchor.errors import NodeUnreachableError

CALLS = 40


def drip_body(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Promise a thousand bytes, and send one each 0.4 seconds."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    drip(handler)


def drip_header(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Begin a header, and send a byte of it each 0.4 seconds."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    drip(handler)


def drip(handler: BaseHTTPRequestHandler) -> None:
    """Send until the client is gone."""
    with suppress(OSError):
        while True:
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.4)


def ask(url: str) -> None:
    """Ask once, for a second at most."""
    rpc = Rpc(url, timeout=1.0)
    with suppress(NodeUnreachableError):
        rpc.call("eth_chainId")
    rpc.close()


def count() -> tuple[int, int]:
    """Return this process's exchanges and descriptors."""
    exchanges = sum(thread.name == "anchor-http" for thread in threading.enumerate())
    return exchanges, len(os.listdir("/proc/self/fd"))


def main() -> int:
    """Return 1 where something is left of 40 calls, five seconds after they were given up."""
    found = []
    for respond in (drip_body, drip_header):
        with serve(respond) as url:
            _, before = count()
            callers = [threading.Thread(target=ask, args=(url,)) for _ in range(CALLS)]
            for caller in callers:
                caller.start()
            for caller in callers:
                caller.join()
            time.sleep(5)
            exchanges, descriptors = count()
        if exchanges or descriptors > before + 2:
            found.append(
                f"{respond.__name__}: {exchanges} threads and {descriptors - before} descriptors "
                f"are left of {CALLS} calls"
            )
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
