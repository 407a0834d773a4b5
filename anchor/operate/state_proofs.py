"""Adding state proofs to receipts, which can then be verified by a block's hash alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from anchor.base.errors import (
    AnchorError,
    CannotCheckError,
    NodeUnreachableError,
    NotTrustedError,
    UnknownVersionError,
)
from anchor.base.messages.message import Message
from anchor.base.types import Anchor, Block, Hash32, LogId
from anchor.chain.anchor_proof import Question, fetch_anchor_proof
from anchor.chain.node import Node
from anchor.ethereum.header import parse_header
from anchor.evidence.not_before import NotBefore
from anchor.operate.beacons import Beacons
from anchor.project.config import Config
from anchor.project.project import OpenProject
from anchor.receipt.format import Receipt, ReceiptAnchor
from anchor.receipt.state_proof import BeaconProof, StateProof, check_account, check_anchor
from anchor.store.heads import (
    AnchoredHead,
    Unproven,
    clear_proof_trouble,
    find_unproven,
    newest_final_anchor,
    save_proof_trouble,
)
from anchor.store.kept_proofs import ReadProof, list_named_blocks, save_proofs


class StateProofs:
    """Completes receipts with state proofs, all for one final block, and with beacons.

    Proofs that the node does not give are left out: the receipt stays valid and can be completed
    later.  The user is told once.  Proofs found by ``find_trouble`` are not requested again.  For
    a record that names a block, a proof that the store kept at finality comes first.
    """

    def __init__(
        self,
        config: Config,
        node: Node,
        report: Callable[[Message], None],
        read_kept: ReadProof | None = None,
    ) -> None:
        """Prepare; ``node`` is asked only when a receipt needs a proof."""
        self._config = config
        self._node = node
        self._report = report
        self._read_kept = read_kept
        self._block: Block | None = None
        self._proofs: dict[Hash32, tuple[StateProof, Anchor | None]] = {}
        self._beacons = Beacons(config, node, report)
        self._trouble: Message | None = None
        self._is_told = False

    def complete(self, receipt: Receipt) -> Receipt:
        """Return the receipt, with a state proof for each anchor in this registry without one."""
        if receipt.log != self._config.log:
            return receipt
        named = self._beacons.find_provable(receipt.record)
        anchors = tuple(self._complete(receipt.log, anchor, named) for anchor in receipt.anchors)
        return replace(receipt, anchors=anchors)

    def find_trouble(self, root: Hash32, final: Block) -> Message | None:
        """Return why no state proof of the anchor of ``root`` can be made in ``final``, or None.

        Raises:
            NodeUnreachableError: No node answers, which shows nothing about proofs.
        """
        self._block = final
        try:
            self._proofs[root] = self._fetch(self._config.log, root, final)
        except NodeUnreachableError:
            raise
        except (CannotCheckError, UnknownVersionError, NotTrustedError) as error:
            return error.message  # no proof is kept: a receipt requests one again
        return None

    def take(
        self, root: Hash32, final: Block, named: Iterable[NotBefore]
    ) -> tuple[StateProof, dict[NotBefore, BeaconProof]] | None:
        """Return the proof of a root's anchor in ``final``, with those of the named blocks there.

        None if the nodes give none; the user is told why, and of blocks that are too old.
        """
        proof, _ = self._proofs.get(root, (None, None))
        if proof is None or parse_header(proof.header).hash != final.hash:
            if self.find_trouble(root, final) is not None:
                return None
            proof, _ = self._proofs[root]
        return proof, self._beacons.fetch(sorted(named, key=NotBefore.encode), final)

    def _complete(
        self, log: LogId, anchor: ReceiptAnchor, named: NotBefore | None
    ) -> ReceiptAnchor:
        here = (self._config.chain_id, self._config.registry)
        if (anchor.chain_id, anchor.registry) != here:
            return anchor
        if anchor.state is not None and (named is None or anchor.state.beacon is not None):
            return anchor
        kept = None if named is None else self._find_kept(log, anchor, named)
        if kept is not None or anchor.state is not None:
            return anchor if kept is None else replace(anchor, state=kept)
        if self._block is not None and self._block.number < anchor.block_number:
            self._block = None  # another process saw it become final in a later block
        proof, stored = self._find(log, anchor.head.root)
        if proof is None or _is_as_stated(anchor, stored):
            if proof is not None and named is not None:
                proof = self._beacons.add(proof, named)
            return replace(anchor, state=proof)
        self._report(Message("state-proof-contradicts-anchor", size=anchor.head.size))
        return anchor

    def _find_kept(self, log: LogId, anchor: ReceiptAnchor, named: NotBefore) -> StateProof | None:
        """Return the proof that was kept at finality, if it still proves anchor and block."""
        kept = self._read_kept and self._read_kept(anchor.head.size, named)
        if kept is None or kept.beacon is None:
            return None
        try:
            header = parse_header(kept.header)
            _, storage_root = check_account(
                kept,
                block_hash=header.hash,
                registry=self._config.registry,
                code_hash=self._config.code_hash,
            )
            stored = check_anchor(
                kept,
                storage_root,
                header=header,
                registry=self._config.registry,
                log=log,
                root=anchor.head.root,
            )
            self._beacons.check(kept.beacon, named, header, anchor.timestamp)
        except AnchorError:
            return None
        is_good = _is_as_stated(anchor, stored) and self._beacons.is_on_chain(header)
        return kept if is_good else None

    def _find(self, log: LogId, root: Hash32) -> tuple[StateProof | None, Anchor | None]:
        """Return the root's proof and the anchor that it proves."""
        if root not in self._proofs and self._trouble is None:
            try:
                if self._block is None:
                    self._block = self._node.fetch_final_block(self._config.finality)
                self._proofs[root] = self._fetch(log, root, self._block)
            except (CannotCheckError, UnknownVersionError, NotTrustedError) as error:
                self._trouble = error.message
        if root not in self._proofs and not self._is_told:
            self._is_told = True
            self._report(Message("receipt-state-proof-pending", reason=self._trouble))
        return self._proofs.get(root, (None, None))

    def _fetch(self, log: LogId, root: Hash32, block: Block) -> tuple[StateProof, Anchor | None]:
        config = self._config
        question = Question(
            registry=config.registry,
            code_hash=config.code_hash,
            log=log,
            root=root,
            block=block,
        )
        return fetch_anchor_proof(self._node, question)


