"""One wrong nonce parks the log for good, also with a quorum of 2 of 3 (chains D1).

The node that is read adds 50, 30 or 1,000 to every count of transactions during one run, then tells
the truth.  The log must go on by itself: with two honest witnesses, and with that node alone.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from support.bent_nodes import bent_node
from support.nodes import ask, stop_the_clock
from support.paths import ROOT
from support.projects import make_site

from anchor.chain.devnet import find_anvil, open_devnet


def attack(folder: Path, *, ahead: int, witnesses: bool) -> list[str]:
    """Let the first node lie in one run; return what went wrong afterwards."""
    with open_devnet(anvil=find_anvil(ROOT)) as node, bent_node(node.url) as liar:
        site = make_site(folder, node, number=1)
        stop_the_clock(site.url)
        ask(site.url, "anvil_mine", "0x4")
        site.edit("wait_seconds = 600", "wait_seconds = 5")
        with bent_node(node.url) as one, bent_node(node.url) as two:
            others = f"\nwitnesses = {json.dumps([one.url, two.url])}" if witnesses else ""
            site.edit(f'rpc = "{site.url}"', f'rpc = "{liar.url}"{others}')
            site.add("a", b"a")

            def lie(params: list[Any], right: Any) -> Any:
                return hex(int(right, 16) + ahead)

            liar.bend["eth_getTransactionCount"] = lie
            lied = site.run("run", "--once", "--wait", "included")
            liar.bend.clear()
            honest = site.run("run", "--once", "--wait", "included")
    how = f"nonce + {ahead}, {'2 of 3' if witnesses else 'one node'}"
    if honest.code != 0:
        return [f"{how}: {lied.code} during the lie, {honest.code} after it: {honest.err}"]
    return []


def main() -> int:
    """Return 1 where it reproduces."""
    seen: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (ahead, witnesses) in enumerate(((50, True), (30, False), (1_000, False))):
            seen += attack(Path(folder, str(number)), ahead=ahead, witnesses=witnesses)
    print("\n".join(seen) or "it does not reproduce")
    return 1 if seen else 0


if __name__ == "__main__":
    sys.exit(main())
