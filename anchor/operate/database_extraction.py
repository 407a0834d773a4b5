"""Database extracts: queries of one snapshot become files in a new folder, and one record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from anchor.base.canonical import JsonValue, encode_canonical
from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.base.system.new_folder import create_folder
from anchor.collection.machine_environment import clean_text
from anchor.evidence.discovery import SourceFile
from anchor.evidence.extract_group import DatabaseExtract, QueryExtract
from anchor.evidence.group_members import build_group
from anchor.evidence.record_groups import RecordGroups
from anchor.extraction.database_snapshot import DatabaseSnapshot
from anchor.extraction.extract_query import ExtractQuery
from anchor.extraction.extract_tables import ExtractLimits, write_tables
from anchor.extraction.sqlite_snapshot import open_sqlite
from anchor.operate.evidence_collection import CollectionResult, collect_bundle
from anchor.operate.recent_block import NameBlock, name_no_block
from anchor.project.project import OpenProject
from anchor.store.location import (
    PostgresDatabase,
    SqliteFile,
    StoreLocation,
    holds_password,
    parse_location,
)

SCHEMA = "anchor-database-extract/1"
DESCRIPTION = "extract.json"
MANIFEST = "manifest-sha256.txt"
# The members of the record's group; the description in the folder has all that was observed.
_IN_RECORD = ("system", "version", "database", "server", "user", "isolation", "transaction_mode")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """An extract in its folder; ``names`` are those of its files."""

    group: DatabaseExtract
    names: Sequence[str]


def parse_database(text: str) -> StoreLocation:
    """Parse ``postgresql://USER@HOST/DATABASE`` or ``sqlite:///PATH``.

    Raises:
        UsageError: The URL names another kind of database, is malformed, or holds a password.
    """
    scheme, _, path = text.partition(":///")
    if scheme == "sqlite" and path:
        return SqliteFile(Path(path))
    if "://" not in text:
        raise UsageError(Message("extract-url-malformed"))
    if holds_password(text):
        raise UsageError(Message("extract-url-password"), hint=Message("extract-url-password-hint"))
    return parse_location(text, Path())


def spell_database(location: StoreLocation) -> str:
    """Return the URL of a database without any password."""
    return f"sqlite:///{location}" if isinstance(location, SqliteFile) else str(location)


def collect_extract(
    project: OpenProject,
    database: StoreLocation,
    queries: Sequence[ExtractQuery],
    groups: RecordGroups,
    *,
    folder: Path,
    limits: ExtractLimits,
    executor: Executor,
    name_block: NameBlock = name_no_block,
    on_done: Callable[[int, int], None] | None = None,
) -> CollectionResult:
    """Extract the rows into a new folder, and record its manifest.

    Raises:
        UsageError: The database refuses a query, or the rows are too many; nothing was written.
        CannotCheckError: The database cannot be reached, or the connection is lost; nothing was
            written.
        StorageError: The disk is full or fails; nothing was written.
    """
    name_block()  # so that a node that does not tell leaves nothing behind
    extract = write_extract(database, queries, folder, limits)
    # A crash here leaves a complete folder without a record; `anchor collect --bundle` makes one.
    sources = [SourceFile(path=folder / name, name=name) for name in extract.names]
    return collect_bundle(
        project,
        sources,
        groups.model_copy(update={"extract": extract.group}),
        manifest=folder / MANIFEST,
        executor=executor,
        kind="database-extract",
        name_block=name_block,
        on_done=on_done,
    )


def write_extract(
    database: StoreLocation, queries: Sequence[ExtractQuery], folder: Path, limits: ExtractLimits
) -> Extract:
    """Write the rows and the description of an extract to a new folder, all of it or nothing."""
    opened = _choose_snapshot(database)
    with create_folder(folder) as partial_folder, opened() as snapshot:
        started_at, database_started_at = utc_now(), snapshot.read_clock()
        documents = [_extract_query(snapshot, each, partial_folder, limits) for each in queries]
        snapshot.check_end()
        members: dict[str, Any] = {
            "started_at": started_at,
            "ended_at": utc_now(),
            "database_started_at": database_started_at,
            "database_ended_at": snapshot.read_clock(),
            "url": clean_text(spell_database(database)),
        }
        members = {name: value for name, value in members.items() if value is not None}
        observed = snapshot.describe()
        description: dict[str, JsonValue] = {
            "schema": SCHEMA,
            **members,
            "database": dict(observed),
            "queries": list(documents),
            "software": {
                "anchor-evidence": version("anchor-evidence"),
                "pyarrow": version("pyarrow"),
            },
        }
        encoded = encode_canonical(description, subject=DESCRIPTION)
        (partial_folder / DESCRIPTION).write_bytes(encoded)
        names = sorted(path.name for path in partial_folder.iterdir())
    described = {name: clean_text(observed[name]) for name in _IN_RECORD if name in observed}
    asked = [
        build_group(QueryExtract, {name: each[name] for name in ("name", "sha256", "rows")})
        for each in documents
    ]
    group = build_group(DatabaseExtract, {**members, **described, "queries": asked})
    return Extract(group=group, names=names)


def _choose_snapshot(
    database: StoreLocation,
) -> Callable[[], AbstractContextManager[DatabaseSnapshot]]:
    """Return how to open the database."""
    needed = ["pyarrow", "psycopg"] if isinstance(database, PostgresDatabase) else ["pyarrow"]
    for package in needed:
        if find_spec(package) is None:
            message = Message("extract-package-missing", package=package)
            raise UsageError(message, hint=Message("extract-package-missing-hint"))
    if isinstance(database, SqliteFile):
        return partial(open_sqlite, database.path)
    from anchor.extraction.postgresql_snapshot import open_postgresql

    return partial(open_postgresql, database)


def _extract_query(
    snapshot: DatabaseSnapshot, query: ExtractQuery, folder: Path, limits: ExtractLimits
) -> dict[str, JsonValue]:
    """Write the rows of a query and its text; return its description."""
    files = {
        "query": f"{query.name}.sql",
        "parquet": f"{query.name}.parquet",
        "csv": f"{query.name}.csv",
    }
    (folder / files["query"]).write_bytes(query.data)
    times: dict[str, str | None] = {
        "started_at": utc_now(),
        "database_started_at": snapshot.read_clock(),
    }
    with snapshot.run(query.text) as result:
        rows = write_tables(result, folder / files["parquet"], folder / files["csv"], limits)
    times |= {"ended_at": utc_now(), "database_ended_at": snapshot.read_clock()}
    return {
        "name": query.name,
        "sha256": hashlib.sha256(query.data).hexdigest(),
        "rows": rows,
        "columns": [column.describe() for column in result.columns],
        "files": dict(files),
        **{name: time for name, time in times.items() if time is not None},
    }
