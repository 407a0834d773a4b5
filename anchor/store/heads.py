"""Heads: the sealed states of the log, and their anchors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, literal_column, select, update

from anchor.base.errors import ChainGuardError
from anchor.base.messages.message import Message
from anchor.base.types import MAX_LOG_SIZE, Anchor, ChainId, Hash32, Head
from anchor.log.tree import HASH, RightEdge
from anchor.store.schema import anchors, heads


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedHead:
    """A head and the right edge from which the log can continue."""

    head: Head
    right_edge: RightEdge


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchoredHead:
    """A head as the registry holds it.

    ``final=False`` means included in a block that can still be reversed.  ``tx_hash`` and
    ``block_hash`` are hints.  ``final_at`` is when this project first saw the anchor in a final
    block, by its own clock; None if that is unknown.
    """

    head: Head
    sequence: int
    block_number: int
    timestamp: int
    final: bool
    tx_hash: Hash32 | None
    block_hash: Hash32 | None
    final_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorPosition:
    """The position of a head's anchor according to the registry's record."""

    sequence: int
    block_number: int
    timestamp: int


def reversible_anchor(
    head: Head,
    anchor: Anchor | AnchorPosition,
    *,
    tx_hash: Hash32 | None = None,
    block_hash: Hash32 | None = None,
) -> AnchoredHead:
    """Return an anchored head whose block can still be reversed."""
    return AnchoredHead(
        head=head,
        sequence=anchor.sequence,
        block_number=anchor.block_number,
        timestamp=anchor.timestamp,
        final=False,
        tx_hash=tx_hash,
        block_hash=block_hash,
    )


def insert_head(connection: Connection, sealed: SealedHead, sealed_at: str) -> None:
    """Store a new head."""
    connection.execute(
        insert(heads).values(
            size=sealed.head.size,
            root=sealed.head.root,
            right_edge=b"".join(sealed.right_edge.nodes),
            sealed_at=sealed_at,
        )
    )


def newest_head(connection: Connection) -> SealedHead | None:
    """Return the log's newest head, or None for a log without leaves."""
    row = connection.execute(select(heads).order_by(heads.c.size.desc()).limit(1)).one_or_none()
    return None if row is None else _parse_head(row)


def find_edge(connection: Connection, size: int) -> SealedHead | None:
    """Return the head of this size with its right edge; None if no such head was sealed."""
    row = connection.execute(select(heads).where(heads.c.size == size)).one_or_none()
    return None if row is None else _parse_head(row)


def find_head(connection: Connection, root: Hash32) -> Head | None:
    """Return the log's head with this root; None if the log has no such head."""
    row = connection.execute(select(heads.c.size).where(heads.c.root == root)).one_or_none()
    return None if row is None else Head(root=root, size=row.size)


def load_heads(connection: Connection) -> list[Head]:
    """Return every sealed head, smallest first."""
    rows = connection.execute(select(heads.c.size, heads.c.root).order_by(heads.c.size))
    return [Head(root=Hash32(row.root), size=row.size) for row in rows]


def _parse_head(row: Row[Any]) -> SealedHead:
    edge = row.right_edge
    if len(edge) != row.size.bit_count() * HASH:
        raise ChainGuardError(
            Message(
                "head-edge-size-wrong",
                size=row.size,
                actual=len(edge),
                expected=row.size.bit_count() * HASH,
            ),
            hint=Message("head-edge-rebuild-hint"),
        )
    nodes = [Hash32(edge[start : start + HASH]) for start in range(0, len(edge), HASH)]
    return SealedHead(
        head=Head(root=Hash32(row.root), size=row.size), right_edge=RightEdge(row.size, nodes)
    )


def load_sealed_heads(connection: Connection, size: int) -> Iterator[tuple[SealedHead, str]]:
    """Yield each head up to ``size`` with its sealing time, smallest first."""
    rows = connection.execute(
        select(heads)
        .where(heads.c.size <= size)
        .order_by(heads.c.size)
        .execution_options(yield_per=1_000)
    )
    for row in rows:
        yield _parse_head(row), row.sealed_at


def save_anchor(
    connection: Connection, chain_id: ChainId, anchored: AnchoredHead, *, keep_hints: bool = True
) -> None:
    """Store the registry's present record of a head, replacing the earlier one.

    With ``keep_hints``, stored hints are kept if ``anchored`` lacks them.
    """
    key = (anchors.c.chain_id == chain_id) & (anchors.c.head_size == anchored.head.size)
    before = connection.execute(select(anchors).where(key)).one_or_none()
    values = {**asdict(anchored), "final": int(anchored.final)}
    del values["head"]
    if before is not None and keep_hints:
        values["tx_hash"] = anchored.tx_hash or before.tx_hash
        values["block_hash"] = anchored.block_hash or before.block_hash
    if before is None:
        values |= {"chain_id": chain_id, "head_size": anchored.head.size}
        connection.execute(insert(anchors).values(**values))
    else:
        connection.execute(update(anchors).where(key).values(**values))


