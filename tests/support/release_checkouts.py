"""Checkouts of this repository as it is now, committed or not, and releases made of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.paths import ROOT

PROGRAM = ROOT / "scripts/_release"
PYTHON = ROOT / ".venv-release" / "bin" / "python"
_WHO = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (
        ("NAME", "Tests"),
        ("EMAIL", "tests@example.org"),
        ("DATE", "2026-03-04T05:06:07+00:00"),
    )
}


def make_checkout(folder: Path) -> Path:
    """Copy this repository's files into a new folder, and commit them at a fixed time."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "Release"]):
        subprocess.run(["git", *words], cwd=folder, env=os.environ | _WHO, check=True)
    return folder


def run_release(
    *words: str | Path, environment: Mapping[str, str] | None = None, umask: int = 0o022
) -> subprocess.CompletedProcess[str]:
    """Run the program behind ``scripts/release``, in the environment that the script sets up."""
    if not PYTHON.exists():
        subprocess.run(["sh", ROOT / "scripts/release", "--help"], check=True, capture_output=True)
    return subprocess.run(
        [PYTHON, PROGRAM, *words],
        env=os.environ | dict(environment or {}), umask=umask,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def make_release(
    checkout: Path,
    out: Path,
    *words: str | Path,
    environment: Mapping[str, str] | None = None,
    umask: int = 0o022,
) -> Path:
    """Make a release of a checkout, without images."""
    done = run_release(
        out, "--source", checkout, "--without", "images", *words,
        environment=environment, umask=umask,
    )  # fmt: skip
    if done.returncode:
        pytest.fail(done.stderr, pytrace=False)
    return out


def make_images(checkout: Path, out: Path) -> Path:
    """Make a release of a checkout with its images."""
    done = run_release(out, "--source", checkout, "--without", "aarch64")
    if done.returncode:
        pytest.fail(done.stderr, pytrace=False)
    return out
