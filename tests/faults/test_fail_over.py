"""The store's first server is destroyed under load, again and again, and its standby takes over.

Evidence comes in over HTTP, singly and in bulk, and by `anchor add`; a daemon anchors it.  At a
random instant every process of the first PostgreSQL server is killed and its data removed.  In half
of the rounds the standby heard nothing before that, and is killed as well.  It is promoted, the
address is moved to it, and another standby made of it.
"""

from __future__ import annotations

import hashlib
import json
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from support.command import Forked
from support.nodes import wait_until
from support.projects import Site, make_site
from support.service import NDJSON, Served, bearer, make_key, serve
from support.standbys import Server, Servers, run_servers, want_copies
from support.store_contents import count_waiting, load_pieces

from anchor.chain.devnet import Devnet
from anchor.recovery.store_audit import audit_project
from anchor.store.location import PostgresDatabase

# Lines of one bulk submission, and files of one `anchor add`.
_LINES, _FILES = 20, 3
# Before the same thing is submitted again.
_PAUSE = 0.1


@dataclass
class Load:
    """Submits until it is stopped; whatever is not acknowledged is submitted again."""

    site: Site
    served: Served
    key: str
    ids: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    ended: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def acknowledged(self) -> int:
        return len(self.ids) + len(self.sources)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        works = (self._singles, self._singles, self._bulks, self._adds, self._anchors)
        threads = [
            threading.Thread(target=work, args=(f"{number}",)) for number, work in enumerate(works)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join(120)

    def _client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.served.url, headers=bearer(self.key), timeout=30, trust_env=False
        )

    def _singles(self, name: str) -> None:
        with self._client() as client:
            for document in self._pieces(name):
                while not self.over.is_set():
                    answer = self._post(client, "/v1/evidence", json.dumps(document).encode())
                    if answer is not None and answer.status_code in (200, 201):
                        self._note([answer.json()])
                        break
                    self.over.wait(_PAUSE)

    def _bulks(self, name: str) -> None:
        pieces = self._pieces(name)
        with self._client() as client:
            while not self.over.is_set():
                left = {number: next(pieces) for number in range(1, _LINES + 1)}
                while left and not self.over.is_set():
                    numbers = sorted(left)
                    lines = b"".join(json.dumps(left[it]).encode() + b"\n" for it in numbers)
                    answer = self._post(client, "/v1/bulk", lines, **NDJSON)
                    for line in self._lines_of(answer):
                        if "id" in line:
                            self._note([line])
                            del left[numbers[line["line"] - 1]]
                    if left:
                        self.over.wait(_PAUSE)

    def _lines_of(self, answer: httpx.Response | None) -> list[dict[str, object]]:
        if answer is None or answer.status_code != 200:
            return []
        return [json.loads(line) for line in answer.text.splitlines()]

    def _post(
        self, client: httpx.Client, path: str, body: bytes, **headers: str
    ) -> httpx.Response | None:
        try:
            answer = client.post(
                path, content=body, headers={"Content-Type": "application/json", **headers}
            )
        except httpx.HTTPError as error:
            self.ended[type(error).__name__] += 1
            return None
        self.ended[f"HTTP {answer.status_code}"] += 1
        if answer.status_code not in (200, 201, 503):
            self.faults.append(f"{path} {answer.status_code}: {answer.text}")
        return answer

    def _pieces(self, name: str) -> Iterator[dict[str, str]]:
        number = 0
        while not self.over.is_set():
            number += 1
            text = f"{name} {number}"
            yield {"sha256": hashlib.sha256(text.encode()).hexdigest(), "name": text}

    def _note(self, documents: list[dict[str, object]]) -> None:
        for document in documents:
            if document.get("copies") != 2:
                self.faults.append(f"acknowledged without a second copy: {document}")
            self.ids.add(str(document["id"]))

    def _adds(self, name: str) -> None:
        number = 0
        while not self.over.is_set():
            number += 1
            files = [
                self.site.write(f"pieces/{name}-{number}-{each}", b"file %d %d" % (number, each))
                for each in range(_FILES)
            ]
            while not self.over.is_set():
                if self._run("add", *map(str, files)) == 0:
                    self.sources.update(map(str, files))
                    break
                self.over.wait(_PAUSE)

    def _anchors(self, _name: str) -> None:
        while not self.over.is_set():
            self._run("run", "--every", "1")
            self.over.wait(_PAUSE)

    def _run(self, *words: str) -> int:
        with Forked(["anchor", *words], self.site.folder) as forked:
            while (code := forked.poll()) is None:
                if self.over.wait(0.1):
                    forked.kill()
            out, err = forked.printed()
        self.ended[f"{words[0]} {code}"] += 1
        # What was being read as the server died, Python's strict mode complains of; never an end.
        if code not in (0, 33, -signal.SIGKILL):
            self.faults.append(f"{words[0]} ends with {code}: {out.decode()} {err.decode()}")
        return code


