"""A display of the tests' own: a real X server without a screen."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from support.tools import check_program


@contextmanager
def run_display(size: str = "321x241") -> Iterator[str]:
    """Run an X server during the block; yield the name of its display."""
    xvfb = check_program("Xvfb")
    check_program("ffmpeg")
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [xvfb, "-displayfd", str(writing), "-screen", "0", f"{size}x24", "-nolisten", "tcp"],
        pass_fds=(writing,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with open(reading) as told:
            yield f":{int(told.readline())}"
    finally:
        process.terminate()
        process.wait()
