"""Tenants that have one of everything, each with a word of its own in it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from support.copies import OCTETS, TUS
from support.service import digest
from support.sign_in_providers import Platform
from support.visitors import Visitor, visit
from support.webhook_receiver import Receiver

from anchor.base.system.clock import utc_now
from anchor.people.roles import ROLES, Role
from anchor.store.certificates import request_certificate, save_issue
from anchor.store.erasures import find_by_ids


@dataclass
class Tenant:
    """A tenant with somebody in each role and one of everything, by kind."""

    name: str
    people: dict[Role, Visitor]
    key: str = ""
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def secret(self) -> str:
        """A word that everything of this tenant has in it, and nothing of another one."""
        return f"secret-{self.name}-word"

    def call(self, method: str, path: str, body: object = None) -> Any:
        owner = self.people["owner"]
        headers = {"Origin": owner.platform.url, "Anchor-Tenant": self.name}
        content = {} if body is None else {"json": body}
        answer = owner.http.request(method, path, headers=headers, **content)
        assert answer.is_success, (method, path, answer.text)
        return answer.json() if answer.content else None


def wait_for(made: Callable[[], list[Any]]) -> list[Any]:
    end = time.monotonic() + 60
    while not any(rows := made()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return rows


def begin_upload(tenant: Tenant, evidence: str) -> str:
    owner = tenant.people["owner"]
    named = {"Origin": owner.platform.url, "Anchor-Tenant": tenant.name}
    answer = owner.http.post("/v1/uploads", headers=named | upload_headers(evidence))
    assert answer.status_code == 201, answer.text
    return str(answer.headers["Location"].rpartition("/")[2])


def upload_headers(evidence: str) -> dict[str, str]:
    """Return the headers of every request about uploads."""
    metadata = {"Upload-Metadata": f"evidence {base64.b64encode(evidence.encode()).decode()}"}
    return TUS | OCTETS | metadata | {"Upload-Length": "5", "Upload-Offset": "0"}


def furnish(platform: Platform, name: str, number: int, receiver: Receiver) -> Tenant:
    """Make a tenant, and one of everything in it."""
    tenant = Tenant(
        name, {role: visit(platform, f"{role}-{name}", **{name: role}) for role in ROLES}
    )
    call, word = tenant.call, tenant.secret
    hook = call(
        "POST", "/v1/webhooks", {"url": receiver.url(f"/{word}"), "events": ["key.created"]}
    )
    key = call("POST", "/v1/keys", {"scopes": ["submit", "read", "audit", "manage"]})
    call("POST", "/v1/invitations", {"role": "owner", "email": f"{word}@x.org"})
    (invited,) = call("GET", "/v1/invitations")["invitations"]
    piece = call(
        "POST", "/v1/evidence", {"sha256": digest(number), "name": f"{word}.pdf", "size": 5}
    )
    case = call("POST", "/v1/cases", {"number": word, "title": word, "authority": word})
    path = f"/v1/cases/{case['id']}"
    exhibit = call("POST", f"{path}/exhibits", {"evidence": piece["id"], "label": word[:40]})
    call("POST", f"{path}/notes", {"text": word})
    call("POST", f"{path}/members/{tenant.people['member'].id}")
    call("POST", f"{path}/links", {"label": word})
    with platform.project.database.write() as connection:
        (row,) = find_by_ids(connection, [bytes.fromhex(piece["id"])])
        order = request_certificate(connection, name, row.identity, requested_by="x", at=utc_now())
        save_issue(
            connection, order.id, number=f"AC-{word}", issued_at=utc_now(),
            files={"json": word.encode(), "pdf": word.encode()},
        )  # fmt: skip
    capture = call("POST", "/v1/captures", {"url": f"https://example.org/{word}", "note": word})
    capture_path = f"/v1/captures/{capture['id']}"
    wait_for(lambda: [call("GET", capture_path)["state"] == "running"])
    (message,) = wait_for(
        lambda: [
            one for one in call("GET", f"/v1/webhooks/{hook['id']}/deliveries")["deliveries"]
            if one["state"] == "delivered"
        ]
    )  # fmt: skip
    tenant.key = key["key"]
    tenant.ids = {
        "tenant": name, "evidence": piece["id"], "case": case["id"], "exhibit": exhibit["id"],
        "person": tenant.people["member"].id, "key": key["id"], "invitation": invited["id"],
        "webhook": hook["id"], "link": call("GET", f"{path}/links")["links"][0]["id"],
        "certificate": order.id, "capture": capture["id"], "message": message["message"],
        "upload": begin_upload(tenant, piece["id"]),
    }  # fmt: skip
    return tenant
