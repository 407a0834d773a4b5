"""Crypto D9: an anchor in a foreign registry must not hide what is wrong with another one.

Two anchors and no policy: a bit of the first one's storage proof is flipped, the second one is in
another registry. Each is judged by itself, and the gravest counts: 10, not 12, in all three.

Ends with 0 where the finding does not reproduce.
"""

from __future__ import annotations

import json
import sys

from support.bent_receipts import honest_receipts
from support.four_judges import judge_by_three
from support.world import MAIN, SIDE


def main() -> int:
    """Return how often a verifier says anything else."""
    honest = next(honest for honest in honest_receipts() if honest.name == "two chains'")
    seen = 0
    for first, second in ((0, 1), (1, 0)):
        document = json.loads(json.dumps(honest.document))
        nodes = document["anchors"][first]["state"]["storage_proof"]
        nodes[-1] = nodes[-1][:-1] + "0123456789abcdef"[int(nodes[-1][-1], 16) ^ 1]
        document["anchors"][second]["registry"] = "0x" + "77" * 20
        given = honest.given._replace(policy=None, chain_ids=(MAIN, SIDE), accept_unpinned=True)
        codes = judge_by_three(json.dumps(document).encode(), given)
        print(f"anchor {first} bent, anchor {second} elsewhere: {codes}")
        seen += set(codes) != {10}
    return seen


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
