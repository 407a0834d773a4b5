"""A disk that can lose power, fill up and fail, below the real store.

``Disk`` is a SQLite file system (an apsw VFS) over the real one that remembers of every file what a
sync made durable and what only the operating system has.  ``image`` writes what a power cut would
leave at this moment into a folder.  ``store_on`` lets the product's own code, SQLAlchemy and all,
run on it: apsw takes the place of the ``sqlite3`` module as SQLAlchemy's driver.
"""

from __future__ import annotations

import itertools
import os
import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import apsw
import pytest
from sqlalchemy import create_engine

# What a disk writes as a whole or not at all.
SECTOR = 512

Loss = Literal["dropped", "scattered"]
"""What becomes of writes that nobody synced: none of them is there, or any sectors of any of them,
as a disk that sorts its queue would leave it."""

_names = itertools.count(1)


@dataclass
class _File:
    """One file: its bytes after the last sync, and what was done to it since."""

    path: Path
    durable: bytearray
    is_named: bool
    """Whether a power cut leaves the file's name in its folder."""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    """(offset, bytes written there), or (new size, None) for a truncation."""
    is_deleted: bool = False
    """Deleted, but the folder was not synced: the file may come back."""
    before: _File | None = None
    """A deleted file of the same name, which may come back instead of this one."""

    def sync(self) -> None:
        self.durable = _apply(self.durable, self.pending)
        self.pending.clear()
        # SQLite syncs the folder with the first sync of a file it made.
        self.is_named = True
        self.before = None

    def remains(self, loss: Loss, chance: random.Random) -> bytes | None:
        if not self.is_named:
            return self.before.remains(loss, chance) if self.before else None
        if loss == "dropped":
            return bytes(self.durable)
        if self.is_deleted and chance.random() < 0.5:
            return None
        return bytes(_apply(bytearray(self.durable), _scatter(self.pending, chance)))


def _apply(content: bytearray, changes: Iterable[tuple[int, bytes | None]]) -> bytearray:
    for offset, data in changes:
        if data is None:
            del content[offset:]
            continue
        content.extend(bytes(max(0, offset + len(data) - len(content))))
        content[offset : offset + len(data)] = data
    return content


def _scatter(
    changes: Iterable[tuple[int, bytes | None]], chance: random.Random
) -> list[tuple[int, bytes | None]]:
    """Cut writes at sectors, forget any of the pieces and shuffle the rest."""
    pieces: list[tuple[int, bytes | None]] = []
    for offset, data in changes:
        if data is None:
            pieces.append((offset, None))
            continue
        start = 0
        while start < len(data):
            end = min(len(data), start + SECTOR - (offset + start) % SECTOR)
            pieces.append((offset + start, data[start:end]))
            start = end
    kept = [piece for piece in pieces if chance.random() < 0.5]
    chance.shuffle(kept)
    return kept


class Disk(apsw.VFS):
    """A file system whose operations are counted, and which fails when it is told to.

    ``fails`` is asked before each write and sync with its name (``"write"`` or ``"sync"``) and the
    file; what it returns is raised.  ``happened`` is called after each.
    """

    def __init__(self) -> None:
        self.name = f"anchor-tests-{next(_names)}"
        super().__init__(self.name, "")
        self.operations = 0
        self.fails: Callable[[str, Path], apsw.Error | None] = lambda _name, _path: None
        self.happened: Callable[[], object] = lambda: None
        self._files: dict[Path, _File] = {}

    def image(self, folder: Path, loss: Loss, chance: random.Random) -> Path:
        """Write what a power cut would leave now into ``folder``; return it."""
        folder.mkdir(parents=True)
        for file in self._files.values():
            content = file.remains(loss, chance)
            if content is not None:
                (folder / file.path.name).write_bytes(content)
        return folder

    def xOpen(self, name: Any, flags: list[int]) -> _OpenFile:  # noqa: N802
        filename = name.filename() if isinstance(name, apsw.URIFilename) else name
        path = Path(filename) if filename else None
        if path is not None:
            self._begin(path)
        return _OpenFile(self, name, flags, self._files.get(path) if path else None)

    def xDelete(self, filename: str, sync_folder: bool) -> None:  # noqa: N802
        super().xDelete(filename, sync_folder)
        path = Path(filename)
        file = self._files.get(path)
        if file is not None and sync_folder:
            del self._files[path]
        elif file is not None:
            file.is_deleted = True
        self.did()

    def watch(self, path: Path) -> _File:
        """Return a file; one that was there before we came lies safely on the disk."""
        self._begin(path)
        return self._files[path]

    def _begin(self, path: Path) -> None:
        known = self._files.get(path)
        if known is not None and not known.is_deleted:
            return
        there = known is None and path.exists()
        self._files[path] = _File(
            path=path,
            durable=bytearray(path.read_bytes() if there else b""),
            is_named=there,
            before=known,
        )

    def did(self) -> None:
        self.operations += 1
        self.happened()


class _OpenFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int], file: _File | None) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._file = file

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._may_fail("write")
        super().xWrite(data, offset)
        if self._file is not None:
            self._file.pending.append((offset, bytes(data)))
            self._disk.did()

    def xTruncate(self, size: int) -> None:  # noqa: N802
        super().xTruncate(size)
        if self._file is not None:
            self._file.pending.append((size, None))
            self._disk.did()

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._may_fail("sync")
        super().xSync(flags)
        if self._file is not None:
            self._file.sync()
            self._disk.did()

    def _may_fail(self, operation: str) -> None:
        if self._file is not None:
            error = self._disk.fails(operation, self._file.path)
            if error is not None:
                raise error


