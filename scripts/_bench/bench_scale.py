"""Measure how the cost of a piece of evidence changes with the size of the log, beside its floors.

Each run has a store of its own, which grows from size to size.  Results are appended to a JSON
file, from which `--tables` makes those of docs/performance.md.  Part of
`scripts/bench --scale`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from bench_scale_figures import Figure, load_figures, print_tables
from bench_scale_store import DATABASES, measure_store

from anchor.base.system.clock import utc_now


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", type=parse_sizes, default=parse_sizes("1e4,1e5,1e6"))
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--database", choices=DATABASES, action="append", help="only this one")
    parser.add_argument("--commit", type=int, default=10_000, help="pieces in a transaction")
    parser.add_argument(
        "--mixed", action="store_true", help="repeats are among new pieces, not behind them"
    )
    parser.add_argument(
        "--restored", type=float, default=1e7, help="largest log that is backed up and restored"
    )
    parser.add_argument("--peer-leaves", type=float, default=1e5, help="the most for peers")
    parser.add_argument("--folder", type=Path, help="where the stores go, and are removed")
    parser.add_argument("--out", type=Path, default=Path("scale.json"), help="results, appended to")
    parser.add_argument("--tables", action="store_true", help="print the tables of --out; no run")
    parser.add_argument("--child", choices=DATABASES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        with tempfile.TemporaryDirectory(dir=options.folder, prefix="anchor-scale-") as name:
            measure_store(options, Path(name))
    elif options.tables:
        print_tables(load_figures(options.out))
    else:
        for number in range(options.runs):
            for database in options.database or DATABASES:
                print(f"\nrun {number + 1} of {options.runs}: {database}", flush=True)
                run_child(database, options.out)
    return 0


def parse_sizes(value: str) -> list[int]:
    """Return sizes such as ``1e4,1e6``, in ascending order."""
    return sorted(int(float(size)) for size in value.split(","))


def run_child(database: str, out: Path) -> None:
    """Measure in a separate process, and append each of its figures to ``out``."""
    results = json.loads(out.read_text()) if out.exists() else {"runs": []}
    figures: list[dict[str, object]] = []
    run: dict[str, object] = {"database": database, "machine": describe_machine()}
    run["figures"] = figures
    results["runs"].append(run)
    command = [sys.executable, __file__, *sys.argv[1:], "--child", database]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            figure = Figure(**json.loads(line))
            print(figure.describe(), flush=True)
            figures.append(asdict(figure))
            # After each figure, because a run takes hours and may be interrupted.
            out.write_text(json.dumps(results, indent=1) + "\n")
    run["load_after"] = round(os.getloadavg()[0], 2)
    out.write_text(json.dumps(results, indent=1) + "\n")
    if process.returncode:
        sys.exit(f"{database}: the run ended with {process.returncode}")


def describe_machine() -> dict[str, object]:
    """Return what the figures depend on, with the load before the run."""
    model = platform.machine()
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    return {
        "cpu": model, "cores": os.cpu_count(), "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2), "at": utc_now(),
    }  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
