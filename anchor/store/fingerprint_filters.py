"""The Bloom filters that a process keeps of the runs of fingerprints of one store.

A filter is built from the beginning of its run on, by a page for each key that it cannot decide on
yet.  It is complete after as many look-ups as the run has pages, and a search spends not much more
time on it than on its own look-ups.  A filter only saves look-ups; the pages decide.

Entries of a run can be erased, but none is ever added, and the run's number is never used again.
So a filter stays valid if it was built from committed pages.  A transaction that has changed
fingerprints builds none, because it may be rolled back.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import Connection, Pool
from sqlalchemy.engine import Transaction

from anchor.store.bloom_filter import BloomFilter
from anchor.store.fingerprint_pages import About, SortedRun

# Bytes of filters for each store that a process has open: what 10^8 entries need, and a half more.
_MOST_BYTES = 224 << 20

_lock = threading.Lock()
_of_pools: WeakKeyDictionary[Pool, RunFilters] = WeakKeyDictionary()
_changing: WeakSet[Transaction] = WeakSet()


class RunFilter(NamedTuple):
    """A filter of all of a run, or of its first ``entries``, the last of which is ``until``.

    ``page`` is the first entry of the page that ends with ``until``; both are empty at first.
    """

    bloom: BloomFilter
    entries: int = 0
    page: bytes = b""
    until: bytes = b""
    is_complete: bool = False


class RunFilters:
    """Filters by run, the least recently used dropped first; safe to use from several threads.

    ``seed`` is for the hashes of all of them.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        """Keep filters of up to ``most_bytes``."""
        self.seed = secrets.randbits(64)
        self._most_bytes = most_bytes
        self._bytes = 0
        self._lock = threading.Lock()
        self._filters: OrderedDict[int, RunFilter] = OrderedDict()
        self._claimed: set[int] = set()
        self._live: dict[About, frozenset[int]] = {}

    def keep_live(self, about: About, runs: Iterable[SortedRun]) -> None:
        """Drop the filters of runs that are no longer among the live ones."""
        live = frozenset(run.run for run in runs)
        with self._lock:
            for run in self._live.get(about, live) - live:
                self._drop(run)
            self._live[about] = live

    def find(self, run: SortedRun) -> RunFilter | None:
        """Return a run's filter, which may be incomplete; None if there is none."""
        with self._lock:
            kept = self._filters.get(run.run)
            if kept is not None:
                self._filters.move_to_end(run.run)
            return kept

    def claim(self, run: SortedRun) -> RunFilter | None:
        """Return a run's filter, which may be empty, to add to; None if another thread has it.

        Of bits that two threads set at the same time, one may be lost.
        """
        with self._lock:
            if run.run in self._claimed:
                return None
            self._claimed.add(run.run)
        return self.find(run) or RunFilter(BloomFilter(run.entries))

    def release(self, run: SortedRun, extended: RunFilter | None) -> None:
        """Keep a claimed filter with what was added to it; with None, drop it."""
        with self._lock:
            self._claimed.discard(run.run)
            self._drop(run.run)
            if extended is not None:
                self._filters[run.run] = extended
                self._bytes += extended.bloom.size
            while self._bytes > self._most_bytes:
                self._drop(next(iter(self._filters)))

    def _drop(self, run: int) -> None:
        dropped = self._filters.pop(run, None)
        if dropped is not None:
            self._bytes -= dropped.bloom.size


def filters_of(connection: Connection) -> RunFilters:
    """Return the filters of the store that ``connection`` belongs to."""
    with _lock:
        return _of_pools.setdefault(connection.engine.pool, RunFilters())


def mark_changing(connection: Connection) -> None:
    """Note that the connection's transaction changes fingerprints."""
    with _lock:
        _changing.add(_transaction_of(connection))


def is_changing(connection: Connection) -> bool:
    """Return whether the connection's transaction has changed fingerprints."""
    with _lock:
        return _transaction_of(connection) in _changing


def _transaction_of(connection: Connection) -> Transaction:
    transaction = connection.get_transaction()
    if transaction is None:
        raise RuntimeError("fingerprints are read and changed in a transaction")
    return transaction
