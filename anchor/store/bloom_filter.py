"""Bloom filters over 32-byte keys, in blocks of 64 bytes, so that a look-up reads one cache line.

A key sets seven bits of one block.  Which ones depends on all of the key and on a secret seed:
submitters choose some keys and half of others, and must not be able to overfill a block.

Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters (2007).
"""

from __future__ import annotations

from anchor.log.batch_sha256 import IS_NATIVE, Buffer
from anchor.store.sorted_rows import split_rows

if IS_NATIVE:
    from anchor import _sha256

HASH = 16
"""The size of a key's hash, in bytes."""

_KEY = 32
_BLOCK = 64
_BITS_OF_KEY = 7
_WORD = (1 << 64) - 1

# Bits for each key.  Small filters have more, because they are asked as often as large ones and
# need little memory.  Of other keys, 12 bits let 0.42 % pass, 16 bits 0.10 %, 20 bits 0.03 %.
_BITS = ((1 << 20, 12), (1 << 16, 16), (0, 20))


def hash_keys(rows: Buffer, width: int, seed: int) -> bytes:
    """Return 16 bytes for the first 32 of each row, with which filters are filled and asked.

    ``seed`` is a secret of 64 bits, the same for all hashes that a filter gets.

    Raises:
        ValueError: ``width`` is less than 32, or ``rows`` is not a whole number of rows.
    """
    if IS_NATIVE:
        return _sha256.hash_keys(rows, width, seed)
    return _hash_keys(rows, width, seed)


class BloomFilter:
    """A set of keys that may wrongly claim to hold a key, and never denies one that it holds."""

    def __init__(self, keys: int) -> None:
        """Make an empty filter for ``keys`` keys."""
        bits = next(bits for least, bits in _BITS if keys >= least)
        self._blocks = bytearray(max(1, -(-keys * bits // (8 * _BLOCK))) * _BLOCK)

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


# The fallback in Python: anchor/native/fingerprints.c gives the same hashes and bits.


def _hash_keys(rows: Buffer, width: int, seed: int) -> bytes:
    if width < _KEY:
        raise ValueError(f"a row begins with a key of {_KEY} bytes")
    hashes = []
    for row in split_rows(rows, width):
        value = seed & _WORD
        for at in range(0, _KEY, 8):
            value = _mix(value ^ int.from_bytes(row[at : at + 8], "little"))
        hashes.append(value.to_bytes(8, "little") + _mix(value).to_bytes(8, "little"))
    return b"".join(hashes)


def _add_to_filter(filter: bytearray, hashes: bytes) -> None:
    for block, bits in _choose_bits(filter, hashes):
        here = int.from_bytes(filter[block : block + _BLOCK], "little") | bits
        filter[block : block + _BLOCK] = here.to_bytes(_BLOCK, "little")


def _select_by_filter(filter: bytes | bytearray, hashes: bytes, rows: Buffer, width: int) -> bytes:
    chosen = _choose_bits(filter, hashes)
    split = split_rows(rows, width)
    if len(split) != len(chosen):
        raise ValueError("each row has a hash")
    return b"".join(
        row
        for row, (block, bits) in zip(split, chosen, strict=True)
        if int.from_bytes(filter[block : block + _BLOCK], "little") & bits == bits
    )


def _choose_bits(filter: bytes | bytearray, hashes: bytes) -> list[tuple[int, int]]:
    """Return where each key's block begins, and its bits as a number."""
    if not filter or len(filter) % _BLOCK:
        raise ValueError(f"a filter has blocks of {_BLOCK} bytes")
    if len(hashes) % HASH:
        raise ValueError(f"a hash has {HASH} bytes")
    chosen = []
    for at in range(0, len(hashes), HASH):
        first = int.from_bytes(hashes[at : at + 8], "little")
        second = int.from_bytes(hashes[at + 8 : at + HASH], "little")
        bits = 0
        for bit in range(_BITS_OF_KEY):
            bits |= 1 << (second >> 9 * bit & 511)
        chosen.append((((first >> 32) * (len(filter) // _BLOCK) >> 32) * _BLOCK, bits))
    return chosen


def _mix(value: int) -> int:
    """Apply the finaliser of MurmurHash3, a bijection of 64-bit numbers."""
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _WORD
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _WORD
    return value ^ value >> 33
