"""Tries made by the package `trie`, and the proofs that nodes give of them (EIP-1186)."""

from __future__ import annotations

from collections.abc import Mapping

import rlp
from Crypto.Hash import keccak
from trie import HexaryTrie

BRANCH_CHILDREN = 16


def keccak256(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


def make_trie(content: Mapping[bytes, bytes]) -> HexaryTrie:
    trie = HexaryTrie({})
    for key, value in content.items():
        trie[key] = value
    return trie


def prove(trie: HexaryTrie, key: bytes) -> list[bytes]:
    """Return the hashed nodes on the key's path; those within others go without saying."""
    nodes = [rlp.encode(node) for node in trie.get_proof(key)]
    return [node for place, node in enumerate(nodes) if place == 0 or len(node) >= 32]
