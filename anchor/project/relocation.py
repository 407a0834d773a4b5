"""Moving a project to the registry that it deployed without the CREATE2 proxy.

The address of such a plain deployment is not known before.  Three places name the registry: the
store's pin, the trust policy, the configuration.  They are changed in that order, and only while
the log has no head.  A crash in between leaves a configuration that differs from the pin, which
every command refuses; ``anchor deploy --plain`` recognises the pin as an address that its own
journal created, and completes the move.
"""

from __future__ import annotations

import stat
from codecs import BOM_UTF8
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from anchor.base.errors import AnchorError, ConfigError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.base.system.durable_files import write_file
from anchor.base.types import Address, ChainId
from anchor.ethereum.keccak import format_address
from anchor.project.allowlist import allow_registry
from anchor.project.config import Config
from anchor.project.project import OpenProject, load_pinned_registry, open_project, pin_registry
from anchor.registry.artifact import create_address
from anchor.store.database import Database, open_database
from anchor.store.tx_journal import StoredJournal


def created_addresses(database: Database, chain_id: ChainId) -> list[Address]:
    """Return the actual or intended addresses of the plain deployments in the journal."""
    journal = StoredJournal(database, utc_now)
    return [create_address(slot.sender, slot.nonce) for slot in journal.load_deployments(chain_id)]


def open_moved_project(config: Config) -> OpenProject:
    """Open a project like ``open_project``; after an interrupted move, with the new registry."""
    with closing(open_database(config.store)) as database:
        pinned = load_pinned_registry(database)
        if pinned is not None and pinned in created_addresses(database, config.chain_id):
            config = replace(config, registry=pinned)
    return open_project(config)


def check_movable(config: Config) -> None:
    """Check, before a transaction is sent, that both files can be rewritten later.

    Raises:
        ConfigError: One of the files does not name the registry exactly once.
    """
    old = _named_registry(config)
    for path in (config.trust, config.file):
        if len(_tables_of(_parse(path), old)) != 1:
            raise ConfigError(
                Message("project-registry-not-once", path=path, registry=old),
                hint=Message("project-registry-not-once-hint", registry=old),
            )


def move_project(project: OpenProject, registry: Address) -> OpenProject:
    """Pin ``registry`` and rewrite it in both files, whose comments and other content stay.

    A file that names it already is left unchanged.

    Raises:
        ChainGuardError: A head is sealed already.
        ConfigError: A file does not name the old registry exactly once; neither file is changed.
    """
    config = project.config
    if registry != load_pinned_registry(project.database):
        pin_registry(project.database, registry)
    # A crash here or between the files leaves a configuration that only `deploy --plain` accepts;
    # the configuration is written last, so it shows which address the policy may still name.
    new = format_address(registry)
    old = _named_registry(config)
    changed: dict[Path, tomlkit.TOMLDocument] = {}
    for path in (config.trust, config.file):
        document = _parse(path)
        tables = [] if old == new else _tables_of(document, old)
        if not tables and _tables_of(document, new):
            continue
        if len(tables) != 1:
            raise ConfigError(
                Message("project-registry-not-moved", new=new, path=path, old=old),
                hint=Message(
                    "project-registry-not-moved-hint",
                    registry=new,
                    policy=config.trust,
                    config=config.file,
                ),
            )
        tables[0]["registry"] = new
        changed[path] = document
    # Before the files: after a crash the project must still be in its user's list.
    # If the entry cannot be written, the user is told how to allow the project again.
    with suppress(AnchorError):
        allow_registry(config.file, registry)
    for path, document in changed.items():
        mode = stat.S_IMODE(path.stat().st_mode)
        write_file(path.resolve(), tomlkit.dumps(document).encode("utf-8"), mode=mode)
    return OpenProject(config=replace(config, registry=registry), database=project.database)


def _named_registry(config: Config) -> str:
    """Return the registry as the configuration's file spells it, ignoring the environment."""
    chain = _parse(config.file).get("chain")
    if not isinstance(chain, dict) or "registry" not in chain:
        raise ConfigError(Message("config-registry-missing", path=config.file))
    return str(chain["registry"])


def _parse(path: Path) -> tomlkit.TOMLDocument:
    # From bytes: reading as text would change line endings.
    try:
        return tomlkit.parse(path.read_bytes().removeprefix(BOM_UTF8))
    except (OSError, ValueError, TOMLKitError):
        return tomlkit.document()


def _tables_of(document: tomlkit.TOMLDocument, registry: str) -> list[dict[str, Any]]:
    """Return the tables of a configuration or a policy that name a registry, in any spelling."""
    entries = [document["chain"]] if "chain" in document else document.get("trust")
    return [
        entry
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict) and str(entry.get("registry")).lower() == registry.lower()
    ]
