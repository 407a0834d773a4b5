"""Measure the hashing of objects behind HTTP on threads and on Dask, beside a plain loop.

Part of `scripts/bench --objects`; the figures are kept in docs/performance.md.  nginx serves the
objects on the same machine.  Intake is the whole: listing, hashing, manifests, and records in a
new SQLite store.  The floor is a loop of requests and hashlib in one process.  Results of small
objects are appended to a JSON file, from which `--table` makes a table.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import requests
from bench_measuring import cpu_time, peak_memory, section
from bench_scale_figures import Figure, find_lines, print_table

from anchor.base.objects.object_url import UrlList
from anchor.evidence.hashing_pool import open_workers
from anchor.objects.hashing_job import open_job
from anchor.objects.object_hashing import HashingRules
from anchor.operate.object_intake import take_objects
from anchor.operate.recent_block import name_no_block
from anchor.project.config import Config
from anchor.project.project import OpenProject
from anchor.store.acknowledged_log import SideFile
from anchor.store.database import create_filled
from anchor.store.location import SqliteFile

_MIB = 1 << 20
_ALGORITHMS = ("sha256",)
WAYS = ("loop", "threads", "dask")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", default="1e4,1e5", help="numbers of small objects")
    parser.add_argument("--large", type=int, default=2_000, help="objects of 1 MiB; 0 for none")
    parser.add_argument("--floor", type=int, default=10_000, help="objects of the floor, at most")
    parser.add_argument("--way", choices=WAYS, action="append", help="only this one")
    parser.add_argument("--out", type=Path, help="results of small objects, appended to")
    parser.add_argument("--table", action="store_true", help="print the table of --out; no run")
    parser.add_argument("--intake", nargs=3, metavar=("EXECUTOR", "FOLDER", "URLS"), help="itself")
    parser.add_argument("--loop", metavar="URLS", help="for itself")
    options = parser.parse_args()
    if options.table and not options.out:
        parser.error("--table needs --out")
    if options.intake:
        executor, folder, urls = options.intake
        print(json.dumps(take_in_this_process(executor, Path(folder), Path(urls))))
    elif options.loop:
        print(json.dumps(loop_in_this_process(Path(options.loop))))
    elif options.table:
        lines = list(find_lines(load_results(options.out), "objects"))
        print_table(lines, "Objects")
    else:
        with tempfile.TemporaryDirectory() as name, run_nginx(Path(name)) as server:
            folder = Path(name)
            ways = options.way or WAYS
            for text in filter(None, options.sizes.split(",")):
                count = int(float(text))
                for figures in compare(folder, server, "small", count, options.floor, ways):
                    if options.out:
                        append_results(options.out, figures)
            if options.large:
                list(compare(folder, server, "large", options.large, options.large, ways))
    return 0


def load_results(path: Path) -> list[Figure]:
    return [Figure(**figure) for figure in json.loads(path.read_text())]


def append_results(path: Path, figures: Sequence[Figure]) -> None:
    before = load_results(path) if path.exists() else []
    results = [asdict(figure) for figure in (*before, *figures)]
    path.write_text(json.dumps(results, indent=1) + "\n")


def compare(
    folder: Path, server: str, kind: str, count: int, floor: int, ways: Sequence[str]
) -> Iterator[list[Figure]]:
    """Measure one number of objects of a kind in each way, one after the other."""
    size = "1 MiB" if kind == "large" else "some 20 bytes"
    section(f"{count:,} objects of {size}; load {os.getloadavg()[0]:.1f}")
    urls = write_urls(folder, server, kind, count)
    if "loop" in ways:
        result = run_itself("--loop", write_urls(folder, server, kind, min(count, floor)))
        show("requests and hashlib, one loop", result)
        yield [make_figure("requests and hashlib, one loop", "floor", result, count)]
    if "threads" in ways:
        result = run_intake("threads", folder, urls)
        show("anchor, 2 threads", result)
        yield [make_figure("anchor, two threads", "ours", result, count)]
    if "dask" in ways:
        yield measure_dask(folder, urls, count)


def measure_dask(folder: Path, urls: Path, count: int) -> list[Figure]:
    with run_cluster(folder) as (address, processes):
        result = run_intake(f"dask:{address}", folder, urls)
        parts = {
            name: {"busy": cpu_time(each.pid), "count": count, "client MiB": peak_memory(each.pid)}
            for name, each in processes.items()
        }
    result["busy"] += sum(part["busy"] for part in parts.values())
    peaks = {f"{name} MiB": part["client MiB"] for name, part in parts.items()}
    show("anchor, 2 Dask workers of 1 thread", result | peaks)
    return [
        make_figure("anchor, two Dask workers (memory: client)", "ours", result, count),
        make_figure("Dask scheduler", "ours", parts["scheduler"], count),
        make_figure("Dask worker", "ours", parts["worker"], count),
    ]


def make_figure(program: str, kind: str, result: Mapping[str, Any], size: int) -> Figure:
    return Figure(
        measure="objects",
        program=program,
        kind=kind,
        size=size,
        count=result["count"],
        cpu=result["busy"] / result["count"] * 1e6,
        wall=result.get("seconds", 0.0) / result["count"] * 1e6,
        bytes=0.0,
        peak=result["client MiB"],
    )


def show(name: str, result: Mapping[str, Any]) -> None:
    rate, busy = result["count"] / result["seconds"], result["busy"] / result["count"] * 1e6
    memory = ", ".join(f"{key} {value}" for key, value in result.items() if key.endswith("MiB"))
    print(f"  {name:<36}{rate:8,.0f}/s  {busy:8,.0f} us CPU  {memory}", flush=True)


# What is measured


def run_intake(executor: str, folder: Path, urls: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=folder) as store:
        return run_itself("--intake", executor, store, urls)


def run_itself(*words: str | Path) -> dict[str, Any]:
    printed = subprocess.run(
        [sys.executable, __file__, *words], check=True, stdout=subprocess.PIPE
    ).stdout
    return cast(dict[str, Any], json.loads(printed))


def take_in_this_process(executor: str, folder: Path, urls: Path) -> Mapping[str, Any]:
    """Do what `anchor add --urls-from` does, in a new store."""
    place = SqliteFile(folder / "anchor.db")
    database, _ = create_filled(place, lambda _: None, SideFile(folder / "acknowledged.log"))
    # The members of a configuration that intake uses; no chain was seen, so no clock is checked.
    config = SimpleNamespace(
        log=bytes(32), chain_id=1, file=folder / "anchor.toml", digests=_ALGORITHMS, store=place
    )
    project = OpenProject(config=cast(Config, config), database=database)
    count = None if executor.startswith("dask:") else 2
    with closing(database), open_workers(executor, count, lambda _: None) as workers:
        started, busy = time.perf_counter(), time.process_time()
        intake = take_objects(
            project,
            open_job(folder / "job", UrlList(urls), _ALGORITHMS),
            HashingRules(algorithms=_ALGORITHMS),
            workers=workers,
            name_block=name_no_block,
            on_done=lambda *_: None,
            on_total=lambda *_: None,
        )
        seconds, busy = time.perf_counter() - started, time.process_time() - busy
    rows = intake.new + intake.known - len(list((folder / "job").glob("part-*")))
    assert intake.unread == 0, intake.problems[0]
    return {"seconds": seconds, "busy": busy, "count": rows, "client MiB": peak_memory()}


def loop_in_this_process(urls: Path) -> Mapping[str, Any]:
    with requests.Session() as session:
        session.trust_env = False
        started, busy = time.perf_counter(), time.process_time()
        count = 0
        for url in UrlList(urls):
            digest = hashlib.sha256()
            with session.get(str(url), stream=True, timeout=60) as answer:
                for chunk in answer.iter_content(_MIB):
                    digest.update(chunk)
            count += 1
        seconds, busy = time.perf_counter() - started, time.process_time() - busy
    return {"seconds": seconds, "busy": busy, "count": count, "client MiB": peak_memory()}


# Servers


def write_urls(folder: Path, server: str, kind: str, count: int) -> Path:
    path = folder / f"{kind}-{count}.txt"
    path.write_text("".join(f"{server}/{kind}/{number}\n" for number in range(count)))
    return path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return cast(int, listener.getsockname()[1])


@contextmanager
def run_nginx(folder: Path) -> Iterator[str]:
    """Run nginx in one process: small objects are made of their path, large ones are one file."""
    port = free_port()
    folder.chmod(0o755)
    (folder / "large").write_bytes(os.urandom(_MIB))
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\n"
        "events { worker_connections 1024; }\n"
        "http { access_log off; etag off; server {\n"
        f"listen 127.0.0.1:{port}; root {folder}; default_type application/octet-stream;\n"
        'location /small/ { return 200 "evidence $request_uri"; }\n'
        "location /large/ { rewrite ^ /large break; }\n}}\n"
    )
    words = ("-c", f"{folder}/nginx.conf", "-p", str(folder), "-e", f"{folder}/nginx.log")
    with ending(["nginx", *words]):
        wait_for(port)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def run_cluster(folder: Path) -> Iterator[tuple[str, dict[str, subprocess.Popen[bytes]]]]:
    """Run a scheduler and two workers of one thread by their command lines."""
    port = free_port()
    dask = (sys.executable, "-m", "dask")
    address = f"tcp://127.0.0.1:{port}"
    options = ("--no-dashboard", "--no-nanny", "--nthreads", "1", "--local-directory", str(folder))
    with ending([*dask, "scheduler", "--no-dashboard", "--host", address]) as scheduler:
        wait_for(port)
        with (
            ending([*dask, "worker", address, *options]) as first,
            ending([*dask, "worker", address, *options]) as second,
        ):
            from distributed import Client

            with Client(address) as client:
                client.wait_for_workers(2)
            yield address, {"scheduler": scheduler, "worker": first, "other worker": second}


@contextmanager
def ending(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for the duration of the block."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(port: int) -> None:
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on port {port}")


if __name__ == "__main__":
    raise SystemExit(main())
