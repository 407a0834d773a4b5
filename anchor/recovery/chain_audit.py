"""Audit of a project's store against the registry's state in one final block.

Events are not queried, because nodes may have dropped them.  The head in the registry gives the
number of the log's anchors; each anchor is found by the root of one of the store's heads.  If a
quorum of nodes is required, every node answers every query, so that a single node can neither
invent a breach nor hide one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby, pairwise

from anchor.base.errors import CannotCheckError, QuorumError
from anchor.base.messages.message import Message
from anchor.base.types import Anchor, Block, Hash32, Head
from anchor.chain.node import Node
from anchor.chain.node_agreement import reached_by_enough
from anchor.chain.registry_reader import RegistryHead, RegistryReader
from anchor.ethereum.keccak import EMPTY_CODE_HASH, format_address
from anchor.operate.contradiction import is_behind
from anchor.operate.own_transactions import find_own_nonces
from anchor.operate.preconditions import check_chain, check_registry
from anchor.project.project import OpenProject
from anchor.recovery.store_audit import limit_breaches
from anchor.store.heads import AnchoredHead, find_head, load_anchors, load_heads
from anchor.store.tx_journal import GIVEN_UP, SlotRow, load_slot_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainAudit:
    """The registry's state in block ``final``, and the breaches: how the store contradicts it.

    ``foreign_nonces`` counts transactions that the project's keys sent outside this project between
    the project's own.
    """

    final: Block
    anchors: int
    foreign_nonces: int
    breaches: tuple[Message, ...]


def audit_chain(project: OpenProject, node: Node) -> ChainAudit:
    """Compare the store's heads, anchors and nonces with the newest final block.

    Raises:
        CannotCheckError: The node does not answer, its newest final block is older than one that
            this project saw, or nodes disagree.
    """
    config = project.config
    registry = RegistryReader(config.registry, config.log)
    check_chain(config, node)
    final = node.fetch_final_block(config.finality)
    with project.database.read() as connection:
        heads = load_heads(connection)
        stored = load_anchors(connection, config.chain_id)
        slots = load_slot_rows(connection)
    code_hash = node.read_with_quorum(lambda one: one.fetch_code_hash(config.registry, final.hash))
    if code_hash == EMPTY_CODE_HASH:
        head, anchored = None, dict[int, tuple[Head, Anchor]]()
    else:
        check_registry(config, node)

        def read(one: Node) -> tuple[RegistryHead | None, dict[int, tuple[Head, Anchor]]]:
            head = registry.head(one, final.hash)
            return head, find_anchors(registry, one, final, head, heads, stored)

        head, anchored = node.read_with_quorum(read)
    roots = {sealed.root: anchor for sealed, anchor in anchored.values()}
    _check_not_behind(node, final, stored, roots)
    foreign, nonces = _audit_nonces(project, node, slots)
    breaches = chain(
        _audit_sequence(head, anchored),
        _audit_stored(final, stored, roots),
        _audit_latest(project, registry, node),
        iter(nonces),
    )
    return ChainAudit(
        final=final,
        anchors=head.anchor.sequence if head else 0,
        foreign_nonces=foreign,
        breaches=limit_breaches(breaches),
    )


def _check_not_behind(
    node: Node, final: Block, stored: list[AnchoredHead], by_root: dict[Hash32, Anchor]
) -> None:
    """Check that the node's final block is not older than a stored final anchor that it lacks."""
    for known in stored:
        if known.final and known.head.root not in by_root and is_behind(final, known):
            raise CannotCheckError(
                Message(
                    "audit-node-behind",
                    name=node.name,
                    number=final.number,
                    sequence=known.sequence,
                    block=known.block_number,
                ),
                hint=Message("node-lagging-hint"),
            )


def find_anchors(
    registry: RegistryReader,
    node: Node,
    final: Block,
    head: RegistryHead | None,
    heads: list[Head],
    stored: list[AnchoredHead],
) -> dict[int, tuple[Head, Anchor]]:
    """Return the heads that the registry holds in block ``final``, keyed by anchor sequence.

    Heads that are stored as anchored are looked up first, the others only if the registry counts
    more anchors.
    """
    anchored: dict[int, tuple[Head, Anchor]] = {}
    stored_roots = {sealed.head.root for sealed in stored}
    for is_stored in (True, False):
        for sealed in heads:
            if (sealed.root in stored_roots) is is_stored:
                anchor = registry.anchor(node, sealed.root, final.hash)
                if anchor is not None:
                    anchored[anchor.sequence] = (sealed, anchor)
        if head is None or len(anchored) == head.anchor.sequence:
            break
    return anchored


