"""The service in this process, over a log on a chain in memory, with keys to ask it by."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import httpx
import uvicorn
from fastapi import FastAPI
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite
from support.service import open_client

from anchor.base.system.clock import utc_now
from anchor.chain.node import Node
from anchor.monitor.chain_status import StatusPoller
from anchor.project.project import OpenProject, open_project
from anchor.service.app import create_app
from anchor.service.http_protocol import TimeoutProtocol
from anchor.service.settings import Settings
from anchor.service.worker import Service
from anchor.store.api_keys import create_key

NO_NODE = "http://127.0.0.1:1"


@dataclass(frozen=True)
class PageService:
    """A service that runs, and who may ask it."""

    http: httpx.Client
    service: Service
    admin: str
    reader: str

    @property
    def project(self) -> OpenProject:
        return self.service.project

    def ask(self, path: str, token: str | None = None, **options: object):
        """Send a GET request, with a key if one is given."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.http.get(path, headers=headers, follow_redirects=False, **options)


@contextmanager
def serve_pages(
    site: MemorySite, chain: MemoryChain | None = None, settings: Settings | None = None
) -> Iterator[PageService]:
    """Serve a project's pages; its node is ``chain``, or none that answers."""
    project = open_project(replace(site.config, rpc=NO_NODE))
    with closing(project.database):
        with project.database.write() as connection:
            admin = create_key(connection, "ops", ["admin"], created_at=utc_now())
            reader = create_key(connection, "acme", ["read", "submit"], created_at=utc_now())
        app = create_app(project, settings or Settings())
        service: Service = app.state.service
        if chain is not None:
            service.outside = StatusPoller(project, Node(chain), time.time)
            service.outside.snapshot(30)
        with run_app(app) as url, open_client(url) as http:
            yield PageService(http, service, admin, reader)


@contextmanager
def run_app(app: FastAPI, listener: socket.socket | None = None) -> Iterator[str]:
    """Run a real server for ``app`` in a thread, on ``listener`` or any port; give its address."""
    listener = listener or socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, http=TimeoutProtocol, ws="none", log_config=None, lifespan="on")
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()
        assert not thread.is_alive()
