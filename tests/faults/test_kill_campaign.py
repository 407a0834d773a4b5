"""Kill -9 at any moment, while the chain's last blocks are replaced all the time.

Evidence is added by processes that are killed and anchored by a daemon that is killed.  Whatever
was acknowledged is in the log once, covered by a final anchor; nothing left our key that is not
stored.
"""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.bent_nodes import anvil_with
from support.command import Forked
from support.crashes import CRASHES, crashing
from support.nodes import DEV, ask
from support.projects import Site, make_site, reading
from support.restart_campaign import Kills, operate
from support.store_contents import count_waiting, load_pieces
from support.stores import RestartablePostgres, run_postgres

from anchor.chain.devnet import Devnet, open_devnet
from anchor.project.config import load_config
from anchor.recovery.store_audit import audit_project
from anchor.registry.storage import head_slot

# A proof of stake chain's: what is two epochs deep is final, and no reorganisation is deeper.
DEEPEST = 64
# So many files with one process of `anchor add`.
BATCH = 10
# Of the kills, the share that meets a process that adds.
ADDING = 1 / 3
KILLED = -9
CRASHED = 137


@pytest.fixture
def chain(anvil_path: Path, tmp_path: Path) -> Iterator[Devnet]:
    """An anvil on which blocks become final when they are ``DEEPEST`` deep.

    A reorganisation back to a state that anvil 1.7.1 has dropped loses every contract's code; the
    blocks that others replaced count among those it keeps.
    """
    program = anvil_with(
        tmp_path, anvil_path, slots_in_an_epoch=DEEPEST // 2, max_persisted_states=2000
    )
    with open_devnet(anvil=program) as node:
        yield node


@dataclass
class Reorganisations:
    """Mines blocks and replaces the last ones, until it is stopped."""

    url: str
    chance: random.Random
    depths: list[int] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Reorganisations:
        self._thread = threading.Thread(target=self._go_on)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _go_on(self) -> None:
        while not self._stopping.wait(self.chance.uniform(0.1, 0.6)):
            ask(self.url, "anvil_mine", hex(self.chance.randrange(1, 3)))
            if self.chance.random() < 0.4:
                # As many shallow ones as deep ones; what is in them goes from the pool, too.
                depth = self.chance.choice([self.chance.randrange(1, 6), DEEPEST])
                depth = self.chance.randrange(1, depth + 1)
                ask(self.url, "anvil_reorg", depth, [])
                self.depths.append(depth)


