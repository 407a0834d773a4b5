"""Merkle-Patricia proofs: one for each key, beside the package `trie`, and no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tries import BRANCH_CHILDREN, keccak256, make_trie, prove
from trie import HexaryTrie
from trie.exceptions import BadTrieProof

from anchor.errors import MalformedError, MismatchError
from anchor.mpt import EMPTY_TRIE_ROOT, MAX_NODE_BYTES, MAX_NODES, verify_trie_proof
from anchor.types import Hash32

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


@settings(max_examples=300)
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


@settings(max_examples=300)
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
            MismatchError, match=r"^node 0 of the proof has hash .*; the root is 0x"
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


# Tries made up node by node, which nobody's state has.

KEY = bytes.fromhex("12" + "34" * 31)
LONG = b"v" * 40


def hex_prefix(nibbles: str, *, leaf: bool) -> bytes:
    flag = 2 * leaf + len(nibbles) % 2
    return bytes.fromhex(f"{flag:x}" + ("" if len(nibbles) % 2 else "0") + nibbles)


def leaf(nibbles: str, value: Any = LONG) -> list[Any]:
    return [hex_prefix(nibbles, leaf=True), value]


def extension(nibbles: str, child: Any) -> list[Any]:
    return [hex_prefix(nibbles, leaf=False), child]


def branch(**children: Any) -> list[Any]:
    """A branch with these children, named `_0` to `_f`, and a second one so that it may be."""
    node: list[Any] = [b""] * (BRANCH_CHILDREN + 1)
    node[15] = b"\xee" * 32
    for name, child in children.items():
        node[int(name[1:], 16)] = child
    return node


def chain(*nodes: Any) -> tuple[bytes, list[bytes]]:
    """Return root and proof; each node is made from the hash of the one below it."""
    made: list[bytes] = []
    below: Any = None
    for node in reversed(nodes):
        encoded = (
            node if isinstance(node, bytes) else rlp.encode(node(below) if callable(node) else node)
        )
        made.insert(0, encoded)
        below = keccak256(encoded)
    return keccak256(made[0]), made


DIGITS = KEY.hex()


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
    def full(nibble: str) -> Callable[[bytes], list[Any]]:
        def make(h: bytes) -> list[Any]:
            node: list[Any] = [b"\xee" * 32] * 16 + [b""]
            node[int(nibble, 16)] = h
            return node

        return make

    root, proof = chain(*map(full, DIGITS), leaf(""))
    assert (len(proof), len(proof[0])) == (MAX_NODES, MAX_NODE_BYTES) == (65, 532)
    assert verify(root, KEY, proof) == LONG
    assert "at most 65 are possible" in refusal(root, KEY, [*proof, proof[-1]])
    below, proof = chain(*map(full, DIGITS), branch(_0=b"\xee" * 32))
    assert "below the end of every key" in refusal(below, KEY, proof)


def test_a_node_is_bounded_before_it_is_hashed() -> None:
    root, proof = chain(leaf(DIGITS, bytes(492)))
    assert len(proof[0]) == MAX_NODE_BYTES
    assert verify(root, KEY, proof) == bytes(492)
    root, proof = chain(leaf(DIGITS, bytes(493)))
    assert "533 bytes; 532 are possible" in refusal(root, KEY, proof)


def test_a_leaf_of_31_bytes_stands_within_its_branch_and_one_of_32_on_its_own() -> None:
    short, long = leaf("1" * 29, b"v" * 13), leaf("1" * 29, b"v" * 14)
    assert [len(rlp.encode(node)) for node in (short, long)] == [31, 32]
    root, proof = chain(lambda h: branch(_1=h, _2=short), leaf(DIGITS[1:]))
    assert verify(root, KEY, proof) == LONG
    root, proof = chain(lambda h: branch(_1=h), leaf(DIGITS[1:], b""))
    assert "without a value" in refusal(root, KEY, proof)


def test_a_root_shorter_than_a_hash_is_hashed_all_the_same() -> None:
    # A leaf of the whole key is longer: only what no state has is so short, and it is read.
    root, proof = chain([b"\x20", b"v"])
    assert "not 32 bytes long" in refusal(root, KEY, proof)


def without_value(node: list[Any], value: Any) -> list[Any]:
    return [*node[:16], value]


BAD: dict[str, tuple[tuple[Any, ...], str]] = {
    "a root of no items": (([],), "neither a branch"),
    "a root of one item": (([b"x"],), "neither a branch"),
    "a root of three items": (([b" ", b"x", b"y"],), "neither a branch"),
    "a root of sixteen items": ((branch()[:16],), "neither a branch"),
    "a root of eighteen items": (([*branch(), b""],), "neither a branch"),
    "a root that is a string": ((rlp.encode(LONG),), "neither a branch"),
    "RLP of another spelling": ((b"\xf8\x02\x20\x76",), "longer than need be"),
    "bytes after a node": ((rlp.encode(leaf(DIGITS)) + b"\0",), "goes on"),
    "a branch with a value": ((without_value(branch(_2=b"\xee" * 32), b"v"),), "with a value"),
    "a branch whose value is a list": ((without_value(branch(_2=b"\xee" * 32), []),), "with a val"),
    "a branch with one child": ((branch(),), "fewer than two"),
    "a branch without children": ((branch(_f=b""),), "fewer than two"),
    "a child of 31 bytes": ((branch(_1=b"\xee" * 31),), "a child of 31 bytes"),
    "a child of 33 bytes beside the path": ((branch(_2=b"\xee" * 33),), "a child of 33 bytes"),
    "a long leaf inside a branch": ((branch(_1=leaf(DIGITS[1:])),), "long enough to be hashed"),
    "a long leaf beside the path": ((branch(_2=leaf(DIGITS[1:])),), "long enough to be hashed"),
    "a leaf of exactly 32 bytes inside": (
        (branch(_2=leaf("1" * 29, b"v" * 14)),),
        "long enough to be hashed",
    ),
    "an embedded list of no node": ((branch(_1=[]),), "neither a branch"),
    "a short leaf as a node of its own": (
        (lambda h: branch(_1=h), leaf(DIGITS[60:], b"v")),
        "belongs into its parent",
    ),
    "an extension of nothing": ((extension("", b"\xee" * 32),), "an extension of nothing"),
    "an extension without a child": ((extension("1", b""),), "without a child"),
    "an extension without a child, elsewhere": ((extension("2", b""),), "without a child"),
    "an extension to a short hash": ((extension("1", b"\xee" * 20),), "a child of 20 bytes"),
    "an extension of the whole key": ((extension(DIGITS, b"\xee" * 32),), "end of every key"),
    "an extension beyond the key": ((extension(DIGITS + "00", b"\xee" * 32),), "end of every key"),
    "an extension below an extension": (
        (lambda h: extension(DIGITS[:2], h), lambda h: extension(DIGITS[2:4], h), leaf("")),
        "stands below an extension",
    ),
    "a leaf below an extension": (
        (lambda h: extension(DIGITS[:2], h), leaf(DIGITS[2:])),
        "stands below an extension",
    ),
    "an embedded leaf below an extension": (
        (extension(DIGITS[:2], leaf(DIGITS[60:], b"v")),),
        "stands below an extension",
    ),
    "a leaf with too short a path": ((leaf(DIGITS[:-1]),), "not 32 bytes long"),
    "a leaf with too long a path": ((leaf(DIGITS + "0"),), "not 32 bytes long"),
    "another key's leaf with too short a path": ((leaf("f" * 63),), "not 32 bytes long"),
    "a leaf without a value": ((leaf(DIGITS, b""),), "without a value"),
    "another key's leaf without a value": ((leaf("f" * 64, b""),), "without a value"),
    "a leaf whose value is a list": ((leaf(DIGITS, [LONG]),), "without a value"),
    "a path without its prefix": (([b"", LONG],), "hex-prefix"),
    "a path that is a list": (([[b"\x20"], LONG],), "hex-prefix"),
    "a path with a filled first byte": (([b"\x21" + KEY, LONG],), "hex-prefix"),
    "a path with a flag of 4": (([b"\x40" + KEY, LONG],), "hex-prefix"),
    "a path with a flag of 15": (([b"\xf1" + KEY, LONG],), "hex-prefix"),
    "an extension's path with a filled first byte": (([b"\x01\x12", b"\xee" * 32],), "hex-prefix"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_node_that_no_trie_of_state_has_is_refused_though_its_hash_fits(name: str) -> None:
    nodes, says = BAD[name]
    root, proof = chain(*nodes)
    assert says in refusal(root, KEY, proof)
