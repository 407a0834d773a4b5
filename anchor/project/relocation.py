"""Pointing a project at the registry it deployed plainly, at an address nobody could know before.

Three places name the registry: the store's pin, the trust policy, the configuration.  They are
changed in that order, and only while the log has no head.  A crash in between leaves a
configuration that differs from the pin, which every command refuses; ``anchor deploy --plain`` sees
that the pin is an address its own journal created, and goes on from there.
"""

from __future__ import annotations

import stat
import tomllib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from anchor.errors import AnchorError, ConfigError
from anchor.ethereum.keccak import format_address
from anchor.project.allowlist import allow_registry
from anchor.project.config import Config
from anchor.project.project import OpenProject, load_pinned_registry, open_project, pin_registry
from anchor.registry.create_address import create_address
from anchor.store.database import Database, open_database
from anchor.store.tx_journal import StoredJournal
from anchor.system.clock import utc_now
from anchor.system.durable_files import write_file
from anchor.types import Address, ChainId


def created_addresses(database: Database, chain_id: ChainId) -> list[Address]:
    """Return where the plain deployments of this project's journal went, or would have gone."""
    journal = StoredJournal(database, utc_now)
    return [create_address(slot.sender, slot.nonce) for slot in journal.load_deployments(chain_id)]


def open_moved_project(config: Config) -> OpenProject:
    """Open a project as ``open_project`` does; one whose move was interrupted, at its new registry.

    Raises:
        ChainGuardError: the configuration differs from the pins in any other way.
    """
    database = open_database(config.store)
    pinned = load_pinned_registry(database)
    if pinned is not None and pinned in created_addresses(database, config.chain_id):
        config = replace(config, registry=pinned)
    database.close()
    return open_project(config)


def check_movable(config: Config) -> None:
    """Check, before anything is sent, that both files can be rewritten later.

    Raises:
        ConfigError: one does not hold the registry's line as `anchor init` wrote it.
    """
    old = _named_registry(config)
    for path in (config.trust, config.file):
        if _lines(path).count(_line(old)) != 1:
            raise ConfigError(
                f"{path} does not hold the line {_line(old)} exactly once, as `anchor init` wrote "
                "it",
                hint="a plain deployment has to change that line: restore it, then run again; "
                "nothing was sent",
            )


def move_project(project: OpenProject, registry: Address) -> OpenProject:
    """Pin ``registry`` and let both files name it; what is done already is left as it is.

    Raises:
        ChainGuardError: something is sealed.
        ConfigError: a file's line is not as it was written; both files are left alone.
    """
    config = project.config
    if registry != load_pinned_registry(project.database):
        pin_registry(project.database, registry)
    # A crash here or between the files leaves a configuration that no command but `deploy --plain`
    # takes; the configuration comes last, so it says which address the policy still may name.
    new = format_address(registry)
    old = _named_registry(config)
    left = [path for path in (config.trust, config.file) if not _names(path, new, but_not=old)]
    for path in left:
        if old == new or _lines(path).count(_line(old)) != 1:
            raise ConfigError(
                f"the registry is at {new} now, but {path} does not hold its old line as `anchor "
                "init` wrote it; neither file was changed",
                hint=f"write {_line(new)} in {' and '.join(map(str, left))}, then run again",
            )
    # Before the files: a crash behind them must not leave a project that is its user's no more.
    # Where that cannot be noted, the user is told how to allow it again.
    with suppress(AnchorError):
        allow_registry(config.file, registry)
    for path in left:
        moved = "\n".join(_line(new) if line == _line(old) else line for line in _lines(path))
        mode = stat.S_IMODE(path.stat().st_mode)
        write_file(path.resolve(), moved.encode("utf-8"), mode=mode)
    return OpenProject(config=replace(config, registry=registry), database=project.database)


def _named_registry(config: Config) -> str:
    """Return the registry as the configuration's file spells it, whatever the environment says."""
    named = _named(config.file)
    if not named:
        raise ConfigError(f"{config.file} names no chain.registry")
    return named[0]


def _names(path: Path, new: str, *, but_not: str) -> bool:
    """Say whether a file names the new registry, in whatever spelling, and the old one no more."""
    named = [address.lower() for address in _named(path)]
    return new.lower() in named and (new == but_not or but_not.lower() not in named)


def _named(path: Path) -> list[str]:
    """Return the registries that a configuration or a policy names, as they stand there."""
    try:
        members = tomllib.loads("\n".join(_lines(path)))
        entries = members["trust"] if "chain" not in members else [members["chain"]]
        return [str(entry["registry"]) for entry in entries]
    except (ValueError, KeyError, TypeError):
        return []


def _lines(path: Path) -> list[str]:
    # Not as text, which would change the ends of lines.
    try:
        return path.read_bytes().decode("utf-8").split("\n")
    except (OSError, ValueError):
        return []


def _line(address: str) -> str:
    return f'registry = "{address}"'
