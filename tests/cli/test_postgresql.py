"""A project whose store is in PostgreSQL: the whole way, several intakes, one sequencer."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cli.test_recovery import CRASHES, crashing
from support.command import run_anchor, start_anchor
from support.nodes import nonce
from support.projects import Site, make_site
from support.stores import Postgres

from anchor.chain.devnet import Devnet

_numbers = itertools.count(5_000)
SOME = ("save_attempt", "settle_slot")


@pytest.fixture
def site(tmp_path: Path, embedded: Devnet, postgres: Postgres) -> Site:
    return make_site(tmp_path / "project", embedded, number=next(_numbers), store=postgres.create())


def test_the_whole_way_from_init_to_verify(
    tmp_path: Path, embedded: Devnet, postgres: Postgres
) -> None:
    folder = tmp_path / "project"
    init = ("init", folder, "--devnet", "--rpc", embedded.url, "--number", str(next(_numbers)))
    place = postgres.create()
    url = place.url.replace("postgres@", "postgres:s3cret@")
    made = run_anchor(*init, "--store", url, cwd=tmp_path)
    made.expect(0, "The store's URL is in the configuration without its password")
    assert "s3cret" not in made.out + made.err + (folder / "anchor.toml").read_text()
    run_anchor(*init, "--store", url, cwd=tmp_path).refused(2, "already exists")
    site = Site(folder=folder, url=embedded.url, number=0)
    site.run("deploy").expect(0)
    evidence = site.write("a.txt", b"a")
    site.run("add", evidence, env={"ANCHOR_STORE": url}).expect(0, "added 1 new")
    site.run("add", evidence).expect(0, "added 0 new, 1 already known")
    site.run("run", "--once").expect(0, "anchored (counts as final")
    site.run("status").expect(0)
    site.run("prove", evidence).expect(0)
    site.run("verify", evidence).expect(0)
    site.run("audit").expect(0, "no problems found")
    site.run("doctor").expect(0, "postgresql://postgres@/postgres")
    site.run("stamp", site.write("b.txt", b"b")).expect(0)
    site.run("export-log", tmp_path / "published").expect(0)
    # Another project in the same place is refused, and nothing of it is left behind.
    other = tmp_path / "other"
    run_anchor("init", other, *init[2:], "--store", place.url, cwd=tmp_path).refused(
        2, "there is already a store"
    )


def test_a_password_in_the_configuration_is_refused(site: Site) -> None:
    site.edit("postgresql://postgres@", "postgresql://postgres:s3cret@")
    ran = site.run("status")
    ran.refused(2, "the URL holds a password")
    assert "s3cret" not in ran.out + ran.err


def test_several_processes_take_evidence_in_while_one_seals(site: Site, tmp_path: Path) -> None:
    files = [site.write(f"{name}.txt", bytes([name])) for name in range(8)]
    with start_anchor("run", "--every", "1", cwd=site.folder, log=tmp_path / "run") as running:
        running.printed("started")
        with ThreadPoolExecutor(4) as pool:
            for ran in pool.map(lambda file: site.run("add", file), files):
                ran.expect(0, "added 1 new")
        running.printed("of 8 leaves")
        site.run("run", "--once").refused(32, "another process is sealing or anchoring")
    site.run("run", "--once").expect(0, "anchored (counts as final")
    site.run("verify", *files).expect(0)
    site.run("audit").expect(0, "8 leaves")


@pytest.mark.fault(
    "F5",
    how="kill -9 after each effect of a run, with the store in PostgreSQL",
    then="the next run finishes; one anchor",
)
@pytest.mark.parametrize(
    "crash",
    [
        # With SQLite each of them is tried every time (test_recovery).
        pytest.param(crash, marks=() if crash[3] in SOME else pytest.mark.slow)
        for crash in CRASHES
    ],
    ids=lambda crash: f"{crash[0]} {crash[3]}",
)
def test_after_a_kill_at_any_effect_the_next_run_anchors_once(
    site: Site, crash: tuple[str, ...]
) -> None:
    sent = nonce(site.url)
    site.run("add", site.write("a.txt", b"a")).expect(0)
    site.run("run", "--once", command=crashing(*crash), killed=True)
    site.run("run", "--once").expect(0, "anchored (counts as final")
    site.run("run", "--once").expect(0, "anchored (counts as final")
    assert nonce(site.url) == sent + 1
    site.run("audit").expect(0, "1 leaves in 1 heads")
