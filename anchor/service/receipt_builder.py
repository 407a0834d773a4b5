"""Receipts built off the event loop, with state proofs if a node returns them in time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from anchor.base.errors import AnchorError, FinalityViolatedError
from anchor.base.messages.message import Message
from anchor.chain.node import Node
from anchor.evidence.not_before import NotBefore
from anchor.evidence.record import find_named_block
from anchor.operate.incident_handling import check_no_incident
from anchor.operate.proving import Prover
from anchor.operate.state_proofs import StateProofs
from anchor.project.project import OpenProject
from anchor.receipt.format import Receipt, ReceiptAnchor
from anchor.receipt.state_proof import StateProof
from anchor.store.evidence import StoredEvidence
from anchor.store.kept_proofs import read_kept
from anchor.store.receipt_basis import load_edition

_LOG = logging.getLogger("anchor.service")

# Seconds that a receipt waits for a node; a later state proof is kept for the next receipt.
_NODE_SECONDS = 5.0
# Seconds until a node that returned no proof is asked again.
_NODE_PAUSE = 30.0
# The most state proofs kept in memory, some 8 KiB each.
_MOST_PROOFS = 256


_Era = tuple[str, tuple[int, int]]
"""The store's identity, and how many incidents it has recorded and closed."""


_ProofKey = tuple[_Era, ReceiptAnchor, NotBefore | None]
"""The anchor that a state proof covers, without the path to it, and the block that records name."""


class ReceiptBuilder:
    """A builder of receipts as ``anchor prove`` makes them, one after the other.

    All evidence below one anchored root whose records name the same block, or none, shares one
    state proof, which is requested once.  Proofs
    are forgotten when the store is replaced, or an incident is recorded or closed.
    """

    def __init__(
        self, project: OpenProject, open_node: Callable[[], Node], wake: Callable[[], None]
    ) -> None:
        """Create the builder; ``open_node`` opens the node to ask for state proofs.

        ``wake`` is called if a node shows that a final block was replaced.
        """
        self._project = project
        self._open_node = open_node
        self._wake = wake
        self._node: Node | None = None
        self._prover: Prover | None = None
        self._states: OrderedDict[_ProofKey, StateProof] = OrderedDict()
        self._asked: dict[_ProofKey, asyncio.Task[StateProof | None]] = {}
        self._era: _Era | None = None
        self._asked_in: _Era | None = None
        self._pause_until = 0.0
        self._maker = ThreadPoolExecutor(1, thread_name_prefix="prove")
        self._asker = ThreadPoolExecutor(1, thread_name_prefix="node")

    async def prove(self, evidence: StoredEvidence) -> Receipt:
        """Return the receipt for sealed evidence: a promise, unless it is anchored.

        Raises:
            AnchorError: ``Prover.prove`` failed, or finality was violated: no receipt is issued.
        """
        loop = asyncio.get_running_loop()
        receipt, era = await loop.run_in_executor(self._maker, self._make, evidence)
        if not receipt.anchors:
            return receipt
        self._begin(era)
        anchor = receipt.anchors[0]
        proof_key = era, replace(anchor, path=()), find_named_block(receipt.record)
        state = self._states.get(proof_key)
        if state is None and time.monotonic() >= self._pause_until:
            # The query to the node goes on after this request's time-out, for the next request.
            asking = asyncio.shield(self._ask_once(proof_key, receipt))
            with contextlib.suppress(TimeoutError):
                state = await asyncio.wait_for(asking, _NODE_SECONDS)
        return replace(receipt, anchors=(replace(anchor, state=state),))

    def _begin(self, era: _Era) -> None:
        """Forget the proofs of an earlier era: the chain or the store has changed since."""
        if era == self._era:
            return
        self._era = era
        self._states.clear()
        self._pause_until = 0.0

    def _ask_once(self, proof_key: _ProofKey, receipt: Receipt) -> asyncio.Task[StateProof | None]:
        if proof_key not in self._asked:
            self._asked[proof_key] = asyncio.create_task(self._ask_and_keep(proof_key, receipt))
        return self._asked[proof_key]

    async def _ask_and_keep(self, proof_key: _ProofKey, receipt: Receipt) -> StateProof | None:
        loop = asyncio.get_running_loop()
        try:
            state = await loop.run_in_executor(self._asker, self._ask, receipt, proof_key[0])
        finally:
            del self._asked[proof_key]
        if proof_key[0] != self._era:
            return state  # of an earlier era: not kept for other requests
        if state is None:
            self._pause_until = time.monotonic() + _NODE_PAUSE
            return None
        self._states[proof_key] = state
        if len(self._states) > _MOST_PROOFS:
            self._states.popitem(last=False)
        return state

    def close(self) -> None:
        """Finish the receipts in progress, without waiting for a node."""
        self._maker.shutdown()
        self._asker.shutdown(wait=False, cancel_futures=True)

    def _make(self, evidence: StoredEvidence) -> tuple[Receipt, _Era]:
        check_no_incident(self._project)
        with self._project.database.read() as connection:
            edition = load_edition(connection, self._project.config.chain_id)
        if self._prover is None or edition != self._prover.edition:
            self._prover = Prover(self._project)
        edition = self._prover.edition
        receipt = self._prover.prove(evidence)
        return receipt, (edition.store_made_at, edition.incidents)

    def _ask(self, receipt: Receipt, era: _Era) -> StateProof | None:
        """Fetch the state proof of the receipt's anchor; runs in one thread, root by root."""
        try:
            if self._node is None:
                self._node = self._open_node()
            if era != self._asked_in:
                # Since the earlier era an operator may have accepted that final blocks changed.
                self._node.forget_final()
                self._asked_in = era
            config = self._project.config
            kept = read_kept(self._project.database, config.chain_id)
            states = StateProofs(config, self._node, _LOG.warning, kept)
            return states.complete(receipt).anchors[0].state
        except FinalityViolatedError as error:
            self._wake()
            _LOG.error(Message("receipt-issued-without-state-proof", reason=error.message))
            return None
        except AnchorError as error:
            _LOG.warning(Message("receipt-issued-without-state-proof", reason=error.message))
            return None