def watch_proofs(
    project: OpenProject, proofs: StateProofs, anchored: Sequence[AnchoredHead], final: Block
) -> None:
    """Record whether receipts of newly final anchors can get their state proofs.

    Only the newest anchor is tried: a fork of the chain or a node affects all of them alike.
    """
    if not anchored:
        return
    chain_id = project.config.chain_id
    try:
        trouble = proofs.find_trouble(anchored[-1].head.root, final)
    except NodeUnreachableError:
        return  # the proof of the next final anchor is tried
    with project.database.write() as connection:
        if trouble is None:
            clear_proof_trouble(connection, chain_id)
        else:
            save_proof_trouble(connection, chain_id, anchored, trouble)
    if trouble is None:
        keep_proofs(project, proofs, anchored, final)


def keep_proofs(
    project: OpenProject, proofs: StateProofs, anchored: Sequence[AnchoredHead], final: Block
) -> None:
    """Keep the proofs of anchors that have just become final, where their records name blocks.

    The state keeps the hashes of earlier blocks for some hours only.  If the nodes do not give the
    proofs now, receipts that are made in that time ask for them again.
    """
    chain_id = project.config.chain_id
    for each in anchored:
        with project.database.read() as connection:
            before = newest_final_anchor(connection, chain_id, below=each.head.size)
            start = 0 if before is None else before.head.size
            named = list_named_blocks(connection, start, each.head.size)
        named = {block for block in named if block.chain_id == chain_id}
        if not named:
            continue
        try:
            taken = proofs.take(each.head.root, final, named)
        except NodeUnreachableError:
            return
        if taken is not None and taken[1]:
            with project.database.write() as connection:
                save_proofs(connection, chain_id, each.head.size, *taken)


def review_proofs(project: OpenProject, node: Node) -> Unproven | None:
    """Return how many final anchors have no state proof, after trying the newest again; or None."""
    chain_id = project.config.chain_id
    with project.database.read() as connection:
        unproven = find_unproven(connection, chain_id)
        newest = newest_final_anchor(connection, chain_id)
    if unproven is None or newest is None:
        return None
    proofs = StateProofs(project.config, node, lambda _: None)
    try:
        final = node.fetch_final_block(project.config.finality)
        trouble = proofs.find_trouble(newest.head.root, final)
    except CannotCheckError:
        return unproven
    if trouble is not None:
        return unproven
    with project.database.write() as connection:
        clear_proof_trouble(connection, chain_id)
    return None


def _is_as_stated(anchor: ReceiptAnchor, stored: Anchor | None) -> bool:
    return stored is not None and (
        (stored.size, stored.sequence, stored.block_number, stored.timestamp)
        == (anchor.head.size, anchor.sequence, anchor.block_number, anchor.timestamp)
    )
