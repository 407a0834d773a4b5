"""The measurements of all sizes run, and their results make a table."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pytest
from support.paths import ROOT

sys.path.append(str(ROOT / "scripts/_bench"))

from bench_scale_figures import Figure, find_lines, print_tables
from bench_scale_store import measure_store

SIZES = [200, 1_000]


def test_a_store_is_measured_at_each_size(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    options = argparse.Namespace(
        child="sqlite", sizes=SIZES, commit=100, restored=200, peer_leaves=0, mixed=True
    )
    measure_store(options, tmp_path)
    figures = [Figure(**json.loads(line)) for line in capfd.readouterr().out.splitlines()]
    taken = [each for each in figures if each.measure == "intake" and each.program == "anchor"]
    assert [each.size for each in taken] == SIZES
    assert all(each.cpu > 0 and each.bytes > 100 for each in taken)
    assert {each.size for each in figures if each.measure == "restore"} == {200}
    assert {each.measure for each in figures} == {"intake", "seal", "proof", "audit", "restore"}


def make_figure(size: int, cpu: float, kind: str = "ours") -> Figure:
    return Figure(
        measure="intake", program="anchor", kind=kind, size=size, count=size, cpu=cpu, wall=2 * cpu,
        bytes=150, peak=100, database="sqlite",
    )  # fmt: skip


def test_a_table_has_the_median_of_runs_and_an_extrapolation(capsys: pytest.CaptureFixture[str]):
    print_tables([make_figure(10**7, cpu) for cpu in (1, 2, 9)] + [make_figure(10**8, 4)])
    row = next(line for line in capsys.readouterr().out.splitlines() if "anchor, SQLite" in line)
    assert row == ("| anchor, SQLite | 2.0, 4.0; 150; 100 | 4.0, 8.0; 150; 100 | *8.0, 16.0* |")


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ([make_figure(10**7, 4), make_figure(10**8, 2)], 2),  # a fall does not go on
        ([make_figure(10**5, 1), make_figure(10**6, 2)], None),  # too far away
        ([make_figure(10**8, 2)], None),
        ([make_figure(10**7, 1, "floor"), make_figure(10**8, 2, "floor")], None),
    ],
)
def test_extrapolations_are_careful(figures: list[Figure], expected: float | None):
    (line,) = find_lines(figures, "intake")
    assert line.extrapolate("cpu") == expected
