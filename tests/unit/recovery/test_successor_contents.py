"""A successor's queue: evidence is queued once, however often the succession is continued."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender

from anchor.recovery.successor_contents import enqueue_unplaced
from anchor.store.acknowledged_log import SideFile
from anchor.store.columns import ERASED
from anchor.store.database import create_database
from anchor.store.erasures import erase_rows, find_by_leaves
from anchor.store.evidence import load_all
from anchor.store.location import SqliteFile
from anchor.types import Hash32, Head

NOW = "2026-01-01T00:00:00Z"


def test_erased_evidence_that_waits_is_queued_once(tmp_path: Path) -> None:
    site = MemorySite.copy(
        make_template(tmp_path / "template"),
        tmp_path / "project",
        MemoryChain(recover=read_sender, interval=12),
    )
    site.add("kept", "erased before", "erased later")
    project = site.open()
    head = Head(root=Hash32(bytes(32)), size=0)
    side_file = SideFile(tmp_path / "side")

    def erase(number: int) -> None:
        with project.database.write() as connection:
            leaf = list(load_all(connection))[number].leaf
            erase_rows(connection, find_by_leaves(connection, [leaf]), [(None, NOW)])

    with closing(create_database(SqliteFile(tmp_path / "next.db"))) as successor:
        erase(1)
        assert enqueue_unplaced(project, successor, head, side_file) == 3
        erase(2)
        assert enqueue_unplaced(project, successor, head, side_file) == 3
        with successor.read() as connection:
            sources = [piece.source == ERASED for piece in load_all(connection)]
    assert sources == [False, True, True]
