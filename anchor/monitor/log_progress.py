"""Progress of the log, and so of each piece of evidence in it."""

from __future__ import annotations

from dataclasses import dataclass

from anchor.base.types import Stage
from anchor.project.project import OpenProject
from anchor.store.evidence import count_waiting
from anchor.store.heads import newest_anchored, newest_final_anchor, newest_head
from anchor.store.tx_journal import find_submitted_size


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProgress:
    """The size of the largest head at each stage, and how much evidence waits for a seal.

    ``waiting`` is exact while it is small, and an upper bound beyond that.

    ``submitted`` is the size of a pending transaction's head, ``included`` of an anchor's, final or
    not, ``anchored`` of a final anchor's. Each is 0 if there is none.
    """

    waiting: int
    sealed: int
    submitted: int
    included: int
    anchored: int

    def stage_of(self, leaf_index: int | None) -> Stage:
        """Return the stage of the evidence with this leaf index; None: it has no index yet."""
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
    """Return the progress of the log as recorded in the store."""
    chain_id = project.config.chain_id
    with project.database.read() as connection:
        newest = newest_head(connection)
        included = newest_anchored(connection, chain_id)
        final = newest_final_anchor(connection, chain_id)
        return LogProgress(
            waiting=count_waiting(connection),
            sealed=newest.head.size if newest else 0,
            submitted=find_submitted_size(connection, chain_id) or 0,
            included=included.head.size if included else 0,
            anchored=final.head.size if final else 0,
        )
