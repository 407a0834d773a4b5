"""Workers killed while a copy is uploaded, checked and deleted; and copies after a restore."""

from __future__ import annotations

import base64
import hashlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.copies import OCTETS, TUS
from support.projects import Site, make_site
from support.service import Served, bearer, make_key, serve
from support.stopping import workers_of

from anchor.chain.devnet import open_devnet
from anchor.keeping.upload_rules import PART_BYTES
from anchor.project.config import load_config
from anchor.project.project import open_project
from anchor.store.location import StoreLocation
from anchor.store.tenant_events import load_events

pytestmark = pytest.mark.release

# After a kill the job is taken again when its worker's time is over.
LEASE = 30.0
# Each of three killed requests may store a part; more than one is left for the third.
DATA = hashlib.shake_128(b"original").digest(4 * PART_BYTES + 7)
# Says that it has begun, and takes its time.
SCANNER = """#!{python}
import pathlib, sys, time
sys.stdin.buffer.read()
begun = pathlib.Path("{begun}")
first = not begun.exists()
begun.write_text("")
time.sleep(3 if first else 0)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    store: StoreLocation | None = None
    if request.param == "postgresql":
        store = request.getfixturevalue("postgres").create()
    scanner = tmp_path / "scanner"
    scanner.write_text(SCANNER.format(python=sys.executable, begun=tmp_path / "begun"))
    scanner.chmod(0o700)
    with open_devnet(anvil=None) as node:
        site = make_site(tmp_path / "project", node, number=970, store=store)
        with (site.folder / "anchor.toml").open("a") as file:
            file.write(
                f'\n[copies]\nurl = "file://{tmp_path / "bucket"}"\ntenant_bytes = 1_000_000_000\n'
                f'keyset = "{tmp_path / "keyset.json"}"\nscan = ["{scanner}"]\n'
            )
        site.run("trust", "allow").expect(0)
        site.run("copies", "init").expect(0)
        yield site


def kill_workers(served: Served) -> None:
    """Kill each worker at once; their supervisor starts others."""
    for worker in workers_of(served.running.process.pid):
        os.kill(worker, signal.SIGKILL)


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 3 * LEASE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def ask(served: Served, key: str, method: str, path: str, **options: Any) -> httpx.Response:
    """Send a request until a worker answers it."""
    headers = bearer(key) | TUS | options.pop("headers", {})
    end = time.monotonic() + LEASE
    while True:
        with suppress(httpx.TransportError):
            return served.http.request(method, path, headers=headers, **options)
        assert time.monotonic() < end
        time.sleep(0.1)


def objects(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "bucket").rglob("*") if path.is_file()]


def actions(site: Site) -> list[str]:
    project = open_project(load_config(site.folder / "anchor.toml"))
    with closing(project.database) as database, database.read() as connection:
        events = load_events(connection, "acme", 100)
    return [event.action for event in events if event.action.startswith("copy-")][::-1]


def begin(served: Served, key: str) -> tuple[str, str]:
    """Submit the original's digest and begin to upload it; return the id and the address."""
    body = {"sha256": hashlib.sha256(DATA).hexdigest(), "size": len(DATA), "name": "original"}
    id = ask(served, key, "POST", "/v1/evidence", json=body).json()["id"]
    named = base64.b64encode(id.encode()).decode()
    headers = {"Upload-Length": str(len(DATA)), "Upload-Metadata": f"evidence {named}"}
    answer = ask(served, key, "POST", "/v1/uploads", headers=headers)
    assert answer.status_code == 201, answer.text
    return id, answer.headers["Location"]


def offset(served: Served, key: str, upload: str) -> int:
    return int(ask(served, key, "HEAD", upload).headers["Upload-Offset"])


def send(served: Served, key: str, upload: str, body: Callable[[int], Iterator[bytes]]) -> None:
    """Send the bytes from where the upload is; the worker may be killed meanwhile."""
    start = offset(served, key, upload)
    sent = bearer(key) | TUS | OCTETS | {"Upload-Offset": str(start)}
    sent["Content-Length"] = str(len(DATA) - start)
    with suppress(httpx.TransportError):
        served.http.patch(upload, headers=sent, content=body(start))


def state(served: Served, key: str, id: str) -> str:
    copy = ask(served, key, "GET", f"/v1/evidence/{id}").json()["kept_copy"]
    return "none" if copy is None else str(copy["state"])


def test_killed_workers_lose_no_copy_and_keep_none_twice(site: Site, tmp_path: Path) -> None:
    key = make_key(site.folder, "acme", "submit", "read", "manage")
    with serve(site.folder, workers=1) as served:
        id, upload = begin(served, key)

        def killing(start: int, *, delay: float) -> Iterator[bytes]:
            """Yield the bytes from ``start``; kill the worker once it has stored a part."""
            chunk, stored = 1 << 20, len(objects(tmp_path))
            for at in range(start, len(DATA), chunk):
                yield DATA[at : at + chunk]
                if at - start == PART_BYTES + chunk:
                    until(lambda: len(objects(tmp_path)) > stored)
                    time.sleep(delay)
                    kill_workers(served)
                    time.sleep(0.3)

        # At once, when its row may not be there yet, and when it certainly is.
        reached = [0]
        for delay in (0.0, 1.0, 0.0):
            send(served, key, upload, partial(killing, delay=delay))
            reached.append(offset(served, key, upload))
            assert reached[-1] >= reached[-2]
            assert PART_BYTES * len(objects(tmp_path)) >= reached[-1]
        assert reached[-1] >= PART_BYTES
        # An object that was stored when its worker was killed before the row was.
        orphan = objects(tmp_path)[0].with_name("000009-0123456789abcdef")
        orphan.write_bytes(b"orphan")
        send(served, key, upload, lambda start: iter([DATA[start:]]))
        # Killed while the scanner is at it: all is read again, and kept once.
        until((tmp_path / "begun").exists)
        kill_workers(served)
        until(lambda: state(served, key, id) == "kept")
        assert not orphan.exists()
        read = ask(served, key, "GET", f"/v1/evidence/{id}/copy")
        assert read.content == DATA
        # Killed between the end of the key and the removal of the objects.
        assert ask(served, key, "DELETE", f"/v1/evidence/{id}/copy").status_code == 204
        kill_workers(served)
        assert state(served, key, id) == "none"
        until(lambda: not objects(tmp_path))
    assert actions(site) == ["copy-kept", "copy-read", "copy-deleted"]


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_a_restored_store_reads_the_copies_that_its_backup_knew(site: Site, tmp_path: Path) -> None:
    key = make_key(site.folder, "acme", "submit", "read", "manage")
    with serve(site.folder, workers=1) as served:
        id, upload = begin(served, key)
        send(served, key, upload, lambda start: iter([DATA[start:]]))
        until(lambda: state(served, key, id) == "kept")
    site.run("run", "--once").expect(0)
    site.run("backup", tmp_path / "backup").expect(0)
    for path in (tmp_path / "backup").rglob("*"):
        assert not path.is_file() or DATA[:64] not in path.read_bytes()
        assert "keyset" not in path.name
    site.run("restore", "--replace", "--backup", tmp_path / "backup").expect(0)
    key = make_key(site.folder, "acme", "read")
    with serve(site.folder, workers=1) as served:
        assert ask(served, key, "GET", f"/v1/evidence/{id}/copy").content == DATA