@dataclass
class Campaign:
    """A log that takes in ``pieces`` while its processes are killed.

    ``kills`` times at random moments, and at each of ``crashes``.
    """

    site: Site
    pieces: list[Path]
    kills: int
    crashes: list[tuple[str, ...]]
    chance: random.Random
    acknowledged: set[str] = field(default_factory=set)
    ended: Counter[tuple[str, int]] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    def go(self) -> None:
        """Add and anchor, each in a thread, until all is added and enough was killed."""
        adding = round(self.kills * ADDING)
        with ThreadPoolExecutor(2) as pool:
            works = [
                pool.submit(self._add, self.chance.random(), adding),
                pool.submit(self._anchor, self.chance.random(), self.kills - adding),
            ]
        for work in works:
            work.result()

    def killed(self) -> int:
        return sum(count for (_, code), count in self.ended.items() if code == KILLED)

    def _add(self, seed: float, kills: int) -> None:
        chance = random.Random(seed)
        batches = [self.pieces[at : at + BATCH] for at in range(0, len(self.pieces), BATCH)]
        left = kills
        for index, batch in enumerate(batches):
            # As often as it takes to spread the kills over all batches.
            while left * len(batches) > kills * (len(batches) - index - 1):
                left -= self._run("add", *batch, seconds=chance.uniform(0.0, 0.25)) == KILLED
                if left == 0:
                    break
            assert self._run("add", *batch) == 0
            self.acknowledged.update(map(str, batch))

    def _anchor(self, seed: float, kills: int) -> None:
        chance = random.Random(seed)
        for number, crash in enumerate(self.crashes):
            self._crash(number, crash)
        left = kills
        while left:
            # One in four while it starts, the others while it works.
            after = b"started" if chance.random() < 0.75 else b""
            code = self._run("run", "--every", "1", after=after, seconds=chance.uniform(0.0, 1.5))
            left -= code == KILLED

    def _crash(self, number: int, crash: tuple[str, ...]) -> None:
        """Run until a process has died at this effect; a reorganisation may keep one from it."""
        for attempt in range(20):
            piece = self.site.add(f"crash {number} {attempt}", b"%d %d" % (number, attempt))
            self.acknowledged.add(str(piece))
            ran = self.site.run("run", "--once", command=crashing(*crash), killed=None)
            self.ended["crashing run", ran.code] += 1
            if ran.code == CRASHED:
                return
        raise AssertionError(f"no process came to {crash}")

    def _run(self, *words: str | Path, after: bytes = b"", seconds: float | None = None) -> int:
        """Run ``anchor``, and kill it so many seconds after it printed that."""
        with Forked(["anchor", *map(str, words)], self.site.folder) as forked:
            while forked.poll() is None and after not in forked.printed()[0]:
                time.sleep(0.02)
            with suppress(subprocess.TimeoutExpired):
                forked.wait(60.0 if seconds is None else seconds)
            forked.kill()
            code = forked.wait(60.0)
            out, err = forked.printed()
        assert code != 1, (out, err)
        assert b"Traceback" not in err, err
        self.ended[str(words[0]), code] += 1
        if code > 0:
            self.complaints.append(f"{words[0]} {code}: {err.decode()}")
        return code

    def settle(self) -> None:
        """Do the next ordinary runs, without any more trouble, until everything is final."""
        for _ in range(30):
            if self._run("run", "--once", "--wait", "included") == 0:
                break
        ask(self.site.url, "anvil_mine", hex(2 * DEEPEST))
        assert self._run("run", "--once", "--wait", "final") == 0, self.complaints[-3:]


def check(campaign: Campaign) -> None:
    """Compare store and chain with what was acknowledged."""
    site = campaign.site
    with site.open() as project:
        assert audit_project(project).breaches == ()
    pieces = load_pieces(site)
    assert sorted(piece.source for piece in pieces) == sorted(campaign.acknowledged)
    assert {piece.leaf_index for piece in pieces} == set(range(len(pieces)))
    assert count_waiting(site) == 0
    # The newest head covers all of them, and is the registry's in the final block.
    size, root = site.heads()[-1]
    assert size == len(pieces)
    config = load_config(site.folder / "anchor.toml")
    with reading(site.url) as node:
        assert node.fetch_storage(config.registry, head_slot(config.log), "finalized") == root
    anchors = site.anchors_on_chain()
    assert [sequence for _, sequence in anchors] == list(range(1, len(anchors) + 1))
    # What a reorganisation took back is forgotten, and looked at again only if it is the newest.
    assert set(site.rows("SELECT head_size, sequence FROM anchors")) <= set(anchors)
    assert site.rows("SELECT max(head_size) FROM anchors WHERE final = 1") == [(size,)]
    check_every_transaction_is_stored(site)


def check_every_transaction_is_stored(site: Site) -> None:
    """Walk all blocks: what our key sent is what the journal has, and none of it failed."""
    stored = {f"0x{row[0].lower()}" for row in site.rows("SELECT hex(tx_hash) FROM attempts")}
    found = []
    block = ask(site.url, "eth_getBlockByNumber", "latest", True)
    # By their hashes: anvil 1.7.1 that mines as it reorganises may forget which one has a number.
    while int(block["number"], 16) > 0:
        found += [item["hash"] for item in block["transactions"] if item["from"] == DEV.lower()]
        block = ask(site.url, "eth_getBlockByHash", block["parentHash"], True)
        assert block is not None
    assert found
    assert set(found) <= stored
    for item in found:
        assert ask(site.url, "eth_getTransactionReceipt", item)["status"] == "0x1", item


