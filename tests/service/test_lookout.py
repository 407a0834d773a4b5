"""A service looks at the chain by itself: what contradicts the log stops it, silence does not."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.bent_nodes import BentNode, bent_node, fork
from support.nodes import ask, stop_the_clock, wait_until
from support.page_service import run_app
from support.projects import Site
from support.service import bearer, digest, make_key
from support.store_contents import count_pieces

from anchor.base.errors import FinalityViolatedError
from anchor.chain.devnet import Devnet
from anchor.operate import anchor_watch
from anchor.operate.anchor_watch import ChainWatch
from anchor.project.config import load_config
from anchor.project.project import open_project
from anchor.registry.storage import head_slot
from anchor.service import anchor_watch_thread
from anchor.service.app import create_app
from anchor.service.settings import Settings
from anchor.service.worker import Service
from anchor.store import sqlite

ZERO = "0x" + "00" * 32
SECONDS = 60.0


@dataclass(frozen=True)
class Asked:
    """A service in this process that looks twice a second, and a client of it."""

    http: httpx.Client
    service: Service
    key: str
    admin: str
    id: str

    def submit(self, number: int) -> httpx.Response:
        value = {"sha256": digest(number)}
        return self.http.post("/v1/evidence", json=value, headers=bearer(self.key))

    def receipt(self) -> httpx.Response:
        path = f"/v1/evidence/{self.id}/receipt"
        return self.http.get(path, params={"until": "anchored"}, headers=bearer(self.key))

    def alarms(self) -> set[str]:
        text = self.http.get("/metrics", headers=bearer(self.admin)).text
        return {
            line.split('"')[1] for line in text.splitlines()
            if line.startswith("anchor_alarm{") and line.endswith(" 1.0")
        }  # fmt: skip

    def wait_for_look(self) -> None:
        """Wait until a look began after now, and ended."""
        watch = self.service.anchor_watch.watch
        for _ in range(2):
            due = watch._due
            wait_until(lambda due=due: watch._due != due, SECONDS)

    def codes(self) -> list[int]:
        """Return how it answers all that rests on the chain; a submission comes last."""
        get = self.http.get
        return [
            get("/readyz").status_code,
            self.receipt().status_code,
            get(f"/v1/evidence/{self.id}", headers=bearer(self.key)).status_code,
            get("/v1/heads", headers=bearer(self.key)).status_code,
            self.submit(99).status_code,
        ]


STOPPED = [503] * 5


@pytest.fixture
def site(new_site: Callable[..., Site], own_anvil: Devnet) -> Site:
    site = new_site(own_anvil)
    stop_the_clock(own_anvil.url)
    return site


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchor_watch_thread, "PERIOD", 0.5)
    monkeypatch.setattr(anchor_watch_thread, "_SPREAD", 0.0)
    monkeypatch.setattr(anchor_watch, "LASTING", 1.0)


@contextmanager
def serving(site: Site) -> Iterator[Asked]:
    """Serve a project one piece of whose evidence is anchored for good."""
    key, admin = make_key(site.folder), make_key(site.folder, "ops", "admin")
    app = create_app(open_project(load_config(site.folder / "anchor.toml")), Settings())
    with run_app(app) as url, httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        asked = Asked(http, app.state.service, key, admin, "")
        id = asked.submit(1).json()["id"]
        asked = replace(asked, id=id)
        site.anchor()
        ask(site.url, "anvil_mine", "0x4")
        site.run("status").expect(0)
        wait_until(lambda: asked.receipt().status_code == 200, SECONDS)
        yield asked


@pytest.mark.usefixtures("quick")
def test_a_head_of_somebody_elses_stops_the_service(site: Site, tmp_path: Path) -> None:
    with serving(site) as asked:
        assert asked.codes() == [200, 200, 200, 200, 201]
        other = replace(site, folder=shutil.copytree(site.folder, tmp_path / "copy"))
        other.add("theirs", b"theirs")
        other.anchor()
        wait_until(lambda: asked.http.get("/readyz").status_code == 503, SECONDS)
        assert asked.codes() == STOPPED
        assert "the chain contradicts the log" in asked.submit(3).json()["detail"]
        wait_until(lambda: "chain-ahead" in asked.alarms(), 30)
        site.run("status").refused(32, "is not in this store")


@pytest.mark.usefixtures("quick")
def test_a_log_that_was_closed_stops_the_service(site: Site, tmp_path: Path) -> None:
    with serving(site) as asked:
        ask(site.url, "anvil_setIntervalMining", 1)
        site.run("succeed", "--yes", "--into", tmp_path / "next").expect(0)
        wait_until(lambda: asked.http.get("/readyz").status_code == 503, SECONDS)
        assert asked.codes() == STOPPED
        wait_until(lambda: "log-closed" in asked.alarms(), 30)
        site.run("status").refused(32, "was closed")


@pytest.mark.release
def test_of_several_processes_one_looks(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchor_watch_thread, "PERIOD", 4.0)
    monkeypatch.setattr(anchor_watch_thread, "_SPREAD", 1.0)
    adopt, adopted = ChainWatch.adopt, []

    def count(watch: ChainWatch, period: float) -> float | None:
        rest = adopt(watch, period)
        if rest is not None:
            adopted.append(rest)
        return rest

    monkeypatch.setattr(ChainWatch, "adopt", count)
    with bent_node(site.url) as node:
        site.edit(f'rpc = "{site.url}"', f'rpc = "{node.url}"')
        with serving(site) as first, serving(site) as second:
            # One looks, and the other finds that it did, again and again.
            wait_until(lambda: len(adopted) >= 3, 60)
            assert node.asked("eth_chainId")
            for asked in (first, second):
                assert asked.service.anchor_watch.watch.tell(None).trouble is None


def hide_anchors(site: Site, node: BentNode) -> None:
    """Let a node show the log's head, and none of its anchors."""
    head = f"0x{head_slot(load_config(site.folder / 'anchor.toml').log).hex()}"
    node.bend["eth_getStorageAt"] = lambda params, right: right if params[1] == head else ZERO


