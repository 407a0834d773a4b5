"""A process that holds a decrypted key, and another of the same user that looks for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from support.paths import ROOT

SIGNER, SERVICE, GROUP = 10_001, 10_002, 10_010
"""Two users and their group, which need no names on this machine."""

_HOLD = """
import sys
from pathlib import Path
from anchor.chain.signer.keystore import open_keystore
signer = open_keystore(Path(sys.argv[1]), lambda: sys.argv[2])
print(signer.address.hex(), flush=True)
sys.stdin.read()
"""
# Reads what another process has mapped, as a debugger would, and counts the places of some bytes.
_LOOK = """
import ctypes, re, sys
pid, wanted = int(sys.argv[1]), bytes.fromhex(sys.argv[2])
class Part(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
libc, found, refused = ctypes.CDLL(None, use_errno=True), 0, 0
try:
    maps = open(f"/proc/{pid}/maps").read()
except OSError:
    print("refused", 0); raise SystemExit
for first, last in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", maps, re.M):
    start, size = int(first, 16), int(last, 16) - int(first, 16)
    buffer = ctypes.create_string_buffer(size)
    here, far = Part(ctypes.addressof(buffer), size), Part(start, size)
    read = libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(far), 1, 0)
    refused += read < 0
    found += buffer.raw.count(wanted)
print("read" if maps and not refused else "refused", found)
"""


def confined() -> list[str]:
    """Return what runs a command without capabilities; nothing where we have none ourselves."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    assert setpriv is not None, "setpriv was not found (on Debian: apt install util-linux)"
    return [setpriv, "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]


def as_user(user: int) -> list[str]:
    """Return what runs a command as a user of ``GROUP``; nothing where we are not root.

    It may read everything, as the machine's Python may be where only root can look; it may write
    only what is the user's or the group's.
    """
    if os.geteuid() != 0:
        return []
    return [
        *confined()[:1], f"--reuid={user}", f"--regid={GROUP}", "--clear-groups", "--no-new-privs",
        "--bounding-set=-all,+dac_read_search", "--inh-caps=-all,+dac_read_search",
        "--ambient-caps=-all,+dac_read_search",
    ]  # fmt: skip


def python(script: str, *arguments: str) -> list[str]:
    """Return the command that runs a script in a process of this user's own rights."""
    return [*confined(), sys.executable, "-c", script, *arguments]


def read_key(keystore: Path, password: str, key: bytes) -> tuple[str, int]:
    """Open a keystore, look for its key from another process; return how that went, and hits."""
    variables = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    holder = subprocess.Popen(
        python(_HOLD, str(keystore), password),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip(), "the keystore did not open"
        looked = subprocess.run(
            python(_LOOK, str(holder.pid), key.hex()),
            capture_output=True, text=True, timeout=60, check=True, env=variables,
        )  # fmt: skip
    finally:
        holder.communicate(timeout=60)
    outcome, found = looked.stdout.split()
    return outcome, int(found)
