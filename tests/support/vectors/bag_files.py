"""Bags as texts by their names, with the receipts in them, for the vectors of bags."""

from __future__ import annotations

import json
from typing import Any

from support.tries import keccak256
from support.vectors.cases import Case
from support.vectors.offline_world import (
    INDEX,
    World,
    canonical,
    content_of,
    entry_of,
    members_of,
    policy_of,
    sha256_hex,
    sm3_hex,
)

Files = dict[str, str]

ORIGINAL = "data/originals/evidence-6.txt"
RECEIPT = "receipts/evidence-6.txt.anchor.json"
LISTS = ("tagmanifest-sha256.txt", "manifest-sha256.txt", "sm3sums.txt")
ESCAPES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
SIZE = 13  # of the anchor that covers every record of the world


def make_case(name: str, rule: str, code: int, files: Files, **inputs: Any) -> Case:
    return {
        "name": name,
        "result": {0: "valid", 20: "unknown", 22: "unknown"}.get(code, "invalid"),
        **({"rule": rule} if rule else {}),
        "files": files,
        "only_zip": any(name.startswith(("/", "../")) or "//" in name for name in files),
        "policy": policy_of(entry_of()),
        "block_hashes": named_blocks(files),
        "chain_ids": [],
        "accept_unpinned": False,
        **inputs,
        "exit_code": code,
    }


def named_blocks(files: Files) -> list[str]:
    """Return the hashes of the headers in the bag's receipts."""
    hashes: dict[str, None] = {}
    for name, text in files.items():
        if name.endswith(".anchor.json") and text.startswith("{"):
            for anchor in json.loads(text).get("anchors", []):
                header = anchor.get("state", {}).get("header")
                if header is not None:
                    hashes[f"0x{keccak256(bytes.fromhex(header[2:])).hex()}"] = None
    return list(hashes)


def receipt_of(world: World, **changes: Any) -> str:
    anchor = {**world.anchor(world.chain(), SIZE), **changes}
    document = world.receipt({key: value for key, value in anchor.items() if value is not None})
    return json.dumps(document, separators=(",", ":"))


def packed(world: World | None = None) -> Files:
    """Return an original with its receipt."""
    return {ORIGINAL: content_of(INDEX).decode(), RECEIPT: receipt_of(world or World())}


def with_second() -> Files:
    """Return two originals with their receipts, the second in a folder."""
    other = World(canonical(members_of(2)), 2)
    return {
        **packed(),
        "data/originals/2/b.txt": content_of(2).decode(),
        "receipts/2/b.txt.anchor.json": receipt_of(other),
    }


def make_list(digests: dict[str, str]) -> str:
    return "".join(f"{digests[name]}  {name.translate(ESCAPES)}\n" for name in sorted(digests))


def complete(files: Files, form: str = "anchor-bag/1") -> Files:
    """Return a bag of these files with its lists, but for those that are given."""
    payload = {name: text.encode() for name, text in files.items() if name.startswith("data/")}
    oxum = f"{sum(map(len, payload.values()))}.{len(payload)}"
    bag = {
        "bagit.txt": "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "bag-info.txt": f"Bag-Format: {form}\nPayload-Oxum: {oxum}\n",
        "manifest-sha256.txt": make_list({name: sha256_hex(payload[name]) for name in payload}),
        "sm3sums.txt": make_list({name: sm3_hex(payload[name]) for name in payload}),
        **files,
    }
    if "tagmanifest-sha256.txt" not in bag:
        tags = {name: sha256_hex(text.encode()) for name, text in bag.items()
                if not name.startswith("data/")}  # fmt: skip
        bag["tagmanifest-sha256.txt"] = make_list(tags)
    return bag


def without(files: Files, name: str) -> Files:
    return {each: text for each, text in files.items() if each != name}
