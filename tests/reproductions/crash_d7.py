"""Crash D7: restore dropped what a store of a newer schema held, and ended with 0."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from support.command import snapshot
from support.disasters import anchor_final, sql
from support.nodes import stop_the_clock
from support.paths import ROOT
from support.projects import make_site

from anchor.chain.devnet import find_anvil, open_devnet


def main() -> int:
    with (
        tempfile.TemporaryDirectory() as name,
        open_devnet(anvil=find_anvil(ROOT)) as node,
    ):
        stop_the_clock(node.url)
        site = make_site(Path(name) / "project", node, number=967)
        anchor_final(site, "a")
        site.add("waiting", b"waiting")
        sql(site, "UPDATE alembic_version SET version_num = '9999'")
        before = snapshot(site.folder)
        ran = site.run("restore", "--replace")
        print(f"restore ended with {ran.code}: {ran.err.strip()}")
        return int(ran.code == 0 or snapshot(site.folder) != before)


if __name__ == "__main__":
    sys.exit(main())