@pytest.mark.fault(
    "D5",
    how="a service's only node does not show a final anchor for a while; nothing waits",
    then="an incident: 503 to submissions, receipts, states; then it goes on by itself",
)
@pytest.mark.usefixtures("quick")
def test_an_incident_stops_an_idle_service_until_it_is_withdrawn(site: Site) -> None:
    with bent_node(site.url) as node:
        site.edit(f'rpc = "{site.url}"', f'rpc = "{node.url}"')
        with serving(site) as asked:
            hide_anchors(site, node)
            wait_until(lambda: asked.http.get("/readyz").status_code == 503, SECONDS)
            assert asked.codes() == STOPPED
            assert "incident-open" in asked.alarms()
            node.bend.clear()
            wait_until(lambda: asked.http.get("/readyz").status_code == 200, SECONDS)
            assert asked.codes() == [200, 200, 200, 200, 201]
        assert site.rows("SELECT count(*), count(withdrawn_at) FROM incidents") == [(1, 1)]


@pytest.mark.usefixtures("quick")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_whose_lookout_ends_is_replaced(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in it ends its thread; the worker must not serve on unwatched."""
    ended = threading.Event()

    def fail(*_: object) -> None:
        raise KeyError("a bug")

    with serving(site) as asked:
        monkeypatch.setattr(asked.service.anchor_watch, "_end_process", ended.set)
        monkeypatch.setattr(anchor_watch, "look_at_chain", fail)
        assert ended.wait(SECONDS)


@pytest.mark.usefixtures("quick")
def test_finality_that_is_violated_again_and_again_is_looked_at_once_a_second(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two nodes behind one name, on two forks."""
    looks: list[float] = []

    def fail(*_: object) -> None:
        looks.append(time.monotonic())
        raise FinalityViolatedError("it was replaced", block_hash=bytes(32))

    with serving(site):
        monkeypatch.setattr(anchor_watch, "look_at_chain", fail)
        wait_until(lambda: len(looks) >= 3, SECONDS)
    assert all(later - earlier > 0.9 for earlier, later in pairwise(looks))


@pytest.mark.usefixtures("quick")
def test_an_incident_that_cannot_be_stored_stops_the_service_all_the_same(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process holds the store: nothing can be written, and everything read."""
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_MS", 300)
    with bent_node(site.url) as node:
        site.edit(f'rpc = "{site.url}"', f'rpc = "{node.url}"')
        other = open_project(load_config(site.folder / "anchor.toml"))
        with serving(site) as asked:
            with other.database.write():
                hide_anchors(site, node)
                wait_until(lambda: asked.receipt().status_code == 503, SECONDS)
                assert "the chain contradicts the log" in asked.receipt().json()["detail"]
                assert site.rows("SELECT count(*) FROM incidents") == [(0,)]
            wait_until(lambda: site.rows("SELECT count(*) FROM incidents") == [(1,)], SECONDS)
            node.bend.clear()
            wait_until(lambda: asked.codes()[:4] == [200] * 4, SECONDS)
        other.database.close()


@pytest.mark.fault(
    "E11",
    how="the service's only node is away",
    then="nothing stops; after five minutes an alarm says that nothing can be told",
)
@pytest.mark.usefixtures("quick")
def test_a_node_that_is_away_stops_nothing_and_is_an_alarm_once_it_lasts(site: Site) -> None:
    with bent_node(site.url) as node:
        site.edit(f'rpc = "{site.url}"', f'rpc = "{node.url}"')
        with serving(site) as asked:
            assert "chain-unwatched" not in asked.alarms()
            node.down = True
            wait_until(lambda: "chain-unwatched" in asked.alarms(), 60)
            assert asked.codes() == [200, 200, 200, 200, 201]
            node.down = False
            wait_until(lambda: "chain-unwatched" not in asked.alarms(), 60)


@pytest.mark.fault(
    "E10",
    how="one of a service's three nodes, the one that is read, does not show a final anchor",
    then="no incident, and nothing stops; an alarm once it lasts",
)
@pytest.mark.usefixtures("quick")
def test_one_node_of_three_stops_no_service(site: Site) -> None:
    with ExitStack() as stack:
        nodes = [stack.enter_context(bent_node(site.url)) for _ in range(3)]
        witnesses = json.dumps([node.url for node in nodes[1:]])
        site.edit(f'rpc = "{site.url}"', f'rpc = "{nodes[0].url}"\nwitnesses = {witnesses}')
        with serving(site) as asked:
            hide_anchors(site, nodes[0])
            wait_until(lambda: "chain-unwatched" in asked.alarms(), 60)
            assert asked.codes() == [200, 200, 200, 200, 201]
            assert site.rows("SELECT count(*) FROM incidents") == [(0,)]
            hide_anchors(site, nodes[1])
            nodes[1].bend = dict(nodes[0].bend)
            nodes[2].down = True  # the two others are enough, and agree
            wait_until(lambda: asked.http.get("/readyz").status_code == 503, 60)
            assert site.rows("SELECT count(*) FROM incidents") == [(1,)]


@pytest.mark.fault(
    "F20",
    how="by the block times of a service's only node the clock is a year behind, and by anchors",
    then="an alarm; once an anchor of that time is final, 503 with one sentence to submissions",
)
@pytest.mark.usefixtures("quick")
def test_a_clock_that_is_certainly_behind_takes_nothing_in(site: Site) -> None:
    with serving(site) as asked:
        ask(site.url, "evm_increaseTime", 365 * 86_400)
        ask(site.url, "anvil_mine", "0x8")
        wait_until(lambda: "clock-off" in asked.alarms(), SECONDS)
        assert asked.submit(5).status_code == 201, "one node's word"
        site.anchor()
        ask(site.url, "anvil_mine", "0x8")
        site.run("status").expect(0, "behind the chain's time")
        wait_until(lambda: asked.http.get("/readyz").status_code == 503, SECONDS)
        answer = asked.submit(6)
        assert answer.status_code == 503
        assert "the service's clock is far from the chain's" in answer.json()["detail"]
        assert "Retry-After" in answer.headers
        assert asked.receipt().status_code == 200, "what is there is handed out"
        assert count_pieces(site) == 2


@pytest.mark.parametrize("has_liar", [False, True], ids=["all", "one lies"])
@pytest.mark.usefixtures("quick")
def test_of_three_nodes_all_stop_intake_by_their_block_times_and_one_does_not(
    site: Site, *, has_liar: bool
) -> None:
    year = 365 * 86_400

    def date(params: list[object], block: Any) -> object:
        if block is None or params[0] == "0x0":  # the pinned genesis block
            return block
        return fork(block, timestamp=hex(int(block["timestamp"], 16) + year))

    with ExitStack() as stack:
        nodes = [stack.enter_context(bent_node(site.url)) for _ in range(3)]
        witnesses = json.dumps([node.url for node in nodes[1:]])
        site.edit(f'rpc = "{site.url}"', f'rpc = "{nodes[0].url}"\nwitnesses = {witnesses}')
        with serving(site) as asked:
            if has_liar:
                for method in ("eth_getBlockByNumber", "eth_getBlockByHash"):
                    nodes[0].bend[method] = date
                asked.wait_for_look()
                assert asked.submit(7).status_code == 201
            else:
                ask(site.url, "evm_increaseTime", year)
                ask(site.url, "anvil_mine", "0x8")
                wait_until(lambda: asked.submit(7).status_code == 503, SECONDS)
