"""A running service never recovers from `restore --replace`, and says that it is ready.

crash D3: with an old backup in place and rebuilt below a running service, each submission was
answered 503 for good, `/readyz` 200, and evidence was read from the file that had been moved away.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from support.paths import ROOT
from support.projects import make_site
from support.service import bearer, digest, make_key, serve

from anchor.chain.devnet import Devnet, find_anvil, open_devnet


def drill(folder: Path, node: Devnet) -> list[str]:
    """Exchange the store below a service, restore it, and look what the service does."""
    site = make_site(folder / "project", node, number=1)
    key = make_key(site.folder)
    site.add("a", b"a")
    site.anchor()
    seen: list[str] = []
    with serve(site.folder, workers=1) as served:

        def submit(number: int, key: str) -> tuple[int, str]:
            answer = served.http.post(
                "/v1/evidence", json={"sha256": digest(number)}, headers=bearer(key)
            )
            return answer.status_code, answer.json().get("id", "")

        with (
            closing(sqlite3.connect(site.folder / "anchor.db")) as here,
            closing(sqlite3.connect(folder / "backup.db")) as there,
        ):
            here.backup(there)
        _, moved = submit(1, key)
        for end in ("-wal", "-shm", ""):
            path = site.folder / f"anchor.db{end}"
            if path.exists():
                path.rename(folder / path.name)
        (folder / "backup.db").rename(site.folder / "anchor.db")
        code = site.run("restore", "--replace").code
        if code != 0:
            return [f"restore ends with {code}"]
        fresh = make_key(site.folder)  # a rebuilt store has no keys
        end_at = time.monotonic() + 30
        while submit(2, fresh)[0] not in (200, 201):
            if time.monotonic() > end_at:
                ready = served.http.get("/readyz").status_code
                seen.append(f"still 503 half a minute after the restore, /readyz says {ready}")
                break
            time.sleep(0.5)
        answer = served.http.get(f"/v1/evidence/{moved}", headers=bearer(fresh))
        if answer.status_code == 200:
            seen.append("evidence is read from the file that was moved away")
    return seen


def main() -> int:
    """Return 1 where it reproduces."""
    with tempfile.TemporaryDirectory() as folder, open_devnet(anvil=find_anvil(ROOT)) as node:
        seen = drill(Path(folder), node)
    print("\n".join(seen) or "it does not reproduce")
    return 1 if seen else 0


if __name__ == "__main__":
    sys.exit(main())
