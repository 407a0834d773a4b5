"""receipts/index.json: what the receipts and bundles that are kept for ever are worth, offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.tries import keccak256
from support.vectors.cases import Case
from support.vectors.offline_world import Json, entry_of, policy_of

FOLDER = Path(__file__).resolve().parents[2] / "vectors" / "receipts"
OTHER_REGISTRY = bytes.fromhex("5e61000000000000000000000000000000000003")
# What is pinned: the chain that the receipts' state proofs are of, and any sender.
POLICY = policy_of(entry_of(operators=None))
OTHER_POLICY = policy_of(
    entry_of(operators=None, registry=f"0x{OTHER_REGISTRY.hex()}"),
)
RULES = {
    "block": "step 5: a block is named that proves the anchor",
    "file": "step 2: the file has the record's digests and size",
    "pinned": "step 4: something pins the log, and it is what is pinned",
    "late": "step 10: the record does not claim a later time",
}


def build_kept_receipts() -> dict[str, object]:
    return {
        "about": "Receipts and bundles as they were first released, kept for ever, and what each "
        "is worth by these inputs, as in verification/index.json. Of a bundle each receipt is "
        "verified, and results has them in its order; evidence is that of each record's digests.",
        "rules": RULES,
        "verifications": list(list_receipts()),
        "bundles": list(list_bundles()),
    }


def list_receipts() -> Any:
    plain, promise, named = (
        f"anchor-receipt-1{suffix}.json" for suffix in ("", "-promise", "-not-before")
    )
    other = {"sha256": "00" * 32, "sm3": "00" * 32, "size": 1}
    for name, rule, code, steps, receipt, inputs in (
        ("with a beacon", "", 0, [], named, {}),
        ("with a beacon, another file", "file", 10, [2], named, {"evidence": other}),
        ("with a beacon, no block named", "block", 20, [5], named, {"block_hashes": []}),
        ("two anchors, another registry than is pinned", "pinned", 12, [4], plain, {}),
        (
            "two anchors, one pinned, recorded later",
            "late",
            20,
            [10],
            plain,
            {"policy": OTHER_POLICY},
        ),
        ("a promise", "block", 20, [5], promise, {}),
        ("a promise, nothing pinned", "pinned", 20, [4], promise, {"policy": None}),
    ):
        document = json.loads((FOLDER / receipt).read_bytes())
        yield {
            "name": name,
            "result": {0: "valid", 20: "unknown"}.get(code, "invalid"),
            **({"rule": rule} if rule else {}),
            "receipt": receipt,
            "evidence": evidence_of(document["record"]),
            "policy": POLICY,
            "block_hashes": hashes_of(document["anchors"]),
            "chain_ids": [],
            "accept_unpinned": False,
            **inputs,
            "exit_code": code,
            "failing_steps": steps,
        }


def list_bundles() -> Any:
    for name, bundle, results in (
        ("anchors and a promise", "anchor-receipts-1.jsonl", BUNDLED),
        ("with beacons", "anchor-receipts-1-not-before.jsonl", BUNDLED_BEACONS),
    ):
        lines = [json.loads(line) for line in (FOLDER / bundle).read_bytes().splitlines()]
        case: Case = {
            "name": name,
            "result": "valid",
            "bundle": bundle,
            "policy": POLICY,
            "block_hashes": hashes_of([line["anchor"] for line in lines if "anchor" in line]),
            "chain_ids": [],
            "accept_unpinned": False,
            "results": [
                {"index": index, "exit_code": code, "failing_steps": steps}
                for index, code, steps in results
            ],
        }
        yield case


# Index, result and failing steps: the last two are of the promise.
BUNDLED: tuple[tuple[int, int, list[int]], ...] = (
    *((index, 0, []) for index in range(9)),
    (9, 20, [5]),
    (11, 20, [5]),
)
BUNDLED_BEACONS: tuple[tuple[int, int, list[int]], ...] = tuple(
    (index, 0, []) for index in range(4, 8)
)


def evidence_of(record: str) -> Json:
    """Return digests and size as a record states them."""
    members = json.loads(record)
    digests = members["digests"]
    return {"sha256": digests["sha256"], "sm3": digests["sm3"], "size": members["size"]}


def hashes_of(anchors: list[Json]) -> list[str]:
    headers = (each["state"]["header"] for each in anchors if "state" in each)
    hashes = (f"0x{keccak256(bytes.fromhex(header[2:])).hex()}" for header in headers)
    return list(dict.fromkeys(hashes))
