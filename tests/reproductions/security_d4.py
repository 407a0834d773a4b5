"""Security D4: clients that never read took all connections for good, health checks included.

514 connections from five addresses, 75 pipelined requests for a page on each, nothing is read.
"""

from __future__ import annotations

import socket
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from support.projects import make_site
from support.service import serve

from anchor.chain.devnet import open_devnet

CONNECTIONS = 514
REQUESTS = b"GET /verify.html HTTP/1.1\r\nHost: x\r\n\r\n" * 75
PATIENCE = 60


def stick(address: tuple[str, int]) -> list[socket.socket]:
    """Open the connections and ask for pages."""
    stuck = []
    for number in range(CONNECTIONS):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.bind((f"127.0.3.{1 + number % 5}", 0))
        connection.settimeout(10)
        try:
            connection.connect(address)
            connection.sendall(REQUESTS)
        except OSError:
            connection.close()
            continue
        stuck.append(connection)
    return stuck


def look(http: httpx.Client, path: str) -> int:
    """Return how a path is answered; 0 where it is not."""
    try:
        return http.get(path, headers={"Connection": "close"}, timeout=10).status_code
    except httpx.HTTPError:
        return 0


def wait_for_answer(http: httpx.Client, path: str) -> int:
    """Return how a path is answered, once it is 200 or no more patience is left."""
    deadline = time.monotonic() + PATIENCE
    while (answer := look(http, path)) != 200 and time.monotonic() < deadline:
        time.sleep(1)
    return answer


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, open_devnet(anvil=None) as node:
        site = make_site(Path(folder) / "project", node, number=964)
        with serve(site.folder, "--quiet", workers=1) as served:
            place = urlsplit(served.url)
            stuck = stick((place.hostname or "", place.port or 0))
            # The service first refuses or cuts off those that are stuck.
            paths = ("/healthz", "/log")
            answers = {path: wait_for_answer(served.http, path) for path in paths}
            health = [look(served.http, "/healthz") for _ in range(10)]
            for connection in stuck:
                connection.close()
    print(f"{len(stuck)} connections stuck; within {PATIENCE} s: {answers}; then /healthz {health}")
    return int({*answers.values(), *health} != {200})


if __name__ == "__main__":
    sys.exit(main())
