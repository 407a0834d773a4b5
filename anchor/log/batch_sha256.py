"""SHA-256 over many short messages at once: the leaves and nodes of Merkle trees.

``anchor._sha256`` (``anchor/native/``) does the hashing, with the processor's SHA-256 instructions
if it has them, in blocks that fit the cache and, for more than a mebibyte, on all usable cores.  An
installation built without a C compiler lacks that module and uses ``hashlib`` on one core, which
gives the same results and is a dozen times slower.
"""

from __future__ import annotations

import hashlib
from struct import Struct
from typing import Protocol

from anchor.base.system.cores import count_usable_cores

try:
    from anchor import _sha256
except ImportError:
    IMPLEMENTATION = "hashlib"
else:
    # "sha-ni", "avx2", "armv8" or "portable"
    IMPLEMENTATION = _sha256.IMPLEMENTATIONS[0]

IS_NATIVE = IMPLEMENTATION != "hashlib"
"""Whether ``anchor._sha256`` is installed, for this and other modules with a part in C."""

MAX_SUBTREE_HEIGHT = 12
"""The greatest height of the subtrees that ``hash_subtrees`` takes."""

# Bytes that one core hashes in a millisecond or two.  Starting threads for fewer gains nothing.
_ONE_CORE = 1 << 20


class Buffer(Protocol):
    """A contiguous buffer: ``bytes``, ``bytearray``, ``memoryview``, ``mmap`` ..."""

    def __buffer__(self, flags: int, /) -> memoryview: ...


def hash_rows(prefix: int, rows: Buffer, width: int) -> bytes:
    """Return ``SHA-256(prefix ‖ row)`` of each row of ``width`` bytes, concatenated.

    Raises:
        ValueError: ``width`` is not positive, or ``rows`` is not a whole number of rows.
    """
    if IMPLEMENTATION == "hashlib":
        return _hash_rows(prefix, rows, width)
    return _sha256.hash_rows(prefix, rows, width, threads=_count_threads(rows))


def hash_levels(level: Buffer, count: int) -> list[bytes]:
    """Return up to ``count`` tree levels above ``level``, each half as long as the one below.

    A hash is ``SHA-256(0x01 ‖ left ‖ right)`` of a pair below; an odd last hash is left out.  The
    result ends early when a level has no pair.

    Raises:
        ValueError: ``count`` is negative, or ``level`` is not a whole number of hashes.
    """
    if IMPLEMENTATION == "hashlib":
        return _hash_levels(level, count)
    return _sha256.hash_levels(level, count, threads=_count_threads(level))


def hash_pairs(level: Buffer) -> bytes:
    """Return the level above ``level``, as ``hash_levels`` does; empty if ``level`` has no pair."""
    return b"".join(hash_levels(level, 1))


def hash_subtrees(level: Buffer, height: int) -> bytes:
    """Return the roots of the subtrees of 2^``height`` hashes each, without the nodes inside them.

    Hashes after the last complete subtree are left out.

    Raises:
        ValueError: ``height`` is not 1 … ``MAX_SUBTREE_HEIGHT``, or ``level`` is not a whole number
            of hashes.
    """
    if IMPLEMENTATION == "hashlib":
        return _hash_subtrees(level, height)
    return _sha256.hash_subtrees(level, height, threads=_count_threads(level))


def _count_threads(buffer: Buffer) -> int:
    return count_usable_cores() if memoryview(buffer).nbytes > _ONE_CORE else 1


# The fallback with hashlib.  Copying a hash object that has consumed the prefix is faster than
# creating one, for which OpenSSL looks up the algorithm.  Struct is faster than memoryview slices.


def _hash_rows(prefix: int, rows: Buffer, width: int) -> bytes:
    start = hashlib.sha256(prefix.to_bytes()).copy
    if width < 1:
        raise ValueError("a row has at least one byte")
    view = _view(rows)
    if len(view) % width:
        raise ValueError(f"{len(view)} bytes are no whole number of rows of {width}")
    digests = []
    for (row,) in Struct(f"{width}s").iter_unpack(view):
        message = start()
        message.update(row)
        digests.append(message.digest())
    return b"".join(digests)


def _hash_levels(level: Buffer, count: int) -> list[bytes]:
    if count < 0:
        raise ValueError("no fewer than no levels")
    below = _view(level)
    if len(below) % 32:
        raise ValueError("hashes are 32 bytes each")
    levels: list[bytes] = []
    while len(levels) < count and len(below) >= 64:
        levels.append(_hash_rows(1, below[: len(below) // 64 * 64], 64))
        below = memoryview(levels[-1])
    return levels


def _hash_subtrees(level: Buffer, height: int) -> bytes:
    if not 1 <= height <= MAX_SUBTREE_HEIGHT:
        raise ValueError(f"a subtree is 1 to {MAX_SUBTREE_HEIGHT} levels high")
    below = _view(level)
    if len(below) % 32:
        raise ValueError("hashes are 32 bytes each")
    below = below[: (len(below) >> 5 + height) << 5 + height]
    for _ in range(height):
        below = memoryview(_hash_rows(1, below, 64))
    return bytes(below)


def _view(buffer: Buffer) -> memoryview:
    view = memoryview(buffer)
    if not view.c_contiguous:
        raise BufferError("the bytes are not in one piece")
    return view.cast("B")
