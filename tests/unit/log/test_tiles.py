"""Tiles: their names, which there are, how they grow, and what a bent one does."""

from __future__ import annotations

import os
import resource
import stat
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from anchor.base.errors import ChainGuardError, MismatchError, StorageError, UsageError
from anchor.base.system.durable_files import write_file, write_files
from anchor.base.types import MAX_LOG_SIZE, Hash32, Head
from anchor.log.merkle import hash_leaf, hash_node, verify_consistency, verify_inclusion
from anchor.log.tiles import (
    Tile,
    TileBuilder,
    TileTree,
    append_leaves,
    parse_tile_path,
    right_tiles,
    tiles_of,
)
from anchor.log.tree import RightEdge, Tree
from anchor.store.tile_folder import TileFolder

# Three levels of tiles, the lower two with full and partial ones.
SIZE = 3 * 256 * 256 + 5 * 256 + 7
LEAVES = b"".join(hash_leaf(index.to_bytes(4, "big")) for index in range(SIZE))
TREE = Tree(LEAVES)
# Where a level's last tile is whole, empty or has one hash.
EDGES = [1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_792, 131_072, SIZE]


def expected(tile: Tile) -> bytes:
    first = tile.number * 256
    return b"".join(TREE.node(8 * tile.level, first + at) for at in range(tile.width))


def head(size: int) -> Head:
    return Head(root=TREE.root(size), size=size)


