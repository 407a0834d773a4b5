"""Small disks that really are full, or read-only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(place: Path, *, kib: int) -> Iterator[Path]:
    """Mount a tmpfs of this size at ``place`` to the end of the block.

    The test is passed over where this user may not mount.
    """
    place.mkdir()
    size = f"size={kib}k,mode=0700"
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "none", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
