"""A disk that turns read-only, or a process without a descriptor left, is no client's fault.

crash D2: submissions were answered with 422 and the path of the server, `anchor run` and `add`
ended with 2, `/readyz` said ready. On a disk that turned read-only below a running service (an ext4
with errors=remount-ro on a loop device, whose backing file has no room left; needs root) and in a
service that may open 40 files and has idle connections, no answer may blame the client or name a
path, `/readyz` has to say 503, commands 33, and after the repair everything goes on.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
from support.command import run_anchor
from support.disks import loop_disk
from support.paths import ROOT
from support.projects import Site, make_site
from support.service import Served, bearer, digest, make_key, serve
from support.store_contents import count_pieces

from anchor.chain.devnet import Devnet, find_anvil, open_devnet


def blame(served: Served, site: Site, key: str, numbers: range) -> tuple[list[str], list[int]]:
    """Submit one by one; return what was wrong with the answers, and their statuses."""
    seen, statuses = [], []
    for number in numbers:
        try:
            answer = served.http.post(
                "/v1/evidence", json={"sha256": digest(number)}, headers=bearer(key), timeout=30
            )
        except httpx.TransportError:
            continue  # closed without an answer: nobody is blamed
        statuses.append(answer.status_code)
        if answer.status_code not in (200, 201, 503):
            seen.append(f"a submission is answered {answer.status_code}: {answer.text}")
        if str(site.folder) in answer.text:
            seen.append(f"an answer names a path: {answer.text}")
    return seen, statuses


def ready(served: Served) -> int:
    """Ask whether it is ready; 503 where it closes the connection."""
    try:
        return served.http.get("/readyz", timeout=30).status_code
    except httpx.TransportError:
        return 503


def wait_for(served: Served, status: int, seconds: float = 30.0) -> bool:
    """Wait until `/readyz` says so."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if ready(served) == status:
            return True
        time.sleep(0.5)
    return False


def read_only(folder: Path, node: Devnet) -> list[str]:
    """Let the disk below a running service fail, look, repair it, and go on."""
    with loop_disk(folder) as disk:
        site = make_site(disk.path / "project", node, number=1)
        key = make_key(site.folder)
        piece = site.add("a", b"a")
        logs = folder / "logs"
        logs.mkdir()
        with serve(site.folder, workers=1, logs=logs) as served:
            seen, statuses = blame(served, site, key, range(3))
            accepted = statuses.count(201)
            if accepted != 3:
                return [f"before anything failed: {statuses}"]
            disk.fail()
            found, statuses = blame(served, site, key, range(100, 110))
            seen += found
            if not statuses or set(statuses) != {503}:
                seen.append(f"submissions to a read-only disk: {statuses}")
            if ready(served) != 503:
                seen.append("/readyz says ready on a read-only disk")
            for words in (("add", piece, "--again"), ("run", "--once"), ("seal",)):
                code = run_anchor(*words, cwd=site.folder).code
                if code != 33:
                    seen.append(f"anchor {words[0]} ends with {code}")
        disk.empty_below()
        disk.repair()
        with serve(site.folder, workers=1, logs=logs) as served:
            found, statuses = blame(served, site, key, range(100, 110))
            if set(statuses) != {201} or not wait_for(served, 200):
                seen.append(f"after the repair: {statuses}, /readyz {ready(served)}")
        rows = count_pieces(site)
        if rows != 1 + accepted + 10:
            seen.append(f"{rows} rows, of {1 + accepted + 10} acknowledged")
    return seen + found


def no_descriptors(folder: Path, node: Devnet) -> list[str]:
    """Serve with 40 descriptors, and hold some of them by idle connections."""
    site = make_site(folder / "project", node, number=2)
    key = make_key(site.folder)
    with serve(site.folder, workers=1) as served, ExitStack() as stack:
        if not wait_for(served, 200):
            return ["it never was ready"]
        pid = served.running.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in children:
            used = len(list(Path(f"/proc/{child}/fd").iterdir()))
            subprocess.run(["prlimit", f"--nofile={used + 6}", "--pid", child], check=True)
        address = (httpx.URL(served.url).host, httpx.URL(served.url).port or 80)
        idle = [stack.enter_context(socket.create_connection(address)) for _ in range(10)]
        seen, statuses = blame(served, site, key, range(20))
        for connection in idle:
            connection.close()
        if not wait_for(served, 200):
            seen.append("it is not ready again once there are descriptors")
        found, after = blame(served, site, key, range(30, 33))
        if set(after) != {201}:
            seen.append(f"afterwards: {after}")
        rows = count_pieces(site)
        if rows < statuses.count(201) + 3:
            seen.append(f"{rows} rows, {statuses.count(201) + 3} acknowledged")
    return seen + found


def main() -> int:
    """Return 1 where it reproduces."""
    seen: list[str] = []
    with tempfile.TemporaryDirectory() as folder, open_devnet(anvil=find_anvil(ROOT)) as node:
        seen += no_descriptors(Path(folder, "files"), node)
        if os.geteuid() == 0:
            seen += read_only(Path(folder, "disk"), node)
        else:
            print("a disk that turns read-only was not tried: mounting needs root")
    print("\n".join(seen) or "it does not reproduce")
    return 1 if seen else 0


if __name__ == "__main__":
    sys.exit(main())
