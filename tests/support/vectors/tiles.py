"""tiles.json: the tiles of logs, and their paths."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from support.large_tree import LargeTree
from support.rfc9162_reference import hash_node
from support.vectors.bends import flip
from support.vectors.cases import Case, invalid, valid
from support.vectors.trees import record_of

TILED_SIZES = (0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000)


def build_tiles() -> dict[str, object]:
    """Return tiles.json."""
    tree = LargeTree(record_of(index) for index in range(max(TILED_SIZES)))
    return {
        "about": "The tiles of logs whose leaf i is SHA-256(0x00 || i as 8 bytes, big-endian), and "
        "the names of tiles (C2SP tlog-tiles).",
        "rules": {
            "root": "the tiles lead to the root",
            "tile-set": "the tiles are those that a log of this size has",
            "tile-bytes": "the tile's bytes have this SHA-256",
            "path-form": "a path is tile/LEVEL/NUMBER or tile/LEVEL/NUMBER.p/WIDTH",
            "path-level": "the level is 0 to 5: 2^48 leaves have no more (C2SP has up to 63)",
            "path-number": "the number is in groups of three digits, all but the last with an x in "
            "front, the first not x000",
            "path-width": "the width of a partial tile is 1 to 255, without leading zeros",
        },
        "trees": [*(tiled(tree, size) for size in TILED_SIZES), *bent_trees(tree)],
        "paths": [*valid_paths(), *invalid_paths()],
    }


def tiles_of(tree: LargeTree, size: int) -> dict[str, str]:
    """Return the SHA-256 of each tile's bytes, by path, from tlog-tiles' definition."""
    tiles = {}
    level = 0
    while count := size >> 8 * level:
        hashes = tree.levels[8 * level][: 32 * count]
        for number in range((count + 255) // 256):
            data = hashes[8192 * number : 8192 * (number + 1)]
            tiles[tile_path(level, number, len(data) // 32)] = hashlib.sha256(data).hexdigest()
        level += 1
    return tiles


def tile_path(level: int, number: int, width: int) -> str:
    groups = f"{number:,}".split(",")
    name = "/".join([*(f"x{group:0>3}" for group in groups[:-1]), f"{groups[-1]:0>3}"])
    return f"tile/{level}/{name}" + (f".p/{width}" if width < 256 else "")


def tiled(tree: LargeTree, size: int) -> Case:
    return valid(
        f"{size:,} leaves" if size != 1 else "1 leaf",
        size=size,
        root=(tree.root(0, size) if size else hashlib.sha256().digest()).hex(),
        tiles=tiles_of(tree, size),
    )


def bent_trees(tree: LargeTree) -> Iterator[Case]:
    size, tiles = 257, tiles_of(tree, 257)
    root = tree.root(0, size).hex()

    def bent(name: str, rule: str, **fields: object) -> Case:
        claimed: Case = {"size": size, "root": root, "tiles": tiles}
        return invalid(f"{size} leaves: {name}", rule, **claimed | fields)

    yield bent("the root of 256 leaves", "root", root=tree.root(0, 256).hex())
    yield bent("the root of 258 leaves", "root", root=tree.root(0, 258).hex())
    yield bent("a bit of the root flipped", "root", root=flip(bytes.fromhex(root), 0).hex())
    doubled = hash_node(tree.root(0, 256), hash_node(tree.root(256, 257), tree.root(256, 257)))
    yield bent("the root with the last leaf doubled", "root", root=doubled.hex())
    yield bent("the tiles of 258 leaves", "tile-set", tiles=tiles_of(tree, 258))
    for path in tiles:
        fewer = {other: digest for other, digest in tiles.items() if other != path}
        yield bent(f"without {path}", "tile-set", tiles=fewer)
        digest = flip(bytes.fromhex(tiles[path]), 3).hex()
        yield bent(f"a bit of {path} flipped", "tile-bytes", tiles=tiles | {path: digest})
    upper = {"tile/2/000.p/1": hashlib.sha256(bytes.fromhex(root)).hexdigest()}
    yield bent("a level too many", "tile-set", tiles=tiles | upper)
    small = tiles_of(tree, 255)
    ragged = {"tile/1/000.p/1": hashlib.sha256(tree.root(0, 255)).hexdigest()}
    yield invalid(
        "255 leaves: the root of a partial tile in the tile above it", "tile-set",
        size=255, root=tree.root(0, 255).hex(), tiles=small | ragged,
    )  # fmt: skip


def valid_paths() -> Iterator[Case]:
    for path, level, number, width in (
        ("tile/0/000", 0, 0, 256),
        ("tile/0/000.p/1", 0, 0, 1),
        ("tile/0/000.p/255", 0, 0, 255),
        ("tile/0/001", 0, 1, 256),
        ("tile/0/999", 0, 999, 256),
        ("tile/0/x001/000", 0, 1_000, 256),
        ("tile/0/x001/x234/067", 0, 1_234_067, 256),
        ("tile/0/x001/x000/000.p/255", 0, 1_000_000, 255),
        ("tile/0/x010/000", 0, 10_000, 256),
        ("tile/0/x999/x999/999.p/10", 0, 999_999_999, 10),
        ("tile/0/273.p/112", 0, 273, 112),
        ("tile/1/001.p/17", 1, 1, 17),
        ("tile/2/000.p/1", 2, 0, 1),
        ("tile/3/x016/x777/215", 3, 16_777_215, 256),
        ("tile/5/255.p/99", 5, 255, 99),
        ("tile/0/x001/x099/x511/x627/775.p/255", 0, 2**40 - 1, 255),
    ):
        assert tile_path(level, number, width) == path
        yield valid(path, path=path, level=level, number=number, width=width)


INVALID_PATHS = {
    "path-form": [
        "", "tile", "tile/0", "tile/0/", "tile/000", "000", "/tile/0/000", "./tile/0/000",
        "tile/0/000/", "tile/0//000", "tile//0/000", "tile/0/000\n", " tile/0/000",
        "tile/0/000 ", "TILE/0/000", "tiles/0/000", "tile\\0\\000", "tile/0/000?",
        "tile/0/000.gz", "tile/0/000.p", "tile/0/000.P/1", "tile/0/000/p/1", "tile/0/000.p.1",
        "tile/0/000.p/1.p/1", "tile/0/000.p/1/", "tile/0/../0/000", "tile/0/%30%30%30",
    ],
    "path-level": [
        "tile//000", "tile/00/000", "tile/01/000", "tile/-1/000", "tile/+1/000", "tile/6/000",
        "tile/10/000", "tile/63/000", "tile/x/000", "tile/0x0/000", "tile/\u0660/000",
        "tile/entries/000", "tile/data/000", "tile/x000/000",
    ],
    "path-number": [
        "tile/0/0", "tile/0/00", "tile/0/0000", "tile/0/1234067", "tile/0/x000/001",
        "tile/0/x000/x001/000", "tile/0/x000/000", "tile/0/001/001", "tile/0/001/x001",
        "tile/0/x001", "tile/0/x001/x002", "tile/0/x1/002", "tile/0/x001/x2/003",
        "tile/0/x0001/000", "tile/0/X001/000", "tile/0/xx001/000", "tile/0/x001000",
        "tile/0/-01", "tile/0/+01", "tile/0/00a", "tile/0/0x1", "tile/0/\u0660\u0660\u0660",
        "tile/0/\uff10\uff10\uff10", "tile/0/x001/\u0660\u0660\u0660",
    ],
    "path-width": [
        "tile/0/000.p/", "tile/0/000.p/0", "tile/0/000.p/00", "tile/0/000.p/01",
        "tile/0/000.p/256", "tile/0/000.p/257", "tile/0/000.p/999", "tile/0/000.p/1000",
        "tile/0/000.p/-1", "tile/0/000.p/+1", "tile/0/000.p/1.0", "tile/0/000.p/1 ",
        "tile/0/000.p/ 1", "tile/0/000.p/1\n", "tile/0/000.p/x001", "tile/0/000.p/\u0661",
    ],
}  # fmt: skip


def invalid_paths() -> Iterator[Case]:
    for rule, paths in INVALID_PATHS.items():
        for path in paths:
            yield invalid(json.dumps(path)[1:-1] or "an empty path", rule, path=path)
