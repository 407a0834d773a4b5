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
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import Connection, Pool
from sqlalchemy.engine import Transaction

from anchor.store.bloom_filter import BloomFilter, measure_filter
from anchor.store.fingerprint_pages import About, SortedRun

# Bytes of filters for each store that a process has open: what 10^8 entries need, and a half more.
_MOST_BYTES = 384 << 20

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
    """Filters by run, those of the smallest runs that fit; safe to use from several threads.

    Each search asks all runs: of filters that were dropped in turn for others, none would ever be
    complete.  ``seed`` is for the hashes of all of them.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        """Keep filters of up to ``most_bytes``."""
        self.seed = secrets.randbits(64)
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._filters: dict[int, RunFilter] = {}
        self._claimed: set[int] = set()
        self._live: dict[About, dict[int, int]] = {}
        self._wanted: set[int] = set()

    def keep_live(self, about: About, runs: Iterable[SortedRun]) -> None:
        """Note which runs are live; drop the filters of others, and those that do not fit."""
        live = {run.run: run.entries for run in runs}
        with self._lock:
            if self._live.get(about) == live:
                return
            self._live[about] = live
            self._wanted = self._choose()
            for run in self._filters.keys() - self._wanted:
                del self._filters[run]

    def _choose(self) -> set[int]:
        """Return the runs, from the smallest on, whose filters fit together."""
        sizes = sorted(
            (measure_filter(entries), run)
            for live in self._live.values()
            for run, entries in live.items()
        )
        totals = accumulate(size for size, _ in sizes)
        return {
            run for (_, run), total in zip(sizes, totals, strict=True) if total <= self._most_bytes
        }

    def find(self, run: SortedRun) -> RunFilter | None:
        """Return a run's filter, which may be incomplete; None if there is none."""
        with self._lock:
            return self._filters.get(run.run)

    def claim(self, run: SortedRun) -> RunFilter | None:
        """Return a run's filter, which may be empty, to add to.

        Returns None if another thread has claimed it, because of bits that two threads set at the
        same time one may be lost, or if it does not fit.
        """
        with self._lock:
            if run.run in self._claimed or run.run not in self._wanted:
                return None
            self._claimed.add(run.run)
        return self.find(run) or RunFilter(BloomFilter(run.entries))

    def release(self, run: SortedRun, extended: RunFilter | None) -> None:
        """Keep a claimed filter with what was added to it; with None, drop it."""
        with self._lock:
            self._claimed.discard(run.run)
            self._filters.pop(run.run, None)
            if extended is not None and run.run in self._wanted:
                self._filters[run.run] = extended


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
