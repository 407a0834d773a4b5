"""A tenant's owner erases the tenant's evidence, and nothing that others or the law keep."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.page_service import PageService, serve_pages
from support.service import bearer, digest

from anchor.base.system.clock import utc_now
from anchor.operate.acceptance import identify
from anchor.operate.audit_trail_evidence import describe_day, record_due_days
from anchor.operate.erasing import ErasureOrder
from anchor.operate.erasing import erase as erase_by_operator
from anchor.operate.erasure_cleanup import clean_up
from anchor.operate.evidence_selection import Selection
from anchor.people.actors import Actor
from anchor.store.api_keys import create_key
from anchor.store.erasures import load_erasures
from anchor.store.evidence import find_by_identity
from anchor.store.legal_holds import LegalHold, insert_holds
from anchor.store.tenant_events import load_day, load_events, note_tenant_event

WHY = {"basis": "pipl-47", "reason": "request 2026-17"}


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    chain = MemoryChain(recover=read_sender, interval=12, lag=1)
    return MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)


@pytest.fixture
def served(site: MemorySite) -> Iterator[PageService]:
    with serve_pages(site, site.chain) as served:
        yield served


def make_manager(served: PageService, tenant: str = "acme") -> dict[str, str]:
    """Return the headers of a key that manages and submits."""
    with served.project.database.write() as connection:
        scopes = ["submit", "read", "manage"]
        return bearer(create_key(connection, tenant, scopes, created_at=utc_now()))


def submit(served: PageService, headers: dict[str, str], **members: Any) -> str:
    answer = served.http.post("/v1/evidence", json=members, headers=headers)
    assert answer.status_code in (200, 201), answer.text
    id: str = answer.json()["id"]
    return id


def erase(served: PageService, headers: dict[str, str], id: str, **members: Any) -> httpx.Response:
    return served.http.post(f"/v1/evidence/{id}/erasure", json=WHY | members, headers=headers)


def list_actions(served: PageService, tenant: str = "acme") -> list[str]:
    with served.project.database.read() as connection:
        return [event.action for event in load_events(connection, tenant, 100)]


def is_kept(served: PageService, id: str) -> bool:
    with served.project.database.read() as connection:
        stored = find_by_identity(connection, bytes.fromhex(id))
    return stored is not None and stored.record is not None


def test_the_owner_erases_evidence_and_a_statement_stays(served: PageService) -> None:
    owner = make_manager(served)
    id = submit(served, owner, sha256=digest(1), name="合同.pdf")
    other = submit(served, owner, sha256=digest(2))
    answer = erase(served, owner, id)
    assert answer.status_code == 202, answer.text
    assert not is_kept(served, id) and is_kept(served, other)
    assert served.http.get(f"/v1/evidence/{id}", headers=owner).status_code == 410
    assert erase(served, owner, id).status_code == 410
    with served.project.database.read() as connection:
        (erasure,) = load_erasures(connection)
        (event,) = load_events(connection, "acme", 1)
    assert erasure.leaf.hex() == answer.json()["leaf"]
    assert erasure.statement is not None
    assert (event.action, event.subject) == ("evidence-erased", id)
    assert json.loads(event.details) == {"basis": "pipl-47"}


def test_the_owner_is_told_what_is_left_and_nobody_else_is(served: PageService) -> None:
    owner, stranger = make_manager(served), make_manager(served, "bank")
    id = submit(served, owner, sha256=digest(1), name="合同.pdf")
    before = served.http.get(f"/v1/evidence/{id}", headers=owner).json()
    by, details = Actor("person", "1f0c3ad2b1e4f506"), {"until": "2036-01-31"}
    with served.project.database.write() as connection:
        for subject in (id, "ab" * 32):
            note_tenant_event(
                connection, "acme", by, "retention-set", at=utc_now(), subject=subject,
                details=details,
            )  # fmt: skip
        reader = bearer(create_key(connection, "acme", ["read"], created_at=utc_now()))
    erase(served, owner, id)
    answer = served.http.get(f"/v1/evidence/{id}", headers=owner)
    told = answer.json()["erasure"]
    with served.project.database.read() as connection:
        (erasure,) = load_erasures(connection)
        (event,) = load_events(connection, "acme", 1)
    events = [(each["action"], each["actor"]) for each in told["events"]]
    assert events == [("retention-set", by.encode()), ("evidence-erased", event.actor)]
    assert "合同" not in answer.text and details["until"] not in answer.text
    unseen = served.http.get(f"/v1/evidence/{id}", headers=reader).json()["erasure"]
    assert unseen["events"] is None and unseen["leaf"] == told["leaf"]
    assert (told["erased_at"], told["leaf"]) == (erasure.erased_at, before["leaf"])
    assert (told["by"], told["actor"], told["basis"]) == ("owner", event.actor, "pipl-47")
    assert erasure.statement is not None
    assert told["statement"]["leaf"] == erasure.statement.hex()
    number = told["statement"]["number"]
    (match,) = served.http.get(f"/v1/lookup/{number}").json()["matches"]
    assert match["erased"] is False
    assert told["retention"] is told["anchor"] is told["index"] is None
    assert "合同" not in answer.text and digest(1) not in answer.text
    assert before["number"] not in answer.text and "request 2026-17" not in answer.text
    hidden = served.http.get(f"/v1/evidence/{id}", headers=stranger)
    assert hidden.status_code == 404 and "erasure" not in hidden.json()


def test_the_operator_is_told_of_as_such_and_not_in_his_own_words(served: PageService) -> None:
    owner = make_manager(served)
    id = submit(served, owner, sha256=digest(1))
    order = ErasureOrder(basis="gdpr-17", by="Li, person:1", reason="asked for")
    erase_by_operator(served.project, Selection(ids=[bytes.fromhex(id)]), order)
    answer = served.http.get(f"/v1/evidence/{id}", headers=owner)
    told = answer.json()["erasure"]
    assert (told["by"], told["actor"], told["basis"]) == ("operator", None, "gdpr-17")
    assert "Li" not in answer.text


def test_others_cannot_erase_it(served: PageService) -> None:
    owner, stranger = make_manager(served), make_manager(served, "bank")
    id = submit(served, owner, sha256=digest(1))
    assert erase(served, stranger, id).status_code == 404
    assert erase(served, bearer(served.reader), id).status_code == 403
    assert erase(served, {}, id).status_code == 401
    assert is_kept(served, id)


def test_a_legal_hold_beats_it_and_is_not_described(served: PageService) -> None:
    owner = make_manager(served)
    id = submit(served, owner, sha256=digest(1))
    with served.project.database.write() as connection:
        hold = LegalHold(
            name="secret-case", leaf=None, tenant="acme", reason="why", placed_by="x",
            placed_at=utc_now(),
        )  # fmt: skip
        insert_holds(connection, [hold])
    answer = erase(served, owner, id)
    assert (answer.status_code, answer.json()["id"]) == (409, "erasure-held")
    assert "secret-case" not in answer.text
    assert is_kept(served, id) and "evidence-erased" not in list_actions(served)


def test_an_open_case_beats_it_and_a_closed_one_does_not(served: PageService) -> None:
    owner = make_manager(served)
    id = submit(served, owner, sha256=digest(1))
    body = {"number": "(2026) 1", "title": "Sale"}
    case = served.http.post("/v1/cases", json=body, headers=owner).json()["id"]
    exhibit = {"evidence": id, "label": "1"}
    added = served.http.post(f"/v1/cases/{case}/exhibits", json=exhibit, headers=owner)
    assert added.status_code == 201, added.text
    answer = erase(served, owner, id)
    assert (answer.status_code, answer.json()["id"]) == (409, "erasure-of-exhibit")
    assert is_kept(served, id)
    closed = served.http.patch(f"/v1/cases/{case}", json={"state": "closed"}, headers=owner)
    assert closed.status_code == 200, closed.text
    assert erase(served, owner, id).status_code == 202
    (shown,) = served.http.get(f"/v1/cases/{case}/exhibits", headers=owner).json()["exhibits"]
    assert shown["erased_at"] is not None


def test_a_record_that_another_tenant_submitted_too_is_not_erased(served: PageService) -> None:
    owner, other = make_manager(served), make_manager(served, "bank")
    theirs = submit(served, other, sha256=digest(1))
    with served.project.database.read() as connection:
        stored = find_by_identity(connection, bytes.fromhex(theirs))
    assert stored is not None and stored.record is not None
    ours = submit(served, owner, record=stored.record.decode())
    answer = erase(served, owner, ours)
    assert (answer.status_code, answer.json()["id"]) == (409, "erasure-of-shared-record")
    assert is_kept(served, theirs) and is_kept(served, ours)


def test_a_day_of_the_audit_trail_is_not_erased_but_evidence_of_that_name_is(
    served: PageService,
) -> None:
    owner = make_manager(served)
    with served.project.database.write() as connection:
        note_tenant_event(
            connection, "acme", Actor("operator", "x"), "tenant-created",
            at="2026-01-02T03:04:05.000Z",
        )  # fmt: skip
    record_due_days(served.project, datetime(2026, 1, 4, tzinfo=UTC).timestamp())
    with served.project.database.read() as connection:
        events = load_day(connection, "acme", "2026-01-02")
    trail = identify(describe_day("acme", "2026-01-02", events)[0]).hex()
    assert is_kept(served, trail)
    answer = erase(served, owner, trail)
    assert (answer.status_code, answer.json()["id"]) == (409, "erasure-of-audit-trail")
    assert is_kept(served, trail)
    namesake = submit(served, owner, sha256=digest(1), name="audit-trail-2026-01-02.jsonl")
    assert erase(served, owner, namesake).status_code == 202


@pytest.mark.parametrize(
    "members",
    [
        {"basis": "because"}, {"reason": ""}, {"reason": "a\nb"}, {"reason": "x" * 1_001},
        {"reason": "the file 合同2026.pdf"}, {"by": "me"},
    ],
)  # fmt: skip
def test_a_malformed_order_is_refused_and_erases_nothing(
    served: PageService, members: dict[str, str]
) -> None:
    owner = make_manager(served)
    id = submit(served, owner, sha256=digest(1), name="合同2026.pdf")
    assert erase(served, owner, id, **members).status_code == 422
    assert is_kept(served, id) and "evidence-erased" not in list_actions(served)


def test_the_statement_is_on_disk_before_the_answer(served: PageService) -> None:
    owner = make_manager(served)
    id = submit(served, owner, sha256=digest(1))
    answer = erase(served, owner, id)
    (file,) = served.project.config.erasures.iterdir()
    said = json.loads(file.read_bytes())
    assert [piece["leaf"] for piece in said["pieces"]] == [answer.json()["leaf"]]
    assert said["reason"] == WHY["reason"]


def test_an_erasure_whose_statement_cannot_be_written_is_not_acknowledged_and_made_good(
    served: PageService,
) -> None:
    owner = make_manager(served)
    id = submit(served, owner, sha256=digest(1))
    folder = served.project.config.erasures
    folder.write_text("in the way")
    assert erase(served, owner, id).status_code == 503
    # It was applied nevertheless: the repeated order says so, and the daemon writes the statement.
    assert not is_kept(served, id)
    assert erase(served, owner, id).status_code == 410
    folder.unlink()
    cleaned = clean_up(served.project)
    assert cleaned is not None and list(folder.iterdir()) == cleaned.statements
