"""SHA-256 over many short messages at once: the leaves and nodes of Merkle trees.

``anchor._sha256`` (``anchor/native/``) does the hashing, with the processor's SHA-256 instructions
if it has them.  An installation built without a C compiler lacks that module and uses
``hashlib``, which gives the same results and is a dozen times slower.
"""

from __future__ import annotations

import hashlib
from struct import Struct
from typing import Protocol

try:
    from anchor import _sha256
except ImportError:
    IMPLEMENTATION = "hashlib"
else:
    # "sha-ni", "avx2", "armv8" or "portable"
    IMPLEMENTATION = _sha256.IMPLEMENTATIONS[0]


class Buffer(Protocol):
    """A contiguous buffer: ``bytes``, ``bytearray``, ``memoryview``, ``mmap`` ..."""

    def __buffer__(self, flags: int, /) -> memoryview: ...


def hash_rows(prefix: int, rows: Buffer, width: int) -> bytes:
    """Return ``SHA-256(prefix ‖ row)`` of each row of ``width`` bytes, concatenated.

    Raises:
        ValueError: ``width`` is not positive, or ``rows`` is not a whole number of rows.
        OverflowError: ``prefix`` is not a byte.
        BufferError: ``rows`` is not contiguous.
    """
    if IMPLEMENTATION == "hashlib":
        return _hash_rows(prefix, rows, width)
    return _sha256.hash_rows(prefix, rows, width)


def hash_levels(level: Buffer, count: int) -> list[bytes]:
    """Return up to ``count`` tree levels above ``level``, each half as long as the one below.

    A hash is ``SHA-256(0x01 ‖ left ‖ right)`` of a pair below; an odd last hash is left out.  The
    result ends early when a level has no pair.

    Raises:
        ValueError: ``count`` is negative, or ``level`` is not a whole number of hashes.
        BufferError: ``level`` is not contiguous.
    """
    if IMPLEMENTATION == "hashlib":
        return _hash_levels(level, count)
    return _sha256.hash_levels(level, count)


def hash_pairs(level: Buffer) -> bytes:
    """Return the level above ``level``, as ``hash_levels`` does; empty if ``level`` has no pair."""
    return b"".join(hash_levels(level, 1))


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


def _view(buffer: Buffer) -> memoryview:
    view = memoryview(buffer)
    if not view.c_contiguous:
        raise BufferError("the bytes are not in one piece")
    return view.cast("B")
