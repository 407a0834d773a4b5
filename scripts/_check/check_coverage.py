"""Fail unless forge's own tests cover every part of every contract.

    forge coverage --no-match-contract Invariant --no-match-coverage '^tests/' > .build/coverage.txt
    python scripts/_check/check_coverage.py .build/coverage.txt

forge measures coverage without the optimizer and without IR, so its tests must compile that way,
too.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
KINDS = ("lines", "statements", "branches", "functions")

_CELL = re.compile(r"[\d.]+% \((\d+)/(\d+)\)")


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: check_coverage.py SUMMARY", file=sys.stderr)
        return 2
    covered = parse_summary(Path(sys.argv[1]).read_text("utf-8"))
    problems = [problem for name in contracts() for problem in find_gaps(name, covered)]
    for problem in problems:
        print(f"check_coverage: {problem}", file=sys.stderr)
    return 1 if problems else 0


def contracts() -> list[str]:
    """Return the name of every source that has code of its own; an interface gets no row."""
    return [f"contracts/{path.name}" for path in sorted(CONTRACTS.glob("*.sol"))]


def parse_summary(text: str) -> dict[str, list[tuple[int, int]]]:
    """Return the numbers (covered, all) of each of ``KINDS``, for each file of forge's table."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    return {
        row[0]: [(int(found[1]), int(found[2])) for found in map(_CELL.fullmatch, row[1:]) if found]
        for row in rows
        if row
    }


def find_gaps(name: str, covered: dict[str, list[tuple[int, int]]]) -> list[str]:
    """Return what the tests of ``name`` do not cover."""
    counts = covered.get(name, [])
    if len(counts) != len(KINDS):
        return [f"{name} is not in the summary"]
    return [
        f"{name}: {reached} of {total} {kind}"
        for kind, (reached, total) in zip(KINDS, counts, strict=True)
        if reached != total
    ]


if __name__ == "__main__":
    sys.exit(main())
