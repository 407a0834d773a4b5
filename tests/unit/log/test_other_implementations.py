"""Other people's implementations of RFC 9162 and of checkpoints have to agree with ours."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace

import pymerkle
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore._internal.rekor.checkpoint import SignedCheckpoint
from sigstore.errors import VerificationError
from support.examples import examples

from anchor.base.errors import MismatchError
from anchor.base.types import MAX_LOG_SIZE, Hash32, Head
from anchor.log.checkpoint import Checkpoint, sign_checkpoint
from anchor.log.merkle import hash_leaf, verify_consistency, verify_inclusion
from anchor.log.signed_note import NoteKey
from anchor.log.tiles import TileBuilder, TileTree
from anchor.log.tree import MerkleTree, Tree

ALL = 66
"""Up to this size, every index and every pair of sizes."""

MANY = 3_000
RECORDS = [b"record %d" % number for number in range(MANY)]
LEAVES = b"".join(hash_leaf(record) for record in RECORDS)
TREE = Tree(LEAVES)


@cache
def theirs() -> pymerkle.InmemoryTree:
    return pymerkle.InmemoryTree.init_from_entries(RECORDS, algorithm="sha256")


def from_tiles(size: int) -> TileTree:
    """Return the tree read from its tiles, as a reader of a published log does."""
    builder = TileBuilder()
    tiles = dict(builder.add(LEAVES[: 32 * size]))
    tiles |= dict(builder.unfinished())
    return TileTree(Head(root=builder.edge.root(), size=size), tiles.__getitem__)


def check_path(tree: MerkleTree, index: int, size: int) -> None:
    path = tree.inclusion_path(index, size)
    proof = theirs().prove_inclusion(index + 1, size)
    assert proof.path == [LEAVES[32 * index : 32 * index + 32], *path]
    ours = pymerkle.InclusionProof(
        "sha256", True, size, index + 1, proof.rule, [proof.path[0], *path]
    )
    pymerkle.verify_inclusion(
        hash_leaf(RECORDS[index]), tree.root(size), ours, index=index + 1, size=size
    )


def check_growth(old_size: int, new_size: int) -> None:
    """Our proof leads from their old root to their new one, and theirs from ours to ours."""
    verify_consistency(
        old_root=Hash32(theirs().get_root(old_size)),
        old_size=old_size,
        new_root=Hash32(theirs().get_root(new_size)),
        new_size=new_size,
        proof=TREE.consistency_proof(old_size, new_size),
    )
    pymerkle.verify_consistency(
        TREE.root(old_size),
        TREE.root(new_size),
        theirs().prove_consistency(old_size, new_size),
        prior_size=old_size,
        later_size=new_size,
    )


def test_pymerkle_has_every_root() -> None:
    for size in range(1, 600):
        assert theirs().get_root(size) == TREE.root(size)


@pytest.mark.parametrize("size", range(1, ALL + 1))
def test_pymerkle_makes_and_accepts_the_same_paths(size: int) -> None:
    tree = from_tiles(size)
    for index in range(size):
        check_path(tree, index, size)


@pytest.mark.parametrize("new_size", range(2, ALL + 1))
def test_pymerkle_agrees_on_how_a_log_grows(new_size: int) -> None:
    for old_size in range(1, new_size):
        check_growth(old_size, new_size)


@settings(max_examples=examples(60))
@given(st.integers(2, MANY), st.data())
def test_pymerkle_agrees_at_larger_sizes(size: int, data: st.DataObject) -> None:
    check_path(TREE, data.draw(st.integers(0, size - 1)), size)
    check_growth(data.draw(st.integers(1, size - 1)), size)


def sigstore_accepts(
    record: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> bool:
    proof = SimpleNamespace(log_index=index, tree_size=size, hashes=list(path), root_hash=root)
    entry = SimpleNamespace(canonicalized_body=record, inclusion_proof=proof)
    try:
        verify_merkle_inclusion(SimpleNamespace(_inner=entry))  # type: ignore[arg-type]
    except VerificationError:
        return False
    return True


def we_accept(record: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    try:
        verify_inclusion(
            leaf=hash_leaf(record),
            index=index,
            size=size,
            path=[Hash32(node) for node in path],
            root=Hash32(root),
        )
    except MismatchError:
        return False
    return True


@pytest.mark.parametrize("size", range(1, ALL + 1))
def test_sigstore_accepts_every_path(size: int) -> None:
    for index in range(size):
        path = TREE.inclusion_path(index, size)
        assert sigstore_accepts(RECORDS[index], index, size, path, TREE.root(size))


@settings(max_examples=examples(400))
@given(st.integers(1, MANY), st.data())
def test_sigstore_agrees_about_bent_paths(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    path: list[bytes] = list(TREE.inclusion_path(index, size))
    root: bytes = TREE.root(size)
    record = RECORDS[index]
    other = hashlib.sha256(b"other").digest()
    bend = data.draw(
        st.sampled_from(["index", "size", "hash", "order", "longer", "shorter", "root", "record"])
    )
    place = data.draw(st.integers(0, max(0, len(path) - 1)))
    if bend == "index":
        index = data.draw(st.integers(0, size - 1))
    elif bend == "size":
        # Sigstore does not look whether the index is below the size.
        size = data.draw(st.integers(index + 1, 2 * MANY))
    elif bend == "hash" and path:
        path[place] = other
    elif bend == "order":
        path.reverse()
    elif bend == "longer":
        path.insert(place, other)
    elif bend == "shorter" and path:
        del path[place]
    elif bend == "root":
        root = other
    elif bend == "record":
        record += b"!"
    bent = (record, index, size, path, root)
    assert sigstore_accepts(*bent) == we_accept(*bent)


@pytest.mark.parametrize("size", [0, 1, 20852163, MAX_LOG_SIZE])
def test_sigstore_reads_our_checkpoints(size: int) -> None:
    origin = "eip155:1/0x" + "52" * 20 + "/0x" + "00" * 12 + "ab" * 20
    root = hash_leaf(b"%d" % size)
    key = NoteKey(name=origin, seed=b"\5" * 32)
    head = Head(root=root, size=size)
    note = sign_checkpoint(Checkpoint(origin=origin, head=head), key)
    signed = SignedCheckpoint.from_text(note.decode("utf-8"))
    read = signed.checkpoint
    assert (read.origin, read.log_size, read.log_hash) == (origin, size, root.hex())
    assert read.other_content == []
    (signature,) = signed.signed_note.signatures
    assert (signature.name, signature.sig_hash) == (origin, key.verifier().key_id)
    # What Sigstore takes for the signed text is what the key signed.
    Ed25519PublicKey.from_public_bytes(key.verifier().public_key).verify(
        base64.b64decode(signature.signature), signed.signed_note.note.encode("utf-8")
    )
