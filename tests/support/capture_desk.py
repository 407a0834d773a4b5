"""A service that offers captures, a worker in a staged Internet, and a tenant that orders them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.copies import keep, key_of
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.page_service import PageService, serve_pages

from anchor.capture.capture_spool import CaptureSpool
from anchor.capture.capture_worker import CaptureLimits, CaptureWorker
from anchor.service.settings import CaptureSettings, Settings


@dataclass
class CaptureClient:
    """A tenant."""

    served: PageService
    headers: dict[str, str]

    def order(self, url: str, key: str | None = None, **members: Any) -> Any:
        """Order a capture; return the answer."""
        named = {} if key is None else {"Idempotency-Key": key}
        body = {"url": url} | members
        return self.served.http.post("/v1/captures", json=body, headers=self.headers | named)

    def accepted(self, url: str, **members: Any) -> str:
        """Order a capture that is accepted; return its id."""
        answer = self.order(url, **members)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def ask(self, path: str, **headers: str) -> Any:
        """Return the answer to a GET request."""
        return self.served.http.get(path, headers=self.headers | headers)

    def state(self, id: str) -> dict[str, Any]:
        """Return the capture's document."""
        answer = self.ask(f"/v1/captures/{id}")
        assert answer.status_code == 200, answer.text
        members: dict[str, Any] = answer.json()
        return members

    def wait(self, id: str, *states: str, seconds: float = 300) -> dict[str, Any]:
        """Return the capture once it is in one of the states, settled without any."""
        end = time.monotonic() + seconds
        while (capture := self.state(id))["state"] not in (states or ("recorded", "refused")):
            assert time.monotonic() < end, capture
            time.sleep(0.1)
        return capture


def make_capture_site(folder: Path, **keeping: Any) -> MemorySite:
    """Return a project that keeps copies."""
    chain = MemoryChain(recover=read_sender, interval=12, lag=1)
    site = MemorySite.copy(make_template(folder / "template"), folder / "project", chain)
    return keep(site, folder, **keeping)


@contextmanager
def serve_captures(site: MemorySite, spool: Path, **limits: int) -> Iterator[PageService]:
    """Serve the project with captures."""
    spool.mkdir(exist_ok=True)
    settings = Settings(captures=CaptureSettings(folder=spool, **limits))
    with serve_pages(site, site.chain, settings) as served:
        yield served


def make_client(served: PageService, tenant: str) -> CaptureClient:
    """Return a client with a key of the tenant."""
    return CaptureClient(served, key_of(served, tenant))


@contextmanager
def run_worker(
    spool: Path, command: Sequence[str], limits: CaptureLimits | None = None
) -> Iterator[list[str]]:
    """Run a worker in a thread; yield what it told."""
    told: list[str] = []
    stop = threading.Event()
    worker = CaptureWorker(CaptureSpool(spool), command, limits or CaptureLimits(), told.append)
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        yield told
    finally:
        stop.set()
        thread.join()
