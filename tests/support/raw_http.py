"""The service in this process under limits that a test can reach, and requests written by hand."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from anchor.project.config import load_config
from anchor.project.project import open_project
from anchor.service.app import create_app
from anchor.service.http_protocol import TimeoutProtocol
from anchor.service.settings import Settings

Address = tuple[str, int]


@contextmanager
def serving(folder: Path, settings: Settings) -> Iterator[Address]:
    """Serve the project in ``folder`` from a thread of this process."""
    app = create_app(open_project(load_config(folder / "anchor.toml")), settings)
    config = uvicorn.Config(
        app, port=0, http=TimeoutProtocol, ws="none", log_config=None, proxy_headers=False
    )
    server = uvicorn.Server(config)
    # A backlog that no test fills: what is tested is the service's bound, not the kernel's.
    with socket.create_server(("127.0.0.1", 0), backlog=2_048) as listener:
        # Small enough that a page is not gone before its client has read any of it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield listener.getsockname()[:2]
        finally:
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive()


def connect(address: Address, peer: str = "127.0.0.1") -> socket.socket:
    """Open a connection from one of this machine's loopback addresses (``127.0.0.2``, …)."""
    return socket.create_connection(address, timeout=20, source_address=(peer, 0))


def read_all(connection: socket.socket) -> bytes:
    """Return what comes until the server closes."""
    found = b""
    try:
        while part := connection.recv(65_536):
            found += part
    except ConnectionError:
        pass
    return found


def read_until(connection: socket.socket, mark: bytes) -> bytes:
    """Return what comes up to ``mark``, in however many parts, and what came with it."""
    found = b""
    while mark not in found:
        part = connection.recv(65_536)
        assert part, found
        found += part
    return found


def ask(
    address: Address, *parts: bytes, pause: float = 0.0, peer: str = "127.0.0.1"
) -> tuple[bytes, float]:
    """Send parts with pauses between; return what comes until the server closes, and when."""
    started = time.monotonic()
    with connect(address, peer) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        found = read_all(connection)
    return found, time.monotonic() - started


def get(path: str, *more: str) -> bytes:
    """Return a request that asks for the connection to be closed."""
    rows = [f"GET {path} HTTP/1.1", "Host: x", "Connection: close", *more]
    return "\r\n".join([*rows, "", ""]).encode()


def head(key: str, path: str, media_type: str, *more: str) -> bytes:
    """Return a submission's head."""
    rows = [
        f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {key}",
        f"Content-Type: {media_type}", *more,
    ]  # fmt: skip
    return "\r\n".join([*rows, "", ""]).encode()
