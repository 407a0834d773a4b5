"""``/tenants/TENANT/evidence/ID``: one piece, its certificates, its notice, and its erasure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.service import bearer, digest
from support.sign_in_providers import Platform, serve_platform
from support.visitors import Visitor, close_browsers, visit

from anchor.base.system.clock import utc_now
from anchor.operate.erasing import ErasureOrder, erase
from anchor.operate.evidence_selection import Selection
from anchor.operate.record_notices import record_notice
from anchor.people.actors import Actor
from anchor.service.caller import Caller
from anchor.service.evidence_status import load_status
from anchor.service.pages import piece_page
from anchor.service.schemas import EvidenceStatusDocument, HeadAnchorDocument
from anchor.service.worker import Service
from anchor.store.api_keys import create_key
from anchor.store.case_exhibits import ExhibitFields, add_exhibit
from anchor.store.cases import CaseFields, CaseRow, create_case, set_case_state
from anchor.store.certificates import load_certificates, request_certificate, save_issue
from anchor.store.evidence import find_by_identity
from anchor.store.retentions import Retention, put_retention
from anchor.store.tenant_events import load_events


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("piece")
    chain = MemoryChain(recover=read_sender, interval=12, lag=1)
    site = MemorySite.copy(make_template(folder / "template"), folder / "project", chain)
    with serve_platform(site) as served:
        yield served
    close_browsers()


@pytest.fixture(scope="module")
def owner(platform: Platform) -> Visitor:
    return visit(platform, acme="owner")


def submit(platform: Platform, owner: Visitor, number: int, name: str) -> str:
    with platform.project.database.write() as connection:
        key = create_key(connection, "acme", ["submit"], created_at=utc_now())
    body = {"sha256": digest(number), "name": name}
    answer = owner.http.post("/v1/evidence", json=body, headers=bearer(key))
    id: str = answer.json()["id"]
    return f"/tenants/acme/evidence/{id}"


def test_a_piece_is_shown_by_name_and_number_and_its_certificate_is_ordered_once(
    platform: Platform, owner: Visitor
) -> None:
    page = submit(platform, owner, 1, "<b>合同</b>.pdf")
    text = owner.http.get(page).text
    assert "&lt;b&gt;合同&lt;/b&gt;.pdf" in text and "<b>合同" not in text
    assert re.search(r"/number\?of=[0-9A-Z*~$=-]+", text)
    assert f'<dt>SHA-256</dt><dd class="hash">{digest(1)}</dd>' in text
    assert "<dt>SM3</dt>" not in text
    assert "<dt>Id (no hash)</dt>" in text
    for _ in range(2):
        assert owner.post(f"{page}/certificates").status_code == 303
    with platform.project.database.read() as connection:
        ordered = load_certificates(connection, bytes.fromhex(page.rpartition("/")[2]))
        events = load_events(connection, "acme", 100)
    assert len(ordered) == 1
    told = [event.subject for event in events if event.action == "certificate-ordered"]
    assert told == [ordered[0].id]
    assert "issued once the anchor is final" in owner.http.get(page).text


def test_once_the_anchor_is_final_an_ordered_certificate_is_being_issued(
    platform: Platform, owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = submit(platform, owner, 90, "final.pdf")
    owner.post(f"{page}/certificates")
    anchor = HeadAnchorDocument(
        size=1, root="0" * 64, final=True, sequence=1, block_number=1, timestamp=1_790_000_000
    )

    async def load_anchored(service: Service, caller: Caller, id: str) -> EvidenceStatusDocument:
        status = await load_status(service, caller, id)
        return status.model_copy(update={"state": "anchored", "anchor": anchor})

    monkeypatch.setattr(piece_page, "load_status", load_anchored)
    text = owner.http.get(page).text
    assert "ordered; being issued" in text and "once the anchor is final" not in text
    assert 'class="state half">anchored (final)' in text  # on a development chain
    assert "<dt>Time stated in the block (proves nothing)</dt>" in text
    assert "no later than the time shown" not in text


def test_the_partys_statements_can_be_read_again_with_whose_they_are(
    platform: Platform, owner: Visitor
) -> None:
    stated = {
        "source": {"origin": "<i>电脑</i>", "storage_history": ["on a disk", "in a safe"]},
        "collection": {
            "started_at": "2026-03-03T01:30:00Z",
            "place": "上海",
            "operators": [{"name": "李某"}],
            "witnesses": [{"name": "王某"}],
        },
    }
    headers = {"Origin": platform.url, "Anchor-Tenant": "acme"}
    body = {"sha256": digest(11), "name": "a.pdf", "groups": stated}
    id = owner.http.post("/v1/evidence", json=body, headers=headers).json()["id"]
    text = owner.http.get(f"/tenants/acme/evidence/{id}?lang=zh").text
    collected = "北京时间 2026-03-03 09:30:00（2026-03-03 01:30:00 UTC）"
    for words in (
        "&lt;i&gt;电脑&lt;/i&gt;", "on a disk; in a safe", "上海", "王某", "李某", collected,
    ):  # fmt: skip
        assert words in text
    assert f"存证主体（租户 acme）的陈述，提交人编号：person:{owner.id}。" in text
    assert "姓名或名称“Ann”由存证服务登记，不在记录内" in text
    assert "未核验身份" in text and "<i>" not in text
    assert text.count("(据记录)") == 2, "the account and the person"
    plain = owner.http.get(submit(platform, owner, 12, "b.pdf")).text
    assert "not recorded" in plain and "Statements about this evidence" not in plain


def test_a_certificate_without_the_data_of_the_case_is_told_beside_it(
    platform: Platform, owner: Visitor
) -> None:
    page = submit(platform, owner, 13, "a.pdf")
    identity = bytes.fromhex(page.rpartition("/")[2])
    database = platform.project.database
    assert "put the evidence into the case first" in owner.http.get(page).text

    def issue(number: str, case: str | None, court: str | None, label: str | None) -> None:
        purpose = None if label is None else "p q"
        exhibit = {"exhibit_no": label, "purpose_of_proof": purpose}
        stated = {"case_reference": case, "case": {"court": court}, "exhibit": exhibit}
        files = {"json": json.dumps({"stated": stated}).encode()}
        at = utc_now()
        with database.write() as connection:
            order = request_certificate(connection, "acme", identity, requested_by="x", at=at)
            save_issue(connection, order.id, number=number, issued_at=at, files=files)

    def put_into(number: str) -> CaseRow:
        fields = CaseFields(number=number, title="t", authority="法院", parties=(), is_shared=False)
        entered = ExhibitFields(label="证据1", purpose="p\nq", note="")
        actor, at = Actor("person", owner.id), utc_now()
        with database.write() as connection:
            case = create_case(connection, "acme", fields, actor, at)
            piece = find_by_identity(connection, identity)
            assert piece is not None
            add_exhibit(connection, case, piece, entered, actor, at)
        return case

    issue("AC-1", None, None, None)
    told = "does not have the present data of case"
    assert told not in owner.http.get(page).text
    put_into("（2026）1号")
    text = owner.http.get(page).text
    assert f"{told} （2026）1号" in text and "Order a new certificate" in text
    assert "It will name the case （2026）1号" in text
    # Who does not see the case is told nothing of it.
    assert "（2026）1号" not in visit(platform, acme="reader").http.get(page).text
    issue("AC-2", "（2026）1号", "法院", "证据1")
    text = owner.http.get(page).text
    assert told not in text and "Order a new certificate" not in text
    assert text.count("has no present data of case （2026）1号; another one here has them") == 1
    other = put_into("（2026）2号")
    text = owner.http.get(page).text
    assert told not in text and "in 2 open cases" in text
    with database.write() as connection:
        set_case_state(connection, other, "closed", Actor("person", owner.id), utc_now())
    assert "It will name the case （2026）1号" in owner.http.get(page).text


def test_a_form_that_is_not_complete_says_what_is_wrong_and_keeps_what_was_typed(
    platform: Platform, owner: Visitor
) -> None:
    page = submit(platform, owner, 2, "annual report.pdf")
    for fields, id in (
        ({"reason": "request 17", "sure": "yes"}, "basis-error"),
        ({"basis": "gdpr-17", "sure": "yes"}, "reason-error"),
        ({"basis": "gdpr-17", "reason": "request 17"}, "sure-error"),
        ({"basis": "gdpr-17", "reason": "the annual report.pdf", "sure": "yes"}, "reason-error"),
    ):
        answer = owner.post(f"{page}/erasure", fields)
        assert answer.status_code == 422
        assert re.findall(r'id="(\w+-error)"', answer.text) == [id]
        assert f'value="{fields.get("reason", "")}"' in answer.text
    assert owner.http.get(page).status_code == 200
    complete = {"basis": "gdpr-17", "reason": "request 17", "sure": "yes"}
    assert owner.post(f"{page}/erasure", complete).headers["Location"] == "/tenants/acme/evidence"
    shown = owner.http.get(page)
    assert shown.status_code == 410
    assert "Preserved, and erased since" in shown.text and "an owner of the tenant" in shown.text
    assert "What was done with it" in shown.text and "evidence erased" in shown.text
    assert "request 17" not in shown.text and "annual report" not in shown.text
    assert re.search(r"/number\?of=[0-9A-Z*~$=-]+", shown.text)
    assert owner.post(f"{page}/erasure", complete).status_code == 410


def test_a_retention_date_is_set_shown_and_removed_and_a_wrong_one_is_kept_in_the_form(
    platform: Platform, owner: Visitor
) -> None:
    page = submit(platform, owner, 5, "kept.pdf")
    refused = owner.post(f"{page}/retention", {"until": "31.1.2036 <b>"})
    assert refused.status_code == 422
    assert 'id="until-error"' in refused.text and 'value="31.1.2036 &lt;b&gt;"' in refused.text
    assert owner.post(f"{page}/retention", {"until": "2036-01-31"}).status_code == 303
    text = owner.http.get(page).text
    assert "2036-01-31 00:00:00 UTC" in text and "set by an owner" in text
    assert "erases nothing by itself" in text
    note = Retention(
        identity=bytes.fromhex(page.rpartition("/")[2]), tenant="acme", record_until=None,
        owner_until="2036-01-31T00:00:00.000Z", until="2036-01-31T00:00:00.000Z", beaten_by="case",
    )  # fmt: skip
    platform.project.database.write_with_retry(lambda each: put_retention(each, note))
    assert "Not erased: it is an exhibit of an open case." in owner.http.get(page).text
    assert owner.post(f"{page}/retention", {"until": ""}).status_code == 303
    assert "set by an owner" not in owner.http.get(page).text


def test_a_withdrawn_record_says_so_and_one_whose_notice_was_erased_too(
    platform: Platform, owner: Visitor
) -> None:
    page = submit(platform, owner, 3, "draft.pdf")
    _, accepted = record_notice(
        platform.project, page.rpartition("/")[2], None, reason="<i>缺页</i>", actor="Li"
    )
    text = owner.http.get(page).text
    assert "was withdrawn on" in text and "&lt;i&gt;缺页&lt;/i&gt;" in text
    order = ErasureOrder(basis="other", by="Li", reason="asked for")
    assert erase(platform.project, Selection(ids=[accepted.identity]), order)
    text = owner.http.get(page).text
    assert "was withdrawn on" not in text and "still stands cannot be told" in text


@pytest.mark.parametrize("role", ["reader", "member"])
def test_others_see_no_form_that_they_may_not_send(
    platform: Platform, owner: Visitor, role: str
) -> None:
    page = submit(platform, owner, 4, "shared.pdf")
    text = visit(platform, acme=role).http.get(page).text
    assert f"{page}/erasure" not in text and f"{page}/retention" not in text
    assert (f"{page}/certificates" in text) == (role == "member")
