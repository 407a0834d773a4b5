"""chains D4: `anchor audit` goes by one node, and calls a lagging node a breach."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from support.bent_nodes import bent_node
from support.nodes import ask
from support.paths import ROOT
from support.projects import make_site

from anchor.chain.devnet import find_anvil, open_devnet

ZERO = "0x" + "00" * 32


def main() -> int:
    """Return 1 where an audit says a breach that two of three nodes do not see, or hides one."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        devnet = stack.enter_context(open_devnet(anvil=find_anvil(ROOT)))
        site = make_site(folder / "project", devnet, number=0)
        for name in ("a", "b"):
            site.add(name, name.encode())
            site.anchor()
        ask(site.url, "anvil_mine", "0x10")
        site.run("status").expect(0)
        nodes = [stack.enter_context(bent_node(site.url)) for _ in range(3)]

        def audit(count: int = 3) -> tuple[int, str]:
            chosen = [node.url for node in nodes[:count]]
            variables = {
                "ANCHOR_CHAIN__RPC": chosen[0],
                "ANCHOR_CHAIN__WITNESSES": json.dumps(chosen[1:]),
            }
            ran = site.run("audit", env=variables)
            return ran.code, ran.out

        def zero(params: list[Any], right: Any) -> str:
            return ZERO

        def early(params: list[Any], right: Any) -> Any:
            if params[0] != "finalized":
                return right
            return ask(site.url, "eth_getBlockByNumber", "0x1", False)

        found = []
        nodes[0].bend["eth_getStorageAt"] = zero
        code, out = audit()
        if code != 20:
            found.append(f"(a) the first of three lies: exit {code}\n{out}")
        nodes[0].bend.clear()
        for node in nodes[1:]:
            node.bend["eth_getStorageAt"] = zero
        code, out = audit()
        if code != 20:
            found.append(f"(b) two of three show no anchors: exit {code}\n{out}")
        for node in nodes:
            node.bend = {"eth_getBlockByNumber": early}
        code, out = audit(1)
        if code != 20:
            found.append(f"(c) the only node's final block is old: exit {code}\n{out}")
        nodes[0].bend.clear()
        code, out = audit(1)
        if code != 0:
            found.append(f"an honest node: exit {code}\n{out}")
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
