"""Crash D12: SIGTERM in the first seconds of `anchor run` ended it with -15."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from random import Random

from support.projects import make_site
from support.stopping import start, wait_for_code

from anchor.chain.devnet import open_devnet

INSTANTS = 12


def main() -> int:
    random = Random(12)
    codes = []
    with tempfile.TemporaryDirectory() as folder, open_devnet(anvil=None) as node:
        site = make_site(Path(folder) / "project", node, number=912)
        for _ in range(INSTANTS):
            with start(site.folder, ("run",), Path(folder) / "out") as process:
                wait_for_code(process)
                time.sleep(random.uniform(0, 1.5))
                process.terminate()
                codes.append(process.wait(60))
    print(f"ended with {codes}")
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
