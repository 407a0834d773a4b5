"""A crowd of slow, silent and endless clients, and an honest one that notices little of it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from support import crowd
from support.projects import make_site
from support.service import bearer, digest, make_key, serve
from support.stopping import workers_of

from anchor.chain.devnet import open_devnet


def highest_memory(pids: list[int]) -> int:
    """Return the most that one of these processes ever had resident, in MiB."""
    rows = [
        line
        for pid in pids
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    ]
    return max(int(row.split()[1]) for row in rows) >> 10


def endure(folder: Path, clients: int, seconds: float) -> tuple[list[float], list[float], int]:
    """Return the seconds of honest submissions and of health checks, and the growth in MiB."""
    with open_devnet(anvil=None) as node:
        site = make_site(folder / "project", node, number=985)
    key, guest = make_key(site.folder, "honest"), make_key(site.folder, "guest")
    submitted: list[float] = []
    checked: list[float] = []
    with serve(site.folder, "--quiet", workers=2) as served:
        place = urlsplit(served.url)
        pid = served.running.process.pid
        while len(workers := workers_of(pid)) < 2 or not served.http.get("/readyz").is_success:
            time.sleep(0.1)
        before = highest_memory(workers)
        arguments = (place.hostname, place.port, guest, clients, seconds)
        others = subprocess.Popen([sys.executable, crowd.__file__, *map(str, arguments)])
        number = 0
        while others.poll() is None:
            number += 1
            started = time.monotonic()
            answer = served.http.post(
                "/v1/evidence", json={"sha256": digest(number)}, headers=bearer(key)
            )
            submitted.append(time.monotonic() - started)
            assert answer.status_code == 201, answer.text
            started = time.monotonic()
            health = httpx.get(f"{served.url}/healthz", timeout=10, trust_env=False)
            checked.append(time.monotonic() - started)
            assert health.status_code == 200
            time.sleep(0.1)
        assert others.returncode == 0
        assert sorted(workers_of(pid)) == sorted(workers), "a worker ended"
        grown = highest_memory(workers) - before
    return sorted(submitted), sorted(checked), grown


@pytest.mark.release
@pytest.mark.fault(
    "J2",
    how="a crowd of slow, silent, endless and vanishing clients of eight kinds",
    then="others are served, health checks answered, memory bounded",
)
def test_an_honest_client_is_served_beside_a_crowd(tmp_path: Path):
    submitted, checked, grown = endure(tmp_path, clients=160, seconds=15)
    assert len(submitted) > 10
    assert submitted[len(submitted) // 2] < 2 and checked[len(checked) // 2] < 2
    assert grown < 64


@pytest.mark.slow
def test_an_honest_client_hardly_notices_five_hundred_for_ten_minutes(tmp_path: Path):
    submitted, checked, grown = endure(tmp_path, clients=500, seconds=600)
    p99 = submitted[len(submitted) * 99 // 100]
    print(f"{len(submitted)} submissions, p99 {p99:.3f} s, health {checked[-1]:.3f} s, {grown} MiB")
    assert p99 < 0.2
    assert grown < 64