def run_campaign(
    new_site: Callable[..., Site],
    chain: Devnet,
    *,
    pieces: int,
    kills: int,
    crashes: list[tuple[str, ...]],
    seed: int,
) -> None:
    site = new_site(chain)
    # The registry itself is older than any reorganisation reaches.
    ask(site.url, "anvil_mine", hex(2 * DEEPEST))
    folder = site.folder / "pieces"
    folder.mkdir()
    paths = [folder / f"{number:05}" for number in range(pieces)]
    for path in paths:
        path.write_bytes(path.name.encode())
    campaign = Campaign(site, paths, kills, crashes, random.Random(seed))
    transactions = "SELECT count(*) FROM attempts WHERE head_size IS NOT NULL"
    begun = time.monotonic()
    with Reorganisations(site.url, random.Random(seed)) as reorganisations:
        campaign.go()
    campaign.settle()
    check(campaign)
    print(
        f"{campaign.killed()} kills, {len(reorganisations.depths)} reorganisations of depth "
        f"{min(reorganisations.depths, default=0)} to {max(reorganisations.depths, default=0)}, "
        f"{len(campaign.acknowledged)} acknowledged, {len(site.heads())} heads, "
        f"{len(site.anchors_on_chain())} anchors, "
        f"{site.rows(transactions)[0][0]} transactions, {time.monotonic() - begun:.0f} seconds; "
        f"ended: {dict(campaign.ended)}"
    )
    assert campaign.killed() == kills


KILLS = pytest.mark.fault(
    "F5",
    how="adding and anchoring processes are killed at random moments, amid reorganisations",
    then="all that was acknowledged is anchored once and final; no transaction is unknown",
)


@pytest.mark.release
@KILLS
def test_a_few_kills_amid_reorganisations_lose_and_double_nothing(
    new_site: Callable[..., Site], chain: Devnet, injected: Callable[[int], None]
) -> None:
    run_campaign(new_site, chain, pieces=60, kills=6, crashes=[], seed=1)
    injected(6)


@pytest.mark.slow
@KILLS
def test_three_hundred_kills_amid_reorganisations_lose_and_double_nothing(
    new_site: Callable[..., Site], chain: Devnet, injected: Callable[[int], None]
) -> None:
    run_campaign(new_site, chain, pieces=2_000, kills=300, crashes=CRASHES, seed=2)
    injected(300 + len(CRASHES))


# Daemon and service, started again by nothing but the rules of their units

RESTARTED = pytest.mark.fault(
    "F28",
    how="daemon, workers, supervisor (and PostgreSQL) are killed at random; units start them again",
    then="all that was acknowledged is there once and anchored; nobody does anything by hand",
)
STORES = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])


def run_restarts(kind: str, folder: Path, node: Devnet, *, rounds: int, seed: int) -> None:
    with ExitStack() as stack:
        server = None
        if kind == "postgresql":
            server = RestartablePostgres(stack.enter_context(run_postgres()).folder)
        store = None if server is None else server.create()
        site = make_site(folder / "project", node, number=1, store=store)

        def kill_server() -> None:
            assert server is not None
            server.kill()
            time.sleep(0.5)
            server.start()

        kills = Kills(rounds, random.Random(seed), None if server is None else kill_server)
        begun = time.monotonic()
        operation = operate(site, folder, kills)
        print(
            f"{kind}: {dict(kills.done)} killed, {len(operation.writers.acknowledged)} "
            f"acknowledged, answers {dict(operation.writers.statuses)}, daemon ended "
            f"{dict(Counter(operation.run.ends))}, service {dict(Counter(operation.serve.ends))}, "
            f"{len(site.heads())} heads, {time.monotonic() - begun:.0f} seconds"
        )
        assert kills.done.total() == rounds


@pytest.mark.release
@STORES
@RESTARTED
def test_a_few_kills_need_nobody_but_the_units(
    kind: str, tmp_path: Path, own_anvil: Devnet, injected: Callable[[int], None]
) -> None:
    run_restarts(kind, tmp_path, own_anvil, rounds=6, seed=3)
    injected(6)


@pytest.mark.slow
@STORES
@RESTARTED
@pytest.mark.timeout(6_000)
def test_two_hundred_kills_need_nobody_but_the_units(
    kind: str, tmp_path: Path, own_anvil: Devnet, injected: Callable[[int], None]
) -> None:
    rounds = int(os.environ.get("ANCHOR_TESTS_KILLS", "200"))
    run_restarts(kind, tmp_path, own_anvil, rounds=rounds, seed=4)
    injected(rounds)
