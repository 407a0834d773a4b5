"""The shipped units give up for good on a store that is away for minutes.

crash D5: `anchor run` ended with 33 whenever PostgreSQL restarted, and `anchor-serve` when it was
started meanwhile; after 20 starts in an hour systemd stopped trying. No end that a store that is
away leads to may keep a unit down, whenever it comes in a day; and the daemon waits for its server.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from support.command import start_anchor
from support.paths import DEPLOY, ROOT
from support.projects import make_site
from support.stores import RestartablePostgres, run_postgres
from support.units import Ended, read_unit

from anchor.chain.devnet import Devnet, find_anvil, open_devnet
from anchor.errors import ExitCode

DAY = 86_400.0


def give_up() -> list[str]:
    """Return which unit gives up on a store that is away for a day, and when."""
    seen = []
    for name in ("anchor-run.service", "anchor-serve.service"):
        unit = read_unit(DEPLOY / name)
        starts, now = [0.0], 0.0
        while now < DAY:
            at = unit.next_start(Ended(ExitCode.STORAGE), len(starts) - 1, starts, now + 2.0)
            if at is None:
                seen.append(f"{name} gives up after {now / 60:.0f} minutes")
                break
            starts.append(at)
            now = at
    return seen


def restart_server(folder: Path, node: Devnet) -> list[str]:
    """Stop PostgreSQL below a daemon, and start it again."""
    with run_postgres() as running:
        server = RestartablePostgres(running.folder)
        site = make_site(folder / "project", node, number=1, store=server.create())
        with start_anchor("run", "--every", "1", cwd=site.folder, log=folder / "run") as daemon:
            daemon.printed("started")
            server.kill()
            time.sleep(5)
            code = daemon.process.poll()
            server.start()
            if code is not None:
                return [f"`anchor run` ended with {code} when its server was stopped"]
            try:
                daemon.printed("store back", 90)
            except AssertionError:
                return ["`anchor run` did not go on with the server that is back"]
    return []


def main() -> int:
    """Return 1 where it reproduces."""
    seen = give_up()
    with tempfile.TemporaryDirectory() as folder, open_devnet(anvil=find_anvil(ROOT)) as node:
        seen += restart_server(Path(folder), node)
    print("\n".join(seen) or "it does not reproduce")
    return 1 if seen else 0


if __name__ == "__main__":
    sys.exit(main())
