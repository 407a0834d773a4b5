"""Restore drills: `anchor backup` at random instants under load, the store destroyed, all back."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg.errors import DeadlockDetected
from support import fixtures
from support.disasters import lose_store
from support.drill import Drill
from support.projects import Site, make_site
from support.stores import Postgres

from anchor.chain.devnet import Devnet
from anchor.project.config import load_config
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
@pytest.mark.timeout(600)
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
