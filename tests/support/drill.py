"""Restore drills: a backup at a random instant under load, the store destroyed, all of it back.

The oracle is a ledger of what was acknowledged, kept by the clients.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from support import store_contents
from support.command import start_anchor
from support.nodes import wait_until
from support.projects import Site
from support.service import Served, bearer, make_key

from anchor.recovery.store_audit import audit_project
from anchor.store.tile_folder import TileFolder

TENANTS = ("acme", "bank")
# Pieces acknowledged before the backup, and after it, at most.
MOST = 60
# Seconds between a tenant's submissions; each round checks all that was ever submitted.
_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of evidence that was acknowledged to a tenant under an idempotency key."""

    id: str
    tenant: str
    key: str
    name: str
    sha256: str


@dataclass
class Drill:
    """A log under load whose store is destroyed; ``lose_store`` does it, and names a new one."""

    site: Site
    chance: random.Random
    lose_store: Callable[[], None]
    api_keys: dict[str, str] = field(default_factory=dict)
    ledger: dict[str, Piece] = field(default_factory=dict)
    figures: list[dict[str, Any]] = field(default_factory=list)
    _number: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def prepare(self) -> None:
        """Give each tenant a key, and the log an anchor."""
        self.api_keys = {tenant: make_key(self.site.folder, tenant) for tenant in TENANTS}
        with self.running() as served:
            self.submit(served, TENANTS[0])
            self.wait_until_final(served)

    def round(self, backup: Path) -> None:
        """Back up at a random instant, lose the store at another one, and restore."""
        with self.running() as served, self.load(served):
            self.wait_for_more(self.chance.randrange(1, MOST))
            time.sleep(self.chance.uniform(0.0, 1.0))
            self.site.run("backup", backup).expect(0)
            self.wait_for_more(self.chance.randrange(MOST))
            time.sleep(self.chance.uniform(0.0, 1.0))
            served.running.process.kill()
            served.running.process.wait()
        sealed = self.sealed()
        kept = {identity: place for place, identity in enumerate(sealed)}
        self.lose_store()
        shown = self.site.run("restore", "--backup", backup, "--json").expect(0).document
        lost = {item["id"] for item in shown["lost"]}
        self.check_restored(shown, kept, lost)
        self.figures.append(
            {
                "acknowledged": len(self.ledger),
                "sealed": len(sealed),
                "hashes only": shown["hashes_only"],
                "waiting": shown["waiting"],
                "listed": len(lost),
            }
        )
        # A restored store has no API keys, so that none that was revoked comes back.
        self.api_keys = {tenant: make_key(self.site.folder, tenant) for tenant in TENANTS}
        with self.running() as served:
            self.check_served(served, kept, lost)
            self.wait_until_final(served)
        self.site.run("run", "--once", "--wait", "final").expect(0)
        self.check_once()

    def wait_for_more(self, count: int) -> None:
        """Wait until so many further pieces are acknowledged."""
        wanted = len(self.ledger) + count
        wait_until(lambda: len(self.ledger) >= wanted, seconds=120)

    def sealed(self) -> list[str]:
        """Return the ids of the leaves that tiles or the registry have, before the store goes."""
        places = {
            piece.leaf_index: piece.identity.hex()
            for piece in store_contents.load_pieces(self.site)
            if piece.leaf_index is not None
        }
        size = TileFolder(self.site.folder / "tiles").size
        anchored = max((size for size, _ in self.site.anchors_on_chain()), default=0)
        return [places[index] for index in sorted(places)[: max(size, anchored)]]

    def check_restored(self, shown: dict[str, Any], kept: dict[str, int], lost: set[str]) -> None:
        """Compare the new store with what was acknowledged."""
        assert shown["size"] >= len(kept)
        found = {
            piece.identity.hex(): (piece.source, piece.leaf_index)
            for piece in store_contents.load_pieces(self.site)
        }
        keys = {
            (key.hex(), identity.hex()) for key, identity in store_contents.load_keys(self.site)
        }
        for identity, piece in self.ledger.items():
            if identity in kept:
                source, place = found[identity]
                assert place == kept[identity], piece
                assert source.startswith(f"tenant:{piece.tenant}/"), (piece, source)
            else:
                # It waited, or was sealed and in nothing but the store: there, or named.
                assert (identity in found) != (identity in lost), piece
            if identity in found:
                assert (hash_key(piece), identity) in keys, piece
        # What is named beyond the ledger was on its way when the service died.
        assert lost.isdisjoint(found)

    def check_served(self, served: Served, kept: dict[str, int], lost: set[str]) -> None:
        """Ask for every piece as its tenant, and submit it again under its key."""

        def check(piece: Piece) -> None:
            headers = bearer(self.api_keys[piece.tenant])
            answer = served.http.get(f"/v1/evidence/{piece.id}", headers=headers)
            status = 404 if piece.id in lost else 200
            assert answer.status_code == status, (piece, answer.text)
            if piece.id in kept:
                assert answer.json()["index"] == kept[piece.id]
            again = self._post(served, piece)
            assert again.json()["id"] == piece.id, again.text
            assert again.json()["known"] is (piece.id not in lost), (piece, again.text)

        # Submissions that wait for the same transaction are acknowledged together.
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(check, [self.ledger[identity] for identity in sorted(self.ledger)]))

    def check_once(self) -> None:
        """Check that the log has every piece once, and that nothing is amiss."""
        pieces = store_contents.load_pieces(self.site)
        found = [piece.identity.hex() for piece in pieces if piece.leaf_index is not None]
        assert len(found) == len(set(found))
        assert set(self.ledger) <= set(found)
        assert len({piece.source for piece in pieces}) == len(pieces)
        with self.site.open() as project:
            assert audit_project(project).breaches == ()

    @contextmanager
    def running(self) -> Iterator[Served]:
        """Run service and daemon; both are killed at the end of the block."""
        folder = self.site.folder
        number = time.monotonic_ns()
        served = ("serve", "--port", "0", "--workers", "1")
        with (
            start_anchor("run", "--every", "1", cwd=folder, log=folder / f"run-{number}"),
            start_anchor(*served, cwd=folder, log=folder / f"serve-{number}") as service,
        ):
            # It takes long where many tests share the machine.
            url = service.printed(" at http://", 150.0).partition(" at ")[2].split()[0]
            with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
                yield Served(url, client, service)

    @contextmanager
    def load(self, served: Served) -> Iterator[None]:
        """Let each tenant submit, one piece after the other, until the block ends."""
        stopping = threading.Event()
        failures: list[AssertionError] = []

        def go_on(tenant: str) -> None:
            with httpx.Client(base_url=served.url, timeout=30, trust_env=False) as client:
                while not stopping.is_set():
                    try:
                        self.submit(Served(served.url, client, served.running), tenant)
                    except httpx.TransportError:
                        # It was killed, or is slow: nothing was acknowledged.
                        stopping.wait(0.2)
                    except AssertionError as error:
                        failures.append(error)
                        return
                    stopping.wait(_PAUSE)

        threads = [threading.Thread(target=go_on, args=(tenant,)) for tenant in TENANTS]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stopping.set()
            for thread in threads:
                thread.join()
        assert not failures, failures

    def submit(self, served: Served, tenant: str) -> None:
        """Submit one more piece, and note it once it is acknowledged."""
        with self._lock:
            self._number += 1
            number = self._number
        piece = Piece(
            id="",
            tenant=tenant,
            key=f"key-{number}",
            name=f"piece {number}",
            sha256=hashlib.sha256(b"piece %d" % number).hexdigest(),
        )
        answer = self._post(served, piece)
        identity = answer.json()["id"]
        self.ledger[identity] = Piece(identity, tenant, piece.key, piece.name, piece.sha256)

    def _post(self, served: Served, piece: Piece) -> httpx.Response:
        answer = served.http.post(
            "/v1/evidence",
            json={"sha256": piece.sha256, "name": piece.name},
            headers=bearer(self.api_keys[piece.tenant]) | {"Idempotency-Key": piece.key},
        )
        assert answer.status_code in (200, 201), answer.text
        return answer

    def wait_until_final(self, served: Served) -> None:
        """Wait until everything that was taken in is anchored, finally."""
        final = "SELECT max(head_size) FROM anchors WHERE final = 1"
        newest = "SELECT max(size) FROM heads"
        wait_until(
            lambda: (
                store_contents.count_waiting(self.site) == 0
                and self.site.rows(final) == self.site.rows(newest)
            ),
            seconds=120,
        )


def hash_key(piece: Piece) -> str:
    """Return what the store keeps of a tenant's idempotency key."""
    return hashlib.sha256(f"key:{piece.tenant}/{piece.key}".encode()).hexdigest()
