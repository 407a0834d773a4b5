"""Restore drills: `anchor backup` at random instants under load, the store destroyed, all back."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from psycopg.errors import DeadlockDetected
from support import fixtures
from support.command import start_anchor
from support.disasters import lose_store
from support.drill import Drill
from support.needles import needles, search
from support.nodes import wait_until
from support.projects import Site, make_site
from support.service import bearer, digest, make_key, serve
from support.stores import Postgres

from anchor.chain.devnet import Devnet
from anchor.project.config import load_config
from anchor.store.evidence import find_by_identity
from anchor.store.location import PostgresDatabase, StoreLocation

_numbers = itertools.count(9_000)

anvil = fixtures.module_anvil

DRILL = pytest.mark.fault(
    "F21",
    how="the store is destroyed at a random instant under load, after a backup at another one",
    then="what was sealed is back with tenant and key; what waited is back or named; nothing twice",
)
PLACES = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])


def lose_schema(site: Site, server: Postgres) -> None:
    """Drop every table of the store, whoever is at work with it.

    PostgreSQL ends the drop if it and a reader wait for each other; it is then tried again.
    """
    place = load_config(site.folder / "anchor.toml").store
    assert isinstance(place, PostgresDatabase)
    schema = place.url.partition("search_path%3D")[2]
    for attempt in range(10):
        try:
            with server.connect() as connection:
                connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())
                connection.execute(f"CREATE SCHEMA {schema}".encode())
            return
        except DeadlockDetected:
            print(f"deadlock {attempt}", flush=True)
    raise AssertionError("the schema cannot be dropped")


@pytest.mark.release
@pytest.mark.fault(
    "F21",
    how="a piece is erased through the service after a backup, the daemon finishes it, the store "
    "is destroyed and restored from that backup; again without the daemon",
    then="nothing of it is back: the statement was on disk before the erasure was acknowledged",
)
@PLACES
@pytest.mark.parametrize("is_finished", [True, False], ids=["finished", "only-ordered"])
def test_what_was_erased_through_the_service_does_not_come_back(
    request: pytest.FixtureRequest, tmp_path: Path, anvil: Devnet, kind: str, is_finished: bool
) -> None:
    place, server = None, None
    if kind == "postgresql":
        server = request.getfixturevalue("postgres")
        place = server.create()
    site = make_site(tmp_path / "project", anvil, number=next(_numbers), store=place)
    owner = bearer(make_key(site.folder, "acme", "submit", "read", "manage"))
    with ExitStack() as running:
        served = running.enter_context(serve(site.folder))
        if is_finished:
            daemon = ("run", "--every", "1")
            log = site.folder / "daemon"
            running.enter_context(start_anchor(*daemon, cwd=site.folder, log=log))

        def post(path: str, status: int, **body: str) -> dict[str, Any]:
            answer = served.http.post(f"/v1/evidence{path}", json=body, headers=owner)
            assert answer.status_code == status, answer.text
            document: dict[str, Any] = answer.json()
            return document

        name = "Aussage Mueller-Luedenscheidt.pdf"
        kept = post("", 201, sha256=digest(1), name="kept.pdf")["id"]
        erased = post("", 201, sha256=digest(2), name=name)["id"]
        if not is_finished:
            site.run("run", "--once").expect(0)
        wait_until(
            lambda: all(
                served.http.get(f"/v1/evidence/{id}", headers=owner).json()["index"] is not None
                for id in (kept, erased)
            ),
            seconds=240,
        )
        site.run("backup", tmp_path / "backup").expect(0)
        with site.open() as project, project.database.read() as connection:
            stored = find_by_identity(connection, bytes.fromhex(erased))
        assert stored is not None and stored.record is not None
        # The tenant's audit trail and the service's own log keep the id in hex, and nothing else.
        wanted = {
            what: data
            for what, data in needles(stored.record, stored.identity).items()
            if what not in ("identity, hex", "half a digest, hex")
        }
        assert list(search([site.folder], wanted))
        post(f"/{erased}/erasure", 202, basis="gdpr-17", reason="request 2026-17")
        assert len(list((site.folder / "erasures").iterdir())) == 1
        if is_finished:
            unfinished = "SELECT count(*) FROM erasures WHERE finished_at IS NULL"
            wait_until(lambda: site.rows(unfinished) == [(0,)], seconds=240)
            folders = [site.folder] if server is None else [site.folder, server.folder]
            assert list(search(folders, wanted)) == []
        else:
            site.run("status").expect(0, "1 ordered since")

    if server is None:
        lose_store(site)
    else:
        lose_schema(site, server)
    site.run("restore", "--backup", tmp_path / "backup").expect(0)
    with site.open() as project, project.database.read() as connection:
        assert find_by_identity(connection, bytes.fromhex(erased)) is None
        assert find_by_identity(connection, bytes.fromhex(kept)) is not None
    assert list(search([site.folder], wanted)) == []
    site.run("audit").expect(0, "no problems found")


def run_drills(
    request: pytest.FixtureRequest, folder: Path, node: Devnet, kind: str, *, rounds: int, seed: int
) -> None:
    place: StoreLocation | None = None
    lose: Callable[[], None]
    if kind == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        place = server.create()
    site = make_site(folder / "project", node, number=next(_numbers), store=place)
    lose = (lambda: lose_schema(site, server)) if place else (lambda: lose_store(site))
    drill = Drill(site=site, chance=random.Random(seed), lose_store=lose)
    drill.prepare()
    for number in range(rounds):
        drill.round(folder / f"backup-{number}")
        print(drill.figures[-1], flush=True)


@pytest.mark.release
@DRILL
@PLACES
def test_one_drill_brings_all_back(
    request: pytest.FixtureRequest, tmp_path: Path, anvil: Devnet, kind: str
) -> None:
    run_drills(request, tmp_path, anvil, kind, rounds=1, seed=1)


@pytest.mark.slow
@DRILL
@PLACES
@pytest.mark.timeout(36_000)
def test_drills_in_logs_of_five_bring_all_back(
    request: pytest.FixtureRequest, tmp_path: Path, anvil: Devnet, kind: str
) -> None:
    """Run twenty drills, or as many as ANCHOR_TESTS_DRILLS names: a round checks all former ones,
    so a new log begins after five."""
    rounds = int(os.environ.get("ANCHOR_TESTS_DRILLS", "20"))
    first = int(os.environ.get("ANCHOR_TESTS_DRILL_SEED", "2"))
    for log, done in enumerate(range(0, rounds, 5)):
        folder = tmp_path / f"log-{log}"
        print(f"log {log}, seed {first + log}", flush=True)
        run_drills(request, folder, anvil, kind, rounds=min(5, rounds - done), seed=first + log)
