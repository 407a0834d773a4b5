"""Parts of runs: some of the pieces of a run as a run of their own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import compress

from anchor.store.columns import HALF, HASH, Run, join_texts, split_texts
from anchor.store.sorted_rows import split_rows


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

    def keep(column: bytes | None, width: int) -> bytes | None:
        return None if column is None else b"".join(compress(split_rows(column, width), kept))

    def keep_texts(column: bytes | None) -> bytes | None:
        if column is None:
            return None
        return join_texts([*compress(split_texts(column, run.pieces), kept)])

    return replace(
        run,
        pieces=sum(kept),
        record_bytes=run.record_bytes - sum(len(run.record(at) or b"") for at in places),
        leaves=keep(run.leaves, HASH) or b"",
        kinds=keep(run.kinds, 1) or b"",
        sha256=keep(run.sha256, HASH),
        sm3=keep(run.sm3, HASH),
        starts=keep(run.starts, HALF),
        tails=keep(run.tails, HALF),
        salts=keep(run.salts, HASH),
        sizes=keep(run.sizes, 8),
        names=keep_texts(run.names),
        sources=keep_texts(run.sources),
        records=keep_texts(run.records),
    )
