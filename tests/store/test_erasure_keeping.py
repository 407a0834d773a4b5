"""A daemon finishes what was erased while it runs; until then it is told, in both stores."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.stores import Postgres

from anchor.base.digests import Digests
from anchor.base.errors import StorageError
from anchor.base.system.clock import unix_now, utc_now
from anchor.monitor.alarms import RULES
from anchor.monitor.erasure_check import OVERDUE, check_erasures
from anchor.operate.acceptance import EvidenceInput, accept_each
from anchor.operate.erasing import ErasureOrder, erase
from anchor.operate.erasure_keeper import ErasureKeeper
from anchor.operate.events import Event
from anchor.operate.evidence_selection import Selection
from anchor.project.project import OpenProject
from anchor.store.database import create_database
from anchor.store.erasures import find_unfinished, finish_erasures, load_erasures

ORDER = ErasureOrder(basis="other", by="x", reason="asked for")


@pytest.fixture(params=["sqlite", "postgresql"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenProject]:
    chain = MemoryChain(recover=read_sender, interval=12, lag=1)
    site = MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)
    opened = site.open()
    if request.param == "postgresql":
        opened.database.close()
        server: Postgres = request.getfixturevalue("postgres")
        opened = replace(opened, database=create_database(server.create()))
    with closing(opened.database):
        yield opened


def erase_one(project: OpenProject, name: str) -> None:
    """Accept a piece and erase it as the service does."""
    digests = Digests(sha256=name.encode().ljust(32, b"\0"), sm3=None, size=None)
    submission = EvidenceInput(source=f"tenant:acme/{name}", name=name, digests=digests)
    (accepted,) = accept_each(project, [submission])
    assert erase(project, Selection(ids=[accepted.identity]), ORDER)


def count_unfinished(project: OpenProject) -> int:
    with project.database.read() as connection:
        return find_unfinished(connection)[0]


def poll_until(keeper: ErasureKeeper, is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < end
        keeper.poll()
        time.sleep(0.01)


def test_a_running_daemon_finishes_what_is_erased_and_tries_again(project: OpenProject) -> None:
    told, clock = list[Event](), [0.0]
    keeper = ErasureKeeper(project, steady=lambda: clock[0], emit=told.append)
    erase_one(project, "first")
    poll_until(keeper, lambda: bool(told))
    assert [each.event for each in told if each.event != "warning"] == ["erasure"]
    assert count_unfinished(project) == 0

    # The statement cannot be written: the cleanup fails, is told, and tried again.
    told.clear()
    erase_one(project, "second")
    for path in project.config.erasures.iterdir():
        path.unlink()
    project.config.erasures.rmdir()
    project.config.erasures.write_text("in the way")
    clock[0] += 60
    poll_until(keeper, lambda: bool(told))
    assert [each.event for each in told] == ["warning"]
    assert count_unfinished(project) == 1
    project.config.erasures.unlink()
    clock[0] += 600
    poll_until(keeper, lambda: count_unfinished(project) == 0)
    assert len(list(project.config.erasures.iterdir())) == 1


def test_an_unfinished_erasure_is_told_and_is_a_problem_when_it_lasts(project: OpenProject) -> None:
    assert str(check_erasures(project.database, unix_now())) == "all erasures are finished"
    erase_one(project, "first")
    assert "1 ordered since" in str(check_erasures(project.database, unix_now()))
    with pytest.raises(StorageError, match="1 erasures are not finished") as raised:
        check_erasures(project.database, unix_now() + OVERDUE + 1)
    assert raised.value.hint is not None and "anchor run" in str(raised.value.hint)
    assert "erasures-unfinished" in {rule.name for rule in RULES}


def test_a_leaf_that_is_erased_again_meanwhile_stays_unfinished(project: OpenProject) -> None:
    erase_one(project, "first")
    with project.database.write() as connection:
        (erasure,) = load_erasures(connection, is_unfinished=True)
        earlier = replace(erasure, erased_at="2020-01-01T00:00:00.000Z")
        finish_erasures(connection, [earlier], utc_now())
        assert load_erasures(connection, is_unfinished=True) == [erasure]
        finish_erasures(connection, [erasure], utc_now())
        assert load_erasures(connection, is_unfinished=True) == []
