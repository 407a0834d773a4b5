"""Certificates that the service issues on request, as `anchor certify` would."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import httpx
import pytest
from service.conftest import Desk
from support.service import bearer, digest, make_key

TEXT = "revoked: the depositor asked for it"


@pytest.fixture(scope="module")
def evidence(desk: Desk) -> str:
    """Return the id of a piece whose anchor is final."""
    body = {"sha256": digest(1), "name": "合同.pdf"}
    answer = desk.served.http.post("/v1/evidence", json=body, headers=desk.headers)
    desk.site.round(wait_for="final")
    id: str = answer.json()["id"]
    return id


def order(desk: Desk, id: str) -> dict[str, Any]:
    answer = desk.served.http.post(f"/v1/evidence/{id}/certificates", headers=desk.headers)
    assert answer.status_code == 202, answer.text
    ordered: dict[str, Any] = answer.json()
    return ordered


def get(desk: Desk, path: str) -> httpx.Response:
    return desk.served.http.get(path, headers=desk.headers)


def follow(desk: Desk, id: str) -> dict[str, Any]:
    """Return a certificate once it is issued or refused."""
    deadline = time.monotonic() + 120
    while (ordered := get(desk, f"/v1/certificates/{id}").json())["state"] == "waiting":
        assert time.monotonic() < deadline, ordered
        time.sleep(0.2)
    return dict(ordered)


@pytest.fixture(scope="module")
def issued(desk: Desk, evidence: str) -> dict[str, Any]:
    return follow(desk, order(desk, evidence)["id"])


def test_the_files_are_what_certify_writes(
    desk: Desk, evidence: str, issued: dict[str, Any]
) -> None:
    assert issued["state"] == "issued"
    assert set(issued["files"]) == {"json", "html", "pdf"}
    files = {}
    for kind, sha256 in issued["files"].items():
        answer = get(desk, f"/v1/certificates/{issued['id']}/files/{kind}")
        assert hashlib.sha256(answer.content).hexdigest() == sha256
        assert issued["number"] in answer.headers["Content-Disposition"]
        files[kind] = answer.content
    ours = json.loads(files["json"])
    assert ours["certificate_no"] == issued["number"]
    assert ours["evidence"] | {"recorded_at": "", "statements": []} == {
        "compared": "digest", "name": "合同.pdf", "media_type": "application/pdf", "size": None,
        "sha256": digest(1), "sm3": None, "recorded_at": "", "statements": [],
    }  # fmt: skip
    # Nobody compared a file, and no title says so.
    verified = ours["verification"]
    assert verified["steps"][1]["title"]["en"].endswith("; no file was compared")
    assert verified["claims"][0]["verdict"] == "not present"
    assert "only a digest was given" in verified["claims"][0]["reason"]["en"]
    receipt = desk.site.folder / "copy.anchor.json"
    receipt.write_bytes(get(desk, f"/v1/evidence/{evidence}/receipt").content)
    moment = ("--issued-at", ours["issued_at"], "--digest", f"sha256:{digest(1)}")
    desk.site.run("certify", receipt, *moment, "--no-pdf").expect(0)
    theirs = json.loads(receipt.with_name("copy.certificate.json").read_bytes())
    apart = {"clock", "certificate_no"}  # the moment was given, of which the number is made
    # The service names the account; whoever certifies the same elsewhere states what they like.
    assert ours["stated"].pop("depositor") == {"name": "acme", "identity": None}
    assert theirs["stated"].pop("depositor") == {"name": None, "identity": None}
    assert ours["stated"].pop("issuer")["name"].startswith("本存证服务（运营方名称未登记）")
    assert theirs["stated"].pop("issuer")["name"] is None
    # Both were verified by nodes, the second time with a newer final block.
    for certificate in (ours, theirs):
        for anchor in certificate["anchors"]:
            anchor.pop("relied_on")
        for member in ("steps", "claims", "policies"):
            certificate["verification"].pop(member)
        certificate.pop("checks")
    assert {name: ours[name] for name in ours if name not in apart} == {
        name: theirs[name] for name in theirs if name not in apart
    }


def test_a_certificate_names_the_party_and_the_case_that_the_evidence_is_in(desk: Desk) -> None:
    groups = {"source": {"origin": "总经理的电脑"}}
    body = {"sha256": digest(5), "name": "case.pdf", "groups": groups}
    post = desk.served.http.post
    id = post("/v1/evidence", json=body, headers=desk.headers).json()["id"]
    desk.site.round(wait_for="final")
    parties = [{"role": "原告", "name": "甲公司"}, {"role": "被告", "name": "乙公司"}]
    facts = {
        "number": "（2026）沪0105民初2号", "title": "t", "authority": "上海市长宁区人民法院",
        "parties": parties,
    }  # fmt: skip
    case = post("/v1/cases", json=facts, headers=desk.headers).json()["id"]
    exhibit = {"evidence": id, "label": "证据1", "purpose": "one\ntwo"}
    path = f"/v1/cases/{case}/exhibits"
    assert post(path, json=exhibit, headers=desk.headers).status_code == 201
    made = follow(desk, order(desk, id)["id"])
    assert made["state"] == "issued", made
    document = get(desk, f"/v1/certificates/{made['id']}/files/json").json()
    stated = document["stated"]
    assert stated["exhibits_stated_by"] == "depositor"
    assert (stated["case_reference"], stated["case"]["court"]) == (
        facts["number"], facts["authority"],
    )  # fmt: skip
    assert stated["case"]["parties"] == parties
    assert (stated["exhibit"]["exhibit_no"], stated["exhibit"]["purpose_of_proof"]) == (
        "证据1", "one two",
    )  # fmt: skip
    actor = document["submitter"]["actor"]
    assert document["submitter"]["account"] == "acme" and actor.startswith("key:")
    assert stated["submitter"] == {"name": None, "account": actor}
    page = get(desk, f"/v1/certificates/{made['id']}/files/html").text
    assert '总经理的电脑 <span class="stated">＊</span>' in page
    assert f'{facts["number"]} <span class="stated">＃</span>' in page
    assert '原告：甲公司；被告：乙公司 <span class="stated">＃</span>' in page


def test_an_order_that_waits_is_not_made_twice(desk: Desk) -> None:
    body = {"sha256": digest(2)}
    id = desk.served.http.post("/v1/evidence", json=body, headers=desk.headers).json()["id"]
    first, second = order(desk, id), order(desk, id)
    assert first["state"] == second["state"] == "waiting"
    assert first["id"] == second["id"]
    answer = get(desk, f"/v1/certificates/{first['id']}/files/json")
    assert (answer.status_code, answer.json()["id"]) == (409, "certificate-not-issued-yet")
    desk.site.round(wait_for="final")
    assert follow(desk, first["id"])["state"] == "issued"
    assert len(get(desk, f"/v1/evidence/{id}/certificates").json()["certificates"]) == 1


def test_a_revoked_certificate_says_so_once(desk: Desk, evidence: str) -> None:
    id = follow(desk, order(desk, evidence)["id"])["id"]
    path = f"/v1/certificates/{id}/revocation"
    post = desk.served.http.post
    for bad, status in (({}, 422), ({"reason": ""}, 422), ({"reason": 1}, 422), ([], 422)):
        assert post(path, json=bad, headers=desk.headers).status_code == status
    twice = b'{"reason":"a","reason":"b"}'
    typed = desk.headers | {"Content-Type": "application/json"}
    assert post(path, content=twice, headers=typed).status_code == 400
    revoked = post(path, json={"reason": TEXT}, headers=desk.headers).json()
    assert (revoked["state"], revoked["revocation"]["reason"]) == ("revoked", TEXT)
    assert post(path, json={"reason": "again"}, headers=desk.headers).status_code == 409
    assert get(desk, f"/v1/certificates/{id}").json() == revoked


def test_other_tenants_and_readers_get_nothing(
    desk: Desk, evidence: str, issued: dict[str, Any]
) -> None:
    other = bearer(make_key(desk.site.folder, "other"))
    http = desk.served.http
    for path in (
        f"/v1/evidence/{evidence}/certificates",
        f"/v1/certificates/{issued['id']}",
        f"/v1/certificates/{issued['id']}/files/pdf",
        f"/v1/certificates/{'0' * 32}",
    ):
        assert http.get(path, headers=other).status_code == 404
        assert http.get(path).status_code == 401
    revocation = f"/v1/certificates/{issued['id']}/revocation"
    assert http.post(revocation, json={"reason": "x"}, headers=other).status_code == 404
    reader = bearer(make_key(desk.site.folder, "acme", "read"))
    assert http.post(revocation, json={"reason": "x"}, headers=reader).status_code == 403
    ordering = f"/v1/evidence/{evidence}/certificates"
    assert http.post(ordering, headers=reader).status_code == 403
    assert http.post(ordering, headers=other).status_code == 404


def test_erased_evidence_takes_its_certificates_along(desk: Desk) -> None:
    body = {"sha256": digest(3), "name": "private.txt"}
    id = desk.served.http.post("/v1/evidence", json=body, headers=desk.headers).json()["id"]
    desk.site.round(wait_for="final")
    certificate = follow(desk, order(desk, id)["id"])
    why = ("--basis", "other", "--by", "operator", "--reason", "its time is over")
    desk.site.run("erase", id, *why, "--yes").expect(0)
    left = get(desk, f"/v1/certificates/{certificate['id']}").json()
    assert (left["number"], left["files"]) == (certificate["number"], {})
    assert get(desk, f"/v1/certificates/{certificate['id']}/files/json").status_code == 410
    assert get(desk, f"/v1/evidence/{id}/certificates").status_code == 410
