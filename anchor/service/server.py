"""Worker processes behind one listening socket; one that dies is replaced."""

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
from dataclasses import replace
from functools import partial
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from anchor.errors import AnchorError, UsageError
from anchor.project.config import load_config
from anchor.project.log_key import load_log_key
from anchor.project.project import open_project
from anchor.service.app import create_app
from anchor.service.http_protocol import SPARE, TimeoutProtocol
from anchor.service.middleware import FOLDER as METRICS_FOLDER
from anchor.service.settings import Settings
from anchor.service.supervisor import Supervisor
from anchor.service.unavailable import UnavailableApp
from anchor.service.worker import end_this_process

_BACKLOG = 1_024
# Seconds for a worker to say that it lives; one that died is noticed at once.
_PATIENCE = 60
# Seconds that a worker has to end once its time for draining is over.
_MARGIN = 5
# Files that a worker has open beside its connections: the store, tiles, the log, libraries.
_FILES = 512
# Seconds after which a thread has to let another one run.
_SWITCH = 0.001


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there.

    Raises:
        UsageError: The address is taken, or is none of this machine's.
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
    shared = tempfile.TemporaryDirectory(prefix="anchor-serve-")
    metrics, sessions = Path(shared.name) / "metrics", Path(shared.name) / "sessions"
    metrics.mkdir()
    sessions.mkdir()
    settings = replace(settings, ended_sessions=sessions)
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
        # On a busy machine a worker takes long to load; after the five seconds that are the default
        # it would be killed and begin again, for ever.
        timeout_worker_healthcheck=_PATIENCE,
    )
    _allow_files(SPARE * settings.max_connections + _FILES)
    with shared:
        # Before a worker starts: prometheus-client reads it when it is imported.
        os.environ[METRICS_FOLDER] = str(metrics)
        stop_seconds = settings.drain_seconds + _MARGIN
        Supervisor(configuration, [listener], stop_seconds=stop_seconds).run()


def _allow_files(count: int) -> None:
    """Raise the limit of open files to ``count``, or as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _make_app(config: Path, settings: Settings) -> FastAPI | UnavailableApp:
    """Make the application in a worker, or what answers for it while the store is away."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("anchor.audit").setLevel(logging.INFO)
    if settings.access_log:
        logging.getLogger("anchor.service.requests").setLevel(logging.INFO)
    # The event loop answers while the writer's thread works: it must get its turn soon.
    sys.setswitchinterval(_SWITCH)
    _end_with_supervisor(settings.drain_seconds + _MARGIN)
    try:
        app = _open(config, settings)
    except (AnchorError, OSError) as error:
        return UnavailableApp(settings, error, lambda: _check(config), end_this_process)
    # What was loaded stays. Looking through all of it for garbage would take a tenth of a second
    # every other one under load, in which nothing is answered.
    gc.collect()
    gc.freeze()
    return app


def _open(config: Path, settings: Settings) -> FastAPI:
    """Open the project, and make its application.

    Raises:
        AnchorError: It cannot be opened.
    """
    project = open_project(load_config(config))
    try:
        project.database.check_same()
        return create_app(project, settings)
    except BaseException:
        project.database.close()
        raise


def _check(config: Path) -> None:
    """Check that the project can be opened.

    Raises:
        AnchorError: It cannot.
    """
    loaded = load_config(config)
    load_log_key(loaded)
    with closing(open_project(loaded).database) as database:
        database.check_same()


def _end_with_supervisor(seconds: float) -> None:
    """End this worker when its supervisor is gone, at most ``seconds`` later."""
    supervisor = multiprocessing.parent_process()
    assert supervisor is not None

    def watch() -> None:
        supervisor.join()  # a pipe that the system closes
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="supervisor", daemon=True).start()
