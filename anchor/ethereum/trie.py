"""Merkle-Patricia tries (Yellow Paper, appendix D): proofs of the value under a key.

Only the tries of Ethereum's state are supported: their keys are Keccak hashes, 32 bytes long, so
that no key ends inside a branch.  A proof is the list of hashed nodes from the root down to the end
of the key's path (EIP-1186).  A key in a trie has exactly one proof, and no other is accepted.
"""

from __future__ import annotations

from collections.abc import Sequence

from anchor.base.errors import MalformedError, MismatchError
from anchor.base.messages.message import Message
from anchor.base.types import Hash32
from anchor.ethereum.keccak import hash_keccak256
from anchor.ethereum.rlp import RlpItem, decode_rlp, encode_rlp

EMPTY_TRIE_ROOT = hash_keccak256(b"\x80")
"""The root of an empty trie."""

_KEY_NIBBLES = 64
# The longest proof: a branch at each nibble of the key, and a leaf below the last one.
MAX_NODES = _KEY_NIBBLES + 1
# The largest node: a branch of sixteen hashes; the leaf of an account is shorter.
MAX_NODE_BYTES = 532
# A node shorter than a hash is embedded in its parent.
_HASH_BYTES = 32


def verify_trie_proof(*, root: Hash32, key: Hash32, nodes: Sequence[bytes]) -> bytes | None:
    """Return the value under ``key`` in the trie of ``root``; None if it is proven to be absent.

    ``key`` is the hashed key: the Keccak-256 of an address or a slot.  The empty trie has no node,
    so its proof is empty.

    Raises:
        MalformedError: A node is malformed, missing or superfluous, or the proof has more nodes
            than are possible.
    """
    if len(nodes) > MAX_NODES:
        raise MalformedError(Message("proof-too-many-nodes", count=len(nodes), limit=MAX_NODES))
    walk = _Walk(key, nodes)
    value = None if root == EMPTY_TRIE_ROOT else walk.descend(walk.take(root))
    walk.finish()
    return value


class _Walk:
    """The descent from the root along the key's nibbles, through the proof's nodes."""

    def __init__(self, key: Hash32, nodes: Sequence[bytes]) -> None:
        self._path = key.hex()
        self._nodes = nodes
        self._used = 0

    def take(self, expected: Hash32) -> RlpItem:
        """Decode the next node of the proof, which must have the ``expected`` hash."""
        subject = Message("proof-node-number", number=self._used)
        if self._used == len(self._nodes):
            raise MalformedError(Message("proof-node-missing", subject=subject))
        node = self._nodes[self._used]
        if len(node) > MAX_NODE_BYTES:
            raise MalformedError(
                Message(
                    "proof-node-too-long", subject=subject, size=len(node), limit=MAX_NODE_BYTES
                )
            )
        if hash_keccak256(node) != expected:
            actual, named = hash_keccak256(node).hex(), expected.hex()
            raise MismatchError(
                Message(
                    "proof-node-hash-differs",
                    subject=subject,
                    actual=actual,
                    number=self._used - 1,
                    expected=named,
                )
                if self._used
                else Message(
                    "proof-root-hash-differs", subject=subject, actual=actual, expected=named
                )
            )
        # Only the root is hashed even if it is short.
        if len(node) < _HASH_BYTES and self._used:
            raise MalformedError(
                Message("proof-node-not-embedded", subject=subject, size=len(node))
            )
        self._used += 1
        return decode_rlp(node, subject=subject, max_bytes=MAX_NODE_BYTES)

    def finish(self) -> None:
        """Check that no node of the proof is left over."""
        if self._used < len(self._nodes):
            raise MalformedError(
                Message("proof-nodes-left-over", count=len(self._nodes), used=self._used)
            )

    def descend(self, node: RlpItem) -> bytes | None:
        """Follow the key's path to its end; return the value, or None if it is absent."""
        is_below_extension = False
        while True:
            if not isinstance(node, tuple) or len(node) not in (2, 17):
                raise self._malformed(Message("trie-node-of-no-kind"))
            if len(node) == 17:
                child = self._pass_branch(node)
            elif is_below_extension:
                raise self._malformed(Message("trie-extension-without-branch"))
            else:
                is_leaf, path = self._read_path(node[0])
                if is_leaf:
                    return self._end_at_leaf(path, node[1])
                child = self._pass_extension(path, node[1])
            if child == b"":
                return None
            is_below_extension = len(node) == 2
            node = self.take(Hash32(child)) if isinstance(child, bytes) else child

    def _pass_branch(self, node: tuple[RlpItem, ...]) -> RlpItem:
        """Return the child that the key's next nibble chooses."""
        if not self._path:
            raise self._malformed(Message("trie-branch-too-deep"))
        if node[16] != b"":
            raise self._malformed(Message("trie-branch-with-value"))
        for child in node[:16]:
            self._check_child(child)
        if sum(child != b"" for child in node[:16]) < 2:
            raise self._malformed(Message("trie-branch-too-few-children"))
        nibble, self._path = int(self._path[0], 16), self._path[1:]
        return node[nibble]

    def _pass_extension(self, path: str, child: RlpItem) -> RlpItem:
        """Return the child; empty if the key's path differs from the extension's."""
        if not path:
            raise self._malformed(Message("trie-extension-empty"))
        if len(path) >= len(self._path):
            raise self._malformed(Message("trie-extension-too-long"))
        self._check_child(child)
        if child == b"":
            raise self._malformed(Message("trie-extension-childless"))
        if not self._path.startswith(path):
            return b""
        self._path = self._path[len(path) :]
        return child

    def _end_at_leaf(self, path: str, value: RlpItem) -> bytes | None:
        """Return the value, or None if the leaf belongs to another key."""
        if len(path) != len(self._path):
            raise self._malformed(Message("trie-leaf-key-wrong-length"))
        if not isinstance(value, bytes) or not value:
            raise self._malformed(Message("trie-leaf-without-value"))
        return value if path == self._path else None

    def _check_child(self, child: RlpItem) -> None:
        """Check that a child is empty, a hash, or an embedded node shorter than a hash."""
        if isinstance(child, bytes):
            if len(child) not in (0, _HASH_BYTES):
                raise self._malformed(Message("trie-child-not-hash", size=len(child)))
        elif len(encode_rlp(child)) >= _HASH_BYTES:
            raise self._malformed(Message("trie-child-not-hashed"))

    def _read_path(self, encoded: RlpItem) -> tuple[bool, str]:
        """Decode a hex-prefix path (Yellow Paper, appendix C) into a leaf flag and its nibbles."""
        digits = encoded.hex() if isinstance(encoded, bytes) else ""
        # The flags are 0 to 3; for a path of even length, a zero nibble fills the first byte.
        flag = int(digits[:1] or "f", 16)
        if flag > 3 or (flag % 2 == 0 and digits[1] != "0"):
            raise self._malformed(Message("trie-path-not-hex-prefix"))
        return flag >= 2, digits[1:] if flag % 2 else digits[2:]

    def _malformed(self, complaint: str) -> MalformedError:
        return MalformedError(
            Message("trie-node-malformed", number=self._used - 1, reason=complaint)
        )
