"""Workers die, are stopped and replaced: what was acknowledged is there, and nothing twice."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from support.fixtures import MakeSite
from support.nodes import wait_until
from support.projects import Site
from support.service import NDJSON, Served, bearer, digest, lines, make_key, serve
from support.stopping import is_running, workers_of
from support.store_contents import count_waiting, load_pieces

from anchor.chain.devnet import Devnet


def wait_for_workers(served: Served, count: int, *, without: int | None = None) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = workers_of(served.running.process.pid)
        if len(found) == count and without not in found:
            return
        time.sleep(0.1)
    raise AssertionError(workers_of(served.running.process.pid))


def acknowledged(url: str, key: str, body: bytes, hit: threading.Event) -> list[str]:
    """Submit in bulk, and return the ids of the lines that were answered, whatever happens."""
    ids: list[str] = []
    left = ""
    try:
        with (
            httpx.Client(base_url=url, timeout=60, trust_env=False) as client,
            client.stream(
                "POST", "/v1/bulk", content=pieces(body), headers=bearer(key) | NDJSON
            ) as stream,
        ):
            for text in stream.iter_text():
                *whole, left = (left + text).split("\n")
                found = [json.loads(line) for line in whole]
                ids += [line["id"] for line in found if "id" in line]
                hit.set()
    except httpx.TransportError:
        pass
    return ids


def pieces(body: bytes):
    for start in range(0, len(body), 100_000):
        yield body[start : start + 100_000]
        time.sleep(0.02)


def stored(site: Site) -> set[str]:
    return {piece.identity.hex() for piece in load_pieces(site)}


def test_what_a_killed_worker_acknowledged_is_there_and_the_rest_can_be_sent_again(
    new_site: MakeSite, embedded: Devnet
):
    site = new_site(embedded)
    key = make_key(site.folder)
    body = lines(range(20_000))
    with serve(site.folder, workers=1) as served:
        wait_for_workers(served, 1)
        (victim,) = workers_of(served.running.process.pid)
        with closing(HTTPConnection(urlsplit(served.url).netloc, timeout=60)) as client:
            client.putrequest("POST", "/v1/bulk")
            for name, value in (bearer(key) | NDJSON | {"Transfer-Encoding": "chunked"}).items():
                client.putheader(name, value)
            client.endheaders()
            # The rest is never sent: the worker is reading when it is killed.
            half = body[: len(body) // 2]
            client.send(b"%x\r\n%s\r\n" % (len(half), half))
            answer = client.getresponse()
            text = answer.readline()
            os.kill(victim, signal.SIGKILL)
            with suppress(HTTPException, OSError):
                while piece := answer.read1(100_000):
                    text += piece
        ids = [json.loads(line)["id"] for line in text.splitlines() if line.endswith(b"}")]
        assert ids
        assert set(ids) <= stored(site)
        wait_for_workers(served, 1, without=victim)
        again = served.http.post(
            "/v1/bulk", content=body, headers=bearer(key) | NDJSON, timeout=120
        )
        last = json.loads(again.text.splitlines()[-1])
        assert last["lines"] == 20_000 and last["refused"] == 0
        assert last["known"] >= len(ids)
    assert len(stored(site)) == 20_000
    assert count_waiting(site) == 20_000


@pytest.mark.release
def test_a_worker_that_is_told_to_stop_answers_what_it_took(new_site: MakeSite, embedded: Devnet):
    site = new_site(embedded)
    key = make_key(site.folder)
    with serve(site.folder, workers=2) as served:
        hit = threading.Event()
        ids: list[str] = []
        body = lines(range(200_000))
        thread = threading.Thread(
            target=lambda: ids.extend(acknowledged(served.url, key, body, hit))
        )
        thread.start()
        assert hit.wait(60)
        waiting = threading.Thread(
            target=lambda: served.http.get(
                f"/v1/evidence/{digest(0)}", params={"wait": 60}, headers=bearer(key)
            )
        )
        waiting.start()
        assert served.stop() == 0
        thread.join(60)
        waiting.join(60)
    assert ids  # all of them, where the first answer was read late
    assert set(ids) <= stored(site)


def test_workers_end_with_their_supervisor(new_site: MakeSite, embedded: Devnet):
    site = new_site(embedded)
    with serve(site.folder, workers=2) as served:
        wait_for_workers(served, 2)
        children = workers_of(served.running.process.pid)
        # One that is still being started would find no more of what it is to read.
        while any(len(list(Path(f"/proc/{child}/task").iterdir())) < 3 for child in children):
            time.sleep(0.05)
        served.running.process.kill()
        served.running.process.wait()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and any(is_running(child) for child in children):
            time.sleep(0.1)
        assert not any(is_running(child) for child in children)


def test_a_service_told_to_stop_while_a_worker_does_not_answer_ends_by_its_deadline(
    new_site: MakeSite, embedded: Devnet
):
    site = new_site(embedded)
    with serve(site.folder, "--drain", "1", workers=2) as served:
        wait_for_workers(served, 2)
        os.kill(workers_of(served.running.process.pid)[0], signal.SIGSTOP)
        time.sleep(1.5)  # the supervisor has asked it for a sign of life
        served.running.process.send_signal(signal.SIGTERM)
        assert served.running.process.wait(60) == 0


def test_requests_that_reach_a_worker_while_it_is_told_to_stop_are_answered(
    new_site: MakeSite, embedded: Devnet
):
    """On open connections, which end then, and on new ones."""
    site = new_site(embedded)
    with serve(site.folder, workers=1) as served, ExitStack() as stack:
        wait_for_workers(served, 1)
        (worker,) = workers_of(served.running.process.pid)

        def open_connections() -> list[HTTPConnection]:
            made = [HTTPConnection(urlsplit(served.url).netloc, timeout=60) for _ in range(4)]
            for connection in made:
                stack.callback(connection.close)
                connection.connect()
            return made

        kept = open_connections()
        for connection in kept:
            connection.request("GET", "/healthz")
            assert b"alive" in connection.getresponse().read()
        os.kill(worker, signal.SIGSTOP)
        try:
            new = open_connections()
            os.kill(worker, signal.SIGTERM)
            for connection in (*kept, *new):
                connection.request("GET", "/healthz")
            time.sleep(0.3)
        finally:
            os.kill(worker, signal.SIGCONT)
        answers = [connection.getresponse() for connection in (*kept, *new)]
        assert all(b"alive" in answer.read() for answer in answers)
        for connection, answer in zip(kept, answers, strict=False):
            if answer.getheader("Connection") != "close":  # answered before the worker knew of it
                assert connection.sock.recv(1) == b""


def test_a_store_that_another_process_locks_is_busy_and_then_not(
    new_site: MakeSite, embedded: Devnet
):
    site = new_site(embedded)
    key = make_key(site.folder)
    with serve(site.folder, workers=1) as served:
        assert served.http.get("/healthz").is_success
        with (site.folder / "anchor.db-turn.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            busy = served.http.post(
                "/v1/evidence", json={"sha256": digest(1)}, headers=bearer(key), timeout=60
            )
            assert (busy.status_code, busy.json()["status"]) == (503, 503)
            assert "Retry-After" in busy.headers
            assert str(site.folder) not in busy.text
        then = served.http.post("/v1/evidence", json={"sha256": digest(1)}, headers=bearer(key))
        assert then.status_code == 201


def test_a_worker_may_open_as_many_files_as_it_lets_be_connected(
    new_site: MakeSite, embedded: Devnet
):
    site = new_site(embedded)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, before[1]))  # as a service begins
    try:
        with serve(site.folder, workers=1) as served:
            wait_for_workers(served, 1)
            (worker,) = workers_of(served.running.process.pid)
            limits = Path(f"/proc/{worker}/limits").read_text().splitlines()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    (row,) = [line.split() for line in limits if line.startswith("Max open files")]
    assert int(row[3]) >= min(4 * 512 + 512, before[1])


def test_without_a_descriptor_left_no_client_is_blamed(new_site: MakeSite, embedded: Devnet):
    site = new_site(embedded)
    key = make_key(site.folder)

    def submit(served: Served, number: int) -> int:
        given = {"json": {"sha256": digest(number)}, "headers": bearer(key)}
        try:
            answer = served.http.post("/v1/evidence", timeout=30, **given)
        except httpx.TransportError:
            return 503  # closed without an answer
        assert str(site.folder) not in answer.text
        return answer.status_code

    with serve(site.folder, workers=1) as served, ExitStack() as idle:
        wait_for_workers(served, 1)
        assert submit(served, 0) == 201
        (worker,) = workers_of(served.running.process.pid)
        used = len(list(Path(f"/proc/{worker}/fd").iterdir()))
        hard = resource.prlimit(worker, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + 6, hard))
        place = urlsplit(served.url)
        for _ in range(10):
            idle.enter_context(socket.create_connection((place.hostname, place.port)))
        assert {submit(served, number) for number in range(1, 20)} <= {200, 201, 503}
        idle.close()
        wait_until(lambda: submit(served, 20) in (200, 201), 30)


DEAF = """
import multiprocessing, os, signal, time
from anchor.service.server import _end_with_supervisor

def work():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_with_supervisor(1.0)
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=work).start()
    time.sleep(600)
"""


@pytest.mark.fault(
    "A17",
    how="the supervisor is killed while a worker heeds no signal, as one that waits for its store",
    then="the worker is gone soon after its time to drain",
)
def test_a_worker_that_heeds_nothing_ends_with_its_supervisor(tmp_path: Path):
    script = tmp_path / "deaf.py"
    script.write_text(DEAF)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        assert is_running(worker)
        process.kill()
        process.wait()
        deadline = time.monotonic() + 60
        while is_running(worker) and time.monotonic() < deadline:
            time.sleep(0.05)
        left = is_running(worker)
        if left:
            os.kill(worker, signal.SIGKILL)
    assert not left