@contextmanager
def store_on(
    disk: Disk, *, synchronous: Literal["FULL", "NORMAL"] = "FULL", copy_after: int = 1_000
) -> Iterator[None]:
    """Let stores that the product opens lie on ``disk``.

    ``synchronous`` NORMAL weakens what the product asks for, to show that it matters.  The log is
    copied into the database when it has ``copy_after`` pages, by SQLite's default a thousand.
    """
    driver = SimpleNamespace(
        connect=partial(_Connection, disk.name, synchronous, copy_after),
        sqlite_version=apsw.sqlite_lib_version(),
        sqlite_version_info=tuple(map(int, apsw.sqlite_lib_version().split("."))),
        paramstyle="qmark",
        **{name: getattr(sqlite3, name) for name in _ERRORS},
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("anchor.store.sqlite.create_engine", partial(create_engine, module=driver))
        patched.setattr("anchor.store.acknowledged_log.os", _SideFileCalls(disk))
        yield


class _SideFileCalls:
    """The system calls of the side file, each done and told to a ``Disk``."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def pwrite(self, descriptor: int, data: Any, offset: int) -> int:
        file = self._file_of(descriptor)
        written = os.pwrite(descriptor, data, offset)
        file.pending.append((offset, bytes(data[:written])))
        self._disk.did()
        return written

    def ftruncate(self, descriptor: int, size: int) -> None:
        file = self._file_of(descriptor)
        os.ftruncate(descriptor, size)
        file.pending.append((size, None))
        self._disk.did()

    def fdatasync(self, descriptor: int) -> None:
        file = self._file_of(descriptor)
        os.fdatasync(descriptor)
        file.sync()
        self._disk.did()

    def _file_of(self, descriptor: int) -> _File:
        return self._disk.watch(Path(os.readlink(f"/proc/self/fd/{descriptor}")))


_ERRORS = (
    "Error",
    "Warning",
    "InterfaceError",
    "DatabaseError",
    "DataError",
    "OperationalError",
    "IntegrityError",
    "InternalError",
    "ProgrammingError",
    "NotSupportedError",
)
# As Modules/_sqlite/util.c has it; all others are operational.
_CLASSES = {
    apsw.ConstraintError: sqlite3.IntegrityError,
    apsw.MismatchError: sqlite3.IntegrityError,
    apsw.CorruptError: sqlite3.DatabaseError,
    apsw.NotADBError: sqlite3.DatabaseError,
    apsw.TooBigError: sqlite3.DataError,
    apsw.InternalError: sqlite3.InternalError,
}
# What an error that a test raised does not say.
_WORDS = {apsw.FullError: "database or disk is full", apsw.IOError: "disk I/O error"}


@contextmanager
def _as_sqlite3() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        translated = _CLASSES.get(type(error), sqlite3.OperationalError)(_text(error))
        raise translated from error


def _text(error: apsw.Error) -> str:
    """Return SQLite's own words, without apsw's name of the class before them."""
    return _WORDS.get(type(error)) or str(error).split(": ", 1)[-1]


class _Connection:
    """As much of a PEP 249 connection as SQLAlchemy's SQLite dialect uses."""

    isolation_level: str | None = ""

    def __init__(
        self, vfs: str, synchronous: str, copy_after: int, database: str, **_: Any
    ) -> None:
        with _as_sqlite3():
            self._connection = apsw.Connection(database, vfs=vfs)
            self._connection.wal_autocheckpoint(copy_after)
        self._synchronous = synchronous

    def cursor(self) -> _Cursor:
        return _Cursor(self._connection, self._synchronous)

    def create_function(self, *_arguments: Any, **_named: Any) -> None:
        """Do without SQLAlchemy's REGEXP."""

    def commit(self) -> None:
        self._end("COMMIT")

    def rollback(self) -> None:
        self._end("ROLLBACK")

    def close(self) -> None:
        with _as_sqlite3():
            self._connection.close()

    def _end(self, statement: str) -> None:
        if self._connection.in_transaction:
            with _as_sqlite3():
                self._connection.execute(statement)


class _Cursor:
    arraysize = 1

    def __init__(self, connection: apsw.Connection, synchronous: str) -> None:
        self._connection = connection
        self._synchronous = synchronous
        self._rows: Iterator[Any] = iter(())
        self.description: tuple[Any, ...] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> _Cursor:
        statement = statement.replace("synchronous=FULL", f"synchronous={self._synchronous}")
        before = self._connection.total_changes()
        with _as_sqlite3():
            cursor = self._connection.cursor()
            # Afterwards, of a statement that found no rows, apsw has no description any more.
            cursor.exec_trace = self._describe
            rows = cursor.execute(statement, tuple(parameters)).fetchall()
        self._rows = iter(rows)
        self.rowcount = self._connection.total_changes() - before
        self.lastrowid = self._connection.last_insert_rowid()
        return self

    def executemany(self, statement: str, many: Iterable[Sequence[Any]]) -> _Cursor:
        before = self._connection.total_changes()
        with _as_sqlite3():
            self._connection.executemany(statement, [tuple(parameters) for parameters in many])
        self.rowcount = self._connection.total_changes() - before
        return self

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        return list(itertools.islice(self._rows, size or self.arraysize))

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def close(self) -> None:
        self._rows = iter(())

    def _describe(self, cursor: apsw.Cursor, _statement: str, _bindings: Any) -> bool:
        columns = cursor.get_description()
        self.description = tuple((name, *[None] * 6) for name, _ in columns) or None
        return True
