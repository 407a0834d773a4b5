"""One round of the operator's work: seal, anchor, wait."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum

from anchor.base.errors import CannotCheckError, ForeignUseError, NotFinalError, QuorumError
from anchor.base.messages.message import Message
from anchor.base.system.clock import Clock, unix_now, utc_now
from anchor.chain.node import Node
from anchor.chain.signer import Signer
from anchor.operate.anchor_watch import find_seal_limit
from anchor.operate.anchoring import anchor_newest
from anchor.operate.finality import anchored_message, refresh_anchors, wait_until_final
from anchor.operate.preconditions import check_standing
from anchor.operate.state_proofs import StateProofs
from anchor.project.config import WaitFor
from anchor.project.project import OpenProject
from anchor.store.evidence import HeldBack
from anchor.store.heads import AnchoredHead, find_anchored
from anchor.store.sealing import seal


class RunState(Enum):
    """How far a run brought the newest head, in the words that `anchor run --json` prints.

    It is final by the project's rule: where ``Config.final_after`` is a number, the nodes did not
    confirm it.
    """

    EMPTY = "empty"
    INCLUDED = "included (still reversible)"
    FINAL = "anchored (final)"


def run_state_message(state: RunState, *, is_by_depth: bool) -> Message:
    """Return the message of a state; its English is the state's value.

    ``is_by_depth`` is as of ``anchored_message``.
    """
    match state:
        case RunState.EMPTY:
            return Message("run-state-empty")
        case RunState.INCLUDED:
            return Message("run-state-included")
        case RunState.FINAL:
            return anchored_message(is_by_depth=is_by_depth)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """Result of one round; ``timed_out``: finality was requested and not reached in time.

    ``held`` is the first piece that was not sealed because of the time that it states.
    """

    sealed: int
    anchored: AnchoredHead | None
    state: RunState
    timed_out: bool
    held: HeldBack | None = None


def anchor_round(
    project: OpenProject,
    node: Node,
    open_signer: Callable[[], Signer],
    clock: Clock,
    *,
    wait_for: WaitFor,
    report: Callable[[Message], None],
    proofs: StateProofs | None = None,
    most: int | None = None,
    doubts: Callable[[], bool] = lambda: False,
    wall: Callable[[], float] = unix_now,
) -> RunResult:
    """Seal the waiting evidence, anchor the newest head and wait; no step is done twice.

    With ``most``, only the first ``most`` pieces are sealed.  ``doubts`` is whether the clock,
    ``wall``, may be ahead of the chain's time.

    The chain is compared with the pins before the seal, so that a store older than the chain never
    grows a fork.  The key is opened only to send a transaction.  ``proofs`` keeps the state proof
    of an anchor that becomes final.
    """
    proofs = proofs or StateProofs(project.config, node, report)
    standing = check_standing(project, node)
    latest, held = find_seal_limit(project, node, wall(), doubts)
    sealed = seal(project.database, utc_now(), project.tiles, most, latest)
    count = sealed[1] if sealed else 0
    if sealed is not None:
        standing = replace(standing, newest=sealed[0])
    # A crash here leaves a sealed head; the next round anchors it.
    try:
        anchored = anchor_newest(project, node, open_signer, clock, report, standing)
    except (ForeignUseError, NotFinalError):
        with suppress(CannotCheckError):  # no lost anchor may stay listed as included
            refresh_anchors(project, node)
        raise
    if anchored is None:
        return RunResult(
            sealed=count, anchored=None, state=RunState.EMPTY, timed_out=False, held=held
        )
    if not anchored.final and wait_for == "final":
        report(Message("anchor-included-waiting"))
        wait_until_final(project, node, anchored.head, clock, proofs)
    else:
        try:
            refresh_anchors(project, node, proofs)
        except QuorumError as error:
            report(Message("anchor-finality-unknown", reason=error.message))
    stored = project.read(find_anchored, anchored.head)
    anchored = stored or anchored
    return RunResult(
        sealed=count,
        anchored=anchored,
        state=RunState.FINAL if anchored.final else RunState.INCLUDED,
        timed_out=wait_for == "final" and not anchored.final,
        held=held,
    )
