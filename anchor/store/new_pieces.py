"""Which pieces are new: neither stored nor accepted earlier in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import Connection

from anchor.store import fingerprints
from anchor.store.columns import HASH, Row, Run
from anchor.store.fingerprint_pages import About, decode_entries
from anchor.store.run_parts import leave_out
from anchor.store.runs import find_size
from anchor.store.sorted_rows import merge_rows, search_rows, sort_rows, split_rows


@dataclass(frozen=True, slots=True)
class Admitted:
    """The outcome for evidence that is stored durably."""

    is_new: bool
    # Its place in the log; None until it is sealed, as for all new evidence.
    leaf_index: int | None


class OverQuota:
    """The outcome for evidence beyond the tenant's quota."""


NEW = Admitted(is_new=True, leaf_index=None)
"""The outcome for all evidence that was not stored before."""


class NewPieces:
    """The new pieces among rows and runs, of which each is taken once, in any order.

    Most runs are new as a whole, and are taken without a look at their pieces.  The transaction
    holds the intake lock.
    """

    def __init__(self, connection: Connection, items: Iterable[Row | Run]) -> None:
        identities = sort_rows(
            b"".join(
                part.identities() if isinstance(part, Run) else part.identity for part in items
            ),
            HASH,
        )
        entries = fingerprints.find_entries(connection, About.IDENTITY, identities)
        size = find_size(connection)
        self._known = {
            identity: Admitted(is_new=False, leaf_index=index if index < size else None)
            for identity, index in decode_entries(entries)
        }
        # A run without any of these is new as a whole.
        self._doubtful = b"".join(sorted({*self._known, *_find_repeated(identities)}))
        self.new: list[Row | Run] = []

    def take(self, part: Row | Run, room: int | None = None) -> list[Admitted | OverQuota]:
        """Return the outcome for each piece; at most ``room`` of them are new."""
        if not isinstance(part, Run):
            outcomes = self._take_each([part.identity], room)
            if outcomes[0] is NEW:
                self.new.append(part)
            return outcomes
        if (room is None or part.pieces <= room) and not self._has_doubtful(part):
            self.new.append(part)
            return [NEW] * part.pieces
        outcomes = self._take_each(split_rows(part.identities(), HASH), room)
        if NEW in outcomes:
            others = {at for at, outcome in enumerate(outcomes) if outcome is not NEW}
            self.new.append(leave_out(part, others))
        return outcomes

    def _take_each(
        self, identities: Iterable[bytes], room: int | None
    ) -> list[Admitted | OverQuota]:
        outcomes: list[Admitted | OverQuota] = []
        for identity in identities:
            known = self._known.get(identity)
            if known is not None:
                outcomes.append(known)
            elif room == 0:
                outcomes.append(OverQuota())
            else:
                room = None if room is None else room - 1
                self._known[identity] = Admitted(is_new=False, leaf_index=None)
                outcomes.append(NEW)
        return outcomes

    def _has_doubtful(self, run: Run) -> bool:
        if not self._doubtful:
            return False
        identities = sort_rows(run.identities(), HASH)
        return bool(search_rows(self._doubtful, HASH, identities, HASH, HASH))


def _find_repeated(identities: bytes) -> set[bytes]:
    """Return those of the sorted identities that are there more than once."""
    if len(merge_rows((identities,), HASH)) == len(identities):
        return set()
    rows = split_rows(identities, HASH)
    return {row for row, following in pairwise(rows) if row == following}
