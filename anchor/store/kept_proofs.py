"""State proofs that were taken when an anchor became final, for receipts that are written later.

The chain's state keeps the hashes of earlier blocks for some hours only, so the proof of a block
that records name is taken at finality, with the anchor's proof under the same header.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from anchor.base.errors import AnchorError, MalformedError
from anchor.base.messages.message import Message
from anchor.base.types import ChainId
from anchor.evidence.not_before import NotBefore
from anchor.receipt.format import decode_state, encode_state
from anchor.receipt.state_proof import BeaconProof, StateProof
from anchor.store.columns import MOST_PIECES
from anchor.store.database import Database
from anchor.store.evidence_kinds import Kind, parse_kinds
from anchor.store.schema import runs, state_proofs

# Far more than a state proof within its bounds takes.
_MOST_BYTES = 1 << 20
# In a record that is kept as it is, in canonical form.
_NAMED = re.compile(rb'"not_before":(\{[^{}]{1,200}\})')

ReadProof = Callable[[int, NotBefore], StateProof | None]
"""A function that returns the kept proof of an anchor's size with that of a named block, or None.
"""


def save_proofs(
    connection: Connection,
    chain_id: ChainId,
    size: int,
    state: StateProof,
    beacons: Mapping[NotBefore, BeaconProof],
) -> None:
    """Keep the proof of an anchor with each of these beacons, replacing earlier ones."""
    forget_proofs(connection, chain_id, size)
    for named, beacon in beacons.items():
        connection.execute(
            insert(state_proofs).values(
                chain_id=chain_id,
                head_size=size,
                block_hash=named.block_hash,
                proof=zlib.compress(encode_state(replace(state, beacon=beacon))),
            )
        )


def forget_proofs(connection: Connection, chain_id: ChainId, size: int) -> None:
    """Delete the kept proofs of an anchor."""
    connection.execute(
        delete(state_proofs).where(
            (state_proofs.c.chain_id == chain_id) & (state_proofs.c.head_size == size)
        )
    )


def load_proof(
    connection: Connection, chain_id: ChainId, size: int, named: NotBefore
) -> StateProof | None:
    """Return the kept proof of an anchor with that of a named block; None if none can be read.

    The caller has to verify it.
    """
    kept = connection.execute(
        select(state_proofs.c.proof).where(
            (state_proofs.c.chain_id == chain_id)
            & (state_proofs.c.head_size == size)
            & (state_proofs.c.block_hash == named.block_hash)
        )
    ).scalar_one_or_none()
    if kept is None:
        return None
    try:
        return decode_proof(kept)
    except AnchorError:
        return None  # damage: as if none had been kept


def decode_proof(kept: bytes) -> StateProof:
    """Return the proof in a row."""
    try:
        return decode_state(zlib.decompressobj().decompress(kept, _MOST_BYTES))
    except zlib.error as error:
        raise MalformedError(Message("state-proof-row-damaged")) from error


def read_kept(database: Database, chain_id: ChainId) -> ReadProof:
    """Return what reads the kept proofs of a store."""

    def read(size: int, named: NotBefore) -> StateProof | None:
        with database.read() as connection:
            return load_proof(connection, chain_id, size, named)

    return read


def load_proof_rows(connection: Connection, chain_id: ChainId) -> list[Mapping[str, Any]]:
    """Return all kept proofs of a chain as they are stored."""
    rows = connection.execute(select(state_proofs).where(state_proofs.c.chain_id == chain_id))
    return [row._asdict() for row in rows]


def insert_proof_row(connection: Connection, row: Mapping[str, Any]) -> None:
    """Insert a kept proof from another store, whose head must be stored already."""
    connection.execute(insert(state_proofs).values(**row))


def list_named_blocks(connection: Connection, start: int, end: int) -> set[NotBefore]:
    """Return the blocks that records of the leaves from ``start`` to ``end`` name, and few others.

    Others are those of leaves that share a run with these, and texts in records that look the same.
    """
    near = (runs.c.first > start - MOST_PIECES) & (runs.c.first < end)  # by the primary key
    overlapping = runs.c.first + runs.c.pieces > start
    query = select(runs.c.shared, runs.c.records).where(near & overlapping)
    named: set[NotBefore] = set()
    for shared, records in connection.execute(query, execution_options={"yield_per": 100}):
        texts = {kind.not_before for kind in _parse(shared) if kind.not_before is not None}
        texts |= {text.decode("ascii", "replace") for text in _NAMED.findall(records or b"")}
        for text in texts:
            try:
                named.add(NotBefore.decode(text))
            except ValueError:
                continue
    return named


def _parse(shared: bytes) -> tuple[Kind, ...]:
    try:
        return parse_kinds(shared)
    except (ValueError, TypeError):
        return ()  # damage, which an audit reports
