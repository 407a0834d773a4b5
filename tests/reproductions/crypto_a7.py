"""Crypto A7: a header with the next fork's items must not end every verification with 22.

Amsterdam appends two items to the header (EIP-7928, EIP-7843); what is read keeps its place, and
the block's hash covers them. A good receipt whose header has 22, 23 or 24 items is verified by all
three verifiers, and the header of such a block is encoded from what a node says of it.

Ends with 0 where the finding does not reproduce.
"""

from __future__ import annotations

import json
import sys

import rlp
from support.bent_receipts import header_hashes, honest_receipts, lengthen_header
from support.four_judges import judge_by_three
from support.vectors.headers import INTEGERS, ITEMS

from anchor.errors import AnchorError
from anchor.ethereum.header import encode_header


def main() -> int:
    """Return how much of it reproduces."""
    seen = 0
    honest = honest_receipts()[0]
    for count in (22, 23, 24):
        document = json.loads(json.dumps(honest.document))
        lengthen_header(count)(document)
        given = honest.given._replace(block_hashes=header_hashes(document))
        codes = judge_by_three(json.dumps(document).encode(), given)
        print(f"a header of {count} items: {codes}")
        seen += set(codes) != {0}
    items = {**ITEMS, "blockAccessListHash": b"\x11" * 32, "slotNumber": b"\x05"}
    integers = {*INTEGERS, "slotNumber"}
    block = {
        name: hex(int.from_bytes(value, "big")) if name in integers else f"0x{value.hex()}"
        for name, value in items.items()
    }
    try:
        encoded = encode_header(block)
    except AnchorError as error:
        print(f"not encoded: {error.message}")
        return seen + 1
    return seen + (encoded != rlp.encode(list(items.values())))


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
