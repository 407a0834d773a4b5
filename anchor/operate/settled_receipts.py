"""Receipts that a file holds already: whether new ones would say anything else."""

from __future__ import annotations

from dataclasses import replace

from anchor.base.errors import AnchorError
from anchor.base.types import Address, Anchor, Block, Hash32, LogId
from anchor.chain.node import Node
from anchor.ethereum.header import parse_header
from anchor.project.config import Config
from anchor.receipt.format import Receipt
from anchor.receipt.state_proof import (
    StateProof,
    check_account,
    check_anchor,
    check_submitter,
    check_successor,
)

_Statement = tuple[Anchor, Address, tuple[LogId, int] | None]


class SettledReceipts:
    """Compares receipts by what their state proofs say; each proof is verified once."""

    def __init__(self, config: Config, node: Node) -> None:
        """Prepare; ``node`` is asked for the blocks of the proofs."""
        self._config = config
        self._node = node
        self._final: Block | None = None
        self._statements: dict[tuple[Hash32, StateProof], _Statement | None] = {}

    def is_settled(self, old: Receipt, new: Receipt) -> bool:
        """Return whether ``old`` has state proofs that say the same as those of ``new``.

        The proofs of ``old`` may be of other blocks, which have to be final.  The answer is False
        if that cannot be found out.
        """
        return (
            bool(new.anchors)
            and _without_proofs(old) == _without_proofs(new)
            and all(
                one.state is not None
                and other.state is not None
                and (other.state.beacon is None or one.state.beacon is not None)
                and self._read(old.log, one.head.root, one.state) is not None
                and self._read(old.log, one.head.root, one.state)
                == self._read(new.log, other.head.root, other.state)
                for one, other in zip(old.anchors, new.anchors, strict=True)
            )
        )

    def _read(self, log: LogId, root: Hash32, proof: StateProof) -> _Statement | None:
        if (root, proof) not in self._statements:
            try:
                self._statements[root, proof] = self._check(log, root, proof)
            except AnchorError:
                self._statements[root, proof] = None
        return self._statements[root, proof]

    def _check(self, log: LogId, root: Hash32, proof: StateProof) -> _Statement | None:
        """Return the proven anchor of ``root``, who sent it, and the log's successor, if any."""
        registry = self._config.registry
        if self._final is None:
            self._final = self._node.fetch_final_block(self._config.finality)
        number = parse_header(proof.header).number
        block = self._node.fetch_block(number) if number <= self._final.number else None
        if block is None:
            return None
        header, storage_root = check_account(
            proof, block_hash=block.hash, registry=registry, code_hash=self._config.code_hash
        )
        anchor = check_anchor(
            proof, storage_root, header=header, registry=registry, log=log, root=root
        )
        if anchor is None or proof.successor is None:
            return None
        submitter = check_submitter(
            proof, storage_root, registry=registry, log=log, operator_id=anchor.operator_id
        )
        successor = check_successor(proof.successor, storage_root, registry=registry, log=log)
        return anchor, submitter, successor


def _without_proofs(receipt: Receipt) -> Receipt:
    anchors = tuple(replace(anchor, state=None) for anchor in receipt.anchors)
    return replace(receipt, anchors=anchors)
