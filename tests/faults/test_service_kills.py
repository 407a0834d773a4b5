"""A service killed at each effect of a certificate and of an owner's erasure, on both databases."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update
from support.command import environment
from support.copies import OCTETS, TUS
from support.crashes import crashing
from support.paths import ROOT
from support.projects import Site, make_site
from support.service import bearer, make_key

from anchor.chain.devnet import Devnet
from anchor.operate.tenant_erasing import erase_own
from anchor.people.actors import Actor
from anchor.store.erasures import find_by_ids, load_erasures
from anchor.store.kept_copies import find_copy_of
from anchor.store.location import StoreLocation
from anchor.store.schema import jobs
from anchor.store.tenant_events import load_events

pytestmark = pytest.mark.release

KILLED = 137
SECONDS = 90.0
SERVICE = ROOT / "tests" / "support" / "ending_service.py"
ORDERS, MAKER = "anchor.service.certificate_orders", "anchor.service.certificate_maker"
OWNER, ERASING = "anchor.operate.tenant_erasing", "anchor.operate.erasing"
CLEANUP = "anchor.operate.erasure_cleanup"
Crash = tuple[str, str, str, str, str]
CERTIFICATE: list[Crash] = [
    ("before", ORDERS, "-", "request_certificate", "1"),
    ("after", ORDERS, "-", "request_certificate", "1"),
    ("after", "anchor.store.jobs", "-", "take_job", "1"),
    ("before", MAKER, "-", "find_certificate", "1"),
    ("after", MAKER, "-", "encode_receipt", "1"),
    ("before", MAKER, "-", "run_limited", "1"),
    ("before", MAKER, "-", "_read", "1"),
    ("after", MAKER, "-", "_read", "1"),
    ("before", MAKER, "-", "save_issue", "1"),
    ("after", MAKER, "-", "save_issue", "1"),
    ("after", "anchor.store.jobs", "JobQueue", "finish", "1"),
]
ERASURE: list[Crash] = [
    ("before", OWNER, "-", "erase", "1"),
    ("after", OWNER, "-", "note_tenant_event", "1"),
    ("after", ERASING, "-", "record_key_event", "1"),
    ("after", ERASING, "-", "remove_receipts", "1"),
    ("after", ERASING, "-", "erase_rows", "1"),
    ("after", ERASING, "-", "insert_evidence", "1"),
    ("before", ERASING, "-", "write_statements", "1"),
    ("after", ERASING, "-", "write_statements", "1"),
    ("after", OWNER, "-", "erase", "1"),
    ("before", "anchor.operate.copy_vault", "CopyVault", "remove", "1"),
    ("after", "anchor.operate.copy_vault", "CopyVault", "remove", "1"),
    ("before", "anchor.service.copy_keeper", "-", "forget_objects", "1"),
    ("after", "anchor.service.copy_keeper", "-", "forget_objects", "1"),
]
CLEANING: list[Crash] = [
    ("before", CLEANUP, "-", "write_statements", "1"),
    ("after", CLEANUP, "-", "write_statements", "1"),
    ("after", CLEANUP, "-", "remove_receipts", "1"),
    ("after", CLEANUP, "-", "_clear_side_file", "1"),
    ("before", CLEANUP, "-", "finish_erasures", "1"),
    ("after", CLEANUP, "-", "finish_erasures", "1"),
]


@dataclass
class Place:
    """A project with a final piece for each test, and where its service keeps things."""

    site: Site
    key: dict[str, str]
    scratch: Path
    bucket: Path
    pieces: list[str] = field(default_factory=list)

    @contextmanager
    def serve(self, *crash: str) -> Iterator[tuple[httpx.Client, subprocess.Popen[bytes]]]:
        """Serve from one process, until the block or the process ends."""
        log = self.site.folder / "ending.err"
        with socket.create_server(("127.0.0.1", 0)) as listener, log.open("ab") as errors:
            number = listener.fileno()
            command = [sys.executable, str(SERVICE), str(self.site.folder / "anchor.toml")]
            process = subprocess.Popen(
                [*command, str(number), *crash],
                env=environment(TMPDIR=str(self.scratch)),
                stdin=subprocess.DEVNULL,
                stderr=errors,
                pass_fds=[number],
            )
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            with httpx.Client(
                base_url=url, timeout=SECONDS, trust_env=False, headers=self.key
            ) as http:
                until(lambda: process.poll() is not None or answers(http))
                yield http, process
        finally:
            process.kill()
            process.wait()
        assert "Traceback" not in log.read_text("utf-8"), log.read_text("utf-8")

    def hasten(self) -> None:
        """Make all jobs due, also those that the killed worker had taken."""
        with self.site.open() as project:
            project.database.write_with_retry(
                lambda connection: connection.execute(
                    update(jobs).values(due_at="2020-01-01T00:00:00.000Z")
                )
            )

    def count(self, action: str, subject: str) -> int:
        with self.site.open() as project, project.database.read() as connection:
            events = load_events(connection, "acme", 1_000)
        return sum((each.action, each.subject) == (action, subject) for each in events)

    def kinds_of_jobs(self) -> set[str]:
        with self.site.open() as project, project.database.read() as connection:
            return set(connection.execute(select(jobs.c.kind)).scalars())


def answers(http: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        return http.get("/healthz").status_code == 200
    return False


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def upload(http: httpx.Client, data: bytes) -> str:
    """Submit a digest and upload its bytes; return the id once the copy is kept."""
    body = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "name": "合同.pdf"}
    id: str = http.post("/v1/evidence", json=body).json()["id"]
    named = b64encode(id.encode()).decode()
    headers = TUS | {"Upload-Length": str(len(data)), "Upload-Metadata": f"evidence {named}"}
    made = http.post("/v1/uploads", headers=headers)
    assert made.status_code == 201, made.text
    headers = TUS | OCTETS | {"Upload-Offset": "0"}
    assert http.patch(made.headers["Location"], headers=headers, content=data).is_success
    until(lambda: http.get(f"/v1/evidence/{id}").json()["kept_copy"]["state"] == "kept")
    return id


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, module_anvil: Devnet
) -> Place:
    store: StoreLocation | None = None
    if request.param == "postgresql":
        store = request.getfixturevalue("postgres").create()
    folder = tmp_path_factory.mktemp("kills")
    number = 982 if store is None else 983
    site = make_site(folder / "project", module_anvil, number=number, store=store)
    with (site.folder / "anchor.toml").open("a") as file:
        file.write(
            f'\n[copies]\nurl = "file://{folder / "bucket"}"\ntenant_bytes = 1_000_000\n'
            f'keyset = "{folder / "keyset.json"}"\n'
        )
    site.run("trust", "allow").expect(0)
    site.run("copies", "init").expect(0)
    (folder / "scratch").mkdir()
    key = bearer(make_key(site.folder, "acme", "submit", "read", "manage"))
    made = Place(site, key, folder / "scratch", folder / "bucket")
    with made.serve() as (http, _):
        for piece in range(len(CERTIFICATE) + len(ERASURE) + len(CLEANING)):
            made.pieces.append(upload(http, b"original %d" % piece))
    site.round(wait_for="final")
    return made


@pytest.mark.fault(
    "A20",
    how="the service is killed before and after each effect of the order of a certificate and of "
    "the job that makes it",
    then="one certificate is issued, with its files, and no folder is left",
)
@pytest.mark.parametrize("crash", CERTIFICATE, ids="-".join)
def test_a_killed_service_issues_a_certificate_once(place: Place, crash: Crash) -> None:
    id = place.pieces.pop()
    path = f"/v1/evidence/{id}/certificates"
    with place.serve(*crash) as (http, process):
        with suppress(httpx.TransportError):
            http.post(path)
        assert process.wait(SECONDS) == KILLED
    place.hasten()
    # As if the service was killed long ago.
    for folder in place.scratch.iterdir():
        os.utime(folder, (0, 0))
    with place.serve() as (http, _):

        def listed() -> list[dict[str, Any]]:
            certificates: list[dict[str, Any]] = http.get(path).json()["certificates"]
            return certificates

        if not listed():
            assert http.post(path).status_code == 202
        until(lambda: [each["state"] for each in listed()] == ["issued"])
        until(lambda: not place.kinds_of_jobs())
        (certificate,) = listed()
        for kind, sha256 in certificate["files"].items():
            body = http.get(f"/v1/certificates/{certificate['id']}/files/{kind}").content
            assert hashlib.sha256(body).hexdigest() == sha256
    assert place.count("certificate-ordered", certificate["id"]) == 1
    assert list(place.scratch.iterdir()) == []


@pytest.mark.fault(
    "A21",
    how="the service is killed before and after each effect of an owner's erasure, and of the "
    "removal of the kept copy",
    then="the piece is erased once, with one statement and one event, and no object is left",
)
@pytest.mark.parametrize("crash", ERASURE, ids="-".join)
def test_a_killed_service_erases_a_piece_once(place: Place, crash: Crash) -> None:
    id = place.pieces.pop()
    identity = bytes.fromhex(id)
    with place.site.open() as project, project.database.read() as connection:
        (piece,) = find_by_ids(connection, [identity])
        copy = find_copy_of(connection, identity)
    assert copy is not None and has_objects(place, copy.id)
    why = {"basis": "pipl-47", "reason": "request 2026-17"}
    with place.serve(*crash) as (http, process):
        with suppress(httpx.TransportError):
            http.post(f"/v1/evidence/{id}/erasure", json=why)
        assert process.wait(SECONDS) == KILLED
    place.hasten()
    with place.serve() as (http, _):
        assert http.post(f"/v1/evidence/{id}/erasure", json=why).status_code in (202, 410)
        assert http.get(f"/v1/evidence/{id}").status_code == 410
        until(lambda: not place.kinds_of_jobs())
    assert not has_objects(place, copy.id)
    with place.site.open() as project, project.database.read() as connection:
        (erasure,) = (each for each in load_erasures(connection) if each.leaf == piece.leaf)
    assert erasure.statement is not None
    assert place.count("evidence-erased", id) == 1


@pytest.mark.fault(
    "A21",
    how="the daemon is killed before and after each effect of removing from disk what an owner "
    "erased",
    then="the next one removes it, and the audit agrees",
)
@pytest.mark.parametrize("crash", CLEANING, ids="-".join)
def test_a_killed_daemon_removes_what_an_owner_erased(place: Place, crash: Crash) -> None:
    id = place.pieces.pop()
    with place.site.open() as project:
        why = {"basis": "other", "reason": "request 2026-18"}
        erase_own(project, "acme", bytes.fromhex(id), actor=Actor("key", "0123456789ab"), **why)
    place.site.run("run", "--once", command=crashing(*crash), killed=True)
    place.site.run("run", "--once").expect(0)
    with place.site.open() as project, project.database.read() as connection:
        assert load_erasures(connection, is_unfinished=True) == []
    place.site.run("audit").expect(0)


def has_objects(place: Place, copy: str) -> bool:
    return any(copy in str(path) for path in place.bucket.rglob("*") if path.is_file())
