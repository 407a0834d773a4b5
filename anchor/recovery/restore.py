"""Rebuilding a project's store from its remains, verified against the registry.

Leaf hashes come from tiles, a published log or another store, and are accepted only if they lead to
the head in the registry.  Records come from other stores and from receipts; without either, a leaf
remains as a hash alone.  Anchors come from the registry's state.  Nothing is invented, and no store
is overwritten: the new store is put in place when it is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

from anchor.base.errors import (
    AnchorError,
    CannotCheckError,
    ChainGuardError,
    MismatchError,
    NodeFaultError,
    NodeUnreachableError,
    NotFinalError,
    QuorumError,
)
from anchor.base.messages.message import Message
from anchor.base.types import Address, Anchor, Hash32, Head
from anchor.chain.node import Node
from anchor.chain.registry_reader import RegistryHead, RegistryReader
from anchor.ethereum.keccak import format_address
from anchor.log.tree import HASH, RightEdge
from anchor.operate.funds import find_key
from anchor.project.config import Config
from anchor.project.project import make_store, open_project
from anchor.recovery.leaf_origins import LeafOrigin, walk_edges
from anchor.recovery.rebuild import FillResult, fill_store, is_of_log
from anchor.recovery.remains import Remains
from anchor.recovery.store_audit import rebuild_tiles
from anchor.recovery.timestamp_restoration import restore_timestamps
from anchor.registry.event_topics import ANCHORED
from anchor.store.database import Database
from anchor.store.heads import (
    AnchoredHead,
    load_heads,
    reversible_anchor,
)
from anchor.store.staging import Writable
from anchor.store.tx_journal import load_attempt_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreResult:
    """The contents of the new store in numbers, and where the old store was moved."""

    head: Head
    origin: str
    anchors: int
    filled: FillResult
    timestamps: int
    moved: Path | None


def restore_project(
    config: Config,
    node: Node,
    remains: Remains,
    report: Callable[[Message], None],
    *,
    is_partial: bool = False,
) -> RestoreResult:
    """Rebuild the store; the caller must have called ``check_chain`` and ``check_registry``.

    ``is_partial`` also accepts leaves that only lead to an earlier anchor. The log cannot continue
    with such a store, because the chain is ahead of it, but its owner can name a successor.

    Raises:
        ChainGuardError: The registry holds no anchor of this log.
        CannotCheckError: No source's leaves lead to the registry's head.
        NotFinalError: A transaction of the project's key is pending.
    """
    # Read before the head, so that a transaction included in between is covered by the head.
    pending = _find_pending(config, node, report)
    head = RegistryReader(config.registry, config.log).head(node, "latest")
    if head is None:
        raise ChainGuardError(
            Message("restore-nothing-anchored"),
            hint=Message("restore-nothing-anchored-hint"),
        )
    wanted = _find_sizes(config, node, head, remains)
    if is_partial:
        head, origin, edges = _choose_part(config, node, head, remains, wanted, report)
        report(
            Message(
                "restore-anchor-reached",
                size=origin.size,
                name=origin.name,
                sequence=head.anchor.sequence,
            )
        )
    else:
        origin, edges = _choose_leaves(head, remains, wanted, report)
    _check_pending(config, pending, remains.stores, edges)
    anchored = _find_anchors(config, node, head, origin, edges, report)
    final = _fetch_final_hash(config, node)

    def fill(database: Writable) -> FillResult:
        filled = fill_store(config, node, database, origin, edges, anchored, remains, final, report)
        # One of the old stores may be at the new store's location.
        for old in remains.stores:
            old.close()
        # The fences stay from here on, because the outcome of the following commit may
        # remain unknown.
        for fence in remains.fences:
            fence.stays = True
        return filled

    filled, moved = make_store(config, fill)
    project = open_project(config)
    try:
        rebuild_tiles(project)
    finally:
        project.database.close()
    backup, largest = remains.timestamps, edges[origin.size]
    return RestoreResult(
        head=Head(root=largest.root(), size=largest.size),
        origin=origin.name,
        anchors=len(anchored),
        filled=filled,
        timestamps=0 if backup is None else restore_timestamps(backup, config.timestamps),
        moved=moved,
    )


def fetch_event_sizes(config: Config, node: Node) -> frozenset[int]:
    """Return the log sizes named in the registry's events.

    They are only a hint: nodes may have dropped events, and each size is verified in the state.
    """
    asked = {
        "address": "0x" + config.registry.hex(),
        "topics": ["0x" + ANCHORED.hex(), "0x" + config.log.hex()],
        "fromBlock": "0x0",
        "toBlock": "latest",
    }
    sizes: set[int] = set()
    with suppress(CannotCheckError):
        entries = node.rpc.call("eth_getLogs", [asked])
        for entry in entries if isinstance(entries, list) else ():
            with suppress(KeyError, TypeError, ValueError):
                sizes.add(int(entry["data"][2:66], 16))
    return frozenset(sizes)


def _find_pending(
    config: Config, node: Node, report: Callable[[Message], None]
) -> tuple[Address, range] | None:
    """Return the address of the project's key and the nonces of its pending transactions.

    Returns None if the key is not known.
    """
    key = find_key(config)
    if key is None:
        report(Message("restore-key-unknown"))
        return None
    used, pending = node.fetch_nonce(key, "latest"), node.fetch_nonce(key, "pending")
    return key, range(used, pending)


def _check_pending(
    config: Config,
    pending: tuple[Address, range] | None,
    stores: Sequence[Database],
    edges: dict[int, RightEdge],
) -> None:
    """Refuse if a pending transaction will be missing from the new store's journal."""
    if pending is None:
        return
    key, nonces = pending
    kept: set[int] = set()
    for store in stores:
        with store.read() as connection:
            for row in load_attempt_rows(connection):
                is_kept = row.head is None or is_of_log(row.head, edges)
                if (row.chain_id, row.sender) == (config.chain_id, key) and is_kept:
                    kept.add(row.nonce)
    if any(nonce not in kept for nonce in nonces):
        raise NotFinalError(
            Message("restore-transaction-pending", address=format_address(key)),
            hint=Message("restore-transaction-pending-hint"),
        )


