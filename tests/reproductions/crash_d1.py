"""Crash D1: an idle log never learnt that the chain contradicts a final anchor.

A service and a daemon have nothing to do; the chain is rolled back to before the final anchor, and
grows on without it.  The service went on calling the evidence anchored and issued receipts, no
alarm was raised, and `anchor status` ended with 0 beside what it printed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from support.command import start_anchor
from support.nodes import ask, wait_until
from support.paths import ROOT
from support.projects import make_site
from support.service import Served, bearer, digest, make_key, serve

from anchor.chain.devnet import find_anvil, open_devnet

# Seconds in which it has to be noticed, as documented, and some for a busy machine.
MINUTE = 60.0
SLACK = 25.0
ALARM = 'anchor_alarm{alarm="incident-open",severity="critical"} 1.0'


def look(served: Served, id: str, key: str, admin: str) -> dict[str, object]:
    """Return how each face of the service answers."""
    get = served.http.get
    receipt = get(f"/v1/evidence/{id}/receipt?until=anchored", headers=bearer(key))
    status = get(f"/v1/evidence/{id}", headers=bearer(key))
    post = served.http.post("/v1/evidence", json={"sha256": digest(9)}, headers=bearer(key))
    return {
        "receipt": receipt.status_code,
        "status": status.status_code,
        "submission": post.status_code,
        "readyz": get("/readyz").status_code,
        "alarm": ALARM in get("/metrics", headers=bearer(admin)).text,
    }


WANTED = {"receipt": 503, "status": 503, "submission": 503, "readyz": 503, "alarm": True}


def anchored(served: Served, id: str, key: str) -> Callable[[], bool]:
    """Return what asks whether this is anchored."""
    return lambda: (
        served.http.get(f"/v1/evidence/{id}", headers=bearer(key)).json()["state"] == "anchored"
    )


def main() -> int:
    """Return 1 where it reproduces."""
    with tempfile.TemporaryDirectory() as name, open_devnet(anvil=find_anvil(ROOT)) as node:
        site = make_site(Path(name) / "project", node, number=971)
        key, admin = make_key(site.folder), make_key(site.folder, "ops", "admin")
        snapshot = ask(node.url, "evm_snapshot")
        height = int(ask(node.url, "eth_blockNumber"), 16)
        with (
            serve(site.folder, "--quiet", workers=2) as served,
            start_anchor(
                "run", "--every", "1", "--json", cwd=site.folder, log=site.folder / "daemon"
            ) as daemon,
        ):
            post = served.http.post
            made = post("/v1/evidence", json={"sha256": digest(1)}, headers=bearer(key)).json()
            wait_until(anchored(served, made["id"], key), 60)
            grown = int(ask(node.url, "eth_blockNumber"), 16) - height
            assert ask(node.url, "evm_revert", snapshot)
            # Past the block that was final, so that the new chain is as final as the old one was.
            ask(node.url, "anvil_mine", hex(grown + 10))
            start = time.monotonic()
            seen: dict[str, object] = {}
            while seen != WANTED and time.monotonic() - start < MINUTE + SLACK:
                time.sleep(1.0)
                # A submission would wake the daemon: asked last, when a minute is over.
                get = served.http.get
                if get("/readyz").status_code == 503 or time.monotonic() - start > MINUTE:
                    seen = look(served, made["id"], key, admin)
            took = time.monotonic() - start
            status = site.run("status")
            ended = daemon.process.poll()
            told = (site.folder / "daemon.out").read_text("utf-8")
    print(f"after {took:.0f} s: {seen}; status {status.code}; daemon {ended}")
    print(told[-600:])
    is_told = ended == 32 or '"exit_code": 32' in told
    return int(seen != WANTED or status.code != 32 or not is_told)


if __name__ == "__main__":
    sys.exit(main())
