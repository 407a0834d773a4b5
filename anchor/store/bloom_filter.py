"""Bloom filters over 32-byte keys, in blocks of 64 bytes, so that a look-up reads one cache line.

A key sets up to four bits in each of two words of one block.  Which ones depends on all of the key
and on a secret seed: submitters choose some keys and half of others, and must not be able to
overfill a block.  A look-up compares two words of 64 bits with masks that its hash contains.

Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters (2007).
"""

from __future__ import annotations

import mmap
from contextlib import suppress

from anchor.log.batch_sha256 import IS_NATIVE, Buffer
from anchor.store.sorted_rows import split_rows

if IS_NATIVE:
    from anchor import _sha256

HASH = 24
"""The size of a key's hash, in bytes: where it looks, and the bits that both words must have."""

_KEY = 32
_BLOCK = 64
_WORD_BITS = 4
_WORD = (1 << 64) - 1
_HUGE_PAGE = 2 << 20

# Bits for each key.  Small filters have more, because they are asked as often as large ones and
# need little memory.  Of other keys, 16 bits let 0.12 % pass, 20 bits 0.04 %, 24 bits 0.015 %; each
# costs the look-up of a page.
_BITS = ((1 << 23, 16), (1 << 20, 20), (0, 24))


def hash_keys(rows: Buffer, width: int, seed: int) -> bytes:
    """Return 24 bytes for the first 32 of each row, with which filters are filled and asked.

    ``seed`` is a secret of 64 bits, the same for all hashes that a filter gets.

    Raises:
        ValueError: ``width`` is less than 32, or ``rows`` is not a whole number of rows.
    """
    if IS_NATIVE:
        return _sha256.hash_keys(rows, width, seed)
    return _hash_keys(rows, width, seed)


def measure_filter(keys: int) -> int:
    """Return the size in bytes of a filter for ``keys`` keys."""
    bits = next(bits for least, bits in _BITS if keys >= least)
    return max(1, -(-keys * bits // (8 * _BLOCK))) * _BLOCK


class BloomFilter:
    """A set of keys that may wrongly claim to hold a key, and never denies one that it holds."""

    def __init__(self, keys: int) -> None:
        """Make an empty filter for ``keys`` keys."""
        self._blocks = _allocate(measure_filter(keys))

    @property
    def size(self) -> int:
        """The size in bytes."""
        return len(self._blocks)

    def add(self, hashes: bytes) -> None:
        """Add the keys that ``hash_keys`` gave these hashes."""
        if IS_NATIVE:
            _sha256.add_to_filter(self._blocks, hashes)
        else:
            _add_to_filter(self._blocks, hashes)

    def select(self, hashes: bytes, rows: Buffer, width: int) -> bytes:
        """Return, in their order, the rows that the filter may hold; ``hashes`` are theirs.

        Raises:
            ValueError: ``rows`` is not a whole number of rows, or not as many as hashes.
        """
        if IS_NATIVE:
            return _sha256.select_by_filter(self._blocks, hashes, rows, width)
        return _select_by_filter(self._blocks, hashes, rows, width)


def _allocate(size: int) -> bytearray | mmap.mmap:
    """Return zeros; large ones in huge pages where the system has them, for fewer TLB misses."""
    if size < _HUGE_PAGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return bytearray(size)
    memory = mmap.mmap(-1, size)
    with suppress(OSError):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


# The fallback in Python: anchor/native/fingerprints.c gives the same hashes and bits.


def _hash_keys(rows: Buffer, width: int, seed: int) -> bytes:
    if width < _KEY:
        raise ValueError(f"a row begins with a key of {_KEY} bytes")
    hashes = []
    for row in split_rows(rows, width):
        value = seed & _WORD
        for at in range(0, _KEY, 8):
            value = _mix(value ^ int.from_bytes(row[at : at + 8], "little"))
        bits = _mix(value)
        hashes.append(
            value.to_bytes(8, "little")
            + _choose_bits(bits).to_bytes(8, "little")
            + _choose_bits(bits >> 6 * _WORD_BITS).to_bytes(8, "little")
        )
    return b"".join(hashes)


def _choose_bits(value: int) -> int:
    """Return a word with up to four bits set."""
    word = 0
    for bit in range(_WORD_BITS):
        word |= 1 << (value >> 6 * bit & 63)
    return word


def _add_to_filter(filter: bytearray | mmap.mmap, hashes: bytes) -> None:
    for block, bits in _place_bits(filter, hashes):
        here = int.from_bytes(filter[block : block + _BLOCK], "little") | bits
        filter[block : block + _BLOCK] = here.to_bytes(_BLOCK, "little")


def _select_by_filter(
    filter: bytearray | mmap.mmap, hashes: bytes, rows: Buffer, width: int
) -> bytes:
    placed = _place_bits(filter, hashes)
    split = split_rows(rows, width)
    if len(split) != len(placed):
        raise ValueError("each row has a hash")
    return b"".join(
        row
        for row, (block, bits) in zip(split, placed, strict=True)
        if int.from_bytes(filter[block : block + _BLOCK], "little") & bits == bits
    )


def _place_bits(filter: bytearray | mmap.mmap, hashes: bytes) -> list[tuple[int, int]]:
    """Return where each key's block begins, and its bits in the block as a number."""
    if not filter or len(filter) % _BLOCK:
        raise ValueError(f"a filter has blocks of {_BLOCK} bytes")
    if len(hashes) % HASH:
        raise ValueError(f"a hash has {HASH} bytes")
    placed = []
    for at in range(0, len(hashes), HASH):
        head, first, second = (
            int.from_bytes(hashes[at + part : at + part + 8], "little") for part in (0, 8, 16)
        )
        word = head & 7
        other = word + 1 + ((head >> 3 & 0xFFFF) * 7 >> 16) & 7
        block = ((head >> 32) * (len(filter) // _BLOCK) >> 32) * _BLOCK
        placed.append((block, first << 64 * word | second << 64 * other))
    return placed


def _mix(value: int) -> int:
    """Apply the finaliser of MurmurHash3, a bijection of 64-bit numbers."""
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _WORD
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _WORD
    return value ^ value >> 33
