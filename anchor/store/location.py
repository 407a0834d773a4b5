"""Where a store is: a SQLite file beside the configuration, or a PostgreSQL database by URL."""

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

from anchor.errors import ConfigError, StorageError
from anchor.system.durable_files import sync_folder

_MOVED = ".before-restore-"
_WORKED_WITH = ".restoring-"
REPLACED = "this store was replaced by anchor restore"
"""What a database says to whoever writes to a store that is fenced off."""
IS_FENCED = (
    "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'anchor_replaced' "
    "AND tgrelid = 'evidence'::regclass)"
)
"""Ask a database whether the store is."""
# One spelling of each URL, so that two readers never take another part of it for the password.
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
    """A PostgreSQL database; as text it is ``url`` without any password."""

    url: str

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        netloc = f"{parts.username}@{host}" if parts.username else host
        query = [(name, value) for name, value in _query(parts) if "password" not in name.lower()]
        # Not urlunsplit, which drops the slashes where there is no host.
        shown = f"{parts.scheme}://{netloc}{parts.path}"
        return f"{shown}?{urlencode(query, safe='/')}" if query else shown


def discard(place: SqliteFile) -> None:
    """Remove what a crash, or the making itself, left of a store that was being made."""
    for suffix in ("", "-wal", "-shm", "-turn.lock", "-queue.lock"):
        place.path.with_name(place.path.name + suffix).unlink(missing_ok=True)


def put_in_place(built: SqliteFile, place: SqliteFile) -> Path | None:
    """Let a store that was made and closed be the one at ``place``; return where the old one went.

    Raises:
        StorageError: it is not whole in its one file; nothing was replaced.
        ConfigError: the old one's new name is taken.
    """
    log = built.path.with_name(built.path.name + "-wal")
    if log.exists() and log.stat().st_size:
        # Closing copies it into the file and removes it; a full disk keeps SQLite from that.
        raise StorageError(
            f"the new store {built} could not be finished: SQLite left a write-ahead log beside it",
            hint="see to the disk (`df`, `dmesg`), then run the same again; nothing was replaced",
        )
    with built.path.open("rb") as file:
        os.fsync(file.fileno())
    moved = _move_aside(place.path)
    # A crash here: there is no store, and the one that was moved aside is whole.
    built.path.replace(place.path)
    discard(built)
    sync_folder(place.path.parent)
    return moved


def find_moved(place: StoreLocation) -> SqliteFile | None:
    """Return the newest store that was moved aside from ``place``, as a file may have been."""
    if not isinstance(place, SqliteFile):
        return None
    moved = place.path.parent.glob(f"{glob.escape(place.path.name + _MOVED)}*Z")
    newest = max(moved, default=None)
    return None if newest is None else SqliteFile(newest)


def name_copy(folder: Path) -> SqliteFile:
    """Return where a copy of a store can be that restoring works with."""
    return SqliteFile(folder / f"{_WORKED_WITH}{secrets.token_hex(8)}.db")


def find_copies(folder: Path) -> list[SqliteFile]:
    """Return the copies that restoring works with, or that a restore left which was killed."""
    copies = (*folder.glob(f"{_WORKED_WITH}*.db"), *folder.glob(f"{_WORKED_WITH}*.db.damaged"))
    return [SqliteFile(path) for path in sorted(copies)]


def _move_aside(store: Path) -> Path | None:
    """Rename the store that is there, with the files SQLite keeps beside it.

    A write-ahead log that belongs to another file must never lie beside the new store.
    """
    moved = store.with_name(f"{store.name}{_MOVED}{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    if moved.exists():
        raise ConfigError(f"{moved} exists already", hint="run again")
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            store.with_name(store.name + suffix).replace(moved.with_name(moved.name + suffix))
    return moved if moved.exists() else None


def beside(place: SqliteFile, suffix: str) -> SqliteFile:
    """Return where a store is made that is to replace this one when it is whole."""
    return SqliteFile(place.path.with_name(place.path.name + suffix))


StoreLocation: TypeAlias = SqliteFile | PostgresDatabase


def parse_location(text: str, folder: Path) -> StoreLocation:
    """Read the configuration's ``store``: a path that counts from ``folder``, or a URL.

    Raises:
        ConfigError: a URL of another kind of database.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        return SqliteFile(folder / text)
    if scheme not in ("postgresql", "postgres"):
        raise ConfigError(
            f"there is no store of the kind {scheme!r}",
            hint="name a file for SQLite, or postgresql://user@host/database",
        )
    if _POSTGRES_URL.fullmatch(text) is None:  # and nothing of it is quoted: it may be a password
        raise ConfigError(
            "the store's URL is not spelled postgresql://user:password@host:port/database",
            hint="write whatever is not a letter, a digit or one of -._~ as % and its hex digits",
        )
    return PostgresDatabase(f"postgresql://{rest}")


def holds_password(text: str) -> bool:
    """Say whether a configured ``store`` holds a password."""
    match = _POSTGRES_URL.fullmatch(text)
    if match is None:
        return False  # a file, or what `parse_location` refuses
    query = _query(urlsplit(text))
    return bool(match["password"]) or any("password" in name.lower() for name, _ in query)


def _query(parts: SplitResult) -> list[tuple[str, str]]:
    return parse_qsl(parts.query, keep_blank_values=True)
