"""The verifier in Go that was written from the specification alone, as a process."""

from __future__ import annotations

import json
import os
import subprocess
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from support.bent_receipts import Given, world
from support.paths import ROOT
from support.policy_json import describe_policy

SOURCES = ROOT / "tests" / "foreign_verifier"


def run_go(*arguments: str) -> str:
    """Run the Go command in the sources' folder, without network; return what it prints."""
    caches = {"GOCACHE": str(ROOT / ".build" / "go"), "GOPROXY": "off", "GOTOOLCHAIN": "local"}
    done = subprocess.run(
        ["go", *arguments], cwd=SOURCES, env=os.environ | caches, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def describe_case(receipt: bytes, given: Given) -> dict[str, Any]:
    """Return a case as the verifier reads it, and as the vectors have it."""
    evidence = world().evidence(given.leaf)
    assert evidence.sha256 is not None
    assert evidence.sm3 is not None
    return {
        "receipt": b64encode(receipt).decode(),
        "evidence": {
            "sha256": evidence.sha256.hex(), "sm3": evidence.sm3.hex(), "size": evidence.size,
        },
        "policy": None if given.policy is None else describe_policy(given.policy),
        "block_hashes": [f"0x{named.hex()}" for named in sorted(given.block_hashes)],
        "chain_ids": list(given.chain_ids),
        "accept_unpinned": given.accept_unpinned,
    }  # fmt: skip


def judge_all(verifier: Path, cases: Iterable[dict[str, Any]]) -> list[int]:
    """Return the exit code of each case."""
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    done = subprocess.run(
        [verifier, "judge"], input=lines, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["exit_code"] for line in done.stdout.splitlines()]
