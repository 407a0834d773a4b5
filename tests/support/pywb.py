"""pywb as a user has it: a program of its own environment, never importable from ours."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

from support.paths import ROOT

VERSION = "2.10.0"
_HOME = ROOT / ".build" / f"pywb-{VERSION}"


def install_pywb() -> Path:
    """Return the folder of pywb's programs, which is installed on the first call."""
    _HOME.parent.mkdir(exist_ok=True)
    with _HOME.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = _HOME / "installed"
        if not done.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", _HOME], check=True)
            words = ("-m", "pip", "install", "--quiet", f"pywb=={VERSION}")
            subprocess.run([_HOME / "bin" / "python", *words], check=True)
            done.touch()
    return _HOME / "bin"
