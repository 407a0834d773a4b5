"""Keeping a decrypted key in this process: no other process of the same user reads its memory."""

from __future__ import annotations

import contextlib
import ctypes
import resource
import sys

# linux/prctl.h
_PR_SET_DUMPABLE = 4


def protect_memory() -> None:
    """Forbid core dumps, and on Linux reading this process's memory by others than root.

    Processes of the same user can otherwise read it (``process_vm_readv``, ``/proc/PID/mem``) and
    attach to it.  A program that this process starts is not covered; a fork is.
    """
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
