"""A store or a backup of another schema is refused, and left as it is."""

from __future__ import annotations

import hashlib
import itertools
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.projects import Site, ask_store, make_site
from support.stores import damage

import anchor
from anchor.chain.devnet import Devnet
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.schema import metadata

_numbers = itertools.count(8_000)

OLDER = "made before version 0.1.0: upgrade it once with the code of the git commit 2e65ec2adf88"
NEWER = "this release works with 0018"
SCHEMAS = [("0017", OLDER), ("9999", NEWER)]
each_schema = pytest.mark.parametrize(("schema", "said"), SCHEMAS, ids=[it for it, _ in SCHEMAS])


@pytest.fixture
def site(tmp_path: Path, embedded: Devnet, location: StoreLocation) -> Site:
    made = make_site(tmp_path / "project", embedded, number=next(_numbers), store=location)
    made.add("a", b"a")
    return made


def set_schema(location: StoreLocation, schema: str) -> None:
    damage(location, f"UPDATE alembic_version SET version_num = '{schema}'")


def read_files(folder: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(".lock")
    }


def read_everything(site: Site, location: StoreLocation) -> object:
    """Return the project's files; and each row with the transaction that wrote it."""
    files = read_files(site.folder)
    if isinstance(location, SqliteFile):
        return files | read_files(location.path.parent)
    rows: dict[str, list[Any]] = {
        name: ask_store(location, f'SELECT xmin, ctid, * FROM "{name}"')
        for name in ("alembic_version", *metadata.tables)
    }
    return files, rows


@pytest.mark.fault(
    "F18",
    how="commands, service and library open a store of an older and of a newer schema",
    then="they end with 22 and say what to use; no byte of the store is changed",
)
@each_schema
def test_a_store_of_another_schema_is_refused_and_left_as_it_is(
    site: Site, location: StoreLocation, schema: str, said: str
) -> None:
    set_schema(location, schema)
    before = read_everything(site, location)
    for words in (("status",), ("add", "anchor.toml"), ("run", "--once"), ("serve",),
                  ("audit", "--offline"), ("backup", "b"), ("prove", "--all")):  # fmt: skip
        site.run(*words).refused(22, f"has schema {schema}", said)
    if isinstance(location, SqliteFile):
        for option in ("--replace", "--salvage"):
            site.run("restore", "--replace", option).refused(22, f"has schema {schema}", said)
    site.run("doctor").expect(22, f"has schema {schema}", said)
    with pytest.raises(anchor.UnknownVersionError, match=said) as refused:
        anchor.Project.open(site.folder)
    assert refused.value.exit_code == 22
    assert read_everything(site, location) == before


@pytest.mark.fault(
    "F18",
    how="a backup of an older and of a newer schema is checked and restored",
    then="it is refused (22) and left as it is, and no store is made of it",
)
@each_schema
def test_a_backup_of_another_schema_is_refused_and_left_as_it_is(
    site: Site, location: StoreLocation, tmp_path: Path, schema: str, said: str
) -> None:
    folder = tmp_path / "backup"
    site.run("backup", folder).expect(0)
    store = folder / "store.db"
    set_schema(SqliteFile(store), schema)
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    document = json.loads((folder / "backup.json").read_bytes())
    data = store.read_bytes()
    document["schema"] = schema
    document["files"]["store.db"] = {
        "size": len(data), "sha256": hashlib.sha256(data).hexdigest()
    }  # fmt: skip
    (folder / "backup.json").write_text(json.dumps(document), "ascii")
    before = read_files(folder)
    site.run("backup", "--check", folder).refused(22, f"{store} has schema {schema}", said)
    if isinstance(location, SqliteFile):
        location.path.unlink()
        site.run("restore", "--backup", folder).refused(22, f"{store} has schema {schema}", said)
        assert not location.path.exists()
    assert read_files(folder) == before
