"""Real projects, with a real store, on a chain in memory."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from support.memory_chain import GWEI, MemoryChain
from support.memory_registry import REGISTRY
from support.memory_transactions import QuickSigner
from support.troubles import Effects, TroubledDatabase, TroubledTransport

from anchor.base.digests import digest_bytes
from anchor.base.system.clock import StoppableClock, utc_now
from anchor.base.types import Address, Anchor, Hash32, Head
from anchor.chain.devnet.accounts import DEV_ADDRESSES
from anchor.chain.fees import Fees
from anchor.chain.node import Node
from anchor.chain.signer import UnsignedTransaction
from anchor.operate import anchor_watch, single_run
from anchor.operate.acceptance import EvidenceInput, accept
from anchor.operate.daemon import Daemon, Pace
from anchor.operate.events import Event
from anchor.operate.single_run import RunResult, anchor_round
from anchor.project.config import Config, SignerConfig, WaitFor
from anchor.project.creation import plan_project
from anchor.project.fee_limits import HIGHEST_FEE_CAP, Allowance
from anchor.project.project import OpenProject, create_project, open_project
from anchor.registry.calldata import encode_anchor_call, encode_set_operator_call
from anchor.registry.storage import anchor_slot, decode_anchor, head_slot
from anchor.store.heads import find_head, load_heads, newest_head
from anchor.store.incidents import accept_incidents
from anchor.store.location import SqliteFile
from anchor.store.sealing import open_tree

OWNER, OPERATOR, RIVAL, STRANGER = DEV_ADDRESSES[:4]
OPERATORS = {OPERATOR: 1, RIVAL: 2}
WAIT_SECONDS = 200


@dataclass
class ChainClock:
    """The chain's own time: while we sleep, it goes on."""

    chain: MemoryChain
    at: dict[float, Callable[[], object]] = field(default_factory=dict)

    def monotonic(self) -> float:
        return self.chain.time

    def sleep(self, seconds: float) -> None:
        self.chain.pass_time(seconds)
        for due in sorted(due for due in self.at if due <= self.chain.time):
            self.at.pop(due)()


def make_template(folder: Path) -> Config:
    """Create the project that each example copies: its tables take longer than an example."""
    config = plan_project(
        folder,
        Node(MemoryChain()),
        url="memory",
        signer=SignerConfig(keystore=None, ape_account=None, password_file=None),
        owner=OWNER,
        number=7,
        finality="finalized",
        wait="included",
        allowance=Allowance(fee_cap=HIGHEST_FEE_CAP, budget=None),
    )
    folder.mkdir(parents=True)
    create_project(config).database.close()
    return config


