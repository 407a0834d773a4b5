"""Crash D8: after an accepted incident a running service went on naming the old block.

A service has handed out a receipt; the chain is rolled back past the anchor, and the operator
accepts what the chain says now: the same head is anchored again, in a later block.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from support.nodes import ask, wait_until
from support.paths import ROOT
from support.projects import make_site
from support.service import Served, bearer, digest, make_key, serve

from anchor.chain.devnet import find_anvil, open_devnet


def fetch(served: Served, id: str, key: str) -> dict[str, object]:
    """Return the receipt's anchor."""
    path = f"/v1/evidence/{id}/receipt?until=anchored"
    answer = served.http.get(path, headers=bearer(key))
    anchors: list[dict[str, object]] = answer.json().get("anchors", [{}])
    return anchors[0] if answer.status_code == 200 else {}


def main() -> int:
    """Return 1 where it reproduces."""
    with tempfile.TemporaryDirectory() as name, open_devnet(anvil=find_anvil(ROOT)) as node:
        site = make_site(Path(name) / "project", node, number=978)
        key = make_key(site.folder)
        snapshot = ask(node.url, "evm_snapshot")
        height = int(ask(node.url, "eth_blockNumber"), 16)
        with serve(site.folder, "--quiet") as served:
            post = served.http.post
            made = post("/v1/evidence", json={"sha256": digest(1)}, headers=bearer(key)).json()
            site.run("run", "--once", "--wait", "final").expect(0)
            before = wait_until(lambda: fetch(served, made["id"], key))
            grown = int(ask(node.url, "eth_blockNumber"), 16) - height
            assert ask(node.url, "evm_revert", snapshot)
            ask(node.url, "anvil_mine", hex(grown + 10))
            # Until a final block is later than the anchor was, it is "cannot tell".
            wait_until(lambda: site.run("run", "--once").code == 32, 120)
            site.run("run", "--once", "--accept-incidents", "--wait", "final").expect(0)
            found = fetch(served, made["id"], key)
            # The state proof may need another moment; the block may not.
            proven = wait_until(lambda: fetch(served, made["id"], key).get("state") is not None, 60)
            receipt = site.folder / "receipt.json"
            path = f"/v1/evidence/{made['id']}/receipt"
            receipt.write_bytes(served.http.get(path, headers=bearer(key)).content)
        ((block,),) = site.rows("SELECT block_number FROM anchors")
        verified = site.run("verify", "--receipt", receipt, "--digest", f"sha256:{digest(1)}")
    old, new = before.get("block_number"), found.get("block_number")
    print(
        f"old block {old}, new block {block}, receipt names {new}, "
        f"state proof {proven}, verify {verified.code}"
    )
    print(json.dumps(verified.out[-400:] + verified.err[-400:]))
    return int(new != block or old == block or verified.code != 0)


if __name__ == "__main__":
    sys.exit(main())
