"""Compare the rates of requests for a tile: `anchor serve` alone, behind nginx, and nginx alone.

nginx runs `deploy/nginx.conf` without TLS and limits, in one process; `wrk` asks on the same
machine, for one tile again and again or for many one after the other.  Part of `scripts/bench
--tiles`; both programs have to be installed.
"""

from __future__ import annotations

import argparse
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
from bench_measuring import cpu_time, show
from bench_service import ROOT, children_of, make_project, read_url, running
from bench_store import make_submissions

from anchor.chain.devnet import find_anvil, open_devnet
from anchor.log.tiles import TILE_BYTES
from anchor.log.tree import BLOCK
from anchor.operate.acceptance import accept
from anchor.store.location import SqliteFile

# More than nginx keeps open and the service keeps in memory.
TILES = 400
# What wrk runs: it asks for the first tiles in turn, as many as it is told.
_SCRIPT = """
local all, at = {}, 0
function init(arguments)
  for n = 1, arguments[1] do all[n] = wrk.format("GET", string.format("/tile/0/%03d", n - 1)) end
end
function request() at = at % #all + 1; return all[at] end
"""
_RATE = re.compile(r"^Requests/sec: +([0-9.]+)$", re.MULTILINE)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="the median counts")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2, help="of `anchor serve`")
    options = parser.parse_args()
    for program in ("nginx", "wrk"):
        if find_program(program) is None:
            parser.error(f"no {program} was found: install it (on Debian: apt install {program})")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name, "project")
        chain = stack.enter_context(open_devnet(anvil=find_anvil(ROOT)))
        published = publish_tiles(folder, chain.url)
        limits = ("--anonymous-rate", "0", "--per-peer", "512", "--proxy", "127.0.0.1", "--quiet")
        workers = ("--workers", str(options.workers))
        serve = stack.enter_context(
            running(folder, "serve", "--port", "0", "--json", *limits, *workers)
        )
        service = read_url(serve)
        nginx = stack.enter_context(run_nginx(Path(name, "front"), service, published))
        # Without a folder, every tile comes from the service.
        through = stack.enter_context(run_nginx(Path(name, "through"), service, Path(name, "none")))
        worker_pids = children_of(serve.pid)
        sources = {
            "plain files from nginx": (nginx.plain, [nginx.pid]),
            "tiles from nginx": (nginx.front, [nginx.pid]),
            "tiles from the service through nginx": (through.front, [through.pid, *worker_pids]),
            "tiles from the service alone": (service, worker_pids),
        }
        for address, _ in sources.values():
            answer = httpx.get(f"{address}/tile/0/000")
            assert (answer.status_code, len(answer.content)) == (200, TILE_BYTES), address
        script = Path(name, "tiles.lua")
        script.write_text(_SCRIPT, "utf-8")
        results: dict[tuple[int, str], list[tuple[float, float]]] = {}
        for _ in range(options.rounds):
            for count in (1, TILES):
                for what, (address, pids) in sources.items():
                    before = sum(map(cpu_time, pids))
                    rate = measure(script, address, count, options.connections, options.seconds)
                    cpu = (sum(map(cpu_time, pids)) - before) / (rate * options.seconds)
                    results.setdefault((count, what), []).append((rate, 1e6 * cpu))
    print(f"\n{options.connections} connections: median of {options.rounds} (and extremes)")
    for count in (1, TILES):
        print("one tile again and again" if count == 1 else f"{count} tiles in turn")
        for what in sources:
            rates, cpus = zip(*results[count, what], strict=True)
            extremes = f"({min(rates):,.0f} to {max(rates):,.0f})"
            show(f"{what}, a second", f"{statistics.median(rates):,.0f} {extremes}")
            show("    CPU time of one, us", f"{statistics.median(cpus):,.0f}")
    return 0


def publish_tiles(folder: Path, url: str) -> Path:
    """Make a project with ``TILES`` full tiles; return the folder of its published log."""
    project, _ = make_project(folder, SqliteFile(folder / "anchor.db"), url, None)
    with closing(project.database):
        accept(project, make_submissions(TILES * BLOCK, 0))
    for arguments in (("run", "--once"), ("export-log", "published")):
        subprocess.run(
            [sys.executable, "-m", "anchor", *arguments, "--config", "anchor.toml"],
            cwd=folder, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    return folder / "published"


class Nginx(NamedTuple):
    """A running nginx: the addresses of the shipped configuration and of plain files."""

    front: str
    plain: str
    pid: int


@contextmanager
def run_nginx(folder: Path, service: str, published: Path) -> Iterator[Nginx]:
    """Run nginx in a new ``folder``."""
    folder.mkdir()
    port, redirecting, plain = free_port(), free_port(), free_port()
    text = (ROOT / "deploy" / "nginx.conf").read_text("utf-8")
    text = re.sub(r"^ *(listen \[::\]|ssl_|limit_(req|conn)).*\n", "", text, flags=re.MULTILINE)
    text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{port}")
    text = text.replace("listen 80;", f"listen 127.0.0.1:{redirecting};")
    text = text.replace("127.0.0.1:8080", urlsplit(service).netloc)
    text = text.replace("/srv/anchor-log", str(published))
    (folder / "anchor.conf").write_text(text, "utf-8")
    places = "".join(
        f"{name}_temp_path {folder / name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder / 'nginx.pid'};\n"
        f"error_log {folder / 'error.log'};\nevents {{}}\nhttp {{\naccess_log off;\n{places}"
        f"server {{ listen 127.0.0.1:{plain}; root {published}; }}\ninclude anchor.conf;\n}}\n",
        "utf-8",
    )
    program = find_program("nginx")
    assert program is not None
    process = subprocess.Popen([program, "-c", str(folder / "nginx.conf"), "-p", str(folder)])
    try:
        deadline = time.monotonic() + 10
        while not is_open(port):
            assert process.poll() is None and time.monotonic() < deadline, "nginx did not start"
            time.sleep(0.05)
        yield Nginx(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{plain}", process.pid)
    finally:
        process.terminate()
        process.wait(30)


def measure(script: Path, address: str, count: int, connections: int, seconds: int) -> float:
    """Return the requests a second for ``count`` tiles in turn, each answered with 200."""
    done = subprocess.run(
        [
            "wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "-s", str(script),
            address, "--", str(count),
        ],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    found = _RATE.search(done)
    assert found is not None and "Non-2xx" not in done and "Socket errors" not in done, done
    return float(found[1])


def find_program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def is_open(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    sys.exit(main())
