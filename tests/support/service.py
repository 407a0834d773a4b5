"""``anchor serve`` as its users run it, and a client to ask it."""

from __future__ import annotations

import hashlib
import itertools
import json
import signal
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from support.command import Running, start_anchor

from anchor.base.system.clock import utc_now
from anchor.project.config import load_config
from anchor.project.project import open_project
from anchor.store.api_keys import Quota, create_key

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Served:
    """A running service, its address and a client for it."""

    url: str
    http: httpx.Client
    running: Running

    def ask_until_answered(self, ask: Callable[[], httpx.Response]) -> httpx.Response:
        """Send a request again when it meets a connection that a worker closes as it ends.

        Every client has to (RFC 9112 section 9.5): the worker cannot know that it is on its way.
        """
        for _ in range(3):
            with suppress(httpx.RemoteProtocolError, httpx.ReadError):
                return ask()
        return ask()

    def stop(self) -> int:
        """Do what systemd does, and return the exit code."""
        self.running.process.send_signal(signal.SIGTERM)
        return self.running.process.wait(60)


def open_client(url: str) -> httpx.Client:
    """Return a client for a server without TLS, which loads no certificates of authorities."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.Client(base_url=url, timeout=60, trust_env=False, verify=tls)


@contextmanager
def serve(
    folder: Path, *options: str, workers: int = 1, logs: Path | None = None
) -> Iterator[Served]:
    """Run ``anchor serve`` for the project in ``folder``; what it prints goes to ``logs``."""
    log = (logs or folder) / f"serve-{next(_numbers)}"
    command = ("serve", "--port", "0", "--workers", str(workers), *options)
    with start_anchor(*command, cwd=folder, log=log) as running:
        line = running.printed(" at http://")
        url = line.partition(" at ")[2].split()[0]
        with open_client(url) as client:
            yield Served(url, client, running)
            if running.process.poll() is None:
                running.process.send_signal(signal.SIGTERM)
                assert running.process.wait(60) == 0
    printed = log.with_suffix(".err").read_text("utf-8")
    assert "Traceback" not in printed, printed


def make_key(
    folder: Path,
    tenant: str = "acme",
    *scopes: str,
    limits: Quota | None = None,
    expires_at: str | None = None,
) -> str:
    """Create an API key in this process."""
    project = open_project(load_config(folder / "anchor.toml"))
    try:
        with project.database.write() as connection:
            return create_key(
                connection,
                tenant,
                scopes or ("submit", "read"),
                created_at=utc_now(),
                limits=limits,
                expires_at=expires_at,
            )
    finally:
        project.database.close()


def bearer(key: str) -> dict[str, str]:
    """Return the header that brings a key."""
    return {"Authorization": f"Bearer {key}"}


def digest(number: int) -> str:
    """Return a SHA-256 in hex, another for each number."""
    return hashlib.sha256(b"evidence %d" % number).hexdigest()


def lines(numbers: range) -> bytes:
    """Return a bulk submission."""
    return b"".join(
        b'{"sha256":"%s","name":"evidence %d.pdf"}\n' % (digest(number).encode(), number)
        for number in numbers
    )


NDJSON = {"Content-Type": "application/x-ndjson"}


def answers(response: httpx.Response) -> list[dict[str, Any]]:
    """Return what a bulk submission was answered, line by line."""
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]
