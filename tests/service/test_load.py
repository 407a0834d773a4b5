"""Everything that is submitted in bulk through HTTP is anchored, and an audit counts it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.paths import ROOT

from anchor.store.location import SqliteFile

sys.path.append(str(ROOT / "scripts/_bench"))

import bench_service


def run(folder: Path, place: object, count: int, pace: tuple[str, ...]) -> bench_service.Run:
    return bench_service.measure(
        folder,
        place,
        count=count,
        workers=2,
        parallel=2,
        pace=pace,  # type: ignore[arg-type]
    )


@pytest.mark.release
def test_ten_thousand_are_submitted_and_every_one_is_anchored(tmp_path: Path):
    folder = tmp_path / "project"
    # Sealed again and again while they come in.
    done = run(folder, SqliteFile(folder / "anchor.db"), 10_000, ("--every", "1"))
    assert done.count == 10_000 and done.singles


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_million_are_submitted_and_every_one_is_anchored(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
):
    folder = tmp_path / "project"
    place = SqliteFile(folder / "anchor.db")
    if kind == "postgresql":
        place = request.getfixturevalue("postgres").create()
    done = run(folder, place, 1_000_000, ("--every", "60", "--leaves", "10000000"))
    print(done)
