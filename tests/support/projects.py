"""Projects to test with: made in this process, because only what is tested needs a new one."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.clocks import FastClock
from support.command import Ran, run_anchor
from support.nodes import ask, nonce

from anchor.base.digests import digest_bytes
from anchor.base.errors import AnchorError
from anchor.base.system.clock import Clock, SystemClock
from anchor.base.types import Address, Hash32, make_log_id
from anchor.chain.call_simulation import Intent
from anchor.chain.devnet import DEV_ADDRESS, Devnet
from anchor.chain.json_rpc import Rpc
from anchor.chain.node import Node
from anchor.cli.context import open_signer
from anchor.evidence.record import source_of
from anchor.operate.acceptance import EvidenceInput, accept
from anchor.operate.anchoring import make_manager
from anchor.operate.deployment import deploy
from anchor.operate.single_run import RunResult, anchor_round
from anchor.project.allowlist import allow_project
from anchor.project.config import WaitFor, load_config
from anchor.project.creation import plan_dev_project, write_dev_key
from anchor.project.files import CONFIG
from anchor.project.project import OpenProject, create_project, open_project
from anchor.registry.calldata import encode_set_operator_call
from anchor.registry.storage import anchor_slot, decode_anchor, head_slot
from anchor.store.location import SqliteFile, StoreLocation

# How long the shared anvil takes for a block, and a little more.
_BLOCK_SECONDS = 1.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A project in ``folder`` whose log is number ``number`` of the devnets' public key."""

    folder: Path
    url: str
    number: int

    def __post_init__(self) -> None:
        """Let it count as the tests' own, a copy of another one as well."""
        if (self.folder / CONFIG).is_file():
            allow_project(self.folder / CONFIG)

    def run(self, *arguments: str | Path, **options: Any) -> Ran:
        """Run ``anchor`` in the project's folder."""
        return run_anchor(*arguments, cwd=self.folder, **options)

    def write(self, name: str, data: bytes) -> Path:
        """Write a piece of evidence."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def add(self, name: str, data: bytes) -> Path:
        """Write a piece of evidence, and accept it in this process."""
        path = self.write(name, data)
        digests = digest_bytes(data, ("sha256", "sm3"))
        with self.open() as project:
            accept(
                project, [EvidenceInput(source=source_of(path), name=path.name, digests=digests)]
            )
        return path

    def round(
        self,
        node: Node | None = None,
        *,
        url: str | None = None,
        clock: Clock | None = None,
        wait_for: WaitFor = "included",
        report: Callable[[str], None] = lambda _: None,
    ) -> RunResult:
        """Do what ``anchor run --once`` does, in this process and a fast time of its own."""
        self.wait_for_others()
        with self.lead() as project, reading(url or self.url) as reader:
            return anchor_round(
                project,
                node or reader,
                lambda: open_signer(project.config),
                clock or FastClock(),
                wait_for=wait_for,
                report=report,
            )

    def wait_for_others(self) -> None:
        """Let what other projects sent with the public key become final, as a run of ours waits.

        A fast clock does not let a shared node make the blocks for that.
        """
        (last,) = self.rows("SELECT max(nonce) FROM attempts")[0]
        used = nonce(self.url)
        if used <= (-1 if last is None else last) + 1 or not _is_anvil(self.url):
            return
        end = time.monotonic() + _BLOCK_SECONDS
        while nonce(self.url, block="finalized") < used:
            before = ask(self.url, "eth_blockNumber")
            time.sleep(0.1)
            if ask(self.url, "eth_blockNumber") != before:
                end = time.monotonic() + _BLOCK_SECONDS
            if time.monotonic() >= end:
                return  # no blocks are made here by themselves

    def anchor(self) -> None:
        """Seal and anchor in this process, without waiting until it is final."""
        self.round(clock=SystemClock())

    def authorise(self, key: Address, operator_id: int) -> None:
        """Let ``key`` anchor, by a transaction through this project's journal."""
        with self.lead() as project, reading(self.url) as node:
            config = project.config
            call = encode_set_operator_call(config.log, key, operator_id)
            manager = make_manager(
                project, node, open_signer(config), SystemClock(), lambda _: None
            )
            manager.send(Intent(to=config.registry, data=call, head_size=None))

    def edit(self, old: str, new: str) -> None:
        """Change the configuration's text, and allow what it is then."""
        path = self.folder / "anchor.toml"
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")
        with suppress(AnchorError):  # it may be broken on purpose
            allow_project(path)

    @contextmanager
    def open(self) -> Iterator[OpenProject]:
        """Open the project in this process."""
        project = open_project(load_config(self.folder / "anchor.toml"))
        try:
            yield project
        finally:
            project.database.close()

    @contextmanager
    def lead(self) -> Iterator[OpenProject]:
        """Open the project as the process that seals and sends."""
        with self.open() as project, project.database.hold_lease():
            yield project

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the store in SQL."""
        return ask_store(self.locate_store(), query)

    def locate_store(self) -> StoreLocation:
        """Return where the store is: the file beside the configuration, if there is one."""
        file = self.folder / "anchor.db"
        return SqliteFile(file) if file.exists() else load_config(self.folder / CONFIG).store

    def heads(self) -> list[tuple[int, bytes]]:
        """Return every sealed head, smallest first."""
        return self.rows("SELECT size, root FROM heads ORDER BY size")

    def anchors_on_chain(self, url: str | None = None) -> list[tuple[int, int]]:
        """Return (size, sequence) of every sealed head the registry holds, smallest first."""
        config = load_config(self.folder / "anchor.toml")
        found = []
        with reading(url or self.url) as node:
            for _, root in self.heads():
                slot = anchor_slot(config.log, Hash32(root))
                anchor = decode_anchor(node.fetch_storage(config.registry, slot, "latest"))
                if anchor is not None:
                    found.append((anchor.size, anchor.sequence))
        return found

    def head_on_chain(self) -> bytes:
        """Return the root the registry holds as this log's head; zero bytes for none."""
        config = load_config(self.folder / "anchor.toml")
        with reading(self.url) as node:
            return node.fetch_storage(config.registry, head_slot(config.log), "latest")