def _find_sizes(config: Config, node: Node, head: RegistryHead, remains: Remains) -> set[int]:
    """Return every size at which a head may have been sealed or anchored."""
    wanted = {head.anchor.size} | remains.sizes | remains.receipts.sizes
    for store in remains.stores:
        with store.read() as connection:
            wanted |= {sealed.size for sealed in load_heads(connection)}
    return wanted | fetch_event_sizes(config, node)


def _choose_part(
    config: Config,
    node: Node,
    head: RegistryHead,
    remains: Remains,
    wanted: set[int],
    report: Callable[[Message], None],
) -> tuple[RegistryHead, LeafOrigin, dict[int, RightEdge]]:
    """Return the newest anchor that some source's leaves lead to, that source, and its edges."""
    parts: list[tuple[RegistryHead, LeafOrigin, dict[int, RightEdge]]] = []
    for origin in remains.leaves:
        edges: dict[int, RightEdge] = {}
        try:
            for edge in walk_edges(origin, wanted | {origin.size}):
                edges[edge.size] = edge
        except AnchorError as error:
            report(Message("with-reason", failure=origin.name, reason=error.message))
        for size in sorted(edges, reverse=True):
            anchor = RegistryReader(config.registry, config.log).anchor(
                node, edges[size].root(), "latest"
            )
            if anchor is not None and anchor.size == size:
                part = replace(head, root=edges[size].root(), anchor=anchor)
                edges = {other: edge for other, edge in edges.items() if other <= size}
                parts.append((part, replace(origin, size=size), edges))
                break
    if not parts:
        raise CannotCheckError(
            Message("restore-no-anchor-reached"),
            hint=Message("restore-no-anchor-reached-hint"),
        )
    return max(parts, key=lambda candidate: candidate[1].size)


