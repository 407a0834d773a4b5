"""A long queue of captures: neither the service nor the worker grows."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.capture_desk import make_capture_site, make_client, serve_captures
from support.made_captures import make_result
from support.staged_capture import stage_internet
from support.staged_worker import read_memory, start_worker
from support.web_site import WebSite

from anchor.bag.bag_writer import write_bag

pytestmark = [pytest.mark.slow, pytest.mark.timeout(36_000)]

SITE = "site.example.com"
PAGES = int(os.environ.get("ANCHOR_TEST_CAPTURES", "1000"))
SHOWN = (1, 10, 25, 50, 100, 200, 500, 1000)
# What a process may grow by between the tenth page and the last one, in bytes.
GROWTH = 64 << 20


def run_queue(folder: Path, command: Sequence[str], url: str, count: int) -> None:
    """Order captures of one URL, and compare the memory after the tenth and the last."""
    site = make_capture_site(folder, tenant_bytes=1 << 36)
    limits = {"per_day": count, "waiting": count, "at_once": 4}
    with serve_captures(site, folder / "spool", **limits) as served:
        acme = make_client(served, "acme")
        ids = [acme.accepted(url) for _ in range(count)]
        memory: dict[int, tuple[int, int]] = {}
        with start_worker(folder / "spool", command) as worker:
            for number, id in enumerate(ids, 1):
                assert acme.wait(id, seconds=3_600)["state"] == "recorded", acme.state(id)
                if number in SHOWN or number == count:
                    memory[number] = (read_memory(worker.pid), read_memory(os.getpid()))
                    mib = " ".join(f"{size / (1 << 20):.1f}" for size in memory[number])
                    print(f"after {number}: worker and service have {mib} MiB", flush=True)
    first, last = memory[min(10, count)], memory[count]
    assert all(end - start < GROWTH for start, end in zip(first, last, strict=True)), memory


def test_a_queue_of_a_thousand_pages_grows_nothing(web: WebSite, tmp_path: Path) -> None:
    port = int(web.origin.rpartition(":")[2])
    with stage_internet(tmp_path / "internet.json", {SITE: port}) as command:
        run_queue(tmp_path, command, f"http://{SITE}/one", PAGES)


# What a browser would have made: the queue, the worker and the service alone.
COPY = """id=$(basename "$2" | cut -c -32)
sed "s/{32}/$id/" "$1/result.json" > "$3/result.json" && cp "$1/bag.zip" "$3/bag.zip"
"""


def test_a_queue_of_a_thousand_made_bags_grows_nothing(tmp_path: Path) -> None:
    url = f"http://{SITE}/one"
    document, bag = make_result("{32}", url)
    write_bag(tmp_path / "bag.zip", bag)
    (tmp_path / "result.json").write_text(json.dumps(document))
    run_queue(tmp_path, ("/bin/sh", "-c", COPY, "sh", str(tmp_path)), url, 1_000)
