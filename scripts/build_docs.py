"""Write docs/command-line.md from the program itself; with --check, compare instead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from anchor.errors import ExitCode

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "command-line.md"
COMMANDS = (
    "init", "devnet", "deploy", "source", "doctor", "add", "seal", "run", "stamp", "status",
    "prove", "upgrade", "verify", "trust pin", "explain", "export-log", "audit", "restore",
    "succeed", "demo",
)  # fmt: skip


def render() -> str:
    """Return the page."""
    lines = [
        "# Command line",
        "",
        "Written by `scripts/build_docs.py` from the program itself.",
        "",
        "Results go to standard output, progress and errors to standard error. `--json` prints one",
        "JSON document instead of text. Progress bars appear on a terminal only; `NO_COLOR` is",
        "honoured.",
        "",
        "## Exit codes",
        "",
        "| code | meaning |",
        "|---|---|",
    ]
    lines += [f"| {int(code)} | {code.meaning} |" for code in ExitCode]
    for command in COMMANDS:
        lines += ["", f"## anchor {command}", "", "```", help_text(command), "```"]
    return "\n".join(lines) + "\n"


def help_text(command: str) -> str:
    """Return what ``anchor COMMAND --help`` prints at 80 columns."""
    environment = os.environ | {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-m", "anchor", *command.split(), "--help"],
        check=True, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines()).replace(
        "python -m anchor", "anchor"
    )


def main() -> None:
    """Write the page, or say that it is out of date."""
    page = render()
    if "--check" not in sys.argv:
        PAGE.write_text(page, encoding="utf-8")
    elif PAGE.read_text("utf-8") != page:
        sys.exit("docs/command-line.md is out of date: run `python scripts/build_docs.py`")


if __name__ == "__main__":
    main()
