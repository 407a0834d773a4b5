"""Crypto A2: what the log's owner abandoned must not verify as if nothing had happened.

On an anvil a log gets two anchors, its owner closes it and goes on from the first. The receipt of
the second is asked about at a node, and, proven anew, without one: 13 each time, from the command,
the standalone verifier and the page. The receipt of the first stays verified, and an audit of the
closed log ends with 13.

Ends with 0 where the finding does not reproduce.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from support.bent_receipts import header_hashes
from support.disasters import anchor_final
from support.nodes import ask
from support.page_script import run_page_script
from support.paths import ROOT
from support.projects import Site, make_site, reading

from anchor.chain.anchor_proof import Question, fetch_anchor_proof
from anchor.chain.devnet import find_anvil, open_devnet
from anchor.evidence.digests import digest_bytes
from anchor.receipt.format import encode_receipt, parse_receipt
from anchor.registry.artifact import expected_code_hash
from anchor.types import Block, Hash32

STANDALONE = ROOT / "anchor" / "standalone" / "verify.py"


def main() -> int:
    """Return how many verifications ended as they should not."""
    anvil = find_anvil(ROOT)
    assert anvil is not None, "no working anvil: npm install"
    seen = 0
    with tempfile.TemporaryDirectory() as name, open_devnet(anvil=anvil) as node:
        site = make_site(Path(name) / "project", node, number=1_000)
        for text, code, expected in succeed_and_verify(site):
            print(f"{code:3}  {text}, expected {expected}")
            seen += code != expected
    return seen


def succeed_and_verify(site: Site) -> Iterator[tuple[str, int, int]]:
    """Abandon the second of two anchors; yield what each verification ends with, and should."""
    anchor_final(site, "kept")
    first = site.heads()[-1][1].hex()
    anchor_final(site, "left")
    site.run("prove", "kept", "left", "--output", "before").expect(0)
    site.run("export-log", "published").expect(0)
    site.run("verify", "left", "--receipt", "before/left.anchor.json").expect(0)
    site.run("succeed", "--yes", "--into", "../next", "--from-root", first).expect(0)
    ask(site.url, "anvil_mine", "0x4")
    for name, expected in (("kept", 0), ("left", 13)):
        old = f"before/{name}.anchor.json"
        trust = ("--trust", "trust.toml", "--rpc", site.url)
        ran = site.run("verify", name, "--receipt", old, *trust)
        yield f"{name}, by its old proof and a node", ran.code, expected
        prove_anew(site, site.folder / old)
        yield from verify_offline(site, name, site.folder / old, expected)
    audit = ("audit", "published", "--trust", "trust.toml", "--rpc", site.url)
    yield "audit of the log", site.run(*audit).code, 13


def prove_anew(site: Site, receipt: Path) -> None:
    """Write the receipt with a state proof of the newest final block."""
    parsed = parse_receipt(receipt.read_bytes())
    (anchor,) = parsed.anchors
    newest = ask(site.url, "eth_getBlockByNumber", "finalized", False)
    block = Block(
        number=int(newest["number"], 16),
        hash=Hash32(bytes.fromhex(newest["hash"][2:])),
        timestamp=int(newest["timestamp"], 16),
    )
    question = Question(
        registry=anchor.registry,
        code_hash=expected_code_hash(anchor.chain_id),
        log=parsed.log,
        root=anchor.head.root,
        block=block,
    )
    with reading(site.url) as node:
        state, _ = fetch_anchor_proof(node, question)
    proven = replace(parsed, anchors=(replace(anchor, state=state),))
    receipt.write_bytes(encode_receipt(proven))


def verify_offline(
    site: Site, name: str, receipt: Path, expected: int
) -> Iterator[tuple[str, int, int]]:
    """Verify by the receipt's own proof and its block's hash."""
    document = json.loads(receipt.read_bytes())
    (block_hash,) = (f"0x{found.hex()}" for found in header_hashes(document))
    named = ("--block-hash", block_hash)
    pinned = ("--trust", "trust.toml", "--offline", *named)
    ran = site.run("verify", name, "--receipt", receipt, *pinned)
    yield f"{name}, by its new proof", ran.code, expected
    words = (receipt, site.folder / name, *named, "--chain-id", "31337", "--log", document["log"])
    done = subprocess.run([sys.executable, STANDALONE, *words], capture_output=True)
    yield f"{name}, standalone", done.returncode, expected
    evidence: Any = digest_bytes((site.folder / name).read_bytes(), ("sha256", "sm3"))
    policy = (site.folder / "trust.toml").read_text("utf-8")
    with run_page_script() as page:
        report = page.judge_evidence(
            receipt.read_bytes(), evidence, policy=policy, block_hashes=[block_hash]
        )
    yield f"{name}, page", report["exit_code"], expected


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
