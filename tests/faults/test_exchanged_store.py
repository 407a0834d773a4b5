"""Another store is put in the place of the one that a running service has open."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from support.projects import Site
from support.service import Served, bearer, digest, make_key, serve
from support.stores import Postgres

from anchor.base.errors import StoreReplacedError
from anchor.store.database import create_database, open_database

EXCHANGED = pytest.mark.fault(
    "F26",
    how="an old backup is put in place, and `restore --replace` run, below a running service",
    then="nothing is answered from the files moved away; within seconds it serves the new store",
)


def submit(served: Served, key: str, number: int) -> httpx.Response:
    """Submit one piece."""
    return served.ask_until_answered(
        lambda: served.http.post(
            "/v1/evidence", json={"sha256": digest(number)}, headers=bearer(key)
        )
    )


def get(served: Served, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    """Ask for one page."""
    return served.ask_until_answered(lambda: served.http.get(path, headers=headers))


def move_in(site: Site, copy: Path) -> None:
    """Put a copy of the store in its place, the files that are there aside."""
    aside = site.folder / "aside"
    aside.mkdir()
    for end in ("-wal", "-shm", ""):
        path = site.folder / f"anchor.db{end}"
        if path.exists():
            path.rename(aside / path.name)
    copy.rename(site.folder / "anchor.db")


def back_up(site: Site, copy: Path) -> None:
    """Copy the store while it is used."""
    with (
        closing(sqlite3.connect(site.folder / "anchor.db")) as here,
        closing(sqlite3.connect(copy)) as there,
    ):
        here.backup(there)


def wait_until_served(served: Served, key: str, number: int) -> None:
    """Submit until it is taken in; whoever asks whether it is ready is told no until then."""
    end = time.monotonic() + 60
    while (answer := submit(served, key, number)).status_code != 201:
        assert answer.status_code == 503, answer.text
        assert time.monotonic() < end, answer.text
        time.sleep(0.2)


@pytest.mark.release
@EXCHANGED
def test_a_service_serves_the_store_that_replaced_its_own(
    anchored: Site, tmp_path: Path, injected: Callable[[int], None]
) -> None:
    key = make_key(anchored.folder)
    with serve(anchored.folder, workers=2) as served:
        assert submit(served, key, 1).status_code == 201
        anchored.anchor()
        back_up(anchored, tmp_path / "backup.db")
        lost = submit(served, key, 2).json()["id"]
        anchored.anchor()
        move_in(anchored, tmp_path / "backup.db")
        # From now on nobody may answer from what was moved away, the idle worker neither.
        for _ in range(20):
            answer = get(served, f"/v1/evidence/{lost}", bearer(key))
            assert answer.status_code in (404, 503), answer.text
        anchored.run("restore", "--replace").expect(0)
        key = make_key(anchored.folder)  # a rebuilt store has no keys
        wait_until_served(served, key, 3)
        assert get(served, "/readyz").status_code == 200
        for _ in range(10):  # by either worker
            assert submit(served, key, 3).status_code == 200
        anchored.anchor()
    anchored.run("audit").expect(0)
    injected(2)


@pytest.mark.release
@EXCHANGED
def test_an_idle_service_is_not_ready_for_the_store_that_is_gone(
    anchored: Site, tmp_path: Path
) -> None:
    """Nobody submits or asks; the look of each second finds it."""
    with serve(anchored.folder, workers=1) as served:
        assert get(served, "/readyz").status_code == 200
        back_up(anchored, tmp_path / "backup.db")
        move_in(anchored, tmp_path / "backup.db")
        served.running.printed("was replaced while this process had it open")
        end = time.monotonic() + 60
        while get(served, "/readyz").status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.2)


@EXCHANGED
def test_a_store_that_another_replaced_in_postgresql_is_known_by_its_epochs(
    postgres: Postgres,
) -> None:
    place = postgres.create()
    create_database(place).close()
    opened = open_database(place)
    opened.check_same()
    with opened.hold_lease():
        opened.check_same()
    with postgres.connect() as connection:
        name = place.url.rpartition("%3D")[2]
        connection.execute(f"DROP SCHEMA {name} CASCADE".encode())
        connection.execute(f"CREATE SCHEMA {name}".encode())
    create_database(place).close()
    with pytest.raises(StoreReplacedError, match="replaced by another one"):
        opened.check_same()
    opened.close()
