"""Owners of leaves: what side files said last of each, however many entries there are."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing

import pytest

from anchor.base.types import Hash32
from anchor.recovery import owners as module
from anchor.recovery.owners import Compared, LeafOwners, OwnedLeaf, join_pairs
from anchor.store.acknowledged_log_frames import Entry
from anchor.store.batches import in_batches


@pytest.fixture
def owners() -> Iterator[LeafOwners]:
    with closing(LeafOwners()) as opened:
        yield opened


def make_hash(number: int) -> Hash32:
    return Hash32(number.to_bytes(32, "big"))


def list_pieces(owners: LeafOwners) -> list[OwnedLeaf]:
    return [
        OwnedLeaf(identity, owners.name_tenant(number))
        for batch in owners.load_pieces()
        for identity, number in batch
    ]


def list_keys(owners: LeafOwners) -> dict[bytes, bytes]:
    return {key: identity for batch in owners.load_keys() for key, identity in batch}


@pytest.mark.parametrize("seed", range(4))
def test_the_last_entry_of_each_leaf_counts(
    owners: LeafOwners, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(module, "_BATCH", chance.choice([1, 3, 1 << 16]))
    monkeypatch.setattr(module, "_KEYS", 3)
    leaves = [Hash32(chance.randbytes(32)) for _ in range(40)]
    last: dict[Hash32, Entry] = {}
    for _ in range(3):
        entries = [
            Entry(
                chance.choice(leaves[:30]),
                chance.randbytes(32),
                chance.choice(["", "a", "b"]),
                chance.choice([None, chance.randbytes(32)]),
            )
            for _ in range(25)
        ]
        owners.add(in_batches(entries, 7))
        last |= {entry.leaf: entry for entry in entries}
    for forgets in (False, True):
        if forgets:
            owners.forget(leaves[:5])
            last = {leaf: entry for leaf, entry in last.items() if leaf not in leaves[:5]}
        for leaf in leaves:
            entry = last.get(leaf)
            expected = None if entry is None else OwnedLeaf(entry.identity, entry.tenant)
            assert owners.find(leaf) == expected
        pieces = [OwnedLeaf(entry.identity, entry.tenant) for entry in last.values()]
        assert sorted(list_pieces(owners), key=str) == sorted(pieces, key=str)
        assert list_keys(owners) == {
            entry.key: entry.identity for entry in last.values() if entry.key is not None
        }
        moved = frozenset(chance.sample(sorted(last), 4))
        pairs = b"".join(
            leaf + (last[leaf].identity if leaf in last and leaf not in moved else bytes(32))
            for leaf in leaves
        )
        unknown = frozenset(leaves) - last.keys()
        assert owners.compare(pairs) == Compared(unknown=unknown, moved=moved)


def test_leaves_that_are_no_hashes_are_found_as_well(
    owners: LeafOwners, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their first bytes are equal, so that they are all merged at once."""
    monkeypatch.setattr(module, "_BATCH", 2)
    entries = [Entry(make_hash(at), make_hash(at + 1), "t", None) for at in range(50)]
    owners.add(in_batches(reversed(entries), 3))
    assert owners.compare(join_pairs(entries)) == Compared()
    assert [piece.identity for piece in list_pieces(owners)] == [
        entry.identity for entry in entries
    ]


def test_without_entries_every_leaf_is_unknown(owners: LeafOwners) -> None:
    pair = make_hash(1) + make_hash(2)
    assert owners.compare(pair) == Compared(unknown=frozenset({make_hash(1)}))
    assert owners.compare(b"") == Compared()
    assert owners.find(make_hash(1)) is None
    assert (list_pieces(owners), list_keys(owners)) == ([], {})


def test_entries_are_found_when_all_of_them_were_added(owners: LeafOwners) -> None:
    """The last of several entries of another file counts, not the first."""
    entries = [Entry(make_hash(1), make_hash(at), "t", None) for at in range(3)]

    def add() -> Iterator[list[Entry]]:
        for entry in entries:
            assert owners.find(make_hash(1)) is None
            yield [entry]

    owners.add(add())
    assert owners.find(make_hash(1)) == OwnedLeaf(make_hash(2), "t")
