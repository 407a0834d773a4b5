"""At which sizes a busy log is anchored: those whose next consistency proof is short.

A proof from one head to the next starts at the older head's last complete subtree (RFC 9162 section
2.1.4.1), so that a head whose size is a multiple of 2^k saves the registry k hashes of the next
proof.  In return up to 2^k - 1 leaves wait for that next head.
"""

from __future__ import annotations

LEAST = 128
"""The least number of leaves in a round of a busy log; fewer are all sealed at once."""

# Gas of a following anchor by an owner, fitted to anchors of sizes near 10^6 (gas.json): without
# its proof, and for each hash of the proof.
_FIXED_GAS = 56_800
_HASH_GAS = 1_104

# The multiple is chosen for this many later anchors: it costs some leaves of the present one.
_LATER = 6
# A larger multiple is preferred if a leaf costs at most so much more than with the cheapest.
_TOLERANCE = 1.03


def choose_head_size(size: int, waiting: int, due: int) -> int:
    """Return the size for the next head of a log of ``size`` leaves with ``waiting`` ones queued.

    It is a multiple of the largest power of two with which a leaf costs about the least gas, if as
    many leaves wait each time.  The first ``due`` queued leaves cannot wait for another head.
    """
    most = size + waiting
    if waiting < LEAST:
        return most
    costs: dict[int, float] = {}
    for height in range(waiting.bit_length()):
        rounded = most >> height << height
        if rounded < size + max(due, 1):
            break
        leaves = rounded - size + _LATER * (waiting >> height << height)
        gas = _anchor_gas(size, 0) + _LATER * _anchor_gas(rounded, height + 1)
        costs[rounded] = gas / leaves
    bound = _TOLERANCE * min(costs.values())
    return min(rounded for rounded, cost in costs.items() if cost <= bound)


def _anchor_gas(size: int, spared: int) -> int:
    """Return about how much gas an anchor takes whose proof lacks ``spared`` hashes."""
    return _FIXED_GAS + _HASH_GAS * (size.bit_length() - spared)
