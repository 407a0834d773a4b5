"""Tables from the results of `scripts/bench --scale` and `--objects`."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
MEASURES = {
    "intake": "Intake",
    "seal": "Seals, with tiles",
    "proof": "Receipts",
    "audit": "Audit",
    "restore": "Restore",
}
# Extrapolated to this size, if the largest log that was measured has at least so many pieces.
BEYOND, ENOUGH = 10**9, 10**7
_KINDS = ("ours", "floor", "peer")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What a program took for one piece at one size: µs, bytes; its peak memory in MiB.

    ``kind`` is ours, floor or peer; ``count`` is the number of pieces that were measured.
    """

    measure: str
    program: str
    kind: str
    size: int
    count: int
    cpu: float
    wall: float
    bytes: float
    peak: int
    database: str = ""

    def describe(self) -> str:
        """Return one line for a terminal."""
        what = f"{self.size:>13,}  {self.measure:<8}{self.program:<34}"
        return f"{what}{self.cpu:>10.2f} us CPU{self.wall:>10.2f} us{self.bytes:>8.0f} bytes"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A program's median figures, by size."""

    database: str
    program: str
    kind: str
    points: dict[int, Figure]
    runs: dict[int, int]

    @property
    def label(self) -> str:
        """Return the program, and the database if it is measured with both."""
        return f"{self.program}, {DATABASES[self.database]}" if self.database else self.program

    def extrapolate(self, member: str) -> float | None:
        """Return the value at ``BEYOND``, on the straight line through the logarithms of the last.

        Where the last two sizes show a fall, it is taken to have ended.
        """
        sizes = sorted(self.points)[-2:]
        if self.kind != "ours" or len(sizes) < 2 or not ENOUGH <= sizes[1] < BEYOND:
            return None
        first, last = (getattr(self.points[size], member) for size in sizes)
        slope = max(0.0, math.log(last / first) / math.log(sizes[1] / sizes[0]))
        return float(last * (BEYOND / sizes[1]) ** slope)


def load_figures(path: Path) -> list[Figure]:
    """Return every figure of a file of results, with its database."""
    results: dict[str, Any] = json.loads(path.read_text())
    return [
        Figure(**figure | {"database": run["database"]})
        for run in results["runs"]
        for figure in run["figures"]
    ]


def find_lines(figures: Sequence[Figure], measure: str) -> Iterator[Line]:
    """Yield the lines of a measure, our programs first; only these depend on the database."""

    def key(figure: Figure) -> tuple[int, str, str]:
        database = figure.database if figure.kind == "ours" else ""
        return _KINDS.index(figure.kind), figure.program, database

    wanted = sorted((each for each in figures if each.measure == measure), key=key)
    for (kind, program, database), group in groupby(wanted, key):
        by_size: dict[int, list[Figure]] = {}
        for figure in group:
            by_size.setdefault(figure.size, []).append(figure)
        yield Line(
            database=database,
            program=program,
            kind=_KINDS[kind],
            points={size: find_median(each) for size, each in sorted(by_size.items())},
            runs={size: len(each) for size, each in by_size.items()},
        )


def find_median(figures: Sequence[Figure]) -> Figure:
    """Return the medians of the same figure from several runs."""
    middle = {
        member: statistics.median(getattr(figure, member) for figure in figures)
        for member in ("cpu", "wall", "bytes", "peak")
    }
    return Figure(**vars(figures[0]) | middle)


def print_tables(figures: Sequence[Figure]) -> None:
    """Print what docs/performance.md has of each measure."""
    for measure, title in MEASURES.items():
        if lines := list(find_lines(figures, measure)):
            print_table(lines, title)
    for line in find_lines(figures, "intake"):
        if line.program == "anchor":
            by_size = ", ".join(f"{line.runs[size]} to {format_size(size)}" for size in line.points)
            print(f"Runs on {DATABASES[line.database]}: {by_size}.")


def print_table(lines: Sequence[Line], title: str) -> None:
    """Print a table in Markdown, with its heading.

    A cell has CPU and wall clock in µs, bytes, and the peak memory in MiB.
    """
    sizes = sorted({size for line in lines for size in line.points})
    columns = [format_size(size) for size in sizes]
    beyond = [describe_beyond(line) for line in lines]
    if any(beyond):
        columns.append(f"{format_size(BEYOND)}, extrapolated")
    print(f"### {title}\n")
    print("| | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for line, after in zip(lines, beyond, strict=True):
        cells = [describe_point(line.points.get(size)) for size in sizes]
        if any(beyond):
            cells.append(after)
        print(f"| {line.label} | " + " | ".join(cells) + " |")
    print()


def describe_beyond(line: Line) -> str:
    cpu, wall = line.extrapolate("cpu"), line.extrapolate("wall")
    return "" if cpu is None or wall is None else f"*{round_figure(cpu)}, {round_figure(wall)}*"


def describe_point(point: Figure | None) -> str:
    if point is None:
        return ""
    parts = [", ".join(round_figure(each) for each in (point.cpu, point.wall) if each)]
    if point.bytes and point.kind == "ours":
        parts.append(f"{point.bytes:.0f}")
    if point.peak:
        parts.append(f"{point.peak:,.0f}")
    return "; ".join(parts)


def round_figure(value: float) -> str:
    """Return a figure with two significant digits, or whole from 100 on."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def format_size(size: int) -> str:
    """Return a power of ten as one; else the number."""
    power = round(math.log10(size))
    return f"10^{power}" if size == 10**power else f"{size:,}"
