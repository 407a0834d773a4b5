"""bundles/judged.json: whole bundles whose receipts do not all pass, offline."""

from __future__ import annotations

import json
from collections.abc import Iterator

from support.tries import keccak256
from support.vectors.bag_files import make_case
from support.vectors.cases import Case
from support.vectors.headers import VALUES
from support.vectors.kept_receipts import hashes_of
from support.vectors.offline_world import (
    INDEX,
    LOG,
    NAMED,
    NAMED_HEADER,
    Given,
    Json,
    World,
    beacon_of,
    canonical,
    header_at,
    members_of,
    time_of,
)

RULES = {
    "record": "step 1: every record is well formed",
    "state": "step 5: every anchor has a state proof",
    "beacon": "step 11: every beacon is the block that the record names",
}
NOT_BEFORE = {
    "chain_id": 31337,
    "block_number": NAMED,
    "block_hash": f"0x{keccak256(NAMED_HEADER).hex()}",
}


def build_judged_bundles() -> dict[str, object]:
    return {
        "about": "Bundles of one receipt, and what it is worth by these inputs, as in "
        "verification/index.json: results has them in the bundle's order. evidence is that of the "
        "record of leaf 6 of verification/.",
        "rules": RULES,
        "judged": list(list_judged()),
    }


def bundle_of(world: World, beacon: Json | None = None, *, is_proven: bool = True) -> str:
    """Return the bundle of the world's receipt under one anchor."""
    anchor = world.anchor(world.chain(), is_proven=is_proven)
    path = anchor.pop("path")
    marked = {} if beacon is None else {"beacon": True}
    lines: list[Json] = [
        {"format": "anchor-receipts/1", "log": f"0x{LOG.hex()}", "count": 1},
        {"anchor": anchor},
        *([] if beacon is None else [{"beacon": beacon}]),
        {"record": world.record, "index": world.index, "path": path, **marked},
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


def list_judged() -> Iterator[Case]:
    plain, named = World(), World(canonical({**members_of(INDEX), "not_before": NOT_BEFORE}))
    beacon = beacon_of(named.chain())
    other = header_at(NAMED, time_of(NAMED) + 1, VALUES[3])
    empty = World("{}")
    no_digests = World(canonical({**members_of(INDEX), "digests": {"md5": "00" * 16}}))
    for name, rule, code, steps, bundle in (
        ("a receipt", "", 0, [], bundle_of(plain)),
        ("a receipt with a beacon", "", 0, [], bundle_of(named, beacon)),
        ("an anchor without a state proof", "state", 20, [5], bundle_of(plain, is_proven=False)),
        ("a beacon of another block", "beacon", 10, [11],
         bundle_of(named, beacon_of(named.chain(), other))),
        ("a record that is none", "record", 2, [1], bundle_of(empty)),
        ("a record without known digests", "record", 22, [1], bundle_of(no_digests)),
    ):  # fmt: skip
        lines = [json.loads(line) for line in bundle.splitlines()]
        case = make_case(name, rule, code, {})
        del case["files"], case["only_zip"]
        inputs = {
            **case,
            "bundle": bundle,
            "evidence": Given(receipt=b"").evidence,
            "block_hashes": hashes_of([lines[1]["anchor"]]),
            "results": [{"index": INDEX, "exit_code": code, "failing_steps": steps}],
        }
        yield inputs
