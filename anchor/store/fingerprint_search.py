"""The search of runs of fingerprints for many keys at once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from anchor.store.bloom_filter import HASH, hash_keys
from anchor.store.fingerprint_filters import RunFilter, RunFilters
from anchor.store.fingerprint_pages import AFTER_KEY, ENTRY, KEY, Pages, SortedRun
from anchor.store.sorted_rows import merge_rows, search_rows, split_rows

# Looking up one page in so many takes as long as reading all of them in order.
_PAGES_PER_LOOK_UP = 4
# Runs with so many look-ups are searched together.
_FEW_LOOK_UPS = 64
# Pages loaded at once to build a filter.
_PAGES_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search for the keys with which sorted ``rows`` of ``width`` bytes begin.

    ``hashes`` are those of the keys, by the filters' seed.  ``is_committed``: the transaction has
    changed no fingerprints, so that filters may be built from what it reads.
    """

    pages: Pages
    filters: RunFilters
    rows: memoryview
    width: int
    hashes: bytes
    is_committed: bool

    def search(self, runs: Iterable[SortedRun]) -> list[bytes]:
        """Return, for each of ``runs``, its entries whose key is that of a row."""
        asked = {run: self._ask_filter(run) for run in runs}
        bounds = {
            run.run: [row[:KEY] + AFTER_KEY for row in split_rows(rows, self.width)]
            for run, rows in asked.items()
            if not self._is_worth_reading(run, rows)
        }
        # Where the last entry of each key is, if it has any.
        few = {run: keys for run, keys in bounds.items() if len(keys) <= _FEW_LOOK_UPS}
        bodies = self.pages.load_pages_of(few)
        parts = []
        for run, rows in asked.items():
            if run.run not in bounds:
                read = self.pages.load_run(run.run)
                parts.append(b"".join(self._match(rows, part) for part in read))
                continue
            # The pages of many look-ups take memory, and are loaded for one run at a time.
            loaded = (
                bodies if run.run in few else self.pages.load_pages_of({run.run: bounds[run.run]})
            )
            parts.append(self._search_pages(run, rows, loaded[run.run]))
        return parts

    def _is_worth_reading(self, run: SortedRun, asked: bytes | memoryview) -> bool:
        """Return whether reading the run takes less time than looking up each row."""
        return len(asked) // self.width * _PAGES_PER_LOOK_UP >= run.pages > 0

    def _ask_filter(self, run: SortedRun) -> bytes | memoryview:
        """Return the rows that are to be looked up in the run's pages."""
        known = self.filters.find(run)
        if self.is_committed and (known is None or not known.is_complete):
            known = self._extend(run) or known
        covered = 0 if known is None else self._count_covered(known)
        if known is None or covered == 0:
            return self.rows
        rows = self.rows[: covered * self.width]
        asked = known.bloom.select(self.hashes[: covered * HASH], rows, self.width)
        return asked + self.rows[covered * self.width :]

    def _count_covered(self, known: RunFilter) -> int:
        """Return how many rows a filter decides on: those before the last key that it has."""
        count = len(self.hashes) // HASH
        if known.is_complete:
            return count
        last = known.until[:KEY]
        return bisect_left(range(count), last, key=lambda at: bytes(self._key(at)))

    def _key(self, row: int) -> memoryview:
        return self.rows[row * self.width : row * self.width + KEY]

    def _extend(self, run: SortedRun) -> RunFilter | None:
        """Add some pages of a run to its filter; return None if that is not possible."""
        claimed = self.filters.claim(run)
        if claimed is None:
            return None
        extended = None
        try:
            extended = self._read_on(run, claimed)
        finally:
            self.filters.release(run, extended)
        return extended

    def _read_on(self, run: SortedRun, known: RunFilter) -> RunFilter | None:
        """Add a page for each row that a filter does not decide on, and one to notice the end.

        Returns None if the run has fewer entries than its list states, because it was deleted.
        """
        budget = len(self.hashes) // HASH - self._count_covered(known) + 1
        bloom, entries, page, until, _ = known
        while budget > 0:
            most = min(budget, _PAGES_AT_ONCE)
            bodies = self.pages.load_pages_after(run.run, page, most)
            # A page that has lost its first entry comes again.
            part = merge_rows((b"".join(bodies),), ENTRY, after=until)
            bloom.add(hash_keys(part, ENTRY, self.filters.seed))
            entries += len(part) // ENTRY
            if len(bodies) < most:
                is_whole = entries >= run.entries
                return RunFilter(bloom, entries, is_complete=True) if is_whole else None
            page = bodies[-1][:ENTRY]
            until = bodies[-1][-ENTRY:]
            budget -= most
        return RunFilter(bloom, entries, page, until)

    def _search_pages(
        self, run: SortedRun, asked: bytes | memoryview, loaded: Iterable[bytes]
    ) -> bytes:
        """Return the run's entries whose key is that of a row in ``asked``, from its pages."""
        bodies = {body[:ENTRY]: body for body in loaded}
        for first in list(bodies):
            # If a page begins with an entry of a key, the one before may end with another.
            while first and self._match(asked, first):
                body = self.pages.load_page_before(run.run, first)
                first = body[:ENTRY]
                if not body or first in bodies:
                    break
                bodies[first] = body
        return self._match(asked, b"".join(bodies[first] for first in sorted(bodies)))

    def _match(self, asked: bytes | memoryview, entries: bytes) -> bytes:
        return search_rows(asked, self.width, entries, ENTRY, KEY)
