"""Crash D9: a standard output that could not be written was "a bug" (1), and ended `run`."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.command import environment
from support.projects import make_site

from anchor.chain.devnet import open_devnet

ANCHOR = (sys.executable, "-m", "anchor")


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, open_devnet(anvil=None) as node:
        site = make_site(Path(folder) / "project", node, number=909)
        site.add("a.txt", b"a")
        given = {"cwd": site.folder, "env": environment(), "stderr": subprocess.PIPE, "text": True}
        with Path("/dev/full").open("wb", buffering=0) as full:
            status = subprocess.run([*ANCHOR, "status"], stdout=full, check=False, **given)
            with subprocess.Popen([*ANCHOR, "run", "--json"], stdout=full, **given) as run:
                end = time.monotonic() + 60
                while not site.anchors_on_chain() and run.poll() is None:
                    if time.monotonic() > end:
                        break
                    time.sleep(0.2)
                anchored = site.anchors_on_chain()
                run.send_signal(signal.SIGTERM)
                _, said = run.communicate(timeout=60)
        print(f"status ended with {status.returncode}, run with {run.returncode}: {said.strip()}")
        print(f"{len(anchored)} anchors were made meanwhile")
        good = (status.returncode, run.returncode, len(anchored)) == (33, 0, 1)
        return 0 if good and "Traceback" not in status.stderr + said else 1


if __name__ == "__main__":
    sys.exit(main())
