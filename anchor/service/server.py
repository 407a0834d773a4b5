"""The server: worker processes behind one listening socket; a worker that dies is replaced."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from anchor.base.errors import AnchorError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.os_errors import describe_os_error
from anchor.project.config import load_config
from anchor.project.log_key import load_log_key
from anchor.project.project import open_project
from anchor.service.app import create_app
from anchor.service.http_protocol import SPARE, TimeoutProtocol
from anchor.service.middleware import count_in_files
from anchor.service.settings import Settings
from anchor.service.supervisor import Supervisor
from anchor.service.unavailable import UnavailableApp
from anchor.service.worker import end_this_process

_BACKLOG = 1_024
# Seconds for a worker to answer a health check; a worker that died is detected at once.
_PATIENCE = 60
# Seconds within which a worker must end after its time for draining is over.
_MARGIN = 5
# Files that a worker has open in addition to its connections: store, tiles, log, libraries.
_FILES = 512
# Seconds between a worker's checks that its supervisor still runs.
_WATCH_PAUSE = 0.5
# Seconds after which a thread has to yield to another one.
_SWITCH = 0.001


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on ``host`` and ``port``."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise UsageError(
            Message(
                "service-port-not-available", host=host, port=port, reason=describe_os_error(error)
            ),
            hint=Message("service-port-hint"),
        ) from error


def serve(config: Path, settings: Settings, listener: socket.socket, workers: int) -> None:
    """Serve until SIGTERM or SIGINT; requests in progress are answered first."""
    shared = tempfile.TemporaryDirectory(prefix="anchor-serve-")
    metrics = Path(shared.name) / "metrics"
    metrics.mkdir()
    configuration = uvicorn.Config(
        partial(_make_app, config, settings),
        factory=True,
        workers=workers,
        http=TimeoutProtocol,
        ws="none",
        loop="uvloop",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=settings.drain_seconds,
        # On a busy machine a worker takes long to load; with the default of five seconds it would
        # be killed and restarted, for ever.
        timeout_worker_healthcheck=_PATIENCE,
    )
    _allow_files(SPARE * settings.max_connections + _FILES)
    with shared:
        count_in_files(metrics)
        # Scanning what workers share for garbage would copy it to each of them.
        gc.collect()
        gc.freeze()
        stop_seconds = settings.drain_seconds + _MARGIN
        Supervisor(configuration, [listener], stop_seconds=stop_seconds).run()


def _allow_files(count: int) -> None:
    """Raise the limit of open files to ``count``, or as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _make_app(config: Path, settings: Settings) -> FastAPI | UnavailableApp:
    """Return a worker's application, or a substitute while the store is unavailable."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("anchor.audit").setLevel(logging.INFO)
    if settings.access_log:
        logging.getLogger("anchor.service.requests").setLevel(logging.INFO)
    # The event loop must get its turn soon while the writer's thread works.
    sys.setswitchinterval(_SWITCH)
    _end_with_supervisor(settings.drain_seconds + _MARGIN)
    try:
        app = _open(config, settings)
    except (AnchorError, OSError) as error:
        return UnavailableApp(settings, error, lambda: _check(config), end_this_process)
    # Loaded objects are never freed. Scanning them for garbage would take a tenth of a second in
    # every other second under load, during which no request is answered.
    gc.collect()
    gc.freeze()
    return app


def _open(config: Path, settings: Settings) -> FastAPI:
    """Open the project, and return its application."""
    project = open_project(load_config(config))
    try:
        project.database.check_same()
        return create_app(project, settings)
    except BaseException:
        project.database.close()
        raise


def _check(config: Path) -> None:
    """Check that the project can be opened."""
    loaded = load_config(config)
    load_log_key(loaded)
    with closing(open_project(loaded).database) as database:
        database.check_same()


def _end_with_supervisor(seconds: float) -> None:
    """End this worker at most ``seconds`` after its supervisor has ended."""
    supervisor = multiprocessing.parent_process()
    assert supervisor is not None

    def watch() -> None:
        # Not by joining it, which waits for a pipe that workers forked later also hold.
        while os.getppid() == supervisor.pid:
            time.sleep(_WATCH_PAUSE)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="supervisor", daemon=True).start()
