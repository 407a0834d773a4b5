"""Stores that are lost or go back to a backup, and logs that have to go on all the same."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from support.nodes import ask
from support.projects import Site, reading

from anchor.operate.finality import refresh_anchors
from anchor.recovery.chain_audit import audit_chain
from anchor.recovery.store_audit import audit_project
from anchor.store.heads import load_anchors


def back_up(site: Site, place: Path) -> Path:
    """Copy the store as its documentation says."""
    with (
        closing(sqlite3.connect(site.folder / "anchor.db")) as store,
        closing(sqlite3.connect(place)) as copy,
    ):
        store.backup(copy)
    return place


def sql(site: Site, *statements: str) -> None:
    """Change the store behind the program's back."""
    with closing(sqlite3.connect(site.folder / "anchor.db")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def lose_store(site: Site) -> None:
    for path in site.folder.glob("anchor.db*"):
        path.unlink()


def put_back(site: Site, backup: Path) -> None:
    lose_store(site)
    shutil.copy(backup, site.folder / "anchor.db")


def anchor_final(site: Site, *names: str) -> None:
    """Take in evidence of these names and anchor it until it is final."""
    for name in names:
        site.add(name, name.encode())
    site.anchor()
    ask(site.url, "anvil_mine", "0x4")
    with site.open() as project, reading(site.url) as node:
        refresh_anchors(project, node)
        with project.database.read() as connection:
            assert all(anchor.final for anchor in load_anchors(connection, project.config.chain_id))


def check_log_goes_on(site: Site, name: str) -> None:
    """Anchor one more piece of evidence, and see that nothing is amiss."""
    site.run("audit").expect(0, "no problems found")
    before = site.anchors_on_chain()
    anchor_final(site, name)
    anchors = site.anchors_on_chain()
    assert anchors[:-1] == before
    assert [sequence for _, sequence in anchors] == list(range(1, len(anchors) + 1))
    assert site.head_on_chain() == site.heads()[-1][1]
    with site.open() as project, reading(site.url) as node:
        assert audit_project(project).breaches == audit_chain(project, node).breaches == ()
    site.run("prove", name).expect(0)
    site.run("verify", name).expect(0)