def ask_store(location: StoreLocation, query: str) -> list[tuple[Any, ...]]:
    """Ask a store in SQL."""
    if isinstance(location, SqliteFile):
        with closing(sqlite3.connect(location.path)) as connection:
            return connection.execute(query).fetchall()
    import psycopg

    with psycopg.connect(location.url) as server:
        return server.execute(query.encode()).fetchall()


@contextmanager
def reading(url: str, *, monotonic: Callable[[], float] = time.monotonic) -> Iterator[Node]:
    """Open a node to ask in this process."""
    rpc = Rpc(url, monotonic=monotonic)
    try:
        yield Node(rpc)
    finally:
        rpc.close()


def make_site(
    folder: Path,
    node: Devnet,
    *,
    number: int,
    deployed: bool = True,
    store: StoreLocation | None = None,
) -> Site:
    """Create a project as ``anchor init --devnet`` does, and deploy the registry."""
    with reading(node.url) as reader:
        config = plan_dev_project(folder, reader, url=node.url, number=number, store=store)
        folder.mkdir(parents=True, exist_ok=True)
        project = create_project(config)
        write_dev_key(config)
        if deployed:
            with project.database.hold_lease():
                deploy(project, reader, lambda: open_signer(config), SystemClock(), lambda _: None)
        project.database.close()
    _settle_others(node.url)
    return Site(folder=folder, url=node.url, number=number)


def _is_anvil(url: str) -> bool:
    return "anvil" in ask(url, "web3_clientVersion").lower()


def _settle_others(url: str) -> None:
    """Let what was sent with the public key before become final; time may not do it."""
    if _is_anvil(url) and nonce(url, block="finalized") < nonce(url):
        ask(url, "anvil_mine", "0x3")


def dev_log(number: int) -> str:
    """Return the id of the public key's log, in hex."""
    return make_log_id(DEV_ADDRESS, number).hex()
