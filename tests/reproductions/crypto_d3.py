"""Crypto D3: records with two faults must end with one code, whichever verifier reads them.

A record with digests of unknown names only and `size`, `media_type`, `name` or `log` null, and one
with a negative size: 2 in all three, as what is malformed is said before what is unknown.

Ends with 0 where the finding does not reproduce.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from support.bent_receipts import honest_receipts
from support.four_judges import judge_by_three


def main() -> int:
    """Return how many records end with different codes."""
    seen = 0
    honest = honest_receipts()[0]
    faults: list[dict[str, Any]] = [{name: None} for name in ("size", "media_type", "name", "log")]
    for more, expected in [*((fault, 2) for fault in [*faults, {"size": -1}]), ({}, 22)]:
        record = json.loads(honest.document["record"]) | {"digests": {"sha512": "00"}} | more
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        codes = judge_by_three(
            json.dumps(honest.document | {"record": text}).encode(), honest.given
        )
        print(f"digests of unknown names, {more}: {codes}")
        seen += set(codes) != {expected}
    return seen


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
