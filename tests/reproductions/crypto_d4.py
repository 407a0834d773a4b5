"""Crypto D4: nobody says "not trusted" of a chain that nothing was pinned of, nor compared.

A receipt with a chain id that no verifier lists, and no options: "cannot tell", 20, in all three,
whether or not what is unpinned is accepted.

Ends with 0 where the finding does not reproduce.
"""

from __future__ import annotations

import json
import sys

from support.bent_receipts import honest_receipts
from support.four_judges import judge_by_three


def main() -> int:
    """Return how often a verifier says anything else."""
    seen = 0
    honest = honest_receipts()[0]
    document = json.loads(json.dumps(honest.document))
    document["anchors"][0]["chain_id"] = 31338
    for accepted in (False, True):
        given = honest.given._replace(policy=None, accept_unpinned=accepted)
        codes = judge_by_three(json.dumps(document).encode(), given)
        print(f"chain 31338, accepted: {accepted}: {codes}")
        seen += set(codes) != {20}
    return seen


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