@dataclass
class Campaign:
    """Destroys the first server ``rounds`` times."""

    site: Site
    servers: Servers
    first: Server
    standby: Server
    load: Load
    store: PostgresDatabase
    chance: random.Random
    lost: set[str] = field(default_factory=set)

    def round(self) -> None:
        """Let it work, destroy the first server, and go on with the second."""
        before = self.load.acknowledged
        wait_until(lambda: self.load.acknowledged > before, 90)
        time.sleep(self.chance.uniform(0.1, 1.5))
        if self.chance.random() < 0.5:
            with self.standby.deaf():
                # Shorter than a commit waits: what is under way then waits for its second copy.
                time.sleep(self.chance.uniform(0.2, 1.9))
                self.first.destroy()
                self.standby.signal(signal.SIGKILL)
            self._start_again()
        else:
            self.first.destroy()
        self.standby.promote()
        wait_until(lambda: self.standby.ask("SELECT pg_is_in_recovery()") == [(False,)])
        self._look_for_lost()
        self.servers.use(self.standby)
        self.first, self.standby = self.standby, self.servers.follow(self.standby)

    def _start_again(self) -> None:
        for path in (*self.standby.folder.glob(".s.*"), self.standby.folder / "postmaster.pid"):
            path.unlink(missing_ok=True)
        self.standby.start()

    def _look_for_lost(self) -> None:
        ids, sources = set(self.load.ids), set(self.load.sources)
        pieces = load_pieces(self.standby.locate(self.store))
        self.lost |= ids - {piece.identity.hex() for piece in pieces}
        self.lost |= sources - {piece.source for piece in pieces}


def run_campaign(folder: Path, chain: Devnet, *, rounds: int, seed: int) -> None:
    with ExitStack() as stack:
        servers, first = stack.enter_context(run_servers())
        place = first.create()
        moving = PostgresDatabase(place.url.replace(str(first.folder), str(servers.address)))
        site = make_site(folder / "project", chain, number=1, store=moving)
        standby = servers.follow(first)
        want_copies(site, wait_seconds=2)
        key = make_key(site.folder)
        served = stack.enter_context(serve(site.folder, workers=2))
        load = Load(site, served, key)
        campaign = Campaign(site, servers, first, standby, load, place, random.Random(seed))
        began = time.monotonic()
        with load.going_on():
            for number in range(rounds):
                campaign.round()
                shown = f"round {number + 1}: {load.acknowledged} acknowledged"
                print(f"{shown}, {len(campaign.lost)} lost", flush=True)
                assert not load.faults, load.faults[:5]
        assert site.run("run", "--once", "--wait", "final").code == 0
        check(campaign)
        print(
            f"{rounds} servers destroyed, {load.acknowledged} acknowledged, "
            f"{len(campaign.lost)} lost, {len(site.anchors_on_chain())} anchors, "
            f"{time.monotonic() - began:.0f} seconds; ended: {dict(load.ended)}"
        )


def check(campaign: Campaign) -> None:
    """Compare the store and the chain with what was acknowledged."""
    site, load = campaign.site, campaign.load
    assert campaign.lost == set()
    assert load.faults == []
    pieces = load_pieces(site)
    assert load.ids <= {piece.identity.hex() for piece in pieces}
    assert load.sources <= {piece.source for piece in pieces}
    # Each piece has bytes of its own.
    assert len({piece.sha256 for piece in pieces}) == len(pieces)
    assert count_waiting(site) == 0
    assert site.rows("SELECT max(head_size) FROM anchors WHERE final = 1") == [(len(pieces),)]
    with site.open() as project:
        assert audit_project(project).breaches == ()
    anchors = site.anchors_on_chain()
    assert [sequence for _, sequence in anchors] == list(range(1, len(anchors) + 1))


DESTROYED = pytest.mark.fault(
    "F23",
    how="the first of two servers is destroyed under load, and its standby takes over",
    then="nothing acknowledged is lost or there twice; the log goes on without a restore",
)


@pytest.mark.release
@DESTROYED
def test_a_destroyed_server_takes_nothing_acknowledged_with_it(
    tmp_path: Path, own_anvil: Devnet, injected: Callable[[int], None]
) -> None:
    run_campaign(tmp_path, own_anvil, rounds=2, seed=1)
    injected(2)


@pytest.mark.slow
@DESTROYED
def test_a_hundred_destroyed_servers_take_nothing_acknowledged_with_them(
    tmp_path: Path, own_anvil: Devnet, injected: Callable[[int], None]
) -> None:
    run_campaign(tmp_path, own_anvil, rounds=100, seed=2)
    injected(100)
