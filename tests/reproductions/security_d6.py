"""One lying node sets the fee, whatever the quorum (security D6).

Of two nodes that both have to agree the first one leaves out the base fee and names the cap as the
gas price, or says half the cap as the base fee.  Not more than a few gwei a gas may be paid.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.bent_nodes import Bend, bent_node
from support.nodes import ask, stop_the_clock
from support.paths import ROOT
from support.projects import make_site

from anchor.chain.devnet import find_anvil, open_devnet

GWEI = 10**9
CAP = 100 * GWEI


def changed(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Bend:
    """Change the newest block only."""
    return lambda params, right: change(dict(right)) if params[0] == "latest" else right


def no_base_fee(block: dict[str, Any]) -> dict[str, Any]:
    """Leave it out."""
    block.pop("baseFeePerGas")
    return block


LIES: dict[str, dict[str, Bend]] = {
    "no base fee, the cap as gas price": {
        "eth_getBlockByNumber": changed(no_base_fee),
        "eth_gasPrice": lambda params, right: hex(CAP),
    },
    "half the cap as base fee": {
        "eth_getBlockByNumber": changed(lambda block: block | {"baseFeePerGas": hex(CAP // 2)}),
        "eth_maxPriorityFeePerGas": lambda params, right: hex(CAP),
    },
}


def attack(folder: Path, lie: str) -> list[str]:
    """Run once with the lie, once without."""
    with open_devnet(anvil=find_anvil(ROOT)) as node, bent_node(node.url) as liar:
        site = make_site(folder, node, number=1)
        stop_the_clock(site.url)
        ask(site.url, "anvil_mine", "0x4")
        site.edit("wait_seconds = 600", "wait_seconds = 5")
        with bent_node(node.url) as other:
            nodes = f'rpc = "{liar.url}"\nwitnesses = {json.dumps([other.url])}\nquorum = 2'
            site.edit(f'rpc = "{site.url}"', nodes)
            site.add("a", b"a")
            liar.bend = dict(LIES[lie])
            site.run("run", "--once", "--wait", "included")
            liar.bend.clear()
            honest = site.run("run", "--once", "--wait", "included")
            paid = [
                int(ask(site.url, "eth_getTransactionReceipt", f"0x{row[0].lower()}")[name], 16)
                for row in site.rows("SELECT hex(tx_hash) FROM attempts WHERE head_size > 0")
                for name in ("effectiveGasPrice",)
            ]
    if honest.code != 0 or max(paid) > 5 * GWEI:
        return [f"{lie}: {[price / GWEI for price in paid]} gwei a gas paid; then {honest.code}"]
    return []


def main() -> int:
    """Return 1 where it reproduces."""
    seen: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, lie in enumerate(LIES):
            seen += attack(Path(folder, str(number)), lie)
    print("\n".join(seen) or "it does not reproduce")
    return 1 if seen else 0


if __name__ == "__main__":
    sys.exit(main())
