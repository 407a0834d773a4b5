"""Programs as a user has them: each in an environment of its own, never importable from ours."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

from support.paths import ROOT

PYWB = ("pywb", "2.10.0")
# 11.0.2 is the last version for Python 3.11.
MITMPROXY = ("mitmproxy", "11.0.2" if sys.version_info < (3, 12) else "12.3.1")


def install_program(name: str, version: str) -> Path:
    """Return the folder of a package's programs, which is installed on the first call."""
    home = ROOT / ".build" / f"{name}-{version}"
    home.parent.mkdir(exist_ok=True)
    with (home.parent / f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = home / "installed"
        if not done.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
            words = ("-m", "pip", "install", "--quiet", f"{name}=={version}")
            subprocess.run([home / "bin" / "python", *words], check=True)
            done.touch()
    return home / "bin"
