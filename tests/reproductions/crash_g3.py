"""No way to upgrade a store of an older schema (crash G3).

Every command ended with 22 and said nothing of what to do.  A store as the release of schema 0001
wrote it must name the way, become this release's with a backup, and have the same leaves after it.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from support.command import run_anchor
from support.paths import ROOT

from anchor.project.allowlist import allow_project

DUMP = ROOT / "tests" / "vectors" / "stores" / "schema-0001.sql"


def make_project(folder: Path) -> None:
    """Make a project with that store; nobody asks its node."""
    with closing(sqlite3.connect(folder / "anchor.db")) as store:
        store.executescript(DUMP.read_text("ascii"))
        (pins,) = store.execute("SELECT log, chain_id, genesis, registry, code_hash FROM project")
    log, chain_id, genesis, registry, code_hash = pins
    (folder / "anchor.toml").write_text(
        'format = "anchor-config/1"\n'
        f'[chain]\nrpc = "http://127.0.0.1:1"\nchain_id = {chain_id}\n'
        f'genesis = "0x{genesis.hex()}"\nregistry = "0x{registry.hex()}"\n'
        f'code_hash = "0x{code_hash.hex()}"\n'
        f'[log]\nowner = "0x{log[12:].hex()}"\nnumber = {int.from_bytes(log[:12], "big")}\n'
        '[signer]\nkeystore = "key.json"\n'
    )
    allow_project(folder / "anchor.toml")


def look(folder: Path) -> list[str]:
    """Return what is wrong."""
    make_project(folder)
    refused = run_anchor("status", cwd=folder)
    seen = []
    if refused.code != 22 or "upgrade-store" not in refused.err:
        seen.append(f"status ends with {refused.code} and does not say what to do: {refused.err}")
    upgraded = run_anchor("upgrade-store", cwd=folder)
    if upgraded.code != 0:
        return [*seen, f"the store cannot be upgraded: {upgraded.code} {upgraded.err}"]
    audited = run_anchor("audit", "--offline", cwd=folder)
    if audited.code != 0 or "6 leaves in 3 heads" not in audited.out:
        seen.append(f"afterwards its log is another: {audited.code} {audited.out}")
    return seen


def main() -> int:
    """Return 1 where it reproduces."""
    with tempfile.TemporaryDirectory() as folder:
        seen = look(Path(folder))
    print("\n".join(seen) or "it does not reproduce")
    return 1 if seen else 0


if __name__ == "__main__":
    sys.exit(main())
