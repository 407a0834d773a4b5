"""A store on read-only media cannot be read at all.

crash G1: `status`, `audit --offline` and `prove` of a project on a file system mounted read-only
ended with 2, "unable to open database file". Needs root, to mount one.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from support.disks import read_only
from support.paths import ROOT
from support.projects import make_site

from anchor.chain.devnet import find_anvil, open_devnet


def main() -> int:
    """Return 1 where it reproduces."""
    if os.geteuid() != 0:
        print("it was not tried: mounting needs root")
        return 0
    seen = []
    with tempfile.TemporaryDirectory() as folder, open_devnet(anvil=find_anvil(ROOT)) as node:
        site = make_site(Path(folder, "project"), node, number=1)
        site.add("a", b"a")
        site.anchor()
        out = Path(folder, "receipts")
        with read_only(site.folder):
            for words in (("status",), ("audit", "--offline"), ("prove", "--all", "--output", out)):
                ran = site.run(*words)
                if ran.code != 0:
                    seen.append(f"anchor {words[0]} ends with {ran.code}: {ran.err}")
    print("\n".join(seen) or "it does not reproduce")
    return 1 if seen else 0


if __name__ == "__main__":
    sys.exit(main())
