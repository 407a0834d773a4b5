"""How far the log has come, and so each piece of evidence in it."""

from __future__ import annotations

from dataclasses import dataclass

from anchor.project.project import OpenProject
from anchor.store.evidence import estimate_waiting
from anchor.store.heads import newest_anchored, newest_final_anchor, newest_head
from anchor.store.tx_journal import find_submitted_size
from anchor.types import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProgress:
    """The sizes of the largest heads of each kind, and how much evidence waits for its seal.

    ``waiting`` is exact while it is small; beyond that, no more waits than it says.

    ``submitted`` is that of a transaction on its way, ``included`` that of an anchor that is final
    or not, ``anchored`` that of one that is.  0 where there is none.
    """

    waiting: int
    sealed: int
    submitted: int
    included: int
    anchored: int

    def stage_of(self, leaf_index: int | None) -> Stage:
        """Return how far the evidence at this place in the log has come."""
        if leaf_index is None or leaf_index >= self.sealed:
            return Stage.ACCEPTED
        for size, stage in (
            (self.anchored, Stage.ANCHORED),
            (self.included, Stage.INCLUDED),
            (self.submitted, Stage.SUBMITTED),
        ):
            if leaf_index < size:
                return stage
        return Stage.SEALED


def load_log_progress(project: OpenProject) -> LogProgress:
    """Return how far the log has come, as the store knows it."""
    chain_id = project.config.chain_id
    with project.database.read() as connection:
        newest = newest_head(connection)
        included = newest_anchored(connection, chain_id)
        final = newest_final_anchor(connection, chain_id)
        return LogProgress(
            waiting=estimate_waiting(connection),
            sealed=newest.head.size if newest else 0,
            submitted=find_submitted_size(connection, chain_id) or 0,
            included=included.head.size if included else 0,
            anchored=final.head.size if final else 0,
        )
