"""Scheduler, worker, client and network fail once each: nothing is lost, nothing is there twice.

The objects are in S3 (moto), or those of nginx, as many as ``CAMPAIGN_OBJECTS`` says.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.cutting_proxy import CuttingProxy
from support.nodes import wait_until
from support.object_campaign import FAULTS, DaskCluster, run_with_faults
from support.ports import free_port
from support.projects import Site, make_site
from support.s3_server import S3Server, make_environment
from support.store_contents import load_pieces

from anchor.chain.devnet import Devnet

pytestmark = pytest.mark.slow

_ADD = (sys.executable, "-m", "anchor", "add", "--no-not-before")


@pytest.mark.fault(
    "J18",
    how="5,000 objects of S3: scheduler, worker and client are killed and the network is cut, once "
    "each, after random numbers of requests",
    then="after the run is continued, evidence and manifests are those of a run without faults",
)
def test_a_bucket_survives_every_fault(s3: S3Server, own_anvil: Devnet, tmp_path: Path) -> None:
    s3.make_bucket("campaign", {})

    def put(number: int) -> None:
        s3.client.put_object(Bucket="campaign", Key=f"{number:05}", Body=b"%d" % number * 9)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, range(5_000)))
    proxy = CuttingProxy(s3.port)
    with proxy.running():
        env = make_environment(proxy.port)
        check_campaign(own_anvil, tmp_path, proxy, ("s3://campaign",), 5_000, env)


@pytest.mark.timeout(36_000)
@pytest.mark.fault(
    "J18",
    how="the same with as many objects of nginx as the campaign names",
    then="the same",
)
def test_a_web_server_survives_every_fault(own_anvil: Devnet, tmp_path: Path) -> None:
    count = int(os.environ.get("CAMPAIGN_OBJECTS", "2000"))
    with serve_numbers(tmp_path) as port:
        proxy = CuttingProxy(port)
        with proxy.running():
            urls = tmp_path / "urls.txt"
            urls.write_text(
                "".join(f"http://127.0.0.1:{proxy.port}/{number}\n" for number in range(count))
            )
            check_campaign(own_anvil, tmp_path, proxy, ("--urls-from", str(urls)), count, {})


def check_campaign(
    node: Devnet,
    folder: Path,
    proxy: CuttingProxy,
    words: tuple[str, ...],
    count: int,
    env: dict[str, str],
) -> None:
    """Compare a run with faults on a cluster with one without them on threads."""
    site = make_site(folder / "project", node, number=1, deployed=False)
    other = make_site(folder / "other", node, number=2, deployed=False)
    job, seconds = folder / "job", 120 + count / 20
    command = (*_ADD, *words, "--job", str(job))
    plain = subprocess.run(
        command, cwd=other.folder, env={**os.environ, **env}, capture_output=True, timeout=seconds
    )
    assert plain.returncode == 0, plain.stderr
    expected = manifests(job)
    job.rename(folder / "plain")
    cluster = DaskCluster(folder, env)
    proxy.requests = 0
    seed = random.SystemRandom().randrange(1 << 32)
    with cluster.running():
        ends = run_with_faults(
            (*command, "--executor", f"dask:{cluster.address}"),
            cluster,
            proxy,
            folder=site.folder,
            count=count,
            seed=seed,
            seconds=2 * seconds,
        )
    print(f"seed {seed}: {', '.join(ends)}; {proxy.requests} requests for {count} objects")
    assert set(ends) >= {*FAULTS, "done"}
    assert manifests(job) == expected
    recorded, others = objects_of(site), objects_of(other)
    assert len(recorded) == len(set(recorded)) == count
    assert recorded == others


def manifests(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("part-*"))}


def objects_of(site: Site) -> list[tuple[str, bytes | None]]:
    """Return the source and the SHA-256 of each object in the store."""
    with site.open() as project, project.database.read() as connection:
        pieces = load_pieces(connection)
    return sorted((piece.source, piece.sha256) for piece in pieces if "://" in piece.source)


@contextmanager
def serve_numbers(folder: Path) -> Iterator[int]:
    """Run nginx, whose every path is an object of its own."""
    port = free_port()
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\n"
        "events { worker_connections 1024; }\n"
        "http { access_log off; server {\n"
        f"listen 127.0.0.1:{port} backlog=1024; default_type application/octet-stream;\n"
        'location / { return 200 "evidence $request_uri"; }\n}}\n'
    )
    words = ("-c", f"{folder}/nginx.conf", "-p", str(folder), "-e", f"{folder}/nginx.log")
    with subprocess.Popen(["nginx", *words]) as process:
        try:
            wait_until((folder / "nginx.pid").exists)
            yield port
        finally:
            process.kill()
