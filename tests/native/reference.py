"""Write the table that check_rows.c reads: rows, and what hashlib makes of them.

A case is five little-endian 32-bit numbers (prefix, width, count, bytes of rows, bytes of hashes),
the rows and the hashes.
"""

from __future__ import annotations

import hashlib
import random
import struct
import sys

# Every width up to four blocks, and the edges of some larger ones.
WIDTHS = (*range(260), *range(310, 325), *range(1010, 1035), 65536 + 54, 65536 + 55)
COUNTS = (*range(19), 32, 33)

numbers = random.Random(6962)


def case(prefix: int, width: int, count: int) -> bytes:
    rows = [numbers.randbytes(width) for _ in range(count)]
    hashes = b"".join(hashlib.sha256(bytes([prefix]) + row).digest() for row in rows)
    sizes = struct.pack("<5I", prefix, width, count, width * count, len(hashes))
    return sizes + b"".join(rows) + hashes


for width in WIDTHS:
    for count in COUNTS if width < 1000 else (1, 9):
        sys.stdout.buffer.write(case(numbers.randrange(256), width, count))
sys.stdout.buffer.write(case(1, 64, 20000))  # every last byte of a node, in every lane
