"""Logs that have grown: a real project on a chain in memory, after rounds at varied prices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from support.memory_chain import GWEI, MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.troubles import Effects


def grow_log(
    folder: Path, batches: Sequence[int], *, lag: int = 3, started: float | None = None
) -> MemorySite:
    """Make a project below ``folder`` and anchor a batch of each of these sizes.

    Each round's base fee is another.  All anchors but the last are final.  Blocks have times from
    ``started`` on, by default the chain's own.
    """
    chain = MemoryChain(recover=read_sender, interval=12, lag=lag)
    chain.time = started or chain.time
    site = MemorySite.copy(make_template(folder / "template"), folder / "project", chain)
    for number, size in enumerate(batches):
        if number == len(batches) - 1:
            site.serve(Effects(), (lag + 2) * 12)
        grow(site, size, base_fee=(5 + 7 * number % 30) * GWEI)
    return site


def grow(site: MemorySite, size: int, *, base_fee: int = 10 * GWEI) -> None:
    """Accept, seal and anchor so many pieces."""
    start = sum(head.size for head in site.heads()[-1:])
    site.add(*(f"piece {number}" for number in range(start, start + size)))
    site.chain.set_next_base_fee(base_fee)
    site.round(Effects())
