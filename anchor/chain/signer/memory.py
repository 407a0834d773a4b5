"""Protection of a decrypted key in memory against other processes of the same user."""

from __future__ import annotations

import contextlib
import ctypes
import resource
import sys

# linux/prctl.h
_PR_SET_DUMPABLE = 4


def protect_memory() -> None:
    """Disable core dumps and, on Linux, access to this process's memory by all users but root.

    Otherwise processes of the same user can read it (``process_vm_readv``, ``/proc/PID/mem``) and
    attach to it.  A fork is protected too; a program that this process starts is not.
    """
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
