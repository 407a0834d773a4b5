"""Several writers that repeat each other and are killed: each piece is there exactly once."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.store_contents import find_positions
from support.stores import run_postgres

from anchor.recovery.store_audit import audit_log
from anchor.store.database import create_database, open_database
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.runs import find_end, load_runs
from anchor.store.tile_folder import TileFolder

WRITERS = 4

# Prints the number of each batch once it is committed.
WRITE = """
import json, sys
from pathlib import Path
from anchor.store.acknowledged_log import SideFile
from anchor.store.database import open_database
from anchor.store.evidence_insertion import insert_evidence
from anchor.store.location import parse_location
from support.stores import make_item

place = parse_location(sys.argv[1], Path("."))
database = open_database(place, side_file=SideFile(Path(sys.argv[2])))
for number, batch in json.loads(sys.stdin.read()):
    items = [make_item(each) for each in batch]
    database.write_with_retry(lambda connection: insert_evidence(connection, items))
    print(number, flush=True)
"""


class Writer:
    """A process that submits batches, and is started again with those it did not acknowledge."""

    def __init__(self, place: StoreLocation, side: Path, batches: list[list[int]]) -> None:
        self.place, self.side = place, side
        self.left = dict(enumerate(batches))
        self._start()

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", WRITE, str(self.place), str(self.side)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(list(self.left.items())))
        self.process.stdin.close()

    def kill(self) -> None:
        """Kill the process, note what it acknowledged, and start the next one."""
        self.process.send_signal(signal.SIGKILL)
        self._note()
        self._start()

    def finish(self) -> None:
        self._note()
        assert not self.left

    def _note(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                del self.left[int(line)]
        self.process.wait()


def make_batches(count: int, numbers: random.Random) -> list[list[int]]:
    """Return batches of submissions in which each piece comes twice or, of some, more often."""
    submitted = [*range(count // 2), *range(count // 2)]
    numbers.shuffle(submitted)
    batches: list[list[int]] = []
    while submitted:
        size = numbers.choice((1, 3, 40, 700, 5_000))
        batches.append(submitted[:size])
        del submitted[:size]
    return batches


def run_writers(
    place: StoreLocation, folder: Path, *, count: int, kills: int, seed: int, longest: float
) -> int:
    numbers = random.Random(seed)
    create_database(place).close()
    batches = make_batches(count, numbers)
    begun = time.monotonic()
    side = folder / "acknowledged.log"
    writers = [Writer(place, side, batches[number::WRITERS]) for number in range(WRITERS)]
    done = 0
    while done < kills and any(writer.process.poll() is None for writer in writers):
        time.sleep(numbers.uniform(0.1, longest))
        writer = numbers.choice(writers)
        if writer.process.poll() is None:
            writer.kill()
            done += 1
    assert done, "no writer was killed: this shows nothing"
    for writer in writers:
        writer.finish()
    database = open_database(place)
    with database.read() as connection:
        assert find_end(connection) == count // 2
        identities = [run.identity(at) for run in load_runs(connection) for at in range(run.pieces)]
        assert len(set(identities)) == count // 2
        assert len(find_positions(connection, identities)) == count // 2
    assert audit_log(database, TileFolder(folder / "tiles")).breaches == ()
    database.close()
    print(f"{done} kills, {len(batches)} batches, {time.monotonic() - begun:.0f} seconds")
    return done


WRITERS_KILLED = pytest.mark.fault(
    "G4",
    how="four processes submit the same pieces in batches of any size, and are killed at random",
    then="each piece is there exactly once, and is found",
)
STORES = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])


def make_place(kind: str, folder: Path, stack: ExitStack) -> StoreLocation:
    if kind == "sqlite":
        return SqliteFile(folder / "anchor.db")
    return stack.enter_context(run_postgres()).create()


@STORES
@WRITERS_KILLED
def test_what_four_killed_writers_submit_twice_is_there_once(
    kind: str, tmp_path: Path, injected: Callable[[int], None]
) -> None:
    with ExitStack() as stack:
        place = make_place(kind, tmp_path, stack)
        done = run_writers(place, tmp_path, count=20_000, kills=4, seed=5, longest=0.4)
    injected(done)


@pytest.mark.slow
@STORES
@WRITERS_KILLED
@pytest.mark.timeout(6_000)
def test_what_four_killed_writers_submit_a_million_times_is_there_once(
    kind: str, tmp_path: Path, injected: Callable[[int], None]
) -> None:
    with ExitStack() as stack:
        place = make_place(kind, tmp_path, stack)
        done = run_writers(place, tmp_path, count=1_000_000, kills=60, seed=6, longest=0.5)
    injected(done)
