"""Owners set retention dates, by the API and on the page, never earlier than the record says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.page_service import PageService, serve_pages
from support.service import bearer, digest

from anchor.base.system.clock import utc_now
from anchor.client.answers import read_status
from anchor.client.status_retention import StatusRetention
from anchor.store.api_keys import create_key
from anchor.store.retentions import enter_retentions
from anchor.store.tenant_events import load_events

STATED = "2036-01-02T03:04:05Z"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[PageService]:
    chain = MemoryChain(recover=read_sender, interval=12, lag=1)
    site = MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)
    with serve_pages(site, site.chain) as served:
        yield served


def make_manager(served: PageService, tenant: str = "acme") -> dict[str, str]:
    with served.project.database.write() as connection:
        scopes = ["submit", "read", "manage"]
        return bearer(create_key(connection, tenant, scopes, created_at=utc_now()))


def submit(served: PageService, headers: dict[str, str], number: int, **groups: str) -> str:
    body = {"sha256": digest(number), **({"groups": groups} if groups else {})}
    answer = served.http.post("/v1/evidence", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    enter_retentions(served.project.database)
    id: str = answer.json()["id"]
    return id


def put(served: PageService, headers: dict[str, str], id: str, until: object) -> tuple[int, object]:
    answer = served.http.put(f"/v1/evidence/{id}/retention", json={"until": until}, headers=headers)
    return answer.status_code, answer.json().get("retention")


def test_an_owner_moves_a_date_later_and_back_to_the_records_own(served: PageService) -> None:
    owner = make_manager(served)
    id = submit(served, owner, 1, retention_until=STATED)
    parsed = read_status(served.http.get(f"/v1/evidence/{id}", headers=owner).content)
    assert parsed.retention == StatusRetention("2036-01-02T03:04:05.000Z", "record", None)
    stated = {"until": "2036-01-02T03:04:05.000Z", "source": "record", "beaten_by": None}
    assert served.http.get(f"/v1/evidence/{id}", headers=owner).json()["retention"] == stated
    (listed,) = served.http.get("/v1/evidence", headers=owner).json()["evidence"]
    assert listed["retention"] == stated
    assert put(served, owner, id, "2036-01-02")[0] == 422
    assert put(served, owner, id, "2040-01-31") == (
        200, {"until": "2040-01-31T00:00:00.000Z", "source": "owner", "beaten_by": None},
    )  # fmt: skip
    assert put(served, owner, id, "2040-01-31")[0] == 200
    assert put(served, owner, id, "2037-01-31T12:00:00Z")[0] == 200
    answer = served.http.delete(f"/v1/evidence/{id}/retention", headers=owner)
    assert (answer.status_code, answer.json()["retention"]) == (200, stated)
    with served.project.database.read() as connection:
        actions = [event.action for event in load_events(connection, "acme", 10)]
    assert actions == ["retention-removed", "retention-set", "retention-set"]


def test_a_date_is_set_where_the_record_has_none(served: PageService) -> None:
    owner = make_manager(served)
    id = submit(served, owner, 1)
    assert served.http.get(f"/v1/evidence/{id}", headers=owner).json()["retention"] is None
    assert put(served, owner, id, "2030-01-31")[0] == 200
    answer = served.http.delete(f"/v1/evidence/{id}/retention", headers=owner)
    assert (answer.status_code, answer.json()["retention"]) == (200, None)


@pytest.mark.parametrize("until", ["", "soon", "2036-02-30", "2036-1-1", None, 5, "x" * 41])
def test_a_malformed_date_changes_nothing(served: PageService, until: object) -> None:
    owner = make_manager(served)
    id = submit(served, owner, 1)
    assert put(served, owner, id, until)[0] == 422
    assert served.http.get(f"/v1/evidence/{id}", headers=owner).json()["retention"] is None


def test_others_cannot_set_a_date(served: PageService) -> None:
    owner, stranger = make_manager(served), make_manager(served, "bank")
    id = submit(served, owner, 1)
    assert put(served, stranger, id, "2030-01-31")[0] == 404
    assert put(served, bearer(served.reader), id, "2030-01-31")[0] == 403
