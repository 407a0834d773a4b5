"""State proofs in the store: kept, read again, and damage that is as none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import update
from support.beacons import honest

from anchor.base.digests import Digests
from anchor.base.types import ChainId, Hash32, Head, Stage
from anchor.ethereum.header import parse_header
from anchor.evidence.not_before import NotBefore
from anchor.evidence.printed_number import NumberKind
from anchor.evidence.record import encode_record, parse_record
from anchor.log.merkle import hash_leaf
from anchor.log.tree import RightEdge
from anchor.receipt.format import parse_receipt
from anchor.receipt.state_proof import StateProof
from anchor.store.columns import NewEvidence
from anchor.store.database import Database, create_database
from anchor.store.evidence_insertion import insert_evidence
from anchor.store.heads import AnchorPosition, SealedHead, insert_head, reversible_anchor
from anchor.store.kept_proofs import (
    forget_proofs,
    insert_proof_row,
    list_named_blocks,
    load_proof,
    load_proof_rows,
    read_kept,
    save_proofs,
)
from anchor.store.location import StoreLocation
from anchor.store.number_search import NumberedItem, find_named_block
from anchor.store.schema import state_proofs

CHAIN = ChainId(31337)
OTHER = NotBefore(chain_id=CHAIN, block_number=1, block_hash=Hash32(b"\x11" * 32))


def proof() -> tuple[StateProof, NotBefore]:
    receipt = parse_receipt(honest().data)
    state, named = receipt.anchors[0].state, parse_record(receipt.record).not_before
    assert state is not None
    assert named is not None
    return state, named


@pytest.fixture
def store(location: StoreLocation) -> Iterator[Database]:
    """A store with two heads."""
    with closing(create_database(location)) as created:
        edge = RightEdge()
        with created.write() as connection:
            for size in (1, 2):
                edge.append(hash_leaf(b"%d" % size))
                head = Head(root=edge.root(), size=size)
                insert_head(connection, SealedHead(head=head, right_edge=edge), "then")
        yield created


def test_a_kept_proof_is_read_by_anchor_and_block(store: Database) -> None:
    state, named = proof()
    assert state.beacon is not None
    bare = StateProof(
        header=state.header,
        account_proof=state.account_proof,
        storage_proof=state.storage_proof,
        operator_proof=state.operator_proof,
    )
    with store.write() as connection:
        save_proofs(connection, CHAIN, 2, bare, {named: state.beacon, OTHER: state.beacon})
        save_proofs(connection, CHAIN, 2, bare, {named: state.beacon})
    read = read_kept(store, CHAIN)
    assert read(2, named) == state
    assert (read(1, named), read(2, OTHER), read_kept(store, ChainId(1))(2, named)) == (None,) * 3
    with store.write() as connection:
        forget_proofs(connection, CHAIN, 2)
    assert read(2, named) is None


@pytest.mark.parametrize("damage", [b"", b"\0", b"x" * 100])
def test_damage_is_as_if_nothing_had_been_kept(store: Database, damage: bytes) -> None:
    state, named = proof()
    assert state.beacon is not None
    with store.write() as connection:
        save_proofs(connection, CHAIN, 1, state, {named: state.beacon})
        connection.execute(update(state_proofs).values(proof=damage))
    assert read_kept(store, CHAIN)(1, named) is None


def test_the_block_that_a_record_names_is_read_from_its_kept_header(store: Database) -> None:
    state, named = proof()
    assert state.beacon is not None
    anchored = reversible_anchor(
        Head(root=Hash32(b"\0" * 32), size=2),
        AnchorPosition(sequence=1, block_number=9, timestamp=9),
    )
    match = NumberedItem(
        kind=NumberKind.LEAF, index=0, stage=Stage.ANCHORED, is_erased=False, accepted_at=None,
        sealed_at=None, head=None, anchored=anchored, not_before=named,
    )  # fmt: skip
    lying = replace(named, block_number=named.block_number + 1)
    with store.write() as connection:
        assert find_named_block(connection, named.chain_id, match) is None
        save_proofs(connection, named.chain_id, 2, state, {named: state.beacon})
        block = find_named_block(connection, named.chain_id, match)
        assert block is not None
        assert (block.number, block.hash) == (named.block_number, named.block_hash)
        assert block.timestamp == parse_header(state.beacon.header).timestamp
        for other in (
            replace(match, not_before=lying),
            replace(match, not_before=OTHER),
            replace(match, not_before=replace(named, chain_id=ChainId(5))),
            replace(match, not_before=None),
            replace(match, anchored=None),
        ):
            assert find_named_block(connection, named.chain_id, other) is None
        assert find_named_block(connection, ChainId(5), match) is None


def test_rows_go_to_another_store_as_they_are(store: Database) -> None:
    state, named = proof()
    assert state.beacon is not None
    with store.write() as connection:
        save_proofs(connection, CHAIN, 1, state, {named: state.beacon})
        rows = load_proof_rows(connection, CHAIN)
        assert load_proof_rows(connection, ChainId(1)) == []
        forget_proofs(connection, CHAIN, 1)
        for row in rows:
            insert_proof_row(connection, row)
        assert load_proof(connection, CHAIN, 1, named) == state


def piece(number: int, record: bytes) -> NewEvidence:
    digest = number.to_bytes(32, "big")
    return NewEvidence(
        identity=digest,
        source=f"file {number}",
        sha256=digest,
        sm3=None,
        record=record,
        leaf=hash_leaf(record),
        accepted_at="2026-01-02T03:04:05.678Z",
    )


def block(number: int) -> NotBefore:
    return NotBefore(chain_id=CHAIN, block_number=number, block_hash=Hash32(bytes([number]) * 32))


def make_record(number: int, not_before: NotBefore | None, more: str = "") -> bytes:
    encoded = encode_record(
        digests=Digests(sha256=number.to_bytes(32, "big"), sm3=None, size=None),
        name=f"file {number}",
        media_type=None,
        salt=bytes(32),
        recorded_at="2026-01-02T03:04:05.678Z",
        not_before=not_before,
    )
    return encoded.replace(b'"name"', more.encode() + b'"name"')


def test_the_blocks_of_records_are_found_in_columns_and_in_kept_records(store: Database) -> None:
    """In one run each, so that the leaves that are asked about decide."""
    groups = (
        [(1, block(1), ""), (2, None, "")],
        [(3, block(3), '"kind":"x",'), (4, block(3), "")],
        [(5, block(5), "")],
        [(6, None, '"note":"\\"not_before\\":{}",')],
    )
    for group in groups:
        with store.write() as connection:
            insert_evidence(
                connection, [piece(number, make_record(number, *rest)) for number, *rest in group]
            )
    with store.read() as connection:
        assert list_named_blocks(connection, 0, 6) == {block(1), block(3), block(5)}
        assert block(5) not in list_named_blocks(connection, 0, 1)
        assert list_named_blocks(connection, 6, 6) == set()
        assert {block(5)} <= list_named_blocks(connection, 4, 5)
