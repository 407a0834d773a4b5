"""The service tells what is superseded or withdrawn: its tenant, and whoever holds a receipt."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.page_service import PageService, serve_pages
from support.service import digest
from support.troubles import Effects

from anchor.client.answers import read_status
from anchor.evidence.record_notice import read_notice
from anchor.operate.erasing import ErasureOrder, erase
from anchor.operate.evidence_selection import Selection
from anchor.operate.record_notices import record_notice
from anchor.receipt.format import parse_receipt
from anchor.store.evidence import find_by_identity


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    chain = MemoryChain(recover=read_sender, interval=12, lag=1)
    return MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)


@pytest.fixture
def served(site: MemorySite) -> Iterator[PageService]:
    with serve_pages(site, site.chain) as served:
        yield served


def submit(served: PageService, number: int) -> tuple[str, str]:
    """Submit evidence as a tenant; return its id and the SHA-256 of its record."""
    headers = {"Authorization": f"Bearer {served.reader}"}
    given = {"sha256": digest(number), "name": f"{number}.pdf"}
    id = served.http.post("/v1/evidence", json=given, headers=headers).json()["id"]
    with served.project.database.read() as connection:
        stored = find_by_identity(connection, bytes.fromhex(id))
    assert stored is not None and stored.record is not None
    return id, hashlib.sha256(stored.record).hexdigest()


def status(served: PageService, id: str) -> dict[str, Any]:
    answer = served.ask(f"/v1/evidence/{id}", served.reader)
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


def test_a_tenant_and_the_holders_of_a_receipt_are_told(
    site: MemorySite, served: PageService
) -> None:
    (old, record), (new, replacement) = submit(served, 1), submit(served, 2)
    assert status(served, old)["notice"] is None
    assert served.ask(f"/v1/notices/{record}").status_code == 404

    record_notice(served.project, old, new, reason="缺页", actor="Li", at="2026-01-02T03:04:05Z")
    notice = {
        "kind": "supersedes", "replacement": replacement, "reason": "缺页",
        "at": "2026-01-02T03:04:05Z", "actor": "Li",
    }  # fmt: skip
    assert status(served, old)["notice"] == notice
    assert status(served, new)["notice"] is None
    parsed = read_status(served.ask(f"/v1/evidence/{old}", served.reader).content)
    assert parsed.notice is not None and parsed.notice.replacement == replacement
    waiting = served.ask(f"/v1/notices/{record}")
    assert (waiting.status_code, waiting.json()["id"]) == (409, "notice-not-sealed")

    site.round(Effects())
    answer = served.ask(f"/v1/notices/{record}")
    assert answer.status_code == 200
    read = read_notice(parse_receipt(answer.content).record)
    assert read is not None
    assert (read.subject.hex(), read.reason) == (record, "缺页")
    for unknown in (replacement, "00" * 32):
        answer = served.ask(f"/v1/notices/{unknown}")
        assert (answer.status_code, answer.json()["id"]) == (404, "notice-none-known")
    assert served.ask("/v1/notices/x").status_code == 422


def test_an_operators_record_is_found_as_well(site: MemorySite, served: PageService) -> None:
    id, record = submit(served, 3)
    record_notice(served.project, id, None, reason="x", actor="Li")
    assert status(served, id)["notice"]["kind"] == "withdraws"
    assert status(served, id)["notice"]["replacement"] is None
    site.round(Effects())
    assert served.ask(f"/v1/notices/{record}").status_code == 200


def test_an_erased_notice_is_not_taken_for_none(site: MemorySite, served: PageService) -> None:
    id, record = submit(served, 1)
    _, accepted = record_notice(served.project, id, None, reason="缺页", actor="Li")
    assert status(served, id)["notice_erased"] is False
    order = ErasureOrder(basis="other", by="Li", reason="asked for")
    assert erase(served.project, Selection(ids=[accepted.identity]), order)
    answer = served.ask(f"/v1/notices/{record}")
    assert (answer.status_code, answer.json()["id"]) == (409, "notice-erased")
    document = status(served, id)
    assert (document["notice"], document["notice_erased"]) == (None, True)
    parsed = read_status(served.ask(f"/v1/evidence/{id}", served.reader).content)
    assert parsed.notice is None and parsed.notice_erased
