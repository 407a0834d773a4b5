"""Deadlines of HTTP exchanges: at expiry their sockets are shut down, whatever they wait for."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


class Deadline:
    """Records the sockets that a thread uses inside ``watching``, and can shut them all down.

    It duplicates each descriptor: TLS detaches the socket's own, and the number of a closed
    descriptor may already belong to another file.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._is_over = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch every socket that this thread connects or uses in the block."""
        _this_thread.deadline = self
        try:
            yield
        finally:
            _this_thread.deadline = None
            with self._lock:
                for each in self._sockets:
                    each.close()
                self._sockets.clear()

    def expire(self) -> None:
        """Shut down all sockets, so that a thread waiting for one gets an error or end of file."""
        with self._lock:
            self._is_over = True
            for each in self._sockets:
                _shut_down(each)

    def watch(self, descriptor: int) -> None:
        """Add a socket to those that ``expire`` shuts down."""
        with self._lock:
            if self._is_over:
                raise requests.Timeout("the connection took too long")
            self._sockets.append(socket.socket(fileno=os.dup(descriptor)))


class _ThisThread(threading.local):
    deadline: Deadline | None = None


_this_thread = _ThisThread()


def _watch(connected: socket.socket | None) -> None:
    deadline = _this_thread.deadline
    if deadline is None or connected is None or connected.fileno() < 0:
        return
    try:
        deadline.watch(connected.fileno())
    except requests.Timeout:
        connected.close()
        raise


def _shut_down(each: socket.socket) -> None:
    with suppress(OSError):  # the other side closed it first
        each.shutdown(socket.SHUT_RDWR)


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        _watch(connected)
        return connected

    def request(self, *arguments: Any, **named: Any) -> None:
        _watch(self.sock)  # a socket kept open by an earlier exchange
        super().request(*arguments, **named)


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class WatchedAdapter(HTTPAdapter):
    """Sends requests over connections that their thread's deadline can end."""

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        """Prepare the pool of connections to servers."""
        super().init_poolmanager(*arguments, **named)
        _use_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **named: Any) -> PoolManager:
        """Return the pool of connections through a proxy."""
        manager: PoolManager = super().proxy_manager_for(proxy, **named)
        _use_pools(manager)
        return manager


def _use_pools(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
