"""Looking into the log: what is shown was verified, and nothing that is not so can be shown."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.grown_logs import grow_log
from support.memory_projects import MemorySite
from support.store_contents import alter_piece, load_pieces

from anchor.base.errors import AnchorError, ChainGuardError, UsageError
from anchor.base.system.clock import utc_now
from anchor.base.types import Hash32
from anchor.log.merkle import hash_node, verify_consistency, verify_inclusion
from anchor.log.tree import HASH, Tree
from anchor.monitor.log_lookup import (
    locate_leaf,
    parse_index,
    parse_leaf,
    prove_consistency,
    search_leaf,
)
from anchor.project.project import OpenProject
from anchor.store.location import SqliteFile
from anchor.store.runs import load_leaves
from anchor.store.sealing import seal

SIZES = [3, 4, 304, 306, 600]
SEALED = 605


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> MemorySite:
    """Five anchors, the last one reversible, and a head that is only sealed."""
    site = grow_log(tmp_path_factory.mktemp("grown"), [3, 1, 300, 2, 294])
    site.add(*(f"late {number}" for number in range(SEALED - 600)))
    project = site.open()
    with project.database.hold_lease():
        seal(project.database, utc_now())
    project.database.close()
    return site


@pytest.fixture(scope="module")
def project(grown: MemorySite) -> Iterator[OpenProject]:
    project = grown.open()
    yield project
    project.database.close()


@pytest.fixture(scope="module")
def tree(project: OpenProject) -> Tree:
    with project.database.read() as connection:
        return Tree(load_leaves(connection, 0, SEALED))


def leaf_of(tree: Tree, index: int) -> Hash32:
    return tree.node(0, index)


@settings(max_examples=examples(150))
@given(index=st.integers(0, SEALED - 1))
def test_a_leafs_path_is_that_of_the_first_head_that_holds_it(
    index: int, project: OpenProject, tree: Tree
) -> None:
    place = locate_leaf(project, index)
    size = next(size for size in (*SIZES, SEALED) if size > index)
    assert (place.head.size, place.head.root) == (size, tree.root(size))
    assert place.leaf == leaf_of(tree, index)
    assert (place.anchored is None) == (size == SEALED)
    if place.anchored is not None:
        assert place.anchored.head == place.head
        assert place.anchored.final == (size != 600)
    verify_inclusion(
        leaf=place.leaf,
        index=index,
        size=size,
        path=[step.sibling for step in place.steps],
        root=place.head.root,
    )
    node = place.leaf
    for step in place.steps:
        pair = (step.sibling, node) if step.sibling_is_left else (node, step.sibling)
        node = hash_node(*pair)
        assert node == step.node
    assert node == place.head.root


@pytest.mark.parametrize("old", SIZES)
@pytest.mark.parametrize("new", [*SIZES, SEALED])
def test_two_heads_are_proven_to_belong_together(
    old: int, new: int, project: OpenProject, tree: Tree
) -> None:
    if old >= new:
        with pytest.raises(UsageError, match="must be smaller"):
            prove_consistency(project, old, new)
        return
    extension = prove_consistency(project, old, new)
    verify_consistency(
        old_size=old,
        old_root=tree.root(old),
        new_size=new,
        new_root=tree.root(new),
        proof=extension.proof,
    )


@pytest.mark.parametrize(("old", "new"), [(3, 5), (2, 4), (1, 10**9), (10**14, 10**15), (0, 4)])
def test_a_size_that_is_no_heads_is_refused(old: int, new: int, project: OpenProject) -> None:
    with pytest.raises(UsageError, match="no head of this log has"):
        prove_consistency(project, old, new)


@pytest.mark.parametrize("index", [-1, SEALED, 10**9, 2**48, 10**15 - 1])
def test_an_index_that_the_log_has_not_is_refused(index: int, project: OpenProject) -> None:
    with pytest.raises(UsageError, match=f"no leaf {index}"):
        locate_leaf(project, index)


@settings(max_examples=examples(60))
@given(index=st.integers(0, SEALED - 1))
def test_a_leaf_is_found_by_its_hash(index: int, project: OpenProject, tree: Tree) -> None:
    assert search_leaf(project, leaf_of(tree, index)) == index


def test_a_hash_that_only_lies_across_two_leaves_is_not_found(
    project: OpenProject, tree: Tree
) -> None:
    for index in (0, 255, 300, SEALED - 2):
        both = leaf_of(tree, index) + leaf_of(tree, index + 1)
        for shift in (1, 16, HASH - 1):
            with pytest.raises(UsageError, match="no leaf with the hash"):
                search_leaf(project, Hash32(both[shift : shift + HASH]))


def test_what_waits_has_no_place_in_the_log(tmp_path: Path) -> None:
    site = grow_log(tmp_path, [3])
    site.add("late")
    project = site.open()
    with project.database.read() as connection:
        waiting = Hash32(load_leaves(connection, 3, 4))
    with pytest.raises(UsageError, match="no leaf with the hash"):
        search_leaf(project, waiting)
    project.database.close()


def test_in_an_empty_log_there_is_nothing(tmp_path: Path) -> None:
    site = grow_log(tmp_path, [])
    project = site.open()
    with pytest.raises(UsageError, match="no leaf with the hash"):
        search_leaf(project, Hash32(bytes(HASH)))
    with pytest.raises(UsageError):
        locate_leaf(project, 0)
    with pytest.raises(UsageError):
        prove_consistency(project, 1, 2)
    project.database.close()


@pytest.mark.parametrize(
    ("text", "index"),
    [("0", 0), ("12", 12), ("007", 7), ("9" * 15, 10**15 - 1)]
    + [(text, None) for text in ("", "-1", "+1", "1.0", "٣", "1e3", " 1", "9" * 16, "0x1", "1_0")],
)
def test_an_index_is_digits_and_nothing_else(text: str, index: int | None) -> None:
    assert parse_index(text) == index


@pytest.mark.parametrize(
    ("text", "is_leaf"),
    [("ab" * 32, True), ("AB" * 32, True), ("ab" * 31, False), ("ab" * 33, False),
     ("0x" + "ab" * 31, False), ("zz" * 32, False), ("", False), ("１" * 64, False)],
)  # fmt: skip
def test_a_leaf_hash_is_64_hex_digits(text: str, is_leaf: bool) -> None:
    assert (parse_leaf(text) is not None) == is_leaf


@pytest.fixture
def copy(grown: MemorySite, tmp_path: Path) -> Iterator[OpenProject]:
    """A copy of that log, to damage."""
    locate = grown.open()
    locate_leaf(locate, 0)  # so that all tiles are there
    locate.database.close()
    folder = tmp_path / "copy"
    shutil.copytree(grown.config.folder, folder)
    config = replace(
        grown.config, folder=folder, store=SqliteFile(folder / "anchor.db"), tiles=folder / "tiles"
    )
    project = MemorySite(grown.chain, config).open()
    yield project
    project.database.close()


@pytest.mark.parametrize("byte", [0, 31, 32 * 7, 32 * 255])
def test_a_tile_that_was_altered_leads_to_no_path(byte: int, copy: OpenProject) -> None:
    tile = copy.tiles.folder / "tile/0/000"
    data = bytearray(tile.read_bytes())
    data[byte] ^= 1
    tile.write_bytes(data)
    with pytest.raises(ChainGuardError):
        locate_leaf(copy, 10)
    with pytest.raises(ChainGuardError):
        prove_consistency(copy, 3, 600)


def test_a_leaf_that_was_altered_in_the_store_leads_to_no_path(copy: OpenProject) -> None:
    with copy.database.write() as connection:
        assert load_pieces(connection)[7].leaf_index == 7
        alter_piece(connection, 7, leaf=bytes(32))
    with pytest.raises(ChainGuardError, match="path of leaf 7 does not lead"):
        locate_leaf(copy, 7)
    assert locate_leaf(copy, 8).index == 8


def test_a_root_that_was_altered_in_the_store_leads_to_no_proof(copy: OpenProject) -> None:
    with copy.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE heads SET root = x'{'11' * 32}' WHERE size = 306")
    for look in (
        lambda: prove_consistency(copy, 304, 306),
        lambda: prove_consistency(copy, 306, 600),
        lambda: locate_leaf(copy, 305),
    ):
        with pytest.raises(ChainGuardError):
            look()


def test_a_missing_tile_is_told_and_not_guessed(copy: OpenProject) -> None:
    shutil.rmtree(copy.tiles.folder / "tile/0")
    with pytest.raises(AnchorError, match="is missing"):
        locate_leaf(copy, 1)