def forget_anchor(connection: Connection, chain_id: ChainId, head: Head) -> None:
    """Delete an included anchor that a reorganisation removed."""
    connection.execute(
        delete(anchors).where(
            (anchors.c.chain_id == chain_id)
            & (anchors.c.head_size == head.size)
            & (anchors.c.final == 0)
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproven:
    """Final anchors without a state proof: their number, first sequence, and the reason."""

    anchors: int
    first: int
    trouble: str


def save_proof_trouble(
    connection: Connection, chain_id: ChainId, anchored: Sequence[AnchoredHead], trouble: str
) -> None:
    """Store the reason why no state proof of these anchors could be made."""
    sizes = [each.head.size for each in anchored]
    connection.execute(
        update(anchors)
        .where((anchors.c.chain_id == chain_id) & anchors.c.head_size.in_(sizes))
        .values(proof_trouble=trouble)
    )


def clear_proof_trouble(connection: Connection, chain_id: ChainId) -> None:
    """Clear these reasons: a final block that proves one anchor also proves all earlier ones."""
    connection.execute(
        update(anchors)
        .where((anchors.c.chain_id == chain_id) & anchors.c.proof_trouble.is_not(None))
        .values(proof_trouble=None)
    )


def find_unproven(connection: Connection, chain_id: ChainId) -> Unproven | None:
    """Return the anchors recorded as lacking a state proof; None if no such anchor is recorded."""
    noted = (anchors.c.chain_id == chain_id) & anchors.c.proof_trouble.is_not(None)
    count, first, newest = connection.execute(
        select(func.count(), func.min(anchors.c.sequence), func.max(anchors.c.head_size)).where(
            noted
        )
    ).one()
    if not count:
        return None
    trouble = connection.execute(
        select(anchors.c.proof_trouble).where(noted & (anchors.c.head_size == newest))
    ).scalar_one()
    return Unproven(anchors=count, first=first, trouble=trouble)


def load_anchors(connection: Connection, chain_id: ChainId) -> list[AnchoredHead]:
    """Return the anchored heads on that chain, smallest first."""
    return _load(connection, select_anchors(chain_id))


def load_reversible_anchors(connection: Connection, chain_id: ChainId) -> list[AnchoredHead]:
    """Return the anchored heads that were not final at the last check, smallest first.

    Their number is small, regardless of how many anchors the log has.
    """
    return _load(connection, select_anchors(chain_id).where(_REVERSIBLE))


def find_anchored(connection: Connection, chain_id: ChainId, head: Head) -> AnchoredHead | None:
    """Return a head with its anchor; None if the head is not anchored."""
    return _first(connection, select_anchors(chain_id).where(anchors.c.head_size == head.size))


def find_covering_anchor(
    connection: Connection, chain_id: ChainId, leaf_index: int
) -> AnchoredHead | None:
    """Return the smallest final anchor that covers a leaf, or else the smallest reversible one."""
    covering = select_anchors(chain_id).where(anchors.c.head_size > leaf_index)
    return _first(connection, covering.order_by(anchors.c.final.desc(), anchors.c.head_size))


def newest_final_anchor(
    connection: Connection, chain_id: ChainId, *, below: int = MAX_LOG_SIZE + 1
) -> AnchoredHead | None:
    """Return the largest final anchor of a head smaller than ``below``."""
    final = (anchors.c.final == literal_column("1")) & (anchors.c.head_size < below)
    newest = select_anchors(chain_id).order_by(anchors.c.head_size.desc())
    return _first(connection, newest.where(final))


def newest_anchored(connection: Connection, chain_id: ChainId) -> AnchoredHead | None:
    """Return the largest anchored head, final or not."""
    return _first(connection, select_anchors(chain_id).order_by(anchors.c.head_size.desc()))


# A literal 0: with a bound parameter, SQLite would not use the partial index.
_REVERSIBLE = anchors.c.final == literal_column("0")


def select_anchors(chain_id: ChainId) -> Select[Any]:
    """Select the anchored heads on that chain, for ``parse_anchor``."""
    return select(anchors, heads.c.root).join(heads).where(anchors.c.chain_id == chain_id)


def _load(connection: Connection, query: Select[Any]) -> list[AnchoredHead]:
    return [parse_anchor(row) for row in connection.execute(query.order_by(anchors.c.head_size))]


def _first(connection: Connection, query: Select[Any]) -> AnchoredHead | None:
    row = connection.execute(query.limit(1)).one_or_none()
    return None if row is None else parse_anchor(row)


def parse_anchor(row: Row[Any]) -> AnchoredHead:
    """Return the anchored head in a row of ``anchors`` with its head's root."""
    return AnchoredHead(
        head=Head(root=Hash32(row.root), size=row.head_size),
        sequence=row.sequence,
        block_number=row.block_number,
        timestamp=row.timestamp,
        final=bool(row.final),
        tx_hash=row.tx_hash,
        block_hash=row.block_hash,
        final_at=row.final_at,
    )
