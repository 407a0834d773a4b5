"""Crash D6: evidence whose record came back from a receipt belonged to no tenant any more.

A tenant submits through the service before and after a backup; the store goes back to the backup,
and is restored with the tiles and the receipts.  Each id that was acknowledged and anchored has to
be the tenant's, its idempotency key has to stand, and submitting again may make no second leaf;
what was acknowledged and never sealed has to be named.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from support.disasters import anchor_final, back_up, put_back
from support.nodes import stop_the_clock
from support.paths import ROOT
from support.projects import Site, make_site
from support.service import Served, bearer, digest, make_key, serve
from support.store_contents import count_pieces

from anchor.chain.devnet import find_anvil, open_devnet


def submit(served: Served, key: str, number: int, idempotency: str | None = None) -> dict[str, str]:
    """Submit one piece, and return the answer."""
    headers = bearer(key) | ({"Idempotency-Key": idempotency} if idempotency else {})
    value = {"sha256": digest(number), "name": f"piece {number}"}
    answer = served.http.post("/v1/evidence", json=value, headers=headers)
    return dict(answer.json(), status=answer.status_code)


def lose_and_restore(site: Site, folder: Path) -> tuple[list[str], str, list[dict[str, str]]]:
    """Return the ids that were anchored, the one that never was, and what restore calls lost."""
    key = make_key(site.folder)
    with serve(site.folder, "--quiet") as served:
        ids = [submit(served, key, 1)["id"]]
        anchor_final(site)
        backup = back_up(site, folder / "backup.db")
        ids += [submit(served, key, 2)["id"], submit(served, key, 3, "order-3")["id"]]
        anchor_final(site)
        site.run("prove", "--all", "--output", folder / "kept").expect(0)
        unsealed = submit(served, key, 4)["id"]
    put_back(site, backup)
    options = ("--receipts", folder / "kept", "--replace", "--json")
    return ids, unsealed, site.run("restore", *options).expect(0).document.get("lost", [])


def find_faults(site: Site, ids: list[str]) -> list[str]:
    """Ask the restored service; return a sentence for each thing that is not as it was."""
    faults = []
    key = make_key(site.folder)
    with serve(site.folder, "--quiet") as served:
        for id in ids:
            answer = served.http.get(f"/v1/evidence/{id}", headers=bearer(key))
            if answer.status_code != 200 or answer.json()["state"] != "anchored":
                faults.append(f"{id} is {answer.status_code} {answer.text[:80]}")
            answer = served.http.get(f"/v1/evidence/{id}/receipt", headers=bearer(key))
            if answer.status_code != 200:
                faults.append(f"the receipt of {id} is {answer.status_code}")
        before = count_pieces(site)
        for number, id, idempotency in zip((1, 2, 3), ids, (None, None, "order-3"), strict=True):
            again = submit(served, key, number, idempotency)
            if (again["status"], again.get("id"), again.get("known")) != (200, id, True):
                faults.append(f"submitted again, {id} is {again}")
        if submit(served, key, 99, "order-3")["status"] != 422:
            faults.append("an idempotency key was taken for other evidence")
        if count_pieces(site) != before:
            faults.append("submitting again made second rows")
    return faults


def main() -> int:
    with (
        tempfile.TemporaryDirectory() as name,
        open_devnet(anvil=find_anvil(ROOT)) as node,
    ):
        stop_the_clock(node.url)
        folder = Path(name)
        site = make_site(folder / "project", node, number=966)
        ids, unsealed, lost = lose_and_restore(site, folder)
        faults = find_faults(site, ids)
        if [item["id"] for item in lost] != [unsealed]:
            faults.append(f"restore names as lost {lost}, and it is {unsealed}")
    print("\n".join(faults) or "each id is its tenant's again")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
