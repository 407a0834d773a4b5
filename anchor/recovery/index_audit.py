"""Audit of the indexes by which pieces are found, which are derived from the runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from anchor.log.batch_sha256 import hash_rows
from anchor.log.tree import HASH
from anchor.messages.message import Message
from anchor.store.columns import Run
from anchor.store.fingerprint_pages import ENTRY, About
from anchor.store.record_index import LEAF, RECORD, list_record_entries
from anchor.store.sorted_rows import NUMBER_SIZE, split_rows


@dataclass(slots=True)
class EntrySum:
    """A sum over identities and indices that does not depend on their order."""

    count: int = 0
    total: int = 0

    def add(self, entries: bytes, width: int = ENTRY) -> None:
        hashes = hash_rows(0, entries, width)
        self.count += len(hashes) // HASH
        for at in range(0, len(hashes), HASH):
            self.total += int.from_bytes(hashes[at : at + HASH], "big")


class RecordIndexAudit:
    """What the index of records has to hold of the first ``size`` pieces."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._sums = {RECORD: EntrySum(), LEAF: EntrySum()}
        self._without: set[bytes] = set()

    def add(self, run: Run) -> None:
        """Add the pieces of the next run."""
        if run.first >= self._size:
            return
        for about, total in self._sums.items():
            total.add(list_record_entries(run, about, stop=self._size), about.entry)
        if run.erased or run.lost:
            self._without |= {
                (run.first + at).to_bytes(NUMBER_SIZE, "big")
                for at in range(run.pieces)
                if not run.has_record(at)
            }

    def check(self, load_entries: Callable[[About], Iterator[bytes]]) -> Iterator[Message]:
        """Yield a message if the index holds something else."""
        for about, total in self._sums.items():
            entered = EntrySum()
            for entries in load_entries(about):
                kept = self._leave_out(entries) if about is RECORD else entries
                entered.add(kept, about.entry)
            if entered != total:
                yield Message(
                    "audit-record-index-differs", stored=total.count, entered=entered.count
                )

    def _leave_out(self, entries: bytes) -> bytes:
        """Return the entries of records that are there; erased and lost ones stay entered."""
        if not self._without:
            return entries
        rows = split_rows(entries, RECORD.entry)
        return b"".join(row for row in rows if row[-NUMBER_SIZE:] not in self._without)
