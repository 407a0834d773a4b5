"""Alarms: each is raised by what it is about and by nothing else; the chain is watched apart."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.chinese_text import what_is_english
from support.grown_logs import grow, grow_log
from support.memory_projects import OWNER, MemorySite
from support.troubles import Effects, TroubledTransport

from anchor.base.errors import ChainGuardError, MalformedError, NodeUnreachableError
from anchor.base.messages.message import Message, translate
from anchor.base.system.clock import format_unix_time, utc_now
from anchor.base.types import Hash32
from anchor.chain.node import Node
from anchor.log.publication import open_writer
from anchor.monitor import alarms, background_poll
from anchor.monitor.alarms import RULES, Alarm, Severity, raise_alarms
from anchor.monitor.background_poll import BackgroundPoll, Sighting
from anchor.monitor.chain_status import (
    ChainFacts,
    ExternalStatus,
    StatusPoller,
    fetch_chain_facts,
    fetch_published_size,
    find_sender,
)
from anchor.monitor.erasure_check import OVERDUE
from anchor.monitor.overview import Overview, Queue, Spending, read_overview
from anchor.operate.anchor_watch import LASTING, Watched
from anchor.operate.clock_check import ClockFault
from anchor.operate.daemon import LATE
from anchor.operate.publishing import publish_log
from anchor.project.project import OpenProject
from anchor.registry.storage import CLOSED_HEAD, head_slot
from anchor.store.evidence import HeldBack
from anchor.store.heads import AnchorPosition, Unproven
from anchor.store.incidents import Incident
from anchor.store.replication import Copies, CopyRule, Position, Standby
from anchor.store.sealing import seal
from anchor.store.statistics import OpenTransaction

DOWN = Message("alarm-subject-unreadable")
# Names that the operator writes, and why proofs are missing, which the store keeps in English.
SPELLED = re.compile(
    r"(chain|store_copies)\.[a-z_]+|[a-z]+\.toml|synchronous_standby_names|所记原因：.*"
)

GWEI = 10**9
ETHER = 10**18


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> MemorySite:
    """A log of three anchors, which no test changes."""
    return grow_log(tmp_path_factory.mktemp("grown"), [2, 2, 2])


@pytest.fixture
def project(grown: MemorySite) -> Iterator[OpenProject]:
    project = grown.open()
    yield project
    project.database.close()


FACTS = ChainFacts(
    block=100,
    block_time=1_790_000_000,
    final_block=90,
    size=6,
    is_closed=False,
    balance=5 * ETHER,
    base_fee=10 * GWEI,
)
Change = Callable[[Overview, ChainFacts], tuple[Overview, ChainFacts]]


@pytest.fixture
def healthy(grown: MemorySite, project: OpenProject) -> Overview:
    overview = read_overview(project, grown.chain.time)
    # The chain in memory gives no state proofs.
    assert overview.unproven is not None
    assert "eth_getProof does not exist" in overview.unproven.trouble
    return replace(overview, is_running=True, tiles=overview.final_size, unproven=None)


def raised(project: OpenProject, overview: Overview, facts: ChainFacts) -> list[str]:
    config = replace(project.config, budget=overview.spending.budget)
    sighting = Sighting(value=facts, seen_at=overview.read_at - 10)
    return names_of(raise_alarms(config, overview, of_chain(sighting)))


def names_of(found: list[Alarm]) -> list[str]:
    """Return the names of alarms, whose sentences are all in Chinese too."""
    for alarm in found:
        for sentence in (alarm.text, alarm.hint):
            assert what_is_english(SPELLED.sub("", translate(sentence, "zh"))) is None, sentence
    return [alarm.name for alarm in found]


def of_chain(sighting: Sighting[ChainFacts]) -> ExternalStatus:
    return ExternalStatus(chain=sighting, published=None)


def of_overview(change: Callable[[Overview], Overview]) -> Change:
    return lambda overview, facts: (change(overview), facts)


def of_facts(**changes: object) -> Change:
    return lambda overview, facts: (overview, replace(facts, **changes))


def waits(overview: Overview, seconds: float) -> Overview:
    return replace(
        overview,
        queue=Queue(waiting=1, oldest_at=overview.read_at - seconds, accepted_last_hour=0),
    )


def erases(overview: Overview, seconds: float) -> Overview:
    """Return the overview with an erasure that was ordered so long ago and is not finished."""
    return replace(overview, erasures=(2, format_unix_time(overview.read_at - seconds)))


def followed_to(place: int) -> Copies:
    """Return what is seen of a standby that has flushed so much of a log of 10 bytes."""
    standby = Standby(
        name="b",
        sync_state="sync",
        flushed=place,
        is_logical=False,
        is_backup=False,
        is_near=False,
    )
    return Copies(
        rule=CopyRule(copies=2),
        position=Position(timeline="00000001", lsn=10),
        standbys=(standby,),
        waited_for="b",
    )


def ages(overview: Overview, seconds: float) -> Overview:
    """Return the overview with its newest anchor, which is not final, included so long ago."""
    newest = overview.anchors[0]
    assert not newest.final
    aged = replace(newest, included_at=overview.read_at - seconds)
    return replace(overview, anchors=(aged, *overview.anchors[1:]))


def sends(overview: Overview, max_fee: int, seconds: float) -> Overview:
    signed_at = "2026-01-01T00:00:00.000Z"
    now = 1_767_225_600.0 + seconds  # that moment
    transaction = OpenTransaction(
        sender=OWNER,
        nonce=7,
        reserved_at=signed_at,
        attempts=2,
        head_size=6,
        max_fee=max_fee,
        first_signed_at=signed_at,
        signed_at=signed_at,
    )
    anchors = tuple(replace(item, final=True) for item in overview.anchors)
    return replace(overview, read_at=now, transaction=transaction, anchors=anchors)


def spends(overview: Overview, **changes: int) -> Overview:
    spending = Spending(transactions=9, wei=0, wei_a_day=None, budget_spent=0, budget=None)
    return replace(overview, spending=replace(spending, **changes))


def breaks(overview: Overview) -> Overview:
    place = AnchorPosition(sequence=2, block_number=9, timestamp=9)
    head = overview.anchors[0].head
    incident = Incident(head=head, before=place, current=None, seen_block=12, noticed_at="then")
    return replace(overview, incidents=(incident,))


HELD = HeldBack(index=0, leaf=Hash32(bytes(32)), recorded_at="2100-01-01T00:00:00Z", waiting=1)

TROUBLES: list[tuple[str, Change]] = [
    ("incident-open", of_overview(breaks)),
    ("chain-ahead", of_facts(size=None)),
    ("log-closed", of_facts(size=None, is_closed=True)),
    ("not-running", of_overview(lambda it: replace(it, is_running=False))),
    ("held-back", of_overview(lambda it: replace(it, queue=replace(it.queue, held=HELD)))),
    ("not-sealing", of_overview(lambda it: waits(it, alarms.UNSEALED))),
    (
        "not-anchoring",
        of_overview(lambda it: replace(it, unanchored_since=it.read_at - alarms.UNANCHORED)),
    ),
    ("fee-cap", of_facts(base_fee=101 * GWEI)),
    ("fee-cap", of_overview(lambda it: sends(it, 90 * GWEI, 61))),
    ("finality-late", of_overview(lambda it: ages(it, LATE))),
    (
        "proofs-missing",
        of_overview(
            lambda it: replace(it, unproven=Unproven(anchors=2, first=3, trouble="a new header"))
        ),
    ),
    ("second-copy-missing", of_overview(lambda it: replace(it, copies=followed_to(9)))),
    ("funds-low", of_facts(balance=ETHER // 10)),
    ("funds-low", of_overview(lambda it: spends(it, wei_a_day=ETHER))),
    ("budget-low", of_overview(lambda it: spends(it, budget=ETHER, budget_spent=ETHER))),
    ("tiles-behind", of_overview(lambda it: replace(it, tiles=it.final_size - 1))),
    ("tiles-behind", of_overview(lambda it: replace(it, tiles=None))),
    ("erasures-unfinished", of_overview(lambda it: erases(it, OVERDUE + 1))),
]

QUIET: list[Change] = [
    of_overview(lambda it: it),
    of_overview(lambda it: replace(it, copies=followed_to(10))),
    of_overview(lambda it: waits(it, alarms.UNSEALED - 1)),
    of_overview(lambda it: replace(it, unanchored_since=it.read_at - alarms.UNANCHORED + 1)),
    of_overview(lambda it: ages(it, LATE - 1)),
    of_overview(lambda it: erases(it, OVERDUE - 1)),
    of_overview(lambda it: sends(it, 90 * GWEI, 59)),
    of_overview(lambda it: sends(it, 80 * GWEI, 3_000)),
    of_facts(balance=None),
    of_facts(base_fee=None, final_block=None),
    of_facts(base_fee=100 * GWEI),
    of_overview(lambda it: spends(it, wei_a_day=ETHER // 2)),
    of_overview(lambda it: spends(it, budget=3 * ETHER, budget_spent=ETHER)),
]


@pytest.mark.parametrize(("name", "change"), TROUBLES, ids=[name for name, _ in TROUBLES])
def test_each_trouble_raises_its_own_alarm_and_no_other(
    name: str, change: Change, project: OpenProject, healthy: Overview
) -> None:
    assert raised(project, *change(healthy, FACTS)) == [name]


@pytest.mark.parametrize("change", QUIET)
def test_what_is_in_order_raises_none(
    change: Change, project: OpenProject, healthy: Overview
) -> None:
    assert raised(project, *change(healthy, FACTS)) == []


def test_every_rule_is_tried_here_and_has_a_name_of_its_own() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    assert {*names} == {name for name, _ in TROUBLES} | {
        "chain-unknown", "chain-unwatched", "clock-off", "not-publishing", "published-unknown",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("watched", "names"),
    [
        (Watched(), []),
        (Watched(unknown_for=LASTING - 1, trouble=DOWN), []),
        (Watched(unknown_for=LASTING, trouble=DOWN), ["chain-unwatched"]),
        (Watched(clock=ClockFault(wall_time=1e9, seconds=-400.0, is_certain=True)), ["clock-off"]),
        (Watched(clock=ClockFault(wall_time=1e9, seconds=400.0, is_certain=False)), ["clock-off"]),
    ],
)
def test_what_watching_the_chain_finds_is_an_alarm(
    watched: Watched, names: list[str], project: OpenProject, healthy: Overview
) -> None:
    seen = Sighting(value=FACTS, seen_at=healthy.read_at)
    view = replace(of_chain(seen), watched=watched)
    assert names_of(raise_alarms(project.config, healthy, view)) == names


def test_the_worst_comes_first(project: OpenProject, healthy: Overview) -> None:
    overview = breaks(replace(healthy, is_running=False, tiles=None))
    sighting = Sighting(value=FACTS, seen_at=healthy.read_at, trouble=None)
    found = raise_alarms(project.config, overview, of_chain(sighting))
    assert [alarm.severity for alarm in found] == [
        Severity.CRITICAL, Severity.WARNING, Severity.WARNING,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sighting", "names"),
    [
        (Sighting(), []),  # nobody has asked yet
        (Sighting(value=None, seen_at=None, trouble=DOWN), ["chain-unknown"]),
        (Sighting(value=FACTS, seen_at=-1_000.0, trouble=DOWN), ["chain-unknown"]),
        (Sighting(value=FACTS, seen_at=-10.0, trouble=DOWN), []),
    ],
)
def test_what_was_seen_long_ago_is_not_gone_by(
    sighting: Sighting, names: list[str], project: OpenProject, healthy: Overview
) -> None:
    """A balance of before must neither alarm nor reassure."""
    facts = sighting.value and replace(sighting.value, balance=5 * ETHER)
    if sighting.seen_at is not None:
        sighting = replace(sighting, value=facts, seen_at=healthy.read_at + sighting.seen_at)
    assert names_of(raise_alarms(project.config, healthy, of_chain(sighting))) == names
    poor = Sighting(value=replace(FACTS, balance=0), seen_at=sighting.seen_at, trouble=DOWN)
    if "chain-unknown" in names:
        found = names_of(raise_alarms(project.config, healthy, of_chain(poor)))
        assert found == ["chain-unknown"]


@pytest.mark.parametrize(
    ("size", "trouble", "names"),
    [
        (6, None, []),
        (4, None, ["not-publishing"]),
        (0, None, ["not-publishing"]),
        (None, DOWN, ["published-unknown"]),
        (4, DOWN, ["not-publishing"]),
    ],
)
def test_a_published_log_that_stays_behind_is_told(
    size: int | None,
    trouble: Message | None,
    names: list[str],
    project: OpenProject,
    healthy: Overview,
) -> None:
    final = tuple(
        replace(item, final=True, final_at=healthy.read_at - alarms.UNPUBLISHED)
        for item in healthy.anchors
    )
    overview = replace(healthy, anchors=final)
    seen_at = None if size is None else overview.read_at
    chain = Sighting(value=FACTS, seen_at=overview.read_at)
    published = Sighting(value=size, seen_at=seen_at, trouble=trouble)
    view = ExternalStatus(chain=chain, published=published)
    assert names_of(raise_alarms(project.config, overview, view)) == names
    fresh = replace(final[0], final_at=overview.read_at - alarms.UNPUBLISHED + 1)
    overview = replace(overview, anchors=(fresh, *final[1:]))
    found = names_of(raise_alarms(project.config, overview, view))
    assert found == (names if size != 4 else []), "there was no time yet to publish it"


# What is outside.


def test_what_is_published_is_seen_by_its_checkpoint(grown: MemorySite, tmp_path: Path) -> None:
    place = tmp_path / "published"
    config = replace(grown.config, publish=str(place))
    project = replace(grown.open(), config=config)
    outside = StatusPoller(project, Node(grown.chain), Hours())
    assert outside.snapshot(30).published == Sighting(value=0, seen_at=1_000.0)
    publish_log(project, open_writer(str(place)))
    assert fetch_published_size(str(place)) == 4
    (place / "checkpoint").write_bytes(b"nonsense")
    with pytest.raises(MalformedError):
        fetch_published_size(str(place))
    project.database.close()


def test_the_chain_is_seen_as_it_is(grown: MemorySite, project: OpenProject) -> None:
    facts = fetch_chain_facts(project, Node(grown.chain), OWNER)
    assert facts == ChainFacts(
        block=grown.chain.head.number,
        block_time=grown.chain.head.timestamp,
        final_block=grown.chain.final.number,
        size=6,
        is_closed=False,
        balance=grown.chain.head.state.balances[OWNER],
        base_fee=facts.base_fee,
    )
    assert find_sender(project) == OWNER  # of who sent last: this project names no key


def test_a_head_that_the_store_lacks_is_seen_as_none_of_ours(tmp_path: Path) -> None:
    site = grow_log(tmp_path, [1])
    older = MemorySite(site.chain, replace(site.config, store=site.config.store))
    project = older.open()
    with project.database.write() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("DELETE FROM anchors")
        connection.exec_driver_sql("DELETE FROM attempts")
        connection.exec_driver_sql("DELETE FROM heads")
    assert fetch_chain_facts(project, Node(site.chain), None).size is None
    project.database.close()


def test_a_closed_log_is_seen_as_closed(tmp_path: Path) -> None:
    site = grow_log(tmp_path, [1])
    config = site.config
    site.chain.head.state.storage[config.registry, head_slot(config.log)] = CLOSED_HEAD
    project = site.open()
    facts = fetch_chain_facts(project, Node(site.chain), None)
    project.database.close()
    assert (facts.size, facts.is_closed) == (None, True)


def test_another_chain_is_refused(grown: MemorySite, project: OpenProject) -> None:
    elsewhere = replace(project, config=replace(project.config, genesis=bytes(32)))
    with pytest.raises(ChainGuardError):
        fetch_chain_facts(elsewhere, Node(grown.chain), None)


def test_a_chain_without_finality_is_seen_all_the_same(tmp_path: Path) -> None:
    site = grow_log(tmp_path, [1])
    site.chain.has_finality = False
    project = site.open()
    assert fetch_chain_facts(project, Node(site.chain), None).final_block is None
    project.database.close()


# The watch.


class Hours:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def settle(watch: BackgroundPoll) -> Sighting:
    seen = watch.snapshot(30.0)
    for thread in threading.enumerate():
        if thread.name == "watch":
            thread.join(30.0)  # what it failed with is told in this test and not in the next one
    return seen


def test_looking_never_waits_for_the_node() -> None:
    answer = threading.Event()
    asked = []

    def hang() -> ChainFacts:
        asked.append(1)
        answer.wait(60)
        return FACTS

    clock = Hours()
    watch = BackgroundPoll(hang, clock)
    for _ in range(50):
        assert watch.snapshot() == Sighting()
        clock.now += background_poll.FRESH
    answer.set()
    assert settle(watch).value == FACTS
    assert len(asked) == 1, "a node that hangs is asked by one thread, however many look"


def test_what_was_seen_is_asked_for_again_only_once_it_is_old() -> None:
    clock, asked = Hours(), []

    def fetch() -> ChainFacts:
        asked.append(clock.now)
        return FACTS

    watch = BackgroundPoll(fetch, clock)
    assert settle(watch) == Sighting(value=FACTS, seen_at=1_000.0, trouble=None)
    clock.now += background_poll.FRESH - 1
    settle(watch)
    clock.now += 1
    settle(watch)
    assert asked == [1_000.0, 1_000.0 + background_poll.FRESH]


@pytest.mark.parametrize("error", [NodeUnreachableError(DOWN), ZeroDivisionError("a bug")])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_failure_keeps_what_was_seen_with_its_age_and_says_so(error: Exception) -> None:
    clock = Hours()
    answers: list[ChainFacts | Exception] = [FACTS, error, FACTS]

    def fetch() -> ChainFacts:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    watch = BackgroundPoll(fetch, clock)
    settle(watch)
    clock.now += 60
    failed = settle(watch)
    assert (failed.value, failed.seen_at) == (FACTS, 1_000.0)
    assert failed.trouble == getattr(error, "message", "it could not be read")
    clock.now += 60
    assert settle(watch) == Sighting(value=FACTS, seen_at=1_120.0, trouble=None)


def test_a_node_that_fails_half_way_is_a_trouble_and_no_half_of_facts(
    grown: MemorySite, project: OpenProject
) -> None:
    for method in ("eth_getStorageAt", "eth_getBalance", "eth_chainId"):
        effects = Effects(plan={(method, 0): "request lost"})
        node = Node(TroubledTransport(grown.chain, effects))
        watch = BackgroundPoll(lambda node=node: fetch_chain_facts(project, node, OWNER), Hours())
        seen = settle(watch)
        assert seen.value is None
        assert seen.trouble == "the node did not answer"


def test_alarms_come_and_go_with_what_happens(tmp_path: Path) -> None:
    """The whole way: a store, a chain, a daemon that is away."""
    site = grow_log(tmp_path, [1])
    project = site.open()

    def names() -> list[str]:
        overview = read_overview(project, site.chain.time)
        facts = fetch_chain_facts(project, Node(site.chain), OWNER)
        sighting = Sighting(value=facts, seen_at=overview.read_at, trouble=None)
        return names_of(raise_alarms(project.config, overview, of_chain(sighting)))

    with project.database.hold_lease():
        seal(project.database, utc_now())
        assert names() == []
    assert names() == ["not-running"]
    site.chain.set_balance(OWNER, 0)
    assert names() == ["not-running", "funds-low"]
    site.chain.set_balance(OWNER, 10 * ETHER)
    grow(site, 1)
    # The chain in memory gives no state proofs.
    assert names() == ["not-running", "proofs-missing"]
    project.database.close()