@dataclass
class MemorySite:
    """A project in ``folder`` on ``chain``, and the people who use its log's keys."""

    chain: MemoryChain
    config: Config
    key: Address = OWNER
    reports: list[str] = field(default_factory=list)

    @classmethod
    def copy(cls, template: Config, folder: Path, chain: MemoryChain) -> MemorySite:
        """Copy a template that was never used, and authorise the two operators."""
        shutil.copytree(template.folder, folder)
        config = replace(
            template,
            folder=folder,
            file=folder / template.file.name,
            store=SqliteFile(folder / "anchor.db"),
            tiles=folder / template.tiles.name,
            wait_seconds=WAIT_SECONDS,
        )
        site = cls(chain, config)
        for number, (key, operator_id) in enumerate(OPERATORS.items()):
            call = encode_set_operator_call(config.log, key, operator_id)
            chain.include(site.sign(OWNER, REGISTRY, call, nonce=number))
        return site

    def copy_to(self, folder: Path) -> MemorySite:
        """Copy the project with its evidence and anchors to a new folder."""
        shutil.copytree(self.config.folder, folder)
        store, tiles = SqliteFile(folder / "anchor.db"), folder / self.config.tiles.name
        return MemorySite(self.chain, replace(self.config, folder=folder, store=store, tiles=tiles))

    def configure(self, **members: Any) -> MemorySite:
        """Return the project with other members of its configuration."""
        return replace(self, config=replace(self.config, **members))

    def open(self, effects: Effects | None = None) -> OpenProject:
        """Open the project as a new process does; its store is closed with its last user."""
        project = open_project(self.config)
        weakref.finalize(project.database, project.database._pool.close)
        if effects is None:
            return project
        return replace(project, database=TroubledDatabase(project.database, effects))

    def add(self, *names: str) -> None:
        """Accept evidence of these names."""
        project = self.open()
        submissions = [
            EvidenceInput(source=name, name=name, digests=digest_bytes(name.encode(), ("sha256",)))
            for name in names
        ]
        try:
            with self._at_its_time():
                accept(project, submissions)
        finally:
            project.database.close()

    @contextmanager
    def _at_its_time(self) -> Iterator[None]:
        """Let the clock agree with the chain's, of years ago, and seal what is dated today."""
        with (
            patch.object(anchor_watch, "unix_now", lambda: self.chain.time),
            patch.object(single_run, "find_seal_limit", lambda *_: ("9999", None)),
        ):
            yield

    def round(self, effects: Effects, wait_for: WaitFor = "included") -> RunResult:
        """Do one round as one process does."""
        project = self.open(effects)
        try:
            with project.database.hold_lease():
                return anchor_round(
                    project,
                    Node(TroubledTransport(self.chain, effects)),
                    lambda: QuickSigner(self.key),
                    ChainClock(self.chain),
                    wait_for=wait_for,
                    report=self.reports.append,
                )
        finally:
            project.database.close()

    def serve(
        self,
        effects: Effects,
        seconds: float,
        pace: Pace | None = None,
        at: Mapping[float, Callable[[], object]] | None = None,
    ) -> list[Event]:
        """Run the daemon for so long; ``at`` says what happens how many seconds from now."""
        project = self.open(effects)
        clock = ChainClock(self.chain)
        clock.at = {self.chain.time + after: call for after, call in (at or {}).items()}
        stoppable = StoppableClock(clock, grace=20.0)
        clock.at[self.chain.time + seconds] = stoppable.stopping.set
        happened: list[Event] = []
        try:
            with self._at_its_time(), project.database.hold_lease():
                Daemon(
                    project,
                    Node(TroubledTransport(self.chain, effects)),
                    QuickSigner(self.key),
                    stoppable,
                    pace or Pace(seconds=30.0, leaves=4),
                    tell=happened.append,
                    jitter=lambda: 0.0,
                    wall=clock.monotonic,
                ).run()
        finally:
            project.database.close()
        return happened

    def sign(
        self, key: Address, to: Address, data: bytes = b"", *, nonce: int | None = None,
        max_fee: int = 90 * GWEI,
    ) -> bytes:  # fmt: skip
        """Sign something with a key, outside the project."""
        if nonce is None:
            nonce = self.chain.head.state.nonces.get(key, 0)
        fees = Fees(max_fee=max_fee, priority_fee=max_fee, legacy=False)
        return QuickSigner(key).sign_transaction(
            UnsignedTransaction(
                chain_id=self.chain.chain_id, nonce=nonce, to=to, data=data, gas=400_000, fees=fees
            )
        )

    def accept_incidents(self) -> None:
        """Do what ``anchor run --once --accept-incidents`` begins with."""
        project = self.open()
        try:
            with project.database.hold_lease(), project.database.sequence() as connection:
                accept_incidents(connection, self.config.chain_id, utc_now())
        finally:
            project.database.close()

    def rival_call(self) -> bytes | None:
        """Return the call with which somebody else brings our newest sealed head on chain."""
        project = self.open()
        try:
            with project.database.read() as connection:
                newest = newest_head(connection)
                word = self.chain.head.state.read(head_slot(self.config.log))
                old = find_head(connection, word)
            if newest is None or newest.head == old:
                return None
            tree = open_tree(project.database, project.tiles, newest.head)
            proof = tree.consistency_proof(old.size, newest.head.size) if old else []
            return encode_anchor_call(self.config.log, newest.head, proof)
        finally:
            project.database.close()

    def heads(self) -> list[Head]:
        project = self.open()
        try:
            with project.database.read() as connection:
                return load_heads(connection)
        finally:
            project.database.close()

    def anchor_in(self, root: Hash32, *, final: bool) -> Anchor | None:
        """Return the registry's anchor of ``root`` in the latest or the final block."""
        block = self.chain.final if final else self.chain.head
        return decode_anchor(block.state.read(anchor_slot(self.config.log, root)))
