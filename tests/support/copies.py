"""A service that keeps copies, and a client that uploads them by tus."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from support.memory_projects import MemorySite
from support.page_service import PageService

from anchor.base.system.clock import utc_now
from anchor.keeping.master_keyset import MasterKeyset
from anchor.project.keeping_config import KeepingConfig
from anchor.store.api_keys import create_key

TUS = {"Tus-Resumable": "1.0.0"}
OCTETS = {"Content-Type": "application/offset+octet-stream"}


def keeping(folder: Path, **members: Any) -> KeepingConfig:
    """Return a configuration with a keyset, whose objects are in ``folder/bucket``."""
    keyset = folder / "keyset.json"
    if not keyset.exists():
        MasterKeyset.create().save(keyset)
    known: dict[str, Any] = {"url": f"file://{folder / 'bucket'}", "tenant_bytes": 1 << 30}
    return KeepingConfig(keyset=keyset, **known | members)


def keep(site: MemorySite, folder: Path, **members: Any) -> MemorySite:
    """Return the project with copies configured."""
    config = replace(site.config, keeping=keeping(folder, **members))
    return replace(site, config=config)


def key_of(served: PageService, tenant: str = "acme", *scopes: str) -> dict[str, str]:
    """Return the headers of a new key."""
    with served.project.database.write() as connection:
        wanted = scopes or ("submit", "read", "manage")
        key = create_key(connection, tenant, wanted, created_at=utc_now())
    return {"Authorization": f"Bearer {key}"}


@dataclass
class Uploader:
    """A tenant's client."""

    served: PageService
    headers: dict[str, str]

    def submit(self, data: bytes, **members: Any) -> str:
        """Submit the digest of some bytes; return the id."""
        body = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} | members
        answer = self.served.http.post("/v1/evidence", json=body, headers=self.headers)
        assert answer.status_code in (200, 201), answer.text
        return str(answer.json()["id"])

    def create(self, id: str, length: int | str, **headers: str) -> httpx.Response:
        """Begin an upload."""
        named = base64.b64encode(id.encode()).decode()
        sent = {"Upload-Length": str(length), "Upload-Metadata": f"evidence {named}"}
        return self.ask("POST", "/v1/uploads", sent | headers)

    def begin(self, id: str, length: int) -> str:
        """Begin an upload; return its address."""
        answer = self.create(id, length)
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"]

    def append(self, upload: str, data: bytes, offset: int, **headers: str) -> httpx.Response:
        """Send bytes."""
        sent = OCTETS | {"Upload-Offset": str(offset)} | headers
        return self.ask("PATCH", upload, sent, content=data)

    def ask(
        self, method: str, path: str, headers: dict[str, str], **options: Any
    ) -> httpx.Response:
        """Send a request by the protocol."""
        sent = self.headers | TUS | headers
        return self.served.http.request(method, path, headers=sent, **options)

    def offset(self, upload: str) -> int:
        """Return how many bytes have arrived."""
        answer = self.ask("HEAD", upload, {})
        assert answer.status_code == 200
        return int(answer.headers["Upload-Offset"])

    def upload(self, data: bytes, **members: Any) -> str:
        """Submit bytes and upload them; return the id of the evidence."""
        id = self.submit(data, **members)
        upload = self.begin(id, len(data))
        assert self.append(upload, data, 0).status_code == 204
        return id

    def copy_of(self, id: str) -> dict[str, Any] | None:
        """Return the copy as the evidence's status has it."""
        answer = self.served.http.get(f"/v1/evidence/{id}", headers=self.headers)
        assert answer.status_code == 200, answer.text
        copy: dict[str, Any] | None = answer.json()["kept_copy"]
        return copy

    def settled(self, id: str) -> dict[str, Any]:
        """Return the copy once it is kept or refused."""
        return self.wait(id, lambda copy: copy["state"] in ("kept", "refused"))

    def wait(self, id: str, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the copy once it is so."""
        end = time.monotonic() + 60
        while not is_so(copy := self.copy_of(id) or {"state": "none"}):
            assert time.monotonic() < end, copy
            time.sleep(0.02)
        return copy

    def read(self, id: str, **headers: str) -> httpx.Response:
        """Download the copy."""
        return self.served.http.get(f"/v1/evidence/{id}/copy", headers=self.headers | headers)


def objects(folder: Path) -> list[Path]:
    """Return the objects, in order."""
    bucket = folder / "bucket"
    return sorted(path for path in bucket.rglob("*") if path.is_file())


def until(is_so: Callable[[], bool]) -> None:
    """Wait until it is so."""
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)
