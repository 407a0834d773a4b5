"""Sealing: the leaves that a seal has read make its tiles."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender

from anchor.store import sealing
from anchor.store.sealing import open_tree, seal, write_tiles
from anchor.store.tile_folder import TileFolder


@pytest.mark.parametrize("is_behind", [False, True])
def test_the_tiles_of_a_seal_are_made_of_the_leaves_it_has_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_behind: bool
) -> None:
    site = MemorySite.copy(
        make_template(tmp_path / "template"),
        tmp_path / "project",
        MemoryChain(recover=read_sender, interval=12),
    )
    monkeypatch.setattr(sealing, "CHUNK", 4)
    project = site.open()
    site.add("first", "second")
    with project.database.hold_lease():
        seal(project.database, "2026-01-01T00:00:00Z", None if is_behind else project.tiles)
    site.add(*(f"piece {number}" for number in range(7)))
    read = sealing.load_leaves
    ranges: list[tuple[int, int]] = []
    monkeypatch.setattr(
        sealing,
        "load_leaves",
        lambda connection, start, end: ranges.append((start, end)) or read(connection, start, end),
    )
    with project.database.hold_lease():
        sealed = seal(project.database, "2026-01-01T00:00:01Z", project.tiles)
    assert sealed is not None and sealed[1] == 7
    # What an earlier seal left is read: nobody has it in memory any more.
    assert ranges == ([(0, 2)] if is_behind else [])
    again = TileFolder(tmp_path / "again")
    write_tiles(project.database, again)
    for tree in (
        open_tree(project.database, folder, sealed[0]) for folder in (project.tiles, again)
    ):
        assert len(tree.inclusion_path(8, 9)) == 1
    tiles = dict(again.list_tiles())
    assert tiles == dict(project.tiles.list_tiles())
    for tile in filter(None, tiles.values()):
        assert project.tiles.read(tile) == again.read(tile)
    project.database.close()
