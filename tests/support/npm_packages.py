"""Packages of npm that a folder's ``package-lock.json`` pins."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path


@cache
def install_packages(folder: Path) -> None:
    """Install what a folder pins, unless that was done already."""
    lock, done = folder / "package-lock.json", folder / "node_modules" / ".package-lock.installed"
    if done.is_file() and done.read_bytes() == lock.read_bytes():
        return
    command = ["npm", "--prefix", folder, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stderr
    shutil.copyfile(lock, done)
