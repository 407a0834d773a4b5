"""Merkle-Patricia proofs: one for each key, beside the package `trie`, and no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.tries import keccak256, make_trie, prove
from support.vectors.tries import DIGITS, KEY, LONG, branch, chain, extension, leaf, longest_chain
from trie import HexaryTrie
from trie.exceptions import BadTrieProof

from anchor.base.errors import MalformedError, MismatchError
from anchor.base.types import Hash32
from anchor.ethereum.trie import EMPTY_TRIE_ROOT, MAX_NODE_BYTES, MAX_NODES, verify_trie_proof

# Keys that part at the first nibble, in the middle, or at the very end, where nodes are embedded.
_ENDS = st.binary(min_size=1, max_size=2) | st.binary(min_size=32, max_size=32)
KEYS = st.builds(
    lambda end, fill: (bytes([fill]) * 32)[: 32 - len(end)] + end, _ENDS, st.sampled_from([0, 17])
)
VALUES = st.binary(min_size=1, max_size=3) | st.binary(min_size=30, max_size=120)
JUNK = [b"\x20" + bytes(32), b"junk"]
TRIES = st.dictionaries(KEYS, VALUES, min_size=1, max_size=40)


def verify(root: bytes, key: bytes, nodes: Sequence[bytes]) -> bytes | None:
    return verify_trie_proof(root=Hash32(root), key=Hash32(key), nodes=nodes)


def refusal(root: bytes, key: bytes, nodes: Sequence[bytes]) -> str:
    with pytest.raises(MalformedError) as caught:
        verify(root, key, nodes)
    assert type(caught.value) is MalformedError
    return caught.value.message


@settings(max_examples=examples(300))
@given(TRIES, KEYS)
def test_what_a_trie_holds_and_lacks_is_proven_as_the_package_trie_says(
    content: dict[bytes, bytes], other: bytes
) -> None:
    trie = make_trie(content)
    for key in {*content, other}:
        proof = prove(trie, key)
        assert verify(trie.root_hash, key, proof) == content.get(key)
        oracle = HexaryTrie.get_from_proof(trie.root_hash, key, map(rlp.decode, proof))
        assert oracle == content.get(key, b"")


@settings(max_examples=examples(300))
@given(TRIES, KEYS, st.data())
def test_no_altered_proof_is_one(
    content: dict[bytes, bytes], other: bytes, draw: st.DataObject
) -> None:
    trie = make_trie(content)
    key = draw.draw(st.sampled_from([*content, other]))
    proof = prove(trie, key)
    place = draw.draw(st.integers(0, len(proof) - 1))
    node = bytearray(proof[place])
    node[draw.draw(st.integers(0, len(node) - 1))] ^= draw.draw(st.integers(1, 255))
    others = [prove(trie, one)[-1] for one in content] + [b"\x80", b"", b"\xc0"]
    stranger = draw.draw(st.sampled_from(others))
    altered: list[list[bytes]] = [
        [*proof[:place], bytes(node), *proof[place + 1 :]],
        [*proof[:place], *proof[place + 1 :]],
        [*proof[:place], proof[place], *proof[place:]],
        [*proof[:place], stranger, *proof[place:]],
        [*proof, stranger],
        proof[::-1],
        proof[:place],
        proof[place + 1 :],
        [],
    ]
    for nodes in altered:
        if nodes != proof:
            with pytest.raises((MalformedError, MismatchError)):
                verify(trie.root_hash, key, nodes)


@given(TRIES, KEYS, KEYS)
def test_a_proof_for_one_key_never_says_anything_false_of_another(
    content: dict[bytes, bytes], one: bytes, other: bytes
) -> None:
    trie = make_trie(content)
    for key in {one, *list(content)[:5]}:
        try:
            found = verify(trie.root_hash, other, prove(trie, key))
        except (MalformedError, MismatchError):
            continue
        assert found == content.get(other)


@given(TRIES, TRIES, KEYS)
def test_a_proof_from_another_trie_does_not_lead_to_the_root(
    content: dict[bytes, bytes], different: dict[bytes, bytes], key: bytes
) -> None:
    trie, stranger = make_trie(content), make_trie(different)
    if trie.root_hash != stranger.root_hash:
        with pytest.raises(
            MismatchError, match=r"^node 0 of the proof has hash .*, but the root is 0x"
        ):
            verify(trie.root_hash, key, prove(stranger, key))


def test_the_package_trie_is_less_strict_which_is_why_this_walker_is_there() -> None:
    content = {keccak256(bytes([n])): b"value" for n in range(40)}
    trie = make_trie(content)
    key = next(iter(content))
    proof = trie.get_proof(key)
    assert HexaryTrie.get_from_proof(trie.root_hash, key, [*proof, JUNK][::-1])
    with pytest.raises(BadTrieProof):
        HexaryTrie.get_from_proof(trie.root_hash, key, proof[:-1])
    raw = prove(trie, key)
    assert "ends after" in refusal(trie.root_hash, key, [*raw, rlp.encode(JUNK)])
    assert "is missing" in refusal(trie.root_hash, key, raw[:-1])


def test_the_empty_trie_holds_nothing_and_its_proof_is_empty() -> None:
    assert HexaryTrie({}).root_hash == EMPTY_TRIE_ROOT
    assert verify(EMPTY_TRIE_ROOT, bytes(32), []) is None
    assert "ends after 0" in refusal(EMPTY_TRIE_ROOT, bytes(32), [b"\x80"])


# Tries made up node by node; what no state has is in tests/vectors/state/trie.json.


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 63])
def test_paths_of_any_parity_are_followed(bits: int) -> None:
    at = int(DIGITS[bits], 16)

    def forked(h: bytes) -> list[Any]:
        node = branch()
        node[at] = h
        return node

    root, proof = chain(lambda h: extension(DIGITS[:bits], h), forked, leaf(DIGITS[bits + 1 :]))
    assert verify(root, KEY, proof) == LONG
    for other in ("f", "e"):
        key = bytes.fromhex(other + DIGITS[1:])
        assert verify(root, key, proof[:1]) is None
        assert "ends after 1" in refusal(root, key, proof)


def test_the_longest_proof_has_65_nodes_of_532_bytes() -> None:
    root, proof = longest_chain(leaf(""))
    assert (len(proof), len(proof[0])) == (MAX_NODES, MAX_NODE_BYTES) == (65, 532)
    assert verify(root, KEY, proof) == LONG
    assert "at most 65 are possible" in refusal(root, KEY, [*proof, proof[-1]])


def test_a_node_is_bounded_before_it_is_hashed() -> None:
    node = bytes(MAX_NODE_BYTES + 1)
    with pytest.raises(MismatchError):
        verify(bytes(32), KEY, [node[1:]])
    assert "533 bytes; at most 532 are possible" in refusal(bytes(32), KEY, [node])
    assert "at most 65 are possible" in refusal(bytes(32), KEY, [node] * 66)
