"""Crash G5: what was accepted and not sealed had one copy, and went with the store's server.

A real PostgreSQL server with a standby that hears nothing: `anchor add` with two copies wanted.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from support.projects import make_site
from support.standbys import run_servers, want_copies

from anchor.chain.devnet import open_devnet


def main() -> int:
    """Acknowledge with the standby there, and not without it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_devnet(anvil=None) as node,
        run_servers() as (servers, first),
    ):
        site = make_site(Path(folder) / "project", node, number=1, store=first.create())
        standby = servers.follow(first)
        want_copies(site)
        site.write("a", b"a")
        site.write("b", b"b")
        both = site.run("add", "a", "--json")
        with standby.deaf():
            one = site.run("add", "b", "--json")
    print(f"with the standby {both.code}, without it {one.code}")
    if both.code == 0 and both.document.get("copies") == 2 and one.code == 33:
        return 0
    print("reproduced: an acknowledgement needs no second copy, or cannot wait for one")
    return 1


if __name__ == "__main__":
    sys.exit(main())
