"""What a log's store can be rebuilt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anchor.recovery.erasure_restoration import KnownErasures
from anchor.recovery.leaf_origins import FoundReceipts, LeafOrigin
from anchor.recovery.owners import LeafOwners
from anchor.store.acknowledged_log import SideFile
from anchor.store.database import Database
from anchor.store.replaced_store_fence import Fence


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """Everything that a log's store can be rebuilt from.

    ``leaves`` are the candidate sources of leaf hashes, ``sizes`` the sizes to try, ``owners`` the
    tenant of each acknowledged piece of evidence, and ``side_file`` the side file that the new
    store continues.  ``timestamps`` is a backup's folder of them.
    ``fences`` protect the stores that the new one replaces.
    """

    leaves: Sequence[LeafOrigin]
    stores: Sequence[Database]
    receipts: FoundReceipts
    sizes: frozenset[int]
    erased: KnownErasures
    owners: LeafOwners
    side_file: SideFile
    timestamps: Path | None = None
    fences: Sequence[Fence] = ()
