"""A folder with evidence, receipts and a policy, as a verifier who packs has them; no chain."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from support.bent_receipts import named_hashes, true_anchors, world
from support.command import Ran
from support.in_process import run_in_process
from support.world import MAIN

from anchor.receipt.format import encode_receipt
from anchor.verification.pinning import encode_policy

LEAVES = (2, 6, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The folder, the names of its evidence, and the hash of the block that proves it."""

    folder: Path
    names: tuple[str, ...]
    block_hash: str

    @property
    def trust(self) -> tuple[str, ...]:
        return ("--trust", "trust.toml", "--offline", "--block-hash", self.block_hash)

    def run(self, *arguments: str | Path, **env: str) -> Ran:
        return run_in_process(*arguments, cwd=self.folder, env=env)

    def pack(self, target: str | Path, *more: str, **env: str) -> Ran:
        return self.run("pack", *self.names, "-o", target, *self.trust, *more, **env)

    def write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path


def make_desk(folder: Path, *, names: tuple[str, ...] = ()) -> Desk:
    """Return a desk with three files, under their recorded names or under these."""
    folder.mkdir(parents=True)
    anchors = {
        leaf: [anchor for anchor in true_anchors(leaf) if anchor.chain_id == MAIN][-1]
        for leaf in LEAVES
    }
    receipts = {leaf: world().receipt(leaf, anchor) for leaf, anchor in anchors.items()}
    given = names or tuple(json.loads(receipt.record)["name"] for receipt in receipts.values())
    (block_hash,) = named_hashes(list(anchors.values()))
    desk = Desk(folder=folder, names=given, block_hash="0x" + block_hash.hex())
    for name, (leaf, receipt) in zip(given, receipts.items(), strict=True):
        desk.write(name, world().files[leaf])
        desk.write(f"{name}.anchor.json", encode_receipt(receipt))
    entry = replace(world().entry(), rpc=("https://node.example/SECRET-KEY",))
    desk.write("trust.toml", encode_policy([entry]))
    return desk
