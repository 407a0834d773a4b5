"""Security D5: the units ran service and signer as one user, who could read the signer's memory.

A process opens a keystore; another one of the same user, without capabilities, reads its memory.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from support.paths import ROOT
from support.separation import read_key

from anchor.chain.signer.keystore import write_keystore

KEY = bytes(range(1, 33))


def find_user(unit: str) -> str:
    """Return the user that a unit runs as."""
    lines = (ROOT / "deploy" / unit).read_text("utf-8").splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith("User="))


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        keystore = Path(folder) / "key.json"
        write_keystore(keystore, KEY, "password", iterations=2)
        outcome, found = read_key(keystore, "password", KEY)
    users = [find_user(unit) for unit in ("anchor-run.service", "anchor-serve.service")]
    print(f"memory {outcome}, private key found at {found} places; the units' users {users}")
    return int(found > 0 or outcome != "refused" or users[0] == users[1])


if __name__ == "__main__":
    sys.exit(main())
