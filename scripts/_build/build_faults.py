"""Write .build/faults.md from the catalogue, the tests' markers and the record of test runs.

``scripts/test`` does so at its end.  A fault that no run recorded is listed with the way it is
injected, but without a count: the long campaigns (``pytest -m slow``) run before a release.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests"))

from support.fault_catalogue import FAULTS, GROUPS, Fault  # noqa: E402
from support.fault_markers import Marker, find_markers  # noqa: E402
from support.faults import RECORD  # noqa: E402

PAGE = ROOT / ".build" / "faults.md"

REPRODUCE = """\
```sh
scripts/test --all                                      # all but the long campaigns
pytest -m slow                                          # the long campaigns
python scripts/_build/build_faults.py                          # this page, from those runs
```"""


@dataclass
class Row:
    """A fault and its recorded results."""

    fault: Fault
    # Pairs of an injection and the expected result, and whether a run recorded each.
    pairs: dict[tuple[str, str], bool] = field(default_factory=dict)
    times: int = 0
    failed: int = 0

    @property
    def outcome(self) -> str:
        if self.failed:
            return f"**failed in {self.failed} tests**"
        return _cell(
            then if is_recorded else f"{then} (not run)"
            for (_, then), is_recorded in self.pairs.items()
        )


def collect(markers: Iterable[Marker], record: dict[str, list[dict[str, Any]]]) -> list[Row]:
    """Return a row for every fault, in the catalogue's order.

    Markers state what is injected; recorded results without a marker are not counted.
    """
    rows = {fault.id: Row(fault) for fault in FAULTS}
    for marker in markers:
        rows[marker.id].pairs.setdefault((marker.how, marker.then), False)
    for seen in (each for test in record.values() for each in test):
        row, pair = rows[seen["id"]], (seen["how"], seen["then"])
        if pair in row.pairs:
            row.pairs[pair] = True
            row.times += seen["times"] if seen["outcome"] == "passed" else 0
            row.failed += seen["outcome"] == "failed"
    return list(rows.values())


def render(rows: list[Row]) -> str:
    """Return the text of the page."""
    injected = [row for row in rows if row.pairs]
    left_out = [row for row in rows if not row.pairs and row.fault.reason]
    missing = [row for row in rows if not row.pairs and not row.fault.reason]
    lines = [
        "# Faults",
        "",
        "Written by `scripts/_build/build_faults.py` from recorded test runs.",
        "",
        f"Of {len(rows)} faults {len(injected)} are injected,",
        f"{sum(row.times for row in rows):,} times in the recorded runs;",
        f"{sum(row.failed > 0 for row in rows)} of them with a test that failed.",
        f"{len(left_out)} cannot be injected here, for the reasons at the end.",
        "",
        "Components are real wherever one can run: anvil and py-evm, SQLite and PostgreSQL,",
        "killed processes, failing disks. State machines run the real pipeline over an in-memory",
        "chain that is checked against anvil's answers (`tests/devnet/test_memory_chain.py`).",
        "",
        "## Reproduce",
        "",
        REPRODUCE,
    ]
    for letter, title in GROUPS.items():
        group = [row for row in injected if row.fault.id[0] == letter]
        if group:
            lines += ["", f"## {letter}. {title}", "", *_table(group)]
    for heading, kept in (("Not injected", left_out), ("Not injected yet", missing)):
        if kept:
            lines += ["", f"## {heading}", "", "| | fault | why |", "|---|---|---|"]
            lines += [
                f"| {row.fault.id} | {row.fault.title} | {row.fault.reason or 'no test yet'} |"
                for row in kept
            ]
    return "\n".join(lines) + "\n"


def _table(rows: list[Row]) -> list[str]:
    return [
        "| | fault | required | injected | times | outcome |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row.fault.id} | {row.fault.title} | {row.fault.expected} "
            f"| {_cell(how for how, _ in row.pairs)} | {row.times or '–'} | {row.outcome} |"
            for row in rows
        ),
    ]


def _cell(texts: Iterable[str]) -> str:
    return "<br>".join(text.replace("|", "\\|") for text in texts)


def _is_there(test: str) -> bool:
    """Return whether a recorded test is still in its file."""
    file, _, name = test.partition("::")
    path = ROOT / file
    return path.is_file() and f"def {name.partition('[')[0]}(" in path.read_text("utf-8")


def main() -> None:
    """Write the page, without tests that are no longer in their files."""
    record = json.loads(RECORD.read_text("utf-8")) if RECORD.exists() else {}
    record = {test: seen for test, seen in record.items() if _is_there(test)}
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(render(collect(find_markers(), record)), encoding="utf-8")


if __name__ == "__main__":
    main()