def _choose_leaves(
    head: RegistryHead, remains: Remains, wanted: set[int], report: Callable[[Message], None]
) -> tuple[LeafOrigin, dict[int, RightEdge]]:
    """Return the longest run of leaves that leads to the registry's head, and its right edges.

    Of runs of equal length the first is chosen: the project's own come before published ones.
    """
    refused: list[Message] = []
    for origin in sorted(remains.leaves, key=lambda origin: origin.size, reverse=True):
        if origin.size < head.anchor.size:
            refused.append(Message("restore-source-short", name=origin.name, size=origin.size))
            continue
        try:
            edges = {edge.size: edge for edge in walk_edges(origin, wanted | {origin.size})}
        except AnchorError as error:
            refused.append(Message("with-reason", failure=origin.name, reason=error.message))
            continue
        if edges[head.anchor.size].root() == head.root:
            report(Message("restore-head-reached", size=origin.size, name=origin.name))
            return origin, edges
        refused.append(Message("restore-root-not-reached", name=origin.name))
    for reason in refused:
        report(Message("restore-source-refused", reason=reason))
    raise CannotCheckError(
        Message("restore-head-not-reached", size=head.anchor.size, root=head.root.hex()),
        hint=Message("restore-head-not-reached-hint"),
    )


def _find_anchors(
    config: Config,
    node: Node,
    head: RegistryHead,
    origin: LeafOrigin,
    edges: dict[int, RightEdge],
    report: Callable[[Message], None],
) -> list[AnchoredHead]:
    """Return the log's anchors 1 … N, each looked up in the registry by a recomputed root.

    Right edges missing from ``edges`` are added to it.
    """
    anchors: dict[int, tuple[Head, Anchor]] = {}

    def ask_registry(edge: RightEdge) -> None:
        sealed = Head(root=edge.root(), size=edge.size)
        anchor = RegistryReader(config.registry, config.log).anchor(node, sealed.root, "latest")
        if anchor is not None and anchor.size == sealed.size:
            anchors[anchor.sequence] = (sealed, anchor)
            edges.setdefault(sealed.size, RightEdge(edge.size, edge.nodes))

    for edge in list(edges.values()):
        ask_registry(edge)
    if len(anchors) < head.anchor.sequence:
        report(Message("restore-trying-sizes"))
        for edge in _missing_edges(origin, anchors, edges):
            ask_registry(edge)
            if len(anchors) == head.anchor.sequence:
                break
    if sorted(anchors) != list(range(1, head.anchor.sequence + 1)):
        raise MismatchError(
            Message(
                "restore-anchors-of-other-leaves", count=len(anchors), total=head.anchor.sequence
            ),
            hint=Message("restore-anchors-of-other-leaves-hint"),
        )
    final = _fetch_final_hash(config, node)
    anchored = []
    for sealed, anchor in anchors.values():
        settled = None
        if final is not None:
            read = partial(
                RegistryReader(config.registry, config.log).anchor, root=sealed.root, block=final
            )
            with suppress(QuorumError):  # the anchor stays reversible until the nodes agree
                settled = node.read_with_quorum(read)
        reversible = reversible_anchor(sealed, settled or anchor)
        anchored.append(replace(reversible, final=settled is not None))
    return anchored


def _missing_edges(
    origin: LeafOrigin,
    anchors: dict[int, tuple[Head, Anchor]],
    edges: dict[int, RightEdge],
) -> Iterator[RightEdge]:
    """Yield the right edge at each size that a missing anchor can have."""
    bounds = {0: 0} | {number: sealed.size for number, (sealed, _) in anchors.items()}
    for number, after in pairwise(sorted(bounds)):
        if after == number + 1:
            continue
        known = edges.get(bounds[number], RightEdge())
        edge = RightEdge(known.size, known.nodes)
        for leaves in origin.read(bounds[number], bounds[after] - 1):
            for at in range(0, len(leaves), HASH):
                edge.append(leaves[at : at + HASH])
                yield edge


def _fetch_final_hash(config: Config, node: Node) -> Hash32 | None:
    try:
        return node.fetch_final_block(config.finality).hash
    except (NodeUnreachableError, NodeFaultError):
        raise
    except CannotCheckError:
        return None
