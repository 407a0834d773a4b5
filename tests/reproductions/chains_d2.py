"""One estimate above the block's gas limit is signed and refused for ever (chains D2).

The node says once that an anchor takes 2^32 - 1 gas, or 29,000,000, which is more than one
transaction may have (EIP-7825), and that the call works with it.  With its honest answers the next
run must anchor.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from support.bent_nodes import bent_node
from support.nodes import stop_the_clock
from support.paths import ROOT
from support.projects import make_site

from anchor.chain.devnet import find_anvil, open_devnet


def attack(folder: Path, estimate: int) -> list[str]:
    """Let the node lie in one run; return what went wrong afterwards."""
    with open_devnet(anvil=find_anvil(ROOT)) as node, bent_node(node.url) as liar:
        site = make_site(folder, node, number=1)
        stop_the_clock(site.url)
        site.edit("wait_seconds = 600", "wait_seconds = 5")
        site.edit(f'rpc = "{site.url}"', f'rpc = "{liar.url}"')
        site.add("a", b"a")
        liar.bend["eth_estimateGas"] = lambda params, right: hex(estimate)
        liar.bend["eth_call"] = lambda params, right: "0x"
        lied = site.run("run", "--once", "--wait", "included")
        liar.bend.clear()
        honest = site.run("run", "--once", "--wait", "included")
    if honest.code != 0:
        told = f"{lied.code} during the lie, {honest.code} after it: {honest.err}"
        return [f"estimate {estimate:,}: {told}"]
    return []


def main() -> int:
    """Return 1 where it reproduces."""
    seen: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, estimate in enumerate((0xFFFFFFFF, 29_000_000)):
            seen += attack(Path(folder, str(number)), estimate)
    print("\n".join(seen) or "it does not reproduce")
    return 1 if seen else 0


if __name__ == "__main__":
    sys.exit(main())
