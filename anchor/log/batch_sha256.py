"""SHA-256 over many short messages at once: the leaves and nodes of Merkle trees.

The work is done by ``anchor._sha256`` (``anchor/native/``), with the processor's own instructions
where it has some.  An installation built without a C compiler lacks that module and uses
``hashlib``, a dozen times slower and otherwise the same.
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
    """Bytes in one piece: ``bytes``, ``bytearray``, ``memoryview``, ``mmap`` ..."""

    def __buffer__(self, flags: int, /) -> memoryview: ...


def hash_rows(prefix: int, rows: Buffer, width: int) -> bytes:
    """Hash ``SHA-256(prefix ‖ row)`` for each row of ``width`` bytes; return them back to back.

    Raises:
        ValueError: if ``width`` is not positive, or ``rows`` not a whole number of rows.
        OverflowError: if ``prefix`` is not a byte.
        BufferError: if ``rows`` is not in one piece.
    """
    if IMPLEMENTATION == "hashlib":
        return _hash_rows(prefix, rows, width)
    return _sha256.hash_rows(prefix, rows, width)


def hash_levels(level: Buffer, count: int) -> list[bytes]:
    """Return up to ``count`` levels above ``level``, a row of hashes; each halves the one below.

    A hash is ``SHA-256(0x01 ‖ left ‖ right)`` of a pair below; an odd last one is left out.  It
    ends with the level that has no pair.

    Raises:
        ValueError: if ``count`` is negative, or ``level`` not a whole number of hashes.
        BufferError: if ``level`` is not in one piece.
    """
    if IMPLEMENTATION == "hashlib":
        return _hash_levels(level, count)
    return _sha256.hash_levels(level, count)


def hash_pairs(level: Buffer) -> bytes:
    """Return the one level above ``level``: as ``hash_levels`` does, but empty without a pair."""
    return b"".join(hash_levels(level, 1))


# The same without the extension.  Copying a hash that has taken the prefix is faster than starting
# one, for which OpenSSL looks its algorithm up.  Struct cuts faster than slices of a memoryview.


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
