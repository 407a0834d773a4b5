"""Retention dates act: announced, then erased once, unless something beats it; in both stores."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, select
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.stores import Postgres
from support.troubles import Crash, Effects, Moment, Trouble, TroubledDatabase, TroubledTransport

from anchor.base.digests import Digests
from anchor.base.system.clock import format_unix_time, parse_time, utc_now
from anchor.chain.node import Node
from anchor.evidence.group_reading import parse_groups
from anchor.evidence.record import parse_record
from anchor.operate import retention_erasing
from anchor.operate.acceptance import EvidenceInput, accept_each, prepare_record
from anchor.operate.erasure_cleanup import clean_up
from anchor.operate.events import Event
from anchor.operate.retention_erasing import RetentionRound, act_on_due
from anchor.operate.retention_keeper import RetentionKeeper
from anchor.people.actors import Actor
from anchor.people.erasure_authors import read_author
from anchor.project.config import RetentionConfig
from anchor.project.project import OpenProject
from anchor.store.case_exhibits import ExhibitFields, add_exhibit
from anchor.store.cases import CaseFields, CaseRow, create_case, set_case_state
from anchor.store.database import create_database
from anchor.store.erased_evidence import load_erased
from anchor.store.erasures import load_erasures
from anchor.store.evidence import find_by_identity
from anchor.store.evidence_insertion import insert_evidence
from anchor.store.legal_holds import LegalHold, insert_holds, remove_holds
from anchor.store.memberships import ensure_tenant
from anchor.store.retentions import (
    count_retentions,
    enter_retentions,
    find_retention,
    put_retention,
)
from anchor.store.schema import announcements
from anchor.store.tenant_events import load_events
from anchor.store.webhooks import create_webhook

T = TypeVar("T")
KEY = Actor("key", "k")
DAY = 86_400
UNTIL = "2030-01-31T00:00:00.000Z"
DATE = parse_time(UNTIL)
LATER = "2031-01-31T00:00:00.000Z"
FIELDS = CaseFields(number="1", title="t", authority="", parties=(), is_shared=True)
EXHIBIT = ExhibitFields(label="1", purpose="", note="")
ERASED_FROM = DATE + 30 * DAY


@pytest.fixture(params=["sqlite", "postgresql"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenProject]:
    chain = MemoryChain(recover=read_sender, interval=12, lag=1)
    site = MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)
    opened = site.open()
    if request.param == "postgresql":
        opened.database.close()
        server: Postgres = request.getfixturevalue("postgres")
        opened = replace(opened, database=create_database(server.create()))
    config = replace(opened.config, retention=RetentionConfig(acts=True, grace_days=30))
    opened = replace(opened, config=config)
    with closing(opened.database):
        with opened.database.write() as connection:
            ensure_tenant(connection, "acme", KEY, utc_now())
            ensure_tenant(connection, "bank", KEY, utc_now())
        yield opened


def add(project: OpenProject, name: str, tenant: str = "acme", **members: str) -> bytes:
    """Accept evidence with these groups, and enter its date; return its identity."""
    digests = Digests(sha256=name.encode().ljust(32, b"\0"), sm3=None, size=None)
    groups = parse_groups({"retention_until": UNTIL} | members)
    submission = EvidenceInput(
        source=f"tenant:{tenant}/{name}", name=name, digests=digests, groups=groups
    )
    (accepted,) = accept_each(project, [submission])
    enter_retentions(project.database)
    return accepted.identity


def act(project: OpenProject, days: float) -> RetentionRound:
    """Act so many days after the erasure is due."""
    return act_on_due(project, ERASED_FROM + days * DAY)


def announce_all(project: OpenProject) -> None:
    """Send both notices at their times, as the daemon does."""
    act(project, -30)
    act(project, -7)


def is_kept(project: OpenProject, identity: bytes) -> bool:
    with project.database.read() as connection:
        stored = find_by_identity(connection, identity)
    return stored is not None and stored.record is not None


def count_actions(project: OpenProject, tenant: str = "acme") -> Counter[str]:
    with project.database.read() as connection:
        return Counter(event.action for event in load_events(connection, tenant, 100))


def beater_of(project: OpenProject, identity: bytes) -> str | None:
    with project.database.read() as connection:
        row = find_retention(connection, identity)
    assert row is not None
    return row.beaten_by


def test_people_are_told_twice_before_evidence_is_erased_once(project: OpenProject) -> None:
    kept = add(project, "kept", retention_until="2040-01-01T00:00:00Z")
    due = add(project, "retention date")  # a name that the statement's reason contains
    assert act(project, -30.01) == RetentionRound(looked=2)
    assert act(project, -30).told == 1 and act(project, -8).looked == 0
    assert act(project, -7).told == 1 and act(project, -0.01).erased == 0
    assert is_kept(project, due)
    assert act(project, 0).erased == 1
    assert act(project, 1) == RetentionRound()
    assert not is_kept(project, due) and is_kept(project, kept)
    actions = count_actions(project)
    assert (actions["retention-due"], actions["retention-erased"]) == (2, 1)
    with project.database.read() as connection:
        (erasure,) = load_erasures(connection)
        assert find_retention(connection, due) is None
        assert count_retentions(connection, UNTIL).dated == 1
        left = load_erased(connection, project.config.chain_id, "acme", due)
        assert load_erased(connection, project.config.chain_id, "bank", due) is None
    assert erasure.statement is not None
    assert left is not None and left.statement is not None and left.piece is not None
    assert left.retention == (UNTIL, "record")
    assert read_author(left.statement.content.by, "acme") == ("retention", None)
    assert (left.piece.is_erased, left.erasure) == (True, erasure)


def test_dates_that_passed_long_ago_are_announced_a_week_before(project: OpenProject) -> None:
    due = add(project, "a")
    assert act(project, 1000) == RetentionRound(looked=1, told=1)
    assert act(project, 1006.9).erased == 0 and is_kept(project, due)
    assert act(project, 1007).erased == 1


def place_hold(project: OpenProject, identity: bytes) -> Callable[[], object]:
    hold = LegalHold(
        name="h", leaf=None, tenant="acme", reason="r", placed_by="x", placed_at=utc_now()
    )
    project.database.write_with_retry(lambda connection: insert_holds(connection, [hold]))
    return lambda: project.database.write_with_retry(lambda each: remove_holds(each, "h"))


def open_case(project: OpenProject, identity: bytes) -> Callable[[], object]:
    def work(connection: Connection) -> CaseRow:
        case = create_case(connection, "acme", FIELDS, KEY, utc_now())
        stored = find_by_identity(connection, identity)
        assert stored is not None
        add_exhibit(connection, case, stored, EXHIBIT, KEY, utc_now())
        return case

    case = project.database.write_with_retry(work)
    return lambda: project.database.write_with_retry(
        lambda each: set_case_state(each, case, "closed", KEY, utc_now())
    )


def share(project: OpenProject, identity: bytes) -> Callable[[], object]:
    """Submit the same record as another tenant, with a later retention date."""
    with project.database.read() as connection:
        stored = find_by_identity(connection, identity)
    assert stored is not None and stored.record is not None
    new = prepare_record(parse_record(stored.record), "tenant:bank/b", b"bank", utc_now())
    project.database.write_with_retry(lambda each: insert_evidence(each, [new]))
    enter_retentions(project.database)
    with project.database.read() as connection:
        theirs = find_retention(connection, new.identity)
    assert theirs is not None
    later = replace(theirs, owner_until=LATER, until=LATER)
    project.database.write_with_retry(lambda each: put_retention(each, later))
    return lambda: project.database.write_with_retry(
        lambda each: put_retention(each, replace(theirs, told=2, told_at=UNTIL))
    )


@pytest.mark.parametrize(
    ("beat", "reason"), [(place_hold, "hold"), (open_case, "case"), (share, "shared")]
)
def test_what_beats_a_date_is_shown_and_tried_again_a_day_later(
    project: OpenProject,
    beat: Callable[[OpenProject, bytes], Callable[[], object]],
    reason: str,
) -> None:
    due, free = add(project, "a"), add(project, "b", "bank")
    lift = beat(project, due)
    announce_all(project)
    assert (act(project, 0).erased, act(project, 0.5).looked) == (1, 0)
    assert is_kept(project, due) and not is_kept(project, free)
    assert beater_of(project, due) == reason
    with project.database.read() as connection:
        counts = count_retentions(connection, format_unix_time(ERASED_FROM))
    assert counts.beaten == 1
    lift()
    assert act(project, 1.1).erased >= 1
    assert not is_kept(project, due)
    assert count_actions(project)["retention-erased"] == 1


def test_a_hold_that_the_record_states_beats_its_date(project: OpenProject) -> None:
    due = add(project, "a", legal_hold="Re Smith")
    announce_all(project)
    assert act(project, 0).beaten == 1 and beater_of(project, due) == "record-hold"


def test_a_case_that_is_opened_meanwhile_is_not_missed(
    project: OpenProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = add(project, "a")
    announce_all(project)
    before = retention_erasing._erase

    def late(*args: Any) -> int:
        open_case(project, due)
        return before(*args)

    monkeypatch.setattr(retention_erasing, "_erase", late)
    assert act(project, 0).erased == 0 and is_kept(project, due)
    assert beater_of(project, due) == "refused"


def test_tenants_are_told_by_one_message_for_all(project: OpenProject) -> None:
    with project.database.write() as connection:
        url = "https://example.org/"
        types = ["retention.due", "retention.erased"]
        create_webhook(connection, "acme", url, types, KEY, utc_now(), secret="whsec_AAAA")
    names = [add(project, name).hex() for name in "abc"]
    announce_all(project)
    act(project, 0)
    with project.database.read() as connection:
        rows = connection.execute(select(announcements.c.event, announcements.c.data)).all()
    events = Counter(row.event for row in rows)
    assert events == {"retention.due": 2, "retention.erased": 1}
    told = [json.loads(row.data) for row in rows]
    assert [each["count"] for each in told] == [3, 3, 3]
    assert not any(name in row.data for row in rows for name in names), "erased ids are blanked"


class CrashingDatabase(TroubledDatabase):
    """A store whose owner may also crash around each transaction that is tried again."""

    def write_with_retry(self, work: Callable[[Connection], T]) -> T:
        with self._effects.one("retried", can_be_lost=False):
            return super().write_with_retry(work)


@pytest.mark.parametrize("trouble", ["crash before", "crash after"])
@pytest.mark.parametrize("project", ["sqlite"], indirect=True)
def test_a_crash_at_each_commit_erases_once_and_says_so_once(
    project: OpenProject, trouble: Trouble
) -> None:
    # The moments are found by rounds without trouble.

    def run(days: float, plan: dict[Moment, Trouble]) -> Effects:
        effects = Effects({**plan})
        database = CrashingDatabase(project.database, effects)
        with suppress(Crash):
            act_on_due(replace(project, database=database), ERASED_FROM + days * DAY)
        return effects

    add(project, "first")
    counts = {days: run(days, {})._counts for days in (-30, -7, 0)}
    moments = [
        (days, (name, place))
        for days, names in counts.items()
        for name, count in names.items()
        for place in range(count)
    ]
    assert len(moments) >= 7
    for number, (bad, moment) in enumerate(moments):
        due = add(project, f"piece {number}")
        for days in counts:
            effects = run(days, {moment: trouble} if days == bad else {})
            assert bool(effects.happened) == (days == bad)
            run(days, {})  # the next process
        assert not is_kept(project, due)
    actions = count_actions(project)
    assert actions["retention-erased"] == len(moments) + 1
    assert actions["retention-due"] == 2 * (len(moments) + 1)
    clean_up(project)  # as `anchor run` begins
    with project.database.read() as connection:
        assert not load_erasures(connection, is_unfinished=True)
        assert len(load_erasures(connection)) == len(moments) + 1


@pytest.mark.parametrize("project", ["sqlite"], indirect=True)
def test_a_wrong_clock_erases_nothing_and_no_node_is_asked_in_vain(project: OpenProject) -> None:
    """Both clocks have to be past the date: this machine's, and the newest final block's."""
    due, told = add(project, "a"), list[Event]()
    chain, clocks = MemoryChain(), {"wall": ERASED_FROM - 31 * DAY, "steady": 0.0}
    effects = Effects()
    node = Node(TroubledTransport(chain, effects))
    keeper = RetentionKeeper(
        project, node,
        wall=lambda: clocks["wall"], steady=lambda: clocks["steady"], emit=told.append,
    )  # fmt: skip

    def pass_days(days: float) -> None:
        for _ in range(3):
            clocks["wall"] = ERASED_FROM + days * DAY
            clocks["steady"] += 61.0
            keeper.poll()
            end = time.monotonic() + 60
            while keeper._task.is_running and time.monotonic() < end:
                time.sleep(0.01)
                keeper.poll()

    def move_chain(days: float) -> None:
        chain.pass_time(max(0, ERASED_FROM + days * DAY - chain.time))
        chain.mine(5)

    pass_days(-31)
    asked = effects._counts["eth_getBlockByNumber"]
    pass_days(-31)
    assert effects._counts["eth_getBlockByNumber"] == asked  # nothing is due before the first look
    pass_days(1_000)  # this machine's clock is wrong: the chain's is years before
    assert told == [] and is_kept(project, due)
    assert chain.time < DATE - 400 * DAY
    move_chain(-30)
    pass_days(-1_000)
    assert told == []
    for days in (-30, -7, 1):
        move_chain(days)
        pass_days(days)
    assert [each.figures for each in told] == [
        {"told": 1, "erased": 0, "beaten": 0},
        {"told": 1, "erased": 0, "beaten": 0},
        {"told": 0, "erased": 1, "beaten": 0},
    ]
    assert not is_kept(project, due)