def _audit_sequence(
    head: RegistryHead | None, anchored: dict[int, tuple[Head, Anchor]]
) -> Iterator[Message]:
    """Check that the anchors are 1 … N, grow in size, and have the sizes of their heads."""
    count = head.anchor.sequence if head else 0
    within = [number for number in sorted(anchored) if number <= count]
    missing = list(_gaps([0, *within, count + 1]))
    for first, last in missing:
        name = (
            Message("audit-anchor-number", first=first)
            if first == last
            else Message("audit-anchor-numbers", first=first, last=last)
        )
        yield (Message("audit-anchors-not-in-store", anchors=name, count=count))
    if head is not None and not missing and anchored[count][0].root != head.root:
        yield Message("audit-head-differs", root=head.root.hex(), sequence=count)
    before = 0
    for number in sorted(anchored):
        sealed, anchor = anchored[number]
        if number > count:
            yield Message("audit-anchor-uncounted", count=count, number=number)
        if anchor.size != sealed.size:
            yield (Message("audit-root-of-other-size", size=sealed.size, actual=anchor.size))
        elif anchor.size <= before:
            yield Message("audit-anchor-not-larger", number=number, size=anchor.size, before=before)
        before = anchor.size


def _audit_stored(
    final: Block, stored: list[AnchoredHead], by_root: dict[Hash32, Anchor]
) -> Iterator[Message]:
    """Check that the final block holds every anchor stored as final, with the stored values."""
    for known in stored:
        if not known.final:
            continue
        anchor = by_root.get(known.head.root)
        if anchor is None:
            yield (Message("audit-anchor-not-final", size=known.head.size, block=final.number))
            continue
        for member, said, is_there in (
            (Message("anchor-member-sequence"), known.sequence, anchor.sequence),
            (Message("anchor-member-block"), known.block_number, anchor.block_number),
            (Message("anchor-member-timestamp"), known.timestamp, anchor.timestamp),
        ):
            if said != is_there:
                yield (
                    Message(
                        "audit-anchor-member-differs",
                        member=member,
                        expected=said,
                        size=known.head.size,
                        actual=is_there,
                    )
                )


def _audit_latest(project: OpenProject, registry: RegistryReader, node: Node) -> Iterator[Message]:
    """Check that the newest head in the registry, final or not, is one of the store's."""
    with project.database.read() as connection:
        unknown = [
            head
            for head in node.ask_all(lambda one: registry.head(one, "latest"))
            if head is not None and find_head(connection, head.root) is None
        ]
    if not unknown:
        return
    _check_shared(node, len(unknown), Message("audit-head-not-in-store"))
    for head in unknown[:1]:
        yield (Message("audit-newest-head-unknown", root=head.root.hex(), size=head.anchor.size))


def _check_shared(node: Node, count: int, deviation: Message) -> None:
    """Check that ``deviation`` is a breach: a quorum of nodes shows it in the newest block."""
    if count < node.needed:
        raise QuorumError(
            Message("audit-nodes-disagree", count=count, deviation=deviation, needed=node.needed),
            hint=Message("audit-nodes-disagree-hint"),
        )


def _audit_nonces(
    project: OpenProject, node: Node, slots: list[SlotRow]
) -> tuple[int, list[Message]]:
    """Count the foreign nonces between the project's own; report unused ones as breaches.

    Nonces of this log's anchors that are missing from the journal are not counted as foreign.
    """
    foreign = 0
    breaches: list[Message] = []
    for sender, rows in groupby(slots, key=lambda row: row.sender):
        ours = {row.nonce: row for row in rows if row.outcome != GIVEN_UP}
        if not ours:
            continue
        own: set[int] = set()
        if max(ours) - min(ours) >= len(ours):
            own = find_own_nonces(project, node, sender, range(min(ours), max(ours))) - ours.keys()
        judged = [
            _judge_nonces(format_address(sender), ours, own, used)
            for used in node.ask_all(partial(Node.fetch_nonce, address=sender, block="latest"))
        ]
        foreign += reached_by_enough((count for count, _ in judged), node.needed)
        # The node that has seen the most nonces is the most current; the others may lag by a block.
        accused = [breach for _, breach in judged if breach]
        if accused:
            _check_shared(
                node, len(accused), Message("audit-nonces-unused", sender=format_address(sender))
            )
            breaches += accused[0]
    return foreign, breaches


def _judge_nonces(
    name: str, ours: dict[int, SlotRow], own: set[int], used: int
) -> tuple[int, list[Message]]:
    """Return the foreign nonces and the breaches of one key, given one node's transaction count.

    ``own`` are nonces that anchored this log and are missing from the journal.
    """
    foreign = -sum(number < used for number in own)
    breaches: list[Message] = []
    for first, last in _gaps(sorted(ours)):
        foreign += max(0, min(used, last + 1) - first)
        first = max(used, first)
        if first <= last and ours[max(ours)].attempts:
            breaches.append(
                Message("audit-nonce-skipped", nonce=first, sender=name)
                if first == last
                else Message("audit-nonces-skipped", first=first, last=last, sender=name)
            )
    breaches += [
        Message(
            "audit-nonce-not-reached", nonce=row.nonce, name=name, outcome=row.outcome, used=used
        )
        for row in ours.values()
        # A reorganisation may have removed an included transaction; these two outcomes are final.
        if row.outcome in ("reverted", "foreign") and row.nonce >= used
    ]
    return foreign, breaches


def _gaps(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last number of each gap in ``numbers``, which must ascend."""
    for before, after in pairwise(numbers):
        if after - before > 1:
            yield before + 1, after - 1
