"""Measure the log and comparable libraries; scripts/bench sets up what this needs.

Every figure is printed beside those of the other libraries, measured in turn in the same run.  The
best of several runs counts, because other load can only make a run slower; the median is printed,
too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from bench_measuring import peak_memory, section

from anchor.base.digests import Digests
from anchor.base.system.clock import format_time
from anchor.base.system.cores import count_usable_cores
from anchor.base.types import Hash32, Head
from anchor.evidence.record import encode_record
from anchor.log import batch_sha256
from anchor.log.merkle import hash_leaf, verify_inclusion
from anchor.log.tiles import TileTree, append_leaves
from anchor.log.tree import RightEdge, Tree
from anchor.store import sealing
from anchor.store.columns import NewEvidence
from anchor.store.database import Database, create_database
from anchor.store.evidence import make_identity
from anchor.store.evidence_insertion import insert_evidence
from anchor.store.location import SqliteFile
from anchor.store.tile_folder import TileFolder

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).parent / "peers" / "time_trees.js"
CHUNK = 1 << 20
PASS = 1 << 18  # leaves in memory at a time on the way to a root
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--leaves", type=int, default=10**8, help="of the largest log on disk")
    parser.add_argument(
        "--rows", type=int, default=10**6, help="of the largest store to which a seal adds"
    )
    parser.add_argument(
        "--peer-leaves", type=int, default=10**5, help="the most for peers; 10^6 takes ten minutes"
    )
    parser.add_argument("--folder", type=Path, help="where the logs on disk go, and are removed")
    parser.add_argument("--part", choices=PARTS, help="only this part")
    parser.add_argument("--fallback", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fallback:
        print(json.dumps(time_fallback()))
    elif options.part:
        PARTS[options.part](options)
    else:
        print(
            f"kernel: {batch_sha256.IMPLEMENTATION}; Python {sys.version.split()[0]}; best (median)"
        )
        for part in PARTS:
            # In a separate process, so that its memory is that of this part alone.
            command = [sys.executable, __file__, "--part", part, *sys.argv[1:]]
            subprocess.run(command, check=True)
    return 0


# Measuring


def measure(action: Callable[[], object], *, runs: int = 5) -> tuple[float, float]:
    """Return the best and the median of ``runs`` times, in seconds."""
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    return min(seconds), statistics.median(seconds)


def rate(count: int, seconds: tuple[float, float]) -> str:
    best, median = seconds
    return f"{count / best:>14,.0f}/s ({count / median:,.0f}/s)"


def show(what: str, figure: str, *, ratio: float | None = None) -> None:
    times = "" if ratio is None else f"  ours is {ratio:,.1f} times as fast"
    print(f"  {what:<52}{figure}{times}", flush=True)


def make_records(count: int) -> bytes:
    """Return ``count`` 32-byte records, back to back."""
    return hashlib.shake_128(count.to_bytes(8, "big")).digest(32 * count)


def draw(count: int, size: int) -> list[int]:
    """Return ``count`` pseudo-random indices below ``size``, the same ones each time."""
    digests = (hashlib.sha256(number.to_bytes(8, "big")).digest() for number in range(count))
    return [int.from_bytes(digest, "big") % size for digest in digests]


def split(rows: bytes) -> list[bytes]:
    return [rows[at : at + 32] for at in range(0, len(rows), 32)]


# Trees in memory


def build_root(records: bytes) -> bytes:
    """Hash 32-byte records to leaves, and the leaves to the root, in one pass."""
    edge = RightEdge()
    rows = memoryview(records)
    for at in range(0, len(rows), 32 * PASS):
        edge.append(batch_sha256.hash_rows(0, rows[at : at + 32 * PASS], 32))
    return edge.root()


def hash_in_cache(rows: bytes, records: int, *, leaves: bool) -> None:
    """Do the hashing alone for so many records, on the same rows again and again."""
    for _ in range(records * 32 // len(rows)):
        if leaves:
            batch_sha256.hash_rows(0, rows, 32)
        batch_sha256.hash_subtrees(rows, batch_sha256.MAX_SUBTREE_HEIGHT)


def measure_floor(cores: int, *, leaves: bool) -> tuple[float, float]:
    """Measure what no tree can beat: 10^6 leaves and their nodes on each core, without memory."""
    rows = make_records(1 << batch_sha256.MAX_SUBTREE_HEIGHT)
    with ThreadPoolExecutor(cores) as executor:
        return measure(
            lambda: list(
                executor.map(
                    lambda _: hash_in_cache(rows, 10**6 // cores, leaves=leaves), range(cores)
                )
            ),
            runs=9,
        )


def bench_cores(records: bytes, cores: int) -> tuple[float, float]:
    """Measure building a tree on so many cores; return the time from records to root."""
    count = len(records) // 32
    leaves = batch_sha256.hash_rows(0, records, 32)
    runs = 9 if count < 10**7 else 5
    on = f"on {cores} core" + "s" * (cores > 1)
    with patch.object(batch_sha256, "count_usable_cores", lambda: cores):
        for what, action, with_leaves in (
            ("leaf hashes to all nodes", lambda: Tree(leaves), False),
            ("records to root", lambda: build_root(records), True),
        ):
            # Before and after, because the machine differs from minute to minute.
            floors = [measure_floor(cores, leaves=with_leaves)]
            ours = measure(action, runs=runs)
            floors.append(measure_floor(cores, leaves=with_leaves))
            floor = min(floors)
            show(f"{what}: the hashing alone, {on}", rate(10**6, floor))
            share = count / ours[0] / (10**6 / floor[0])
            show(f"{what}: anchor, {on}", f"{rate(count, ours)}  {share:.2f} of it")
    return ours


def bench_building(options: argparse.Namespace) -> None:
    for count in (10**4, 10**5, 10**6, 10**7):
        section(f"Build: {count:,} records of 32 bytes to leaves and root; peers: one thread")
        records = make_records(count)
        ours = bench_cores(records, 1)
        if count_usable_cores() > 1:
            bench_cores(records, count_usable_cores())
        rows = split(records)
        show(
            "anchor, from a list of bytes",
            rate(count, measure(lambda rows=rows: build_root(b"".join(rows)))),
        )
        if count == 10**6:
            answer = subprocess.run(
                [sys.executable, __file__, "--fallback"], capture_output=True, check=True
            )
            records_and_nodes, nodes = json.loads(answer.stdout)
            show("anchor without its kernel (hashlib)", rate(count, records_and_nodes))
            show("the same, from leaf hashes on", rate(count, nodes))
        if count <= options.peer_leaves:
            for peer in python_peers():
                theirs = measure(lambda peer=peer, rows=rows: peer.build(rows), runs=3)
                show(peer.name, rate(count, theirs), ratio=theirs[0] / ours[0])
            for name, seconds in javascript_peers(count, "build").items():
                show(name, rate(count, (seconds, seconds)), ratio=seconds / ours[0])


def time_fallback() -> tuple[tuple[float, float], tuple[float, float]]:
    """Measure 10^6 records, and 10^6 leaf hashes, without the compiled extension."""
    batch_sha256.IMPLEMENTATION = "hashlib"
    records = make_records(10**6)
    return (
        measure(lambda: build_root(records)),
        measure(lambda: RightEdge().extend(records)),
    )


class Peer(NamedTuple):
    """A library to compare with: how to build its tree, get every proof and verify one."""

    name: str
    build: Callable[[list[bytes]], Any]
    prove_all: Callable[[Any, int], list[Any]] | None = None
    verify: Callable[[Any, Any, bytes], None] | None = None


def python_peers() -> list[Peer]:
    import pymerkle

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import merkletools
    from opentimestamps.core.timestamp import Timestamp, make_merkle_tree

    def build_pymerkle(rows: list[bytes]) -> Any:
        tree = pymerkle.InmemoryTree.init_from_entries(rows, algorithm="sha256")
        tree.get_root()
        return tree

    def prove_pymerkle(tree: Any, count: int) -> list[Any]:
        return [tree.prove_inclusion(index, count) for index in range(1, count + 1)]

    def verify_pymerkle(tree: Any, proof: Any, row: bytes) -> None:
        pymerkle.verify_inclusion(tree.hash_buff(row), tree.get_root(), proof)

    def build_merkletools(rows: list[bytes]) -> Any:
        tree = merkletools.MerkleTools(hash_type="sha256")
        tree.leaves = [hashlib.sha256(row).digest() for row in rows]  # its own loop converts to hex
        tree.make_tree()
        return tree

    def prove_merkletools(tree: Any, count: int) -> list[Any]:
        return [tree.get_proof(index) for index in range(count)]

    def verify_merkletools(tree: Any, proof: Any, row: bytes) -> None:
        leaf = hashlib.sha256(row).hexdigest()
        assert tree.validate_proof(proof, leaf, tree.get_merkle_root())

    def build_opentimestamps(rows: list[bytes]) -> Any:
        stamps = [Timestamp(hashlib.sha256(row).digest()) for row in rows]
        return make_merkle_tree(stamps)

    return [
        Peer("pymerkle (RFC 9162)", build_pymerkle, prove_pymerkle, verify_pymerkle),
        Peer("merkletools", build_merkletools, prove_merkletools, verify_merkletools),
        # Its proofs are references into the tree itself.
        Peer("opentimestamps", build_opentimestamps),
    ]


def javascript_peers(count: int, what: str) -> dict[str, float]:
    """Return the seconds that each JavaScript tree takes to ``build``, or for all ``proofs``."""
    answer = subprocess.run(
        ["node", "--max-old-space-size=8192", str(PEERS), str(count), what],
        capture_output=True,
        check=True,
    )
    seconds: dict[str, float] = json.loads(answer.stdout)
    return seconds


def bench_proofs(options: argparse.Namespace) -> None:
    for count in (10**4, 10**5, 10**6, 10**7):
        section(f"All proofs: every path of a tree of {count:,} leaves in memory, tree not timed")
        records = make_records(count)
        tree = Tree(batch_sha256.hash_rows(0, records, 32))
        ours = measure(
            lambda tree=tree, count=count: sum(1 for _ in tree.inclusion_paths(0, count, count)),
            runs=3,
        )
        show("anchor, in bulk", rate(count, ours))
        if count > options.peer_leaves:
            continue
        one_by_one = measure(
            lambda tree=tree, count=count: [
                tree.inclusion_path(index, count) for index in range(count)
            ],
            runs=1,
        )
        show("anchor, one by one", rate(count, one_by_one))
        rows = split(records)
        for peer in python_peers():
            if peer.prove_all is not None:
                theirs = peer.build(rows)
                seconds = measure(
                    lambda peer=peer, theirs=theirs, count=count: peer.prove_all(theirs, count),
                    runs=1,
                )
                show(peer.name, rate(count, seconds), ratio=seconds[0] / ours[0])
        for name, time_taken in javascript_peers(count, "proofs").items():
            show(name, rate(count, (time_taken, time_taken)), ratio=time_taken / ours[0])


def bench_verifying(_: argparse.Namespace) -> None:
    count = 10**5
    section(f"Verify one proof of a tree of {count:,} leaves")
    rows = split(make_records(count))
    tree = Tree(batch_sha256.hash_rows(0, b"".join(rows), 32))
    last = count - 1
    path, root = tree.inclusion_path(last, count), tree.root(count)
    ours = measure(
        lambda: [
            verify_inclusion(
                leaf=hash_leaf(rows[last]), index=last, size=count, path=path, root=root
            )
            for _ in range(1_000)
        ]
    )
    show(f"anchor, {len(path)} hashes", f"{ours[0] * 1e3:>14.1f} µs")
    for peer in python_peers():
        if peer.prove_all is None or peer.verify is None:
            continue
        built = peer.build(rows)
        proof = peer.prove_all(built, count)[last]
        theirs = measure(
            lambda peer=peer, built=built, proof=proof: [
                peer.verify(built, proof, rows[last]) for _ in range(1_000)
            ]
        )
        show(peer.name, f"{theirs[0] * 1e3:>14.1f} µs", ratio=theirs[0] / ours[0])


# Seals


def make_evidence(start: int, end: int) -> Iterator[NewEvidence]:
    """Yield made-up pieces of evidence whose rows are as large as real ones."""
    for number in range(start, end):
        name = f"evidence-{number:09}.pdf"
        digests = Digests(
            sha256=hashlib.sha256(name.encode()).digest(),
            sm3=hashlib.sha256(name.encode() + b"sm3").digest(),
            size=number,
        )
        record = encode_record(
            digests=digests,
            name=name,
            media_type="application/pdf",
            salt=digests.sha256 or b"",
            recorded_at=format_time(NOW),
        )
        yield NewEvidence(
            identity=make_identity(digests, record),
            source=f"/var/lib/evidence/{name}",
            sha256=digests.sha256,
            sm3=digests.sm3,
            record=record,
            leaf=hash_leaf(record),
            accepted_at="2026-01-01T00:00:00.000Z",
        )


def bench_sealing(options: argparse.Namespace) -> None:
    added = 10**4
    for size in (10**power for power in range(4, 10, 2) if 10**power <= options.rows):
        with open_store(options.folder) as (database, tiles):
            accept(database, 0, size)
            section(f"Seal {size:,} leaves at once, a store of as many rows")
            before = peak_memory()
            seconds = measure(lambda database=database: sealing.seal(database, ""), runs=1)
            show("the seal: places, right edge, head", f"{seconds[0]:>14.2f} s")
            show(
                "memory of the process at its peak",
                f"{peak_memory():>14,} MiB (before: {before:,})",
            )
            seconds = measure(
                lambda database=database, tiles=tiles: sealing.write_tiles(database, tiles),
                runs=1,
            )
            show("its tiles", f"{seconds[0]:>14.2f} s")
            section(f"Seal {added:,} new leaves onto {size:,} and more, synced to disk")
            show_seals(database, tiles, size, added)


@contextmanager
def open_store(parent: Path | None) -> Iterator[tuple[Database, TileFolder]]:
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        database = create_database(SqliteFile(Path(folder, "anchor.db")))
        try:
            with database.hold_lease():
                yield database, TileFolder(Path(folder, "tiles"))
        finally:
            database.close()


def show_seals(database: Database, tiles: TileFolder, size: int, added: int) -> None:
    sealed, tiled = [], []
    for start in range(size, size + 9 * added, added):
        accept(database, start, start + added)
        sealed.append(measure(lambda: sealing.seal(database, ""), runs=1)[0])
        tiled.append(measure(lambda: sealing.write_tiles(database, tiles), runs=1)[0])
    both = [one + other for one, other in zip(sealed, tiled, strict=True)]
    for what, seconds in (
        ("the seal: places, right edge, head", sealed),
        ("its tiles", tiled),
        ("both", both),
    ):
        best, median = min(seconds) * 1e3, statistics.median(seconds) * 1e3
        show(what, f"{best:>14.1f} ms ({median:.1f} ms)")


def accept(database: Database, start: int, end: int) -> None:
    for first in range(start, end, 50_000):
        with database.write() as connection:
            insert_evidence(connection, list(make_evidence(first, min(end, first + 50_000))))


# Logs on disk


def leaf_chunks(start: int, end: int) -> Iterator[bytes]:
    """Yield leaf hashes of made-up records: SHA-256 of 0x00 and the leaf's number."""
    while start < end:
        stop = min(end, (start // CHUNK + 1) * CHUNK)
        numbers = b"".join(number.to_bytes(8, "big") for number in range(start, stop))
        yield batch_sha256.hash_rows(0, numbers, 8)
        start = stop


def bench_disk(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        bench_log_on_disk(Path(folder), options.leaves)


def bench_log_on_disk(folder: Path, largest: int) -> None:
    tiles = TileFolder(folder / "tiles")
    edge = RightEdge()
    sizes = [10**power for power in range(3, 13) if 10**power <= largest]
    section(f"A log on disk, sealed in chunks of {CHUNK:,} leaves up to {sizes[-1]:,}")
    added = 10**4
    appended: dict[int, tuple[float, float]] = {}
    started = time.perf_counter()
    for size in sizes:
        for leaves in leaf_chunks(edge.size, size):
            tiles.write(append_leaves(edge, leaves, tiles.read))
        tiles.write_size(edge.size)
        if size < sizes[-1]:
            appended[size] = time_append(tiles, edge, added, restore=folder / "copy")
    head = Head(root=edge.root(), size=edge.size)
    elapsed = time.perf_counter() - started
    show("everything, leaves made up and hashed, synced", f"{elapsed:>14.1f} s")
    show("peak memory of this process so far", f"{peak_memory():>14,} MiB")
    used = sum(file.stat().st_size for file in tiles.folder.rglob("*") if file.is_file())
    blocks = sum(file.stat().st_blocks * 512 for file in tiles.folder.rglob("*") if file.is_file())
    show("tiles", f"{used / head.size:>14.2f} bytes/leaf; on disk {blocks / head.size:.2f}")
    bench_reading(tiles, head)
    appended[head.size] = time_append(tiles, edge, added, restore=None)
    section(f"Append {added:,} leaves: tiles, right edge and root, synced to disk")
    for size, (best, median) in appended.items():
        show(f"to {size:,}", f"{best * 1000:>14.1f} ms ({median * 1000:.1f} ms)")


def time_append(
    tiles: TileFolder, edge: RightEdge, count: int, *, restore: Path | None
) -> tuple[float, float]:
    """Append batches to the log, or to a copy of it if the log is appended to later."""
    if restore is not None:
        if edge.size > 10**6:
            return time_append_and_undo(tiles, edge, count)
        shutil.copytree(tiles.folder, restore)
        tiles = TileFolder(restore)
    edge = RightEdge(edge.size, edge.nodes)
    seconds = []
    for _ in range(5):
        leaves = b"".join(leaf_chunks(edge.size, edge.size + count))
        started = time.perf_counter()
        tiles.write(append_leaves(edge, leaves, tiles.read))
        edge.root()
        tiles.write_size(edge.size)
        seconds.append(time.perf_counter() - started)
    if restore is not None:
        shutil.rmtree(restore)
    return min(seconds), statistics.median(seconds)


def time_append_and_undo(tiles: TileFolder, edge: RightEdge, count: int) -> tuple[float, float]:
    """Append to a log that is too large to copy, and reset its size for the next run."""
    size = edge.size
    found = time_append(tiles, edge, count, restore=None)
    tiles.write_size(size)
    return found


def bench_reading(tiles: TileFolder, head: Head) -> None:
    section(f"Reading the log of {head.size:,} leaves, tiles in the page cache")
    opened = measure(lambda: TileTree(head, tiles.read))
    best, median = (1e6 * seconds for seconds in opened)
    show("open it: right edge against root", f"{best:>14.0f} µs ({median:.0f} µs)")
    tree = TileTree(head, tiles.read)
    indices = draw(2_000, head.size)
    for index in indices:
        tree.inclusion_path(index, head.size)  # brings the tiles into the page cache
    tree = TileTree(head, tiles.read)
    seconds = []
    for index in indices:
        started = time.perf_counter()
        path = tree.inclusion_path(index, head.size)
        seconds.append(time.perf_counter() - started)
    show(
        f"one proof of {len(path)} hashes, at random",
        f"{statistics.median(seconds) * 1e6:>14.0f} µs median ({max(seconds) * 1e6:.0f} µs worst)",
    )
    index = indices[-1]
    leaf = next(leaf_chunks(index, index + 1))
    checked = measure(
        lambda: [
            verify_inclusion(
                leaf=Hash32(leaf), index=index, size=head.size, path=path, root=head.root
            )
            for _ in range(1_000)
        ]
    )
    show(f"verify one proof of {len(path)} hashes", f"{checked[0] * 1e3:>14.1f} µs")
    count = min(10**6, head.size)
    start = (head.size - count) // 2
    bulk = measure(
        lambda: sum(1 for _ in tree.inclusion_paths(start, start + count, head.size)), runs=3
    )
    show(f"bulk proofs of {count:,} leaves in the middle", rate(count, bulk))
    proof = measure(lambda: tree.consistency_proof(head.size // 3, head.size))
    show("a consistency proof", f"{proof[0] * 1e6:>14.0f} µs")


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "building": bench_building,
    "proofs": bench_proofs,
    "verifying": bench_verifying,
    "sealing": bench_sealing,
    "disk": bench_disk,
}


if __name__ == "__main__":
    sys.exit(main())
