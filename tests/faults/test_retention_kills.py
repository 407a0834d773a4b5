"""A daemon killed at each effect of a retention round: what is due is erased, and once."""

from __future__ import annotations

import time

import pytest
from support.crashes import crashing
from support.fixtures import anchored as anchored
from support.projects import Site

from anchor.operate.retention_erasing import act_on_due
from anchor.store.erasures import load_erasures
from anchor.store.evidence import find_by_identity, load_all
from anchor.store.retentions import Retention, find_retention, put_retention

pytestmark = pytest.mark.release

ROUND = "anchor.operate.retention_erasing"
UNTIL = "2020-01-31T00:00:00.000Z"
EFFECTS = [
    ("before", ROUND, "-", "load_due", "1"),
    ("after", ROUND, "-", "_set_aside", "1"),
    ("before", "anchor.operate.erasing", "-", "erase_rows", "1"),
    ("after", "anchor.operate.erasing", "-", "erase_rows", "1"),
    ("before", "anchor.operate.erasing", "-", "write_statements", "1"),
    ("after", "anchor.operate.erasing", "-", "write_statements", "1"),
]


@pytest.mark.parametrize("crash", EFFECTS, ids="-".join)
def test_a_killed_daemon_erases_what_is_due_once(anchored: Site, crash: tuple[str, ...]) -> None:
    with (anchored.folder / "anchor.toml").open("a") as file:
        file.write("\n[retention]\nacts = true\ngrace_days = 0\n")
    anchored.run("trust", "allow").expect(0)
    with anchored.open() as project, project.database.write() as connection:
        identity = next(iter(load_all(connection))).identity
        date = Retention(
            identity=identity, tenant=None, record_until=UNTIL, owner_until=None, until=UNTIL,
            told=2, told_at="2020-01-01T00:00:00.000Z",
        )  # fmt: skip
        put_retention(connection, date)
    anchored.run("run", command=crashing(*crash), killed=True)
    with anchored.open() as project:
        act_on_due(project, time.time())
        assert act_on_due(project, time.time()).erased == 0
        with project.database.read() as connection:
            stored = find_by_identity(connection, identity)
            assert stored is None or stored.record is None
            assert find_retention(connection, identity) is None
            assert len(load_erasures(connection)) == 1
    anchored.run("audit").expect(0)
