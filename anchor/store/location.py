"""Store locations: a SQLite file beside the configuration, or a PostgreSQL database by URL."""

from __future__ import annotations

import glob
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from anchor.base.errors import ConfigError, StorageError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import sync_folder

_MOVED = ".before-restore-"
_WORKED_WITH = ".restoring-"
REPLACED = "this store was replaced by anchor restore"
"""The database's error message for a write to a store that is fenced off."""
IS_FENCED = (
    "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'anchor_replaced' "
    "AND tgrelid = 'runs'::regclass)"
)
"""The query whether a store is fenced off."""


def lock_key(purpose: str) -> str:
    """Return the SQL expression for an advisory lock's key, which differs for each schema."""
    return f"('x' || md5('anchor {purpose} ' || current_schema()))::bit(64)::bigint"


# Each URL has only one valid spelling, so that all parsers agree on which part is the password.
_CHARACTERS = r"[A-Za-z0-9._~!$&'()*+,;=%-]*"
_POSTGRES_URL = re.compile(
    rf"postgres(?:ql)?://(?:{_CHARACTERS}(?::(?P<password>{_CHARACTERS}))?@)?"
    r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*)(?::[0-9]{1,5})?"
    r"(?:/[A-Za-z0-9._~%+-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:%/-]*)?"
)


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """A SQLite database in one file."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """A PostgreSQL database; its text form is ``url`` without any password."""

    url: str

    def __repr__(self) -> str:
        return f"PostgresDatabase({str(self)!r})"

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        netloc = f"{parts.username}@{host}" if parts.username else host
        query = [(name, value) for name, value in _query(parts) if "password" not in name.lower()]
        # Not urlunsplit, which drops the slashes if there is no host.
        shown = f"{parts.scheme}://{netloc}{parts.path}"
        return f"{shown}?{urlencode(query, safe='/')}" if query else shown


def has_write_ahead_log(path: Path) -> bool:
    """Return whether a store has a write-ahead log beside it that is not empty."""
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def discard(location: SqliteFile) -> None:
    """Remove the files of an unfinished or temporary store."""
    for suffix in ("", "-wal", "-shm", "-turn.lock", "-queue.lock"):
        location.path.with_name(location.path.name + suffix).unlink(missing_ok=True)


def install_store(built: SqliteFile, location: SqliteFile) -> Path | None:
    """Move a finished, closed store to ``location``; return where the old store was moved.

    Raises:
        StorageError: The new store is not complete in its single file; nothing was replaced.
        ConfigError: The new name for the old store is taken.
    """
    if has_write_ahead_log(built.path):
        # Closing copies the log into the file and removes it, unless the disk is full.
        raise StorageError(
            Message("store-new-unfinished", store=str(built)),
            hint=Message("store-new-unfinished-hint"),
        )
    with built.path.open("rb") as file:
        os.fsync(file.fileno())
    moved = _move_aside(location.path)
    # A crash here leaves no store at the location; the one that was moved aside is complete.
    built.path.replace(location.path)
    discard(built)
    sync_folder(location.path.parent)
    return moved


def find_replaced_store(location: StoreLocation) -> SqliteFile | None:
    """Return the newest store that was moved aside from ``location``, or None."""
    if not isinstance(location, SqliteFile):
        return None
    moved = location.path.parent.glob(f"{glob.escape(location.path.name + _MOVED)}*Z")
    newest = max(moved, default=None)
    return None if newest is None else SqliteFile(newest)


def copy_location(folder: Path) -> SqliteFile:
    """Return a new location in ``folder`` for a working copy of a restore."""
    return SqliteFile(folder / f"{_WORKED_WITH}{secrets.token_hex(8)}.db")


def find_copies(folder: Path) -> list[SqliteFile]:
    """Return the working copies of restores, including those left by a killed restore."""
    copies = (*folder.glob(f"{_WORKED_WITH}*.db"), *folder.glob(f"{_WORKED_WITH}*.db.damaged"))
    return [SqliteFile(path) for path in sorted(copies)]


def _move_aside(store: Path) -> Path | None:
    """Rename an existing store, with the files that SQLite keeps beside it; return its new path.

    A write-ahead log that belongs to another file must never lie beside the new store.
    """
    moved = store.with_name(f"{store.name}{_MOVED}{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    if moved.exists():
        raise ConfigError(
            Message("file-exists", path=moved), hint=Message("command-run-again-hint")
        )
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            store.with_name(store.name + suffix).replace(moved.with_name(moved.name + suffix))
    return moved if moved.exists() else None


def staging_location(location: SqliteFile, suffix: str) -> SqliteFile:
    """Return the location at which to build the replacement for the store at ``location``."""
    return SqliteFile(location.path.with_name(location.path.name + suffix))


StoreLocation: TypeAlias = SqliteFile | PostgresDatabase


def parse_location(text: str, folder: Path) -> StoreLocation:
    """Parse the configuration's ``store``: a path relative to ``folder``, or a URL."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return SqliteFile(folder / text)
    if scheme not in ("postgresql", "postgres"):
        raise ConfigError(
            Message("store-kind-unknown", scheme=scheme),
            hint=Message("store-kind-hint"),
        )
    if _POSTGRES_URL.fullmatch(text) is None:  # the error does not quote it: it may hold a password
        raise ConfigError(
            Message("store-url-misspelled"),
            hint=Message("store-url-spelling-hint"),
        )
    return PostgresDatabase(f"postgresql://{rest}")


def holds_password(text: str) -> bool:
    """Return whether a configured ``store`` holds a password."""
    match = _POSTGRES_URL.fullmatch(text)
    if match is None:
        return False  # a file's path, or a URL that `parse_location` refuses
    query = _query(urlsplit(text))
    return bool(match["password"]) or any("password" in name.lower() for name, _ in query)


def _query(parts: SplitResult) -> list[tuple[str, str]]:
    return parse_qsl(parts.query, keep_blank_values=True)
