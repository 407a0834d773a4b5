"""Parts of runs, and runs of parts: a run with other pieces than those it was stored with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from itertools import compress
from typing import Any

from anchor.store.columns import (
    HALF,
    HASH,
    MOST_PIECES,
    Run,
    join_texts,
    pack_run,
    split_texts,
)
from anchor.store.evidence_kinds import ERASED, LOST, parse_kinds
from anchor.store.sorted_rows import split_rows

# Runs with fewer pieces are joined with their neighbours.
_SMALL = 64


def leave_out(run: Run, places: Collection[int]) -> Run:
    """Return a run of new pieces without those in ``places``; at least one must be left.

    Raises:
        ValueError: Pieces of the run are erased or lost, or no piece is left.
    """
    if run.erased or run.lost or run.times is not None:
        raise ValueError("only runs of new pieces are cut")
    kept = [at not in places for at in range(run.pieces)]
    if not any(kept):
        raise ValueError("no piece is left")

    return _keep_columns(
        run,
        lambda column, width: b"".join(compress(split_rows(column, width), kept)),
        lambda texts: [*compress(texts, kept)],
        pieces=sum(kept),
        record_bytes=run.record_bytes - sum(len(run.record(at) or b"") for at in places),
    )


def cut(run: Run, start: int, stop: int) -> Run:
    """Return the pieces of a run from place ``start`` up to ``stop``.

    Its sums are counted, because those that a store states may be wrong.

    Raises:
        ValueError: These are not places of the run, or no piece is left.
    """
    if not 0 <= start < stop <= run.pieces:
        raise ValueError("no piece is left")
    if stop - start < run.pieces:
        run = _keep_columns(
            run,
            lambda column, width: column[start * width : stop * width],
            lambda texts: texts[start:stop],
            first=run.first + start,
            pieces=stop - start,
            accepted_at=run.time(start),
        )
    kinds = parse_kinds(run.shared)
    contents = [kinds[code].content for code in run.kinds]
    return replace(
        run,
        record_bytes=sum(len(record or b"") for record in run.all_records()),
        erased=contents.count(ERASED),
        lost=contents.count(LOST),
    )


def _keep_columns(
    run: Run,
    keep: Callable[[bytes, int], bytes],
    keep_texts: Callable[[list[bytes]], list[bytes]],
    **changes: Any,
) -> Run:
    """Return a run with parts of each column, and ``changes``.

    ``keep`` gets a column and its width in bytes, ``keep_texts`` the texts of a column.
    """

    def rows(column: bytes | None, width: int) -> bytes | None:
        return None if column is None else keep(column, width)

    def texts(column: bytes | None) -> bytes | None:
        if column is None:
            return None
        return join_texts(keep_texts(split_texts(column, run.pieces)))

    return replace(
        run,
        leaves=keep(run.leaves, HASH),
        kinds=keep(run.kinds, 1),
        times=rows(run.times, 8),
        sha256=rows(run.sha256, HASH),
        sm3=rows(run.sm3, HASH),
        starts=rows(run.starts, HALF),
        tails=rows(run.tails, HALF),
        salts=rows(run.salts, HASH),
        sizes=rows(run.sizes, 8),
        names=texts(run.names),
        sources=texts(run.sources),
        records=texts(run.records),
        **changes,
    )


def join_small(runs: Iterable[Run]) -> Iterator[Run]:
    """Yield the runs, but those with few pieces joined if they follow each other without a gap."""
    small: list[Run] = []
    for run in runs:
        is_small = run.pieces < _SMALL
        if small and not (
            is_small and run.first == small[-1].end and run.end - small[0].first <= MOST_PIECES
        ):
            yield _join(small)
            small.clear()
        if is_small:
            small.append(run)
        else:
            yield run
    if small:
        yield _join(small)


def _join(runs: list[Run]) -> Run:
    if len(runs) == 1:
        return runs[0]
    return pack_run(runs[0].first, [row for run in runs for row in run.rows()])
