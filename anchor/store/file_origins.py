"""Sources of evidence: its tenant, or the file that it was accepted from."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby

from sqlalchemy import Connection

from anchor.base.digests import Digests
from anchor.store.runs import load_runs

_CREATE = "CREATE TABLE files (source TEXT, number INTEGER, sha256 BLOB, sm3 BLOB)"
_INSERT = "INSERT INTO files VALUES (?, ?, ?, ?)"
_SORTED = "SELECT source, sha256, sm3 FROM files ORDER BY source, number"


def tenant_of(source: str) -> str | None:
    """Return the tenant named in a source; None if the evidence was not accepted by the service."""
    label, slash, _ = source.partition("/")
    return label.removeprefix("tenant:") if slash and label.startswith("tenant:") else None


def is_file(source: str) -> bool:
    """Return whether a source is a file; any other source is a label."""
    return source.startswith("/")


def load_files(connection: Connection) -> Iterator[tuple[str, list[Digests]]]:
    """Return each absolute path with the digests of all evidence accepted from it, sorted by path.

    They are read now and sorted in a temporary file, which may need 100 bytes and the path for each
    piece; the connection is not used later.
    """
    # An empty name makes a temporary file, which SQLite removes with the connection.
    files = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    files.execute(_CREATE)
    for run in load_runs(connection):
        places = [at for at in range(run.pieces) if run.has_digest(at)]
        rows = (
            (run.source(at), run.first + at, run.digest(at), run.sm3_digest(at)) for at in places
        )
        files.executemany(_INSERT, (row for row in rows if is_file(row[0])))
    return _sort_files(files)


def _sort_files(files: sqlite3.Connection) -> Iterator[tuple[str, list[Digests]]]:
    with closing(files):
        for source, group in groupby(files.execute(_SORTED), key=lambda row: str(row[0])):
            yield source, [Digests(sha256=row[1], sm3=row[2], size=None) for row in group]
