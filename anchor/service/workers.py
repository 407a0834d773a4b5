"""Worker processes behind one listening socket; one that dies is replaced."""

from __future__ import annotations

import logging
import os
import socket
import sys
import tempfile
from functools import partial
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from anchor.config import load_config
from anchor.errors import UsageError
from anchor.pipeline.project import open_project
from anchor.service.app import create_app
from anchor.service.connections import PatientProtocol
from anchor.service.measured import FOLDER as METRICS_FOLDER
from anchor.service.settings import Settings

_BACKLOG = 1_024
# Seconds for a worker to say that it lives; one that died is noticed at once.
_PATIENCE = 60


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there.

    Raises:
        UsageError: the address is taken, or is none of this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise UsageError(
            f"{host} port {port} cannot be listened on: {error.strerror}",
            hint="name another --port, or stop what listens there",
        ) from error


def serve(config: Path, settings: Settings, listener: socket.socket, workers: int) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first."""
    configuration = uvicorn.Config(
        partial(_make_app, config, settings),
        factory=True,
        workers=workers,
        http=PatientProtocol,
        ws="none",
        loop="uvloop",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=settings.max_connections,
        timeout_graceful_shutdown=settings.drain_seconds,
        # On a busy machine a worker takes long to load; after the five seconds that are the default
        # it would be killed and begin again, for ever.
        timeout_worker_healthcheck=_PATIENCE,
    )
    with tempfile.TemporaryDirectory(prefix="anchor-metrics-") as folder:
        # Before a worker starts: prometheus-client reads it when it is imported.
        os.environ[METRICS_FOLDER] = folder
        Multiprocess(configuration, [listener]).run()


def _make_app(config: Path, settings: Settings) -> FastAPI:
    """Make the application in a worker."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s"
    )
    return create_app(open_project(load_config(config)), settings)
