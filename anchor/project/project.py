"""A project: one folder with a configuration, a store and a trust policy, for one log.

Only ``create_project`` creates.  It pins log, chain, genesis, registry and code hash in the store,
and every later opening checks the configuration against the pins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, insert, select, update

from anchor.base.errors import ChainGuardError, ConfigError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.base.system.durable_files import write_file
from anchor.base.system.urls import is_node_url, is_plain_url
from anchor.base.types import Address, ChainId, LogId, log_number, log_owner
from anchor.project.config import Config, encode_config
from anchor.project.log_key import create_log_key
from anchor.store.acknowledged_log import SideFile
from anchor.store.database import Database, create_filled, open_database
from anchor.store.heads import newest_head
from anchor.store.schema import project
from anchor.store.staging import Writable, build_database
from anchor.store.tile_folder import TileFolder
from anchor.verification.pinning import encode_policy
from anchor.verification.policy import TrustEntry
from anchor.verification.quorum_rules import MAX_NODES

T = TypeVar("T")
Given = ParamSpec("Given")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenProject:
    """An open project."""

    config: Config
    database: Database

    @property
    def tiles(self) -> TileFolder:
        """The log's tree on disk."""
        return TileFolder(self.config.tiles)

    def read(
        self,
        load: Callable[Concatenate[Connection, ChainId, Given], T],
        *given: Given.args,
        **named: Given.kwargs,
    ) -> T:
        """Call ``load`` in a read transaction with the project's chain id; return its result."""
        with self.database.read() as connection:
            return load(connection, self.config.chain_id, *given, **named)


def create_project(config: Config) -> OpenProject:
    """Create the project's store, log key, trust policy and configuration, in that order.

    The configuration comes last: a crash half-way leaves a folder that no command accepts as a
    project.
    """
    for path in (config.file, config.trust, config.log_key):
        if path.exists():
            raise ConfigError(
                Message("file-exists", path=path), hint=Message("project-file-exists-hint")
            )
    side_file = SideFile(config.side_file)
    database, _ = create_filled(config.store, partial(_pin, config), side_file)
    create_log_key(config)
    write_file(config.trust, encode_policy([trust_entry(config)]))
    write_file(config.file, encode_config(config).encode("utf-8"))
    return OpenProject(config=config, database=database)


def make_store(config: Config, fill: Callable[[Writable], T]) -> tuple[T, Path | None]:
    """Create and fill the configuration's store; return ``fill``'s result and an old store's path.

    The pins are written last: a database without them is not accepted as a store.

    Raises:
        ConfigError: A store exists in PostgreSQL already.
        StorageError: The new store could not be finished; the old one was not replaced.
    """

    def fill_and_pin(database: Writable) -> T:
        filled = fill(database)
        with database.write() as connection:
            _pin(config, connection)
        return filled

    return build_database(config.store, fill_and_pin)


def _pin(config: Config, connection: Connection) -> None:
    connection.execute(
        insert(project).values(
            id=1,
            log=config.log,
            chain_id=config.chain_id,
            genesis=config.genesis,
            registry=config.registry,
            code_hash=config.code_hash,
            created_at=utc_now(),
        )
    )


def open_project(config: Config, *, only_reads: bool = False) -> OpenProject:
    """Open the project's store and compare its pins with the configuration.

    ``only_reads`` also accepts a store on read-only media.
    """
    database = open_database(
        config.store, SideFile(config.side_file), config.copies, only_reads=only_reads
    )
    try:
        _check_pins(database, config)
    except BaseException:
        database.close()
        raise
    return OpenProject(config=config, database=database)


def _check_pins(database: Database, config: Config) -> None:
    with database.read() as connection:
        pins = connection.execute(select(project)).one_or_none()
    if pins is None:
        raise ConfigError(
            Message("store-unfinished", store=config.store),
            hint=Message("store-unfinished-hint"),
        )
    for member in ("log", "chain_id", "genesis", "registry", "code_hash"):
        if getattr(pins, member) != getattr(config, member):
            raise ChainGuardError(
                Message("store-pin-differs", member=member),
                hint=_MOVED_HINT if member == "registry" else Message("store-pin-differs-hint"),
            )


_MOVED_HINT = Message("project-registry-changed-hint")


def is_pinned(connection: Connection, chain_id: ChainId, registry: Address, log: LogId) -> bool:
    """Return whether a store is pinned to this log in this registry."""
    pins = connection.execute(
        select(project.c.chain_id, project.c.registry, project.c.log)
    ).one_or_none()
    return pins is not None and tuple(pins) == (chain_id, registry, log)


def load_pinned_registry(database: Database) -> Address | None:
    """Return the registry this store is pinned to; None if the store was never initialised."""
    with database.read() as connection:
        registry = connection.execute(select(project.c.registry)).scalar_one_or_none()
    return None if registry is None else Address(registry)


def pin_registry(database: Database, registry: Address) -> None:
    """Pin another registry, for a log without any head."""
    with database.sequence() as connection:
        if newest_head(connection) is not None:
            raise ChainGuardError(
                Message("registry-not-exchangeable"),
                hint=Message("registry-not-exchangeable-hint"),
            )
        connection.execute(update(project).values(registry=registry))


def trust_entry(config: Config) -> TrustEntry:
    """Return the entry of a trust policy with which verifiers pin this project.

    Because policies are published, a URL with more than a host, which may hold an API key, is left
    out.  The quorum is the project's, or the number of nodes listed if they are fewer.
    """
    plain = tuple(
        url for url in (config.rpc, *config.witnesses) if is_node_url(url) and is_plain_url(url)
    )
    nodes = plain[:MAX_NODES]
    return TrustEntry(
        chain_id=config.chain_id,
        genesis=config.genesis,
        registry=config.registry,
        code_hash=config.code_hash,
        owner=log_owner(config.log),
        logs=(log_number(config.log),),
        operators=None,
        time_slack=config.time_slack,
        finality=config.finality,
        rpc=nodes,
        quorum=max(1, min(config.quorum, len(nodes))),
    )
