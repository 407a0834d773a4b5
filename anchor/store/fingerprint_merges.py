"""Merging of runs of fingerprints, a little with each insertion.

Runs of similar size are on one level; ``FAN`` of them are merged into one of the next level.  Each
insertion of n entries advances each merge under way by about 2·n entries.  So a merge is complete
before its level has as many runs again, and the work of an insertion is bounded.

A step is part of the transaction that inserts.  A merge's progress is the last entry of its output,
which holds exactly the entries of its inputs up to that one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from anchor.store.fingerprint_pages import PAGE_ENTRIES, About, Pages, SortedRun, State
from anchor.store.sorted_rows import merge_rows

FAN = 16
"""How many runs of a level are merged into one."""

# The fewest pages that a step writes, because it also reads a page of each input in vain.
_LEAST_STEP = FAN
# Entries by which each merge advances for each inserted entry.  With 1, a merge would end only when
# the next merge of its level begins.
_PACE = 2
# Pages deleted for each page written.  Merges leave as many dead pages as they write.
_DELETION_PACE = 2


def advance_merges(pages: Pages, about: About, inserted: int) -> None:
    """Do the part of merging that falls to an insertion of ``inserted`` entries."""
    runs = pages.list_runs(about)
    budget = max(_PACE * inserted, _LEAST_STEP * PAGE_ENTRIES)
    written = inserted
    for output in runs:
        if output.state == State.BUILDING:
            inputs = [run for run in runs if run.target == output.run]
            written += _advance(pages, output, inputs, budget)
    _start_due(pages, about)
    _delete_dead(pages, runs, _DELETION_PACE * -(-written // PAGE_ENTRIES))


def merge_runs(
    pages: Pages, runs: Sequence[SortedRun], after: bytes = b"", most: int = PAGE_ENTRIES
) -> Iterator[bytes]:
    """Yield in order the entries of ``runs`` that are greater than ``after``, some at a time.

    About ``most`` entries are loaded at once, of each run in proportion to its size.
    """
    total = sum(run.entries for run in runs) or 1
    steps = {run.run: 1 + -(-most * run.entries // total // PAGE_ENTRIES) for run in runs}
    # The loaded entries of each run, and where the last of their pages begins.
    loaded: dict[int, tuple[bytes, bytes]] = {}

    def load(run: int, page: bytes, first: bytes) -> None:
        bodies = pages.load_pages_after(run, first, steps[run])
        if bodies:
            loaded[run] = (page + b"".join(bodies), bodies[-1][: pages.entry])
        elif page:
            loaded[run] = (page, first)
        else:
            loaded.pop(run, None)

    for run in steps:
        # The page in which the run continues; it may end with `after`.
        page = pages.load_page_of(run, after)
        load(run, page, page[: pages.entry])
    while loaded:
        # What is not loaded of a run is greater than all that is.
        until = min(rows[-pages.entry :] for rows, _ in loaded.values())
        parts = [rows for rows, _ in loaded.values()]
        merged = merge_rows(parts, pages.entry, after=after, until=until)
        if merged:
            yield merged
        after = max(after, until)
        for run, (rows, first) in list(loaded.items()):
            if rows[-pages.entry :] <= after:
                load(run, b"", first)


def _advance(pages: Pages, output: SortedRun, inputs: Sequence[SortedRun], budget: int) -> int:
    """Write the next ``budget`` entries of a merge, or somewhat more; return how many it were."""
    after = pages.load_last_entry(output.run)
    rows = b""
    for merged in merge_runs(pages, inputs, after, budget):
        rows += merged
        if len(rows) >= budget * pages.entry:
            # Whole pages only.  The rest is read again by the next step.
            rows = rows[: len(rows) // pages.page * pages.page]
            pages.extend_run(output.run, rows)
            return len(rows) // pages.entry
    pages.extend_run(output.run, rows)
    pages.finish_merge(output.run)
    return len(rows) // pages.entry


def _start_due(pages: Pages, about: About) -> None:
    """Start a merge of each level that has enough runs."""
    levels: dict[int, list[SortedRun]] = {}
    for run in pages.list_live(about):
        if run.target is None:
            levels.setdefault(_find_level(run.entries), []).append(run)
    for due in levels.values():
        if len(due) >= FAN:
            pages.start_merge(about, due)


def _find_level(entries: int) -> int:
    """Return the greatest level for which ``FAN ** level`` is not more than ``entries``."""
    level = 0
    while entries >= FAN ** (level + 1):
        level += 1
    return level


def _delete_dead(pages: Pages, runs: Sequence[SortedRun], most: int) -> None:
    """Delete up to ``most`` pages of dead runs."""
    for run in runs:
        if run.state == State.DEAD and most > 0:
            most -= max(1, pages.delete_some(run.run, most))
