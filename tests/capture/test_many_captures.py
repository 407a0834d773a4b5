"""A long queue of captures: neither the service nor the worker grows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.capture_desk import make_capture_site, make_client, serve_captures
from support.staged_capture import stage_internet
from support.staged_worker import read_memory, start_worker
from support.web_site import WebSite

pytestmark = pytest.mark.slow

SITE = "site.example.com"
PAGES = int(os.environ.get("ANCHOR_TEST_CAPTURES", "1000"))
# What a process may grow by between the tenth page and the last one, in bytes.
GROWTH = 64 << 20


def test_a_queue_of_a_thousand_pages_grows_nothing(web: WebSite, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    site = make_capture_site(tmp_path, tenant_bytes=1 << 36)
    port = int(web.origin.rpartition(":")[2])
    with (
        stage_internet(tmp_path / "internet.json", {SITE: port}) as command,
        serve_captures(site, spool, per_day=PAGES, waiting=PAGES, at_once=4) as served,
    ):
        acme = make_client(served, "acme")
        ids = [acme.accepted(f"http://{SITE}/one?page={number}") for number in range(PAGES)]
        memory: dict[int, tuple[int, int]] = {}
        with start_worker(spool, command) as worker:
            for number, id in enumerate(ids, 1):
                assert acme.wait(id)["state"] == "recorded", acme.state(id)
                if number in (1, 10, 25, 50, 100, 200, 500) or number == PAGES:
                    memory[number] = (read_memory(worker.pid), read_memory(os.getpid()))
                    mib = " ".join(f"{size / (1 << 20):.1f}" for size in memory[number])
                    print(f"after {number}: worker and service have {mib} MiB", flush=True)
    first, last = memory[min(10, PAGES)], memory[PAGES]
    assert all(end - start < GROWTH for start, end in zip(first, last, strict=True)), memory
