"""The budget is kept by the node's word (chains D3).

The node takes the base fee out of every block, asks for 99 gwei a gas, and gives receipts of 1 gas
at 1 wei.  Four runs with a budget of 0.0105 ether must not spend more than that.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from support.bent_nodes import bent_node
from support.nodes import DEV, ask, stop_the_clock
from support.paths import ROOT
from support.projects import make_site

from anchor.chain.devnet import find_anvil, open_devnet

GWEI, ETHER = 10**9, 10**18
BUDGET = "0.0105"


def without_base_fee(params: list[Any], right: Any) -> Any:
    """Show a block as before EIP-1559."""
    return right and {name: value for name, value in right.items() if name != "baseFeePerGas"}


def cheap(params: list[Any], right: Any) -> Any:
    """Show a receipt of next to nothing."""
    return right and right | {"gasUsed": "0x1", "effectiveGasPrice": "0x1"}


def attack(folder: Path, *, legacy: bool) -> list[str]:
    """Run four times; ``legacy`` also where the operator configured such transactions."""
    with open_devnet(anvil=find_anvil(ROOT)) as node, bent_node(node.url) as liar:
        site = make_site(folder, node, number=1)
        stop_the_clock(site.url)
        ask(site.url, "anvil_mine", "0x4")
        before = int(ask(site.url, "eth_getBalance", DEV, "latest"), 16)
        site.edit("wait_seconds = 600", "wait_seconds = 5")
        site.edit('# budget_ether = "0.5"', f'budget_ether = "{BUDGET}"')
        if legacy:
            site.edit("max_fee_gwei = 100", "max_fee_gwei = 100\nlegacy_fees = true")
        site.edit(f'rpc = "{site.url}"', f'rpc = "{liar.url}"')
        liar.bend["eth_getBlockByNumber"] = liar.bend["eth_getBlockByHash"] = without_base_fee
        liar.bend["eth_gasPrice"] = lambda params, right: hex(99 * GWEI)
        liar.bend["eth_getTransactionReceipt"] = cheap
        codes = []
        for name in "abcd":
            site.add(name, name.encode())
            codes.append(site.run("run", "--once", "--wait", "included").code)
        spent = before - int(ask(site.url, "eth_getBalance", DEV, "latest"), 16)
        liar.bend.clear()
        ask(site.url, "anvil_mine", "0x4")
        site.edit(f'budget_ether = "{BUDGET}"', 'budget_ether = "1"')
        site.edit("max_fee_gwei = 100", "max_fee_gwei = 200")
        honest = site.run("run", "--once", "--wait", "included")
    if spent > float(BUDGET) * ETHER or honest.code != 0:
        told = f"{spent / ETHER:.6f} ether spent of {BUDGET}; then {honest.code} {honest.err}"
        return [f"legacy {legacy}: codes {codes}, {told}"]
    return []


def main() -> int:
    """Return 1 where it reproduces."""
    with tempfile.TemporaryDirectory() as folder:
        seen = attack(Path(folder, "plain"), legacy=False)
        # An older release does not know the member, and ends with 2 in each run.
        seen += attack(Path(folder, "legacy"), legacy=True)
    print("\n".join(seen) or "it does not reproduce")
    return 1 if seen else 0


if __name__ == "__main__":
    sys.exit(main())
