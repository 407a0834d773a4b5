"""A child process that ends with this one, however this one ends, and leaves no scratch files."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

# This shell is the program's parent.  Its standard input ends when this process closes it or ends
# in any way (SIGKILL included).  The shell then ends its process group: first with SIGTERM, and
# after ten seconds with SIGKILL.  It deletes the scratch folder last.
_GUARD = """
scratch=$1; shift
trap : TERM
exec 3<&0
"$@" 3<&- </dev/null &
child=$!
( trap : TERM; read -r _ <&3; kill -TERM 0; sleep 10; rm -rf -- "$scratch"; kill -KILL 0 ) &
while kill -0 "$child" 2>/dev/null; do wait "$child"; done
rm -rf -- "$scratch"
kill -KILL 0
"""


def start_guarded(
    command: Sequence[str],
    scratch: Path,
    *,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a command that ends with this process, and whose folder ``scratch`` goes with it.

    It is in a process group of its own: Ctrl-C in the terminal reaches only this process.
    """
    return subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "anchor-guard", str(scratch), *command],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )


def end_guarded(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Stop a guarded process by SIGTERM, after ``seconds`` by SIGKILL; wait until it has ended."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        # The process was not reaped yet, so its group id cannot have been reused.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
