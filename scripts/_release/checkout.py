"""The commit that a release is made of, exported so that nothing of its checkout is left."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: its id, and its time in seconds since 1970."""

    id: str
    time: int


def read_commit(root: Path) -> Commit:
    """Return the commit that is checked out.

    Raises:
        SystemExit: It is no git checkout, or has changes that are not committed.
    """
    try:
        changes = run_git(root, "status", "--porcelain")
        commit, seconds = run_git(root, "log", "-1", "--format=%H %ct").decode().split()
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"{root} is no git checkout, of which releases are made") from error
    if changes:
        raise SystemExit(f"{root} has changes that are not committed: commit or remove them first")
    return Commit(commit, int(seconds))


def read_version(root: Path) -> str:
    """Return the package's version as ``pyproject.toml`` has it."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def export(root: Path, commit: Commit, folder: Path) -> None:
    """Write the commit's files into a new folder."""
    folder.mkdir()
    archive = run_git(root, "archive", "--format=tar", commit.id)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")


def run_git(root: Path, *words: str) -> bytes:
    """Return what git prints."""
    command = ["git", "-C", str(root), *words]
    return subprocess.run(command, capture_output=True, check=True).stdout
