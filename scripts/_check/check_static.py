"""Run slither and Foundry's linter on the contract, and compare slither's findings with its triage.

    python scripts/_check/check_static.py

Runs in .venv-analysis, which contains slither, with forge and the compiler from scripts/foundry.sh.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TRIAGE = ROOT / "tests" / "contracts" / "slither-triage.toml"
OUT = ".build/slither"


class Finding(NamedTuple):
    """A finding of slither, identified so that edits elsewhere in the file do not change it."""

    detector: str
    where: str


def main() -> int:
    found = run_slither()
    accepted = load_triage()
    complaints = [
        f"slither: {finding.detector} in {finding.where}\n{description}"
        for finding, description in found.items()
        if finding not in accepted
    ]
    complaints += [
        f"{TRIAGE.name}: {finding.detector} in {finding.where} is no longer found; delete the entry"
        for finding in sorted(accepted - found.keys())
    ]
    if lint := run_linter():
        complaints.append(f"forge lint:\n{lint}")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if not complaints:
        print(f"slither: {len(found)} findings, each with its reason in {TRIAGE.name}")
        print("forge lint: nothing")
    return 1 if complaints else 0


def run_slither() -> dict[Finding, str]:
    """Return slither's findings and its own descriptions of them.

    Raises:
        SystemExit: slither ended without a result.
    """
    program = Path(sys.executable).with_name("slither")
    # Not forge's own folder, because slither empties it and builds from scratch.
    command = [str(program), ".", "--foundry-out-directory", OUT, "--json", "-"]
    environment = {**os.environ, "FOUNDRY_OUT": OUT, "FOUNDRY_CACHE_PATH": f"{OUT}-cache"}
    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    try:
        report = json.loads(answer.stdout)
    except ValueError:
        sys.exit(f"slither did not run (see scripts/foundry.sh):\n{answer.stderr}{answer.stdout}")
    if not report["success"]:
        sys.exit(f"slither failed: {report['error']}")
    # The contract always causes some findings, so an empty report is invalid.
    if not report["results"].get("detectors"):
        sys.exit("slither found nothing at all, not even what is expected: was anything analysed?")
    found: dict[Finding, str] = {}
    for detection in report["results"]["detectors"]:
        element = detection["elements"][0]
        parent = element["type_specific_fields"].get("parent", {}).get("name", "")
        finding = Finding(detection["check"], f"{parent}.{element['name']}")
        found[finding] = detection["description"].rstrip()
    return found


def load_triage() -> set[Finding]:
    """Return the findings that the triage file accepts, each with its reason."""
    entries = tomllib.loads(TRIAGE.read_text("utf-8"))["accepted"]
    for entry in entries:
        if not entry["reason"].strip():
            sys.exit(f"{TRIAGE.name}: {entry['detector']} is accepted without a reason")
    return {Finding(entry["detector"], where) for entry in entries for where in entry["where"]}


def run_linter() -> str:
    """Return the complaints of ``forge lint``, or an empty text."""
    command = ["forge", "lint", "contracts", "--deny", "notes"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return answer.stderr.strip() or "it failed" if answer.returncode else ""


if __name__ == "__main__":
    sys.exit(main())
