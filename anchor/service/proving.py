"""Receipts, made off the event loop, with the state proofs that a node gives in time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from anchor.chain.node import Node
from anchor.errors import AnchorError
from anchor.pipeline.incidents import check_no_incident
from anchor.pipeline.project import Project
from anchor.pipeline.proving import Prover
from anchor.pipeline.reach import Reach
from anchor.pipeline.states import StateProofs
from anchor.receipt import Receipt
from anchor.stateproof import StateProof
from anchor.store.evidence import StoredEvidence
from anchor.types import Hash32

_LOG = logging.getLogger("anchor.service")

# Seconds that a receipt waits for a node; what comes later is there for the next one.
_NODE_SECONDS = 5.0
# Seconds until a node that gave no proof is asked again.
_NODE_PAUSE = 30.0
# State proofs of anchored roots, some 8 KiB each.
_MOST_PROOFS = 256


class Proofs:
    """Makes receipts as ``anchor prove`` does, one after the other.

    All evidence below one anchored root shares one state proof, which is asked for once.
    """

    def __init__(
        self, project: Project, reach: Callable[[], Reach], open_node: Callable[[], Node]
    ) -> None:
        """Prepare; ``reach`` says how far the log has come, ``open_node`` opens a node to ask."""
        self._project = project
        self._reach = reach
        self._open_node = open_node
        self._node: Node | None = None
        self._made_at: Reach | None = None
        self._prover: Prover | None = None
        self._states: OrderedDict[Hash32, StateProof] = OrderedDict()
        self._asked: dict[Hash32, asyncio.Task[StateProof | None]] = {}
        self._pause_until = 0.0
        self._maker = ThreadPoolExecutor(1, thread_name_prefix="prove")
        self._asker = ThreadPoolExecutor(1, thread_name_prefix="node")

    async def prove(self, evidence: StoredEvidence, *, is_anchored: bool) -> Receipt:
        """Return the receipt for sealed evidence, which is anchored already or not.

        Raises:
            AnchorError: as ``Prover.prove``; or finality was violated, and nothing is issued.
        """
        loop = asyncio.get_running_loop()
        receipt = await loop.run_in_executor(self._maker, self._make, evidence, is_anchored)
        if not receipt.anchors:
            return receipt
        anchor = receipt.anchors[0]
        state = self._states.get(anchor.head.root)
        if state is None and time.monotonic() >= self._pause_until:
            # Whatever this request waits for, the question goes on for the next one.
            asking = asyncio.shield(self._ask_once(receipt))
            with contextlib.suppress(TimeoutError):
                state = await asyncio.wait_for(asking, _NODE_SECONDS)
        return replace(receipt, anchors=(replace(anchor, state=state),))

    def _ask_once(self, receipt: Receipt) -> asyncio.Task[StateProof | None]:
        root = receipt.anchors[0].head.root
        if root not in self._asked:
            self._asked[root] = asyncio.create_task(self._ask_and_keep(root, receipt))
        return self._asked[root]

    async def _ask_and_keep(self, root: Hash32, receipt: Receipt) -> StateProof | None:
        loop = asyncio.get_running_loop()
        try:
            state = await loop.run_in_executor(self._asker, self._ask, receipt)
        finally:
            del self._asked[root]
        if state is None:
            self._pause_until = time.monotonic() + _NODE_PAUSE
            return None
        self._states[root] = state
        if len(self._states) > _MOST_PROOFS:
            self._states.popitem(last=False)
        return state

    def close(self) -> None:
        """Finish what was begun, but for what a node was asked."""
        self._maker.shutdown()
        self._asker.shutdown(wait=False, cancel_futures=True)

    def _make(self, evidence: StoredEvidence, is_anchored: bool) -> Receipt:
        check_no_incident(self._project)
        reach = replace(self._reach(), waiting=0)
        is_ahead = evidence.leaf_index is not None and evidence.leaf_index >= reach.sealed
        if self._prover is None or reach != self._made_at or is_ahead:
            self._prover, self._made_at = Prover(self._project), reach
        receipt = self._prover.prove(evidence)
        if is_anchored and not receipt.anchors:  # since the last look at the store
            self._prover = Prover(self._project)
            receipt = self._prover.prove(evidence)
        return receipt

    def _ask(self, receipt: Receipt) -> StateProof | None:
        """Ask for the proof of the receipt's anchor; one thread does, one root after the other."""
        try:
            if self._node is None:
                self._node = self._open_node()
            states = StateProofs(self._project.config, self._node, _LOG.warning)
            return states.complete(receipt).anchors[0].state
        except AnchorError as error:
            _LOG.warning("a receipt goes without its state proof: %s", error.message)
            return None