def split_path(path: bytes) -> list[Hash32]:
    return [Hash32(path[at : at + 32]) for at in range(0, len(path), 32)]


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        # The examples of C2SP's tlog-tiles.
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1_234_067), "tile/0/x001/x234/067"),
        (Tile(0, 273, 112), "tile/0/273.p/112"),
        (Tile(1, 1, 17), "tile/1/001.p/17"),
        (Tile(2, 0, 1), "tile/2/000.p/1"),
        (Tile(5, 999_999), "tile/5/x999/999"),
        (Tile(0, 1_000), "tile/0/x001/000"),
        (Tile(0, 1_000_000, 255), "tile/0/x001/x000/000.p/255"),
    ],
)
def test_a_tile_has_the_name_that_c2sp_gives_it(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert parse_tile_path(path) == tile


@pytest.mark.parametrize(
    "path",
    ["", "tile/0", "tile/0/0", "tile/0/00", "tile/00/000", "tile/6/000", "tile/-1/000",
     "tile/0/x000/001", "tile/0/001/001", "tile/0/x001", "tile/0/000.p/0", "tile/0/000.p/256",
     "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p", "/tile/0/000", "tile/0/000/",
     "tile/0/000\n", "tile/0/٠٠٠", "TILE/0/000", "tile/0/x001/x2/003", "tile/entries/000"],
)  # fmt: skip
def test_any_other_spelling_is_no_tile(path: str) -> None:
    assert parse_tile_path(path) is None


@settings(max_examples=examples(300))
@given(st.integers(0, 5), st.integers(0, 2**40), st.integers(1, 256))
def test_every_name_reads_back(level: int, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert parse_tile_path(tile.path) == tile


def test_the_tiles_of_c2sps_example() -> None:
    # tlog-tiles: "a tree of size 70,000" has 273 full tiles and one partial of 112 on level 0,
    # one full and one partial of 17 on level 1, and one partial of 1 on level 2.
    found = [tile.path for tile in tiles_of(70_000)]
    assert found[:2] == ["tile/0/000", "tile/0/001"]
    assert found[272:] == [
        "tile/0/272", "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1",
    ]  # fmt: skip
    assert [tile.path for tile in right_tiles(70_000)] == [
        "tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1",
    ]  # fmt: skip


@settings(max_examples=examples(200))
@given(st.integers(0, 200_000), st.integers(0, 200_000))
def test_what_is_new_is_what_the_smaller_log_does_not_have(one: int, other: int) -> None:
    after, size = sorted((one, other))
    assert set(tiles_of(size, after=after)) == set(tiles_of(size)) - set(tiles_of(after))


@settings(max_examples=examples(15))
@given(st.lists(st.sampled_from([0, 1, 2, 100, 255, 256, 257, 40_000, 65_536]), max_size=8))
def test_batches_of_any_size_grow_the_same_tiles(batches: list[int]) -> None:
    tiles: dict[Tile, bytes] = {}
    edge = RightEdge()
    for count in batches:
        old_size = edge.size
        grown = append_leaves(edge, LEAVES[32 * old_size :][: 32 * count], tiles.__getitem__)
        assert [tile for tile, _ in grown] == list(tiles_of(edge.size, after=old_size))
        tiles.update(grown)
    assert all(tiles[tile] == expected(tile) for tile in tiles_of(edge.size))


@pytest.mark.parametrize(
    "batches", [[255, 1], [256, 1], [65_535, 1, 1], [300, 65_236, 1], [0, 1, 70_000]]
)
def test_a_builder_gives_each_tile_when_it_is_full_and_keeps_the_unfinished(
    batches: list[int],
) -> None:
    builder = TileBuilder()
    full: list[tuple[Tile, bytes]] = []
    for count in batches:
        full += builder.add(LEAVES[32 * builder.edge.size :][: 32 * count])
        size = builder.edge.size
        assert sorted(tile for tile, _ in full) == [t for t in tiles_of(size) if t.is_full]
        assert [tile for tile, _ in builder.unfinished()] == right_tiles(size)
    assert all(data == expected(tile) for tile, data in full + builder.unfinished())


# A log of equal leaves has one node at each height, so that none is too large to test with.
EQUAL = [hash_leaf(b"")]
while len(EQUAL) < MAX_LOG_SIZE.bit_length():
    EQUAL.append(hash_node(EQUAL[-1], EQUAL[-1]))


@pytest.mark.parametrize("size", [2**40, 2**40 + 1, MAX_LOG_SIZE])
def test_the_largest_logs_have_tiles_up_to_the_sixth_level(size: int) -> None:
    def equal(tile: Tile) -> bytes:
        return EQUAL[8 * tile.level] * tile.width

    before = size - 1
    edge = RightEdge(
        before, [EQUAL[height] for height in range(47, -1, -1) if before >> height & 1]
    )
    grown = append_leaves(edge, EQUAL[0], equal)
    assert grown == [(tile, equal(tile)) for tile in tiles_of(size, after=before)]
    assert right_tiles(size)[-1] == Tile(5, 0, size >> 40)
    tree = TileTree(Head(root=edge.root(), size=size), equal)
    for index in (0, size // 3, size - 1):
        path = tree.inclusion_path(index, size)
        verify_inclusion(leaf=EQUAL[0], index=index, size=size, path=path, root=edge.root())


def test_growth_reads_the_right_edge_alone() -> None:
    read: list[Tile] = []

    def reader(tile: Tile) -> bytes:
        read.append(tile)
        return expected(tile)

    size = SIZE - 300
    edge = RightEdge()
    edge.extend(LEAVES[: 32 * size])
    append_leaves(edge, LEAVES[32 * size :], reader)
    assert read == right_tiles(size)[:2], "the third level gets nothing new"


def test_a_right_edge_that_was_altered_is_not_built_on() -> None:
    size = 65_536 + 256 + 3
    for bent in right_tiles(size):
        edge = RightEdge()
        edge.extend(LEAVES[: 32 * size])

        def reader(tile: Tile, bent: Tile = bent) -> bytes:
            return flip(expected(tile), 9) if tile == bent else expected(tile)

        with pytest.raises(MismatchError, match=f"{bent.path} does not match the log's right edge"):
            append_leaves(edge, LEAVES[32 * size : 32 * 140_000], reader)
        assert edge.size == size, "nothing was appended"


@pytest.mark.parametrize("size", EDGES)
def test_every_root_and_proof_from_tiles_is_the_trees_own(size: int) -> None:
    tree = TileTree(head(size), expected)
    for index in sorted({0, 1, 254, 255, 256, 65_535, size // 2, size - 2, size - 1}):
        if 0 <= index < size:
            path = tree.inclusion_path(index, size)
            assert path == TREE.inclusion_path(index, size)
            leaf = Hash32(LEAVES[32 * index : 32 * index + 32])
            verify_inclusion(leaf=leaf, index=index, size=size, path=path, root=TREE.root(size))
    for old_size in EDGES:
        if old_size < size:
            assert tree.root(old_size) == TREE.root(old_size)
            proof = tree.consistency_proof(old_size, size)
            assert proof == TREE.consistency_proof(old_size, size)
            verify_consistency(
                old_size=old_size, old_root=TREE.root(old_size),
                new_size=size, new_root=TREE.root(size), proof=proof,
            )  # fmt: skip


def test_bulk_paths_from_tiles_are_the_trees_own() -> None:
    size = 65_536 + 700
    tree = TileTree(head(size), expected)
    found = list(tree.inclusion_paths(65_000, size, size))
    assert [split_path(path) for path in found] == [
        TREE.inclusion_path(index, size) for index in range(65_000, size)
    ]


def test_a_block_has_its_nodes_of_every_height_up_to_its_root() -> None:
    for tree in (TREE, TileTree(head(SIZE), expected)):
        assert list(tree.block(3)) == [
            b"".join(TREE.node(height, at) for at in range(3 << 8 - height, 4 << 8 - height))
            for height in range(9)
        ]


def test_full_tiles_in_use_are_read_once_and_only_so_many_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("anchor.log.tiles._CACHED_TILES", 2)
    read: list[Tile] = []

    def reader(tile: Tile) -> bytes:
        read.append(tile)
        return expected(tile)

    tree = TileTree(head(1024), reader)
    for number in (0, 1, 0, 2, 0, 1):
        tree.block(number)
    assert read == [Tile(1, 0, 4), *(Tile(0, number) for number in (0, 1, 2, 1))]


def flip(data: bytes, bit: int) -> bytes:
    bent = bytearray(data)
    bent[bit // 8] ^= 1 << bit % 8
    return bytes(bent)


@settings(max_examples=examples(200))
@given(st.data())
def test_a_flipped_bit_in_any_tile_is_found_by_name(data: st.DataObject) -> None:
    size = data.draw(st.sampled_from([s for s in EDGES if s > 256]), label="size")
    tile = data.draw(st.sampled_from(list(tiles_of(size))), label="tile")
    bit = data.draw(st.integers(0, 256 * tile.width - 1), label="bit")

    def reader(asked: Tile) -> bytes:
        return flip(expected(asked), bit) if asked == tile else expected(asked)

    with pytest.raises(MismatchError, match=tile.path.replace(".", r"\.")):
        opened = TileTree(head(size), reader)
        # Any leaf below that tile.
        opened.inclusion_path(tile.number << 8 * (tile.level + 1), size)


def test_an_altered_tile_is_refused_whatever_is_asked_of_it_and_however_often() -> None:
    altered = Tile(0, 1)
    tree = TileTree(
        head(512), lambda tile: flip(expected(tile), 9) if tile == altered else expected(tile)
    )
    for _ in range(2):
        for ask in (
            partial(tree.tile, altered),
            partial(tree.block, 1),
            partial(tree.node, 0, 300),
        ):
            with pytest.raises(MismatchError, match="tile/0/001 does not match the tile above it"):
                ask()


@pytest.mark.parametrize("length", [0, 31, 32 * 255, 32 * 257])
def test_a_tile_of_the_wrong_length_is_refused(length: int) -> None:
    size = 65_536
    tree = TileTree(head(size), lambda tile: bytes(length) if not tile.level else expected(tile))
    with pytest.raises(MismatchError, match="tile/0/000 has"):
        tree.inclusion_path(0, size)


def test_tiles_of_another_log_do_not_open() -> None:
    with pytest.raises(MismatchError, match="do not lead to the root of size 700"):
        TileTree(Head(root=TREE.root(701), size=700), expected)


# In a folder


def fill(folder: TileFolder, sizes: list[int]) -> None:
    edge = RightEdge()
    for size in sizes:
        folder.write(append_leaves(edge, LEAVES[32 * edge.size : 32 * size], folder.read))
        folder.write_size(size)


def test_a_folder_holds_the_tiles_of_its_size_and_nothing_else(tmp_path: Path) -> None:
    folder = TileFolder(tmp_path / "tiles")
    assert folder.size == 0
    fill(folder, [3, 300, 511, 512, 70_000])
    assert folder.size == 70_000
    assert {tile for _, tile in folder.list_tiles()} == set(tiles_of(70_000))
    for tile in tiles_of(70_000):
        assert (folder.folder / tile.path).read_bytes() == expected(tile) == folder.read(tile)
    assert not list(tmp_path.rglob("*.tmp"))


def test_the_trees_of_older_heads_are_read_from_the_tiles_of_newer_ones(tmp_path: Path) -> None:
    folder = TileFolder(tmp_path)
    fill(folder, [3, 300, 66_000, 70_000, 70_010])
    for size in (3, 300, 66_000, 70_000, 70_010):
        assert TileTree(head(size), folder.read).inclusion_path(size - 1, size) == (
            TREE.inclusion_path(size - 1, size)
        )


def test_a_missing_tile_is_named(tmp_path: Path) -> None:
    folder = TileFolder(tmp_path)
    fill(folder, [70_000])
    (tmp_path / "tile/0/x000").mkdir()
    (tmp_path / "tile/0/005").unlink()
    with pytest.raises(ChainGuardError, match="tile/0/005 is missing"):
        TileTree(head(70_000), folder.read).inclusion_path(5 * 256, 70_000)


def test_a_partial_tile_is_read_from_its_own_file_or_from_the_next_wider_one(
    tmp_path: Path,
) -> None:
    folder, wanted = TileFolder(tmp_path), Tile(0, 0, 3)
    (tmp_path / "tile/0/000.p").mkdir(parents=True)
    (tmp_path / "tile/0/000.p/2").write_bytes(b"2" * 64)
    with pytest.raises(ChainGuardError, match=r"tile/0/000\.p/3 is missing"):
        folder.read(wanted)
    best_first = (3, 256, 4, 5)
    for width in best_first:
        (tmp_path / Tile(0, 0, width).path).write_bytes(bytes([width % 256]) * 32 * width)
    for width in best_first:
        assert folder.read(wanted) == bytes([width % 256]) * 96
        (tmp_path / Tile(0, 0, width).path).unlink()


def test_only_what_is_no_tile_and_not_the_note_of_the_size_is_told_apart(tmp_path: Path) -> None:
    folder = TileFolder(tmp_path)
    fill(folder, [3])
    names = [f"{letter}/size" for letter in "hbgaecfd"]
    for name in names:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    assert list(folder.list_tiles()) == [
        *((name, None) for name in sorted(names)), ("tile/0/000.p/3", Tile(0, 0, 3)),
    ]  # fmt: skip


def test_partial_tiles_go_when_a_wider_one_is_there_and_strange_files_do_not_matter(
    tmp_path: Path,
) -> None:
    folder = TileFolder(tmp_path)
    fill(folder, [3, 256])
    assert not (tmp_path / "tile/0/000.p").exists()
    (tmp_path / "tile/0/001.p/3").mkdir(parents=True)
    (tmp_path / "tile/0/002.p").touch()
    fill(folder, [768])
    assert {path for path, tile in folder.list_tiles() if tile is None} == {"tile/0/002.p"}
    assert TileTree(head(768), folder.read).root(700) == TREE.root(700)


def test_a_folder_in_a_files_place_cannot_be_read(tmp_path: Path) -> None:
    folder = TileFolder(tmp_path)
    (tmp_path / "size").mkdir()
    (tmp_path / "tile/0/000").mkdir(parents=True)
    with pytest.raises(StorageError, match="size cannot be read"):
        _ = folder.size
    with pytest.raises(StorageError, match="tile/0/000 cannot be read"):
        folder.read(Tile(0, 0))


def test_a_folder_can_hold_as_many_leaves_as_the_registry_can_count(tmp_path: Path) -> None:
    folder = TileFolder(tmp_path)
    folder.write_size(MAX_LOG_SIZE)
    assert folder.size == MAX_LOG_SIZE


@pytest.mark.parametrize(
    "text",
    [b"", b"-1", b"1.0", b" 1", b"1\n\n", b"\xff", b"9" * 40, b"281474976710656",
     pytest.param(b"9" * 5_000, id="more digits than Python reads")],
)  # fmt: skip
def test_a_damaged_note_of_the_size_is_no_size(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "size").write_bytes(text)
    with pytest.raises(ChainGuardError, match="does not hold a number of leaves"):
        _ = TileFolder(tmp_path).size


@pytest.mark.fault(
    "A12",
    how="a crash before each tile, and the note of their number, gets its name",
    then="the folder is of the old size, or goes on from more tiles than that",
)
@pytest.mark.parametrize("crash", range(1, 4))
def test_a_crash_while_tiles_are_written_leaves_a_folder_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: int
) -> None:
    folder = TileFolder(tmp_path)
    fill(folder, [70_000])
    original, calls = Path.replace, 0

    def fails(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == crash:
            raise KeyboardInterrupt
        return original(self, target)

    edge = RightEdge()
    edge.extend(LEAVES[: 32 * 70_000])
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "replace", fails)
        folder.write(append_leaves(edge, LEAVES[32 * 70_000 : 32 * 70_500], folder.read))
        folder.write_size(70_500)
    assert folder.size == 70_000
    TileTree(head(70_000), folder.read)
    edge = RightEdge()
    edge.extend(LEAVES[: 32 * 70_000])
    folder.write(append_leaves(edge, LEAVES[32 * 70_000 : 32 * 71_000], folder.read))
    folder.write_size(71_000)
    assert TileTree(head(71_000), folder.read).inclusion_path(70_900, 71_000) == (
        TREE.inclusion_path(70_900, 71_000)
    )


# Written as a whole


@pytest.mark.parametrize("durable", [True, False])
def test_files_are_on_the_disk_before_they_get_their_names_and_the_names_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    events: list[str] = []
    opened: set[int] = set()
    sync, rename = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        opened.add(descriptor)
        events.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def replace(self: Path, target: Path) -> Path:
        events.append("name")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    write_files([(tmp_path / "a", b"a"), (tmp_path / "b", b"b")], durable=durable)
    write_file(tmp_path / "c", b"c", durable=durable)
    two, one = ["name", "name"], ["name"]
    if durable:
        two, one = ["file", "file", *two, "folder"], ["file", *one, "folder"]
    assert events == two + one
    for descriptor in opened:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_a_disk_that_takes_a_few_bytes_at_a_time_gets_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda descriptor, data: original(descriptor, data[:7]))
        write_file(tmp_path / "a", bytes(range(100)))
    assert (tmp_path / "a").read_bytes() == bytes(range(100))


def test_a_planted_link_in_the_temporary_files_place_is_not_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: "guessed")
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / ".anchor-guessed.tmp").symlink_to(tmp_path / "victim")
    with pytest.raises(UsageError, match="a cannot be written: File exists"):
        write_file(tmp_path / "a", b"new")
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_files_written_before_one_that_fails_stay_and_nothing_else_does(tmp_path: Path) -> None:
    (tmp_path / "b" / "below").mkdir(parents=True)
    with pytest.raises(UsageError, match="b cannot be written"):
        write_files([(tmp_path / name, name.encode()) for name in "abc"])
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a", "b"]
    assert (tmp_path / "a").read_bytes() == b"a"


def test_many_files_are_written_by_a_process_that_may_open_few(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = [(tmp_path / f"{number}", b"%d" % number) for number in range(600)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        write_files(files)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        path.name: data for path, data in files
    }
