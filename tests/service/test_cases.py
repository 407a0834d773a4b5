"""Cases over HTTP: by program and on the pages, within the tenant and among its members."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from support.chinese_text import what_is_english
from support.memory_projects import MemorySite
from support.service import digest
from support.sign_in_providers import Platform, serve_platform
from support.visitors import OPERATOR, Visitor, close_browsers, visit

from anchor.base.errors import UsageError
from anchor.base.system.clock import utc_now
from anchor.client import AsyncClient, Client, Submission
from anchor.evidence.preservation_number import number_record
from anchor.receipt.format import parse_receipt
from anchor.store.certificates import request_certificate, revoke_certificate, save_issue
from anchor.store.database import open_database
from anchor.store.erasures import erase_rows, find_by_ids
from anchor.store.memberships import ensure_tenant
from anchor.store.sealing import seal
from anchor.store.tenant_events import load_events
from anchor.store.tenant_keys import issue_key

EVIL = "<script>alert(1)</script>{{7133*7001}}"
CASE = {
    "number": "（2026）沪0105民初1号",
    "title": "Lee v. Ho",
    "authority": "上海市长宁区人民法院",
    "parties": [{"role": "原告", "name": "Ann Lee"}, {"role": "被告", "name": "Bo Ho"}],
}


@pytest.fixture(scope="module")
def platform(grown_copy: MemorySite) -> Iterator[Platform]:
    with serve_platform(grown_copy) as served:
        yield served
    close_browsers()


class Program:
    """A person's browser that calls the API, for one tenant."""

    def __init__(self, visitor: Visitor, tenant: str) -> None:
        self.http, self.person = visitor.http, visitor.id
        self.headers = {"Origin": visitor.platform.url, "Anchor-Tenant": tenant}

    def call(self, method: str, path: str, body: object = None, **options: Any) -> httpx.Response:
        content = {} if body is None else {"json": body}
        return self.http.request(method, path, headers=self.headers, **content, **options)

    def make(self, **changes: object) -> str:
        answer = self.call("POST", "/v1/cases", CASE | changes)
        assert answer.status_code == 201, answer.text
        id: str = answer.json()["id"]
        return f"/v1/cases/{id}"

    def submit(self, number: int, name: str = "合同.pdf") -> dict[str, Any]:
        answer = self.call("POST", "/v1/evidence", {"sha256": digest(number), "name": name})
        assert answer.status_code in (200, 201), answer.text
        accepted: dict[str, Any] = answer.json()
        return accepted


def enter(platform: Platform, tenant: str, *roles: str) -> list[Program]:
    return [Program(visit(platform, role, **{tenant: role}), tenant) for role in roles]


def actions(platform: Platform, tenant: str) -> list[str]:
    with platform.project.database.read() as connection:
        return [event.action for event in load_events(connection, tenant, 100)][::-1]


# By program.


def test_a_case_is_made_once_changed_and_closed_and_each_step_is_in_the_trail(
    platform: Platform,
) -> None:
    owner, member = enter(platform, "firm", "owner", "member")
    path = member.make()
    assert member.make() == path, "repeated, it is the same"
    answer = member.call("POST", "/v1/cases", CASE | {"title": "Another"})
    assert (answer.status_code, answer.json()["id"]) == (409, "case-number-taken")
    document = member.call("GET", path).json()
    assert {name: document[name] for name in CASE} == CASE
    assert (document["state"], document["hold"], document["exhibits"]) == ("open", None, 0)
    answer = member.call("PATCH", path, {"title": "  New  ", "parties": []})
    assert answer.status_code == 200 and answer.json()["title"] == "New"
    assert answer.json()["number"] == CASE["number"] and answer.json()["parties"] == []
    assert member.call("PATCH", path, {"shared": True}).status_code == 403
    assert owner.call("PATCH", path, {"shared": True}).json()["shared"]
    closed = member.call("PATCH", path, {"state": "closed"}).json()
    assert closed["state"] == "closed" and closed["closed_at"]
    assert member.call("PATCH", path, {"state": "open"}).json()["closed_at"] is None
    assert [each for each in actions(platform, "firm") if each.startswith("case")] == [
        "case-created", "case-changed", "case-changed", "case-closed", "case-reopened",
    ]  # fmt: skip


def test_a_hold_is_placed_by_a_member_and_lifted_by_an_owner(platform: Platform) -> None:
    owner, member = enter(platform, "hold", "owner", "member")
    path = member.make()
    piece = member.submit(40)
    exhibit = member.call("POST", f"{path}/exhibits", {"evidence": piece["id"]}).json()
    assert member.call("PATCH", path, {"hold": {"reason": ""}}).status_code == 422
    held = member.call("PATCH", path, {"hold": {"reason": "suit"}}).json()["hold"]
    assert held["reason"] == "suit" and held["placed_by"] == f"person:{member.person}"
    for change in ({"hold": None}, {"state": "closed"}):
        answer = member.call("PATCH", path, change)
        assert answer.status_code == 403, change
    place = f"{path}/exhibits/{exhibit['id']}"
    assert member.call("DELETE", place).status_code == 403
    assert member.call("PATCH", place, {"label": "A"}).status_code == 204
    assert member.call("GET", path).json()["state"] == "open"
    assert owner.call("DELETE", place).status_code == 204
    assert owner.call("PATCH", path, {"hold": None}).json()["hold"] is None
    assert member.call("PATCH", path, {"state": "closed"}).status_code == 200


def test_a_case_is_for_its_members_and_a_crossed_tenant_learns_nothing(platform: Platform) -> None:
    owner, member, reader, auditor = enter(platform, "wall", "owner", "member", "reader", "auditor")
    (stranger,) = enter(platform, "elsewhere", "owner")
    path = member.make(number="1")
    (id,) = re.findall(r"[0-9a-f]{16}$", path)
    other = stranger.make(number="1")
    for person in (reader, auditor):
        assert person.call("GET", path).status_code == 404
        assert person.call("GET", "/v1/cases").json()["cases"] == []
        answer = owner.call("POST", f"{path}/members/{person.person}")
        assert answer.status_code == 204, answer.text
        assert person.call("GET", path).status_code == 200
        assert [each["id"] for each in person.call("GET", "/v1/cases").json()["cases"]] == [id]
        assert person.call("PATCH", path, {"title": "x"}).status_code == 403
    assert owner.call("POST", f"{path}/members/{stranger.person}").status_code == 404
    names = owner.call("GET", f"{path}/members").json()["members"]
    assert {each["person"] for each in names} == {
        member.person, reader.person, auditor.person,
    }  # fmt: skip
    assert owner.call("DELETE", f"{path}/members/{reader.person}").status_code == 204
    assert reader.call("GET", path).status_code == 404
    bodies: list[tuple[str, str, object]] = [
        ("GET", "", None), ("PATCH", "", {"title": "x"}), ("GET", "/notes", None),
        ("POST", "/notes", {"text": "x"}), ("GET", "/members", None),
        ("POST", f"/members/{stranger.person}", None),
        ("DELETE", f"/members/{member.person}", None),
        ("GET", "/exhibits", None), ("POST", "/exhibits", {"evidence": "x"}),
        ("PATCH", "/exhibits/none", {}), ("DELETE", "/exhibits/none", None),
    ]  # fmt: skip
    for method, rest, body in bodies:
        crossed = stranger.call(method, path + rest, body)
        missing = stranger.call(method, "/v1/cases/none" + rest, body)
        assert crossed.status_code == missing.status_code == 404, (method, rest)
        assert crossed.json()["detail"] == missing.json()["detail"]
    before = stranger.call("GET", "/v1/cases", params={"before": id}).json()
    assert before["cases"] == [] and stranger.call("GET", other).status_code == 200


def test_a_key_sees_what_it_made_and_what_is_open_to_the_tenant(platform: Platform) -> None:
    (owner,) = enter(platform, "keys", "owner")
    hidden, shown = owner.make(number="1"), owner.make(number="2", shared=True)
    with platform.project.database.write() as connection:
        keys = [
            issue_key(connection, "keys", scopes, OPERATOR, at=utc_now(), expires_at=None)
            for scopes in (["submit", "read"], ["read"], ["manage", "read"])
        ]
    seen = []
    for place, key in enumerate(keys):
        with platform.browser(Authorization=f"Bearer {key}") as program:
            if place == 0:
                made = program.post("/v1/cases", json=CASE | {"number": "3"}).json()["id"]
            cases = program.get("/v1/cases").json()["cases"]
            seen.append({each["id"] for each in cases})
            assert program.get(hidden).status_code == (200 if place == 2 else 404)
    ids = [path.rpartition("/")[2] for path in (hidden, shown)]
    assert seen == [{ids[1], made}, {ids[1]}, {*ids, made}]


def test_exhibits_are_added_by_id_or_number_moved_and_removed(platform: Platform) -> None:
    (member,) = enter(platform, "row", "member")
    (stranger,) = enter(platform, "column", "member")
    path = member.make()
    pieces = [member.submit(number, f"文件{number}.pdf") for number in range(50, 53)]
    foreign = stranger.submit(60)
    added = []
    for piece, named in zip(pieces, ("id", "number", "id"), strict=True):
        body = {"evidence": piece[named], "label": "证据", "purpose": "证明\n合同成立"}
        answer = member.call("POST", f"{path}/exhibits", body)
        assert answer.status_code == 201, answer.text
        added.append(answer.json())
        assert member.call("POST", f"{path}/exhibits", body).status_code == 200
    again = {"evidence": pieces[0]["id"], "label": "other"}
    answer = member.call("POST", f"{path}/exhibits", again)
    assert (answer.status_code, answer.json()["id"]) == (409, "exhibit-known")
    assert added[1]["name"] == "文件51.pdf" and added[1]["number"] == pieces[1]["number"]
    for named in (foreign["id"], foreign["number"], "0" * 64, "", "x"):
        answer = member.call("POST", f"{path}/exhibits", {"evidence": named})
        assert answer.status_code == 422
        assert [each["pointer"] for each in answer.json()["errors"]] == ["/evidence"]
    answer = member.call("PATCH", f"{path}/exhibits/{added[2]['id']}", {"position": 1})
    assert answer.status_code == 204
    listed = member.call("GET", f"{path}/exhibits").json()["exhibits"]
    assert [each["id"] for each in listed] == [added[2]["id"], added[0]["id"], added[1]["id"]]
    assert [each["purpose"] for each in listed] == ["证明\n合同成立"] * 3
    assert member.call("DELETE", f"{path}/exhibits/{added[2]['id']}").status_code == 204
    assert member.call("DELETE", f"{path}/exhibits/{added[2]['id']}").status_code == 404
    assert member.call("GET", path).json()["exhibits"] == 2
    with platform.project.database.write() as connection:
        erased = find_by_ids(connection, [bytes.fromhex(pieces[0]["id"])])
        erase_rows(connection, erased, [(None, "2026-05-06T00:00:00.000Z")])
    first = member.call("GET", f"{path}/exhibits").json()["exhibits"][0]
    assert (first["evidence"], first["number"], first["name"]) == (None, None, None)
    assert first["erased_at"] == "2026-05-06T00:00:00.000Z" and first["purpose"]


def test_notes_are_paged_and_name_their_authors(platform: Platform) -> None:
    owner, member = enter(platform, "memo", "owner", "member")
    path = member.make()
    for text in ("one", "two", "two", " three\r\nlines "):
        assert member.call("POST", f"{path}/notes", {"text": text}).status_code == 201
    assert owner.call("POST", f"{path}/notes", {"text": "four"}).status_code == 201
    page = owner.call("GET", f"{path}/notes", params={"limit": 2}).json()
    assert [(each["text"], each["name"]) for each in page["notes"]] == [
        ("four", "owner"), ("three\nlines", "member"),
    ]  # fmt: skip
    rest = owner.call("GET", f"{path}/notes", params={"before": page["next"]}).json()
    assert [each["text"] for each in rest["notes"]] == ["two", "one"] and rest["next"] is None


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/number", "/title"]),
        (CASE | {"number": " ", "title": "a\nb"}, ["/number", "/title"]),
        (CASE | {"number": "x" * 101}, ["/number"]),
        (CASE | {"authority": "a\u202eb"}, ["/authority"]),
        (CASE | {"parties": [{"role": "a", "name": ""}]}, ["/parties/0"]),
        (CASE | {"parties": [{"role": "a"}]}, ["/parties/0/name"]),
        (CASE | {"parties": [{"role": "a", "name": "b"}] * 101}, ["/parties"]),
        (CASE | {"shared": 1, "tenant": "x"}, ["/shared", "/tenant"]),
    ],
)  # fmt: skip
def test_a_case_that_is_wrong_is_told_by_its_members(
    platform: Platform, body: dict[str, object], pointers: list[str]
) -> None:
    (member,) = enter(platform, "wrong", "member")
    answer = member.call("POST", "/v1/cases", body)
    assert answer.status_code == 422, answer.text
    assert [each["pointer"] for each in answer.json()["errors"]] == pointers


# Searching.


def test_a_name_a_number_a_date_and_a_case_are_found_within_the_tenant(platform: Platform) -> None:
    (member,) = enter(platform, "seek", "member")
    (stranger,) = enter(platform, "hide", "member")
    for number in range(120, 125):
        member.submit(number, f"买卖合同{number}.pdf")
    piece = member.submit(125, "录音.mp3")
    case = member.make(title="买卖合同纠纷").rpartition("/")[2]

    def search(who: Program, q: str, **params: Any) -> dict[str, Any]:
        answer = who.call("GET", "/v1/search", params={"q": q, **params})
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        assert document["complete"]
        return document

    page = search(member, "合同", limit=3)
    assert [each["name"] for each in page["evidence"]] == [
        f"买卖合同{number}.pdf" for number in (124, 123, 122)
    ]
    assert [each["id"] for each in page["cases"]] == [case]
    rest = search(member, "合同", before=page["next"])
    assert len(rest["evidence"]) == 2 and rest["next"] is None and rest["cases"] == []
    newest = member.call("GET", "/v1/evidence", params={"limit": 1}).json()["evidence"][0]
    day = newest["accepted_at"][:10]
    for q in (piece["number"], piece["id"], digest(125), "录音", f"录音 {day}"):
        (found,) = search(member, q)["evidence"]
        assert (found["id"], found["number"]) == (piece["id"], piece["number"])
        hidden = search(stranger, q)
        assert hidden["evidence"] == [] and hidden["cases"] == []
    (reader,) = enter(platform, "seek", "reader")
    assert search(reader, "纠纷")["cases"] == [] and search(member, "纠纷")["cases"]
    for q, status in (("", 422), (" ", 422), ("x" * 201, 422), ("a " * 10, 422), ("\0", 200)):
        answer = member.call("GET", "/v1/search", params={"q": q})
        assert answer.status_code == status, q
    assert member.call("GET", "/v1/search").status_code == 422


def test_the_page_of_the_search_keeps_the_query_and_pages(platform: Platform) -> None:
    owner = visit(platform, find="owner")
    program = Program(owner, "find")
    for number in range(130, 185):
        program.submit(number, f"{EVIL}{number}")
    assert 'role="search"' in owner.http.get("/tenants/find/search").text
    page = owner.http.get("/tenants/find/search", params={"q": "alert(1)", "lang": "zh"})
    assert page.text.count("<tr>") == 51 and 'value="alert(1)"' in page.text
    assert "<script" not in page.text and 'name="lang" value="zh"' in page.text
    (older,) = re.findall(r'href="([^"]*)" rel="next"', page.text)
    rest = owner.http.get(older.replace("&amp;", "&"))
    assert rest.text.count("<tr>") == 6 and "最新的结果" in rest.text
    wrong = owner.http.get("/tenants/find/search", params={"q": "x" * 300})
    assert wrong.status_code == 422 and 'id="q-error"' in wrong.text and "x" * 300 in wrong.text
    assert "No evidence matches" in owner.http.get("/tenants/find/search?q=nothing").text


def test_the_clients_do_the_same(platform: Platform) -> None:
    with platform.project.database.write() as connection:
        ensure_tenant(connection, "client", OPERATOR, utc_now())
        key = issue_key(
            connection, "client", ["submit", "read", "manage"], OPERATOR, at=utc_now(),
            expires_at=None,
        )  # fmt: skip
    with Client(platform.url, key) as client:
        pieces = [client.submit(Submission(sha256=digest(number))) for number in (110, 111)]
        parties = [("plaintiff", "Ann Lee")]
        case = client.cases.create("1", "Lee", authority="Court", parties=parties)
        assert client.cases.fetch(case.id) == case and case.parties == (parties[0],)
        changed = client.cases.change(case.id, title="Lee v. Ho", parties=[], shared=True)
        assert (changed.title, changed.parties, changed.shared) == ("Lee v. Ho", (), True)
        first = client.cases.add_exhibit(case.id, pieces[0].id, label="A", purpose="p")
        client.cases.add_exhibit(case.id, str(pieces[1].number), note="n")
        client.cases.change_exhibit(case.id, first.id, label="B", position=2)
        exhibits = client.cases.exhibits(case.id)
        assert [(each.label, each.note, each.purpose) for each in exhibits] == [
            ("", "n", ""), ("B", "", "p"),
        ]  # fmt: skip
        client.cases.remove_exhibit(case.id, first.id)
        assert client.cases.place_hold(case.id, "suit").hold == "suit"
        assert client.cases.lift_hold(case.id).hold is None
        assert client.cases.close(case.id).state == "closed"
        assert client.cases.list(state="open").cases == ()
        assert client.cases.reopen(case.id).exhibits == 1
        matches = client.search("lee")
        assert [each.id for each in matches.cases] == [case.id] and matches.evidence == ()
        (match,) = client.search(str(pieces[0].number)).evidence
        assert (match.id, match.number) == (pieces[0].id, pieces[0].number)
        note = client.cases.add_note(case.id, "note")
        assert client.cases.notes(case.id) == [note] and note.author.startswith("key:")
        with pytest.raises(UsageError, match="404"):
            client.cases.fetch("none")

    async def repeat() -> None:
        client = AsyncClient(platform.url, key)
        page = await client.cases.list()
        assert [each.id for each in page.cases] == [case.id] and page.next is None
        added = await client.cases.add_exhibit(case.id, pieces[0].id)
        assert (await client.cases.exhibits(case.id))[1] == added
        await client.cases.change_exhibit(case.id, added.id, position=1)
        assert await client.cases.notes(case.id, before=note.id) == []
        assert (await client.search("court")).cases[0].id == case.id
        await client.aclose()

    asyncio.run(repeat())


# On the pages.

WORDS = {
    "number": "(2026) 1", "title": "Lee v. Ho", "authority": "Court",
    "parties": "Plaintiff: Ann\n\n被告：张三：丙",
}  # fmt: skip


def test_a_person_makes_and_fills_a_case_on_the_pages(platform: Platform) -> None:
    owner = visit(platform, "Olga", desk="owner")
    colleague = visit(platform, EVIL, desk="reader")
    program = Program(owner, "desk")
    assert "No cases that you see" in owner.http.get("/tenants/desk/cases").text
    assert owner.http.get("/tenants/desk/cases/new").status_code == 200
    path = owner.post("/tenants/desk/cases", WORDS).headers["Location"]
    assert re.fullmatch("/tenants/desk/cases/[0-9a-f]{16}", path)
    assert owner.post("/tenants/desk/cases", WORDS).headers["Location"] == path, "a double click"
    page = owner.http.get(path).text
    assert "<bdi>张三：丙</bdi>" in page and "Plaintiff" in page
    piece = program.submit(70, EVIL)
    entered = {"evidence": piece["number"], "label": "1", "purpose": EVIL}
    assert owner.post(f"{path}/exhibits", entered).status_code == 303
    assert owner.post(f"{path}/notes", {"text": EVIL + "\nnext"}).status_code == 303
    assert owner.post(f"{path}/members", {"person": colleague.id}).status_code == 303
    page = owner.http.get(path).text
    assert "<script" not in page and "49940133" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 4 and piece["number"] in page
    assert colleague.http.get(path).status_code == 200
    assert "<form" not in colleague.http.get(path).text.partition("<main")[2]
    (exhibit,) = re.findall(rf'href="({path}/exhibits/[0-9a-f]+)"', page)
    assert 'value="1"' in owner.http.get(exhibit).text
    assert owner.post(exhibit, {"label": "乙1", "position": "1"}).status_code == 303
    assert "乙1" in owner.http.get(path).text
    assert owner.post(f"{path}/state", {"action": "hold", "reason": "suit"}).status_code == 303
    assert "Legal hold since" in owner.http.get(path).text
    assert "legal hold" in owner.http.get("/tenants/desk/cases").text
    for action in ("lift", "close", "reopen"):
        assert owner.post(f"{path}/state", {"action": action}).status_code == 303
    assert owner.post(exhibit, {"remove": "yes"}).status_code == 303
    assert owner.http.get(exhibit).status_code == 404
    assert owner.post(f"{path}/members", {"person": colleague.id, "remove": "y"}).status_code == 303
    assert colleague.http.get(path).status_code == 404
    edited = WORDS | {"title": "Edited", "shared": "yes"}
    assert owner.post(f"{path}/edit", edited).headers["Location"] == path
    assert colleague.http.get(path).status_code == 200
    assert "Edited" in colleague.http.get("/tenants/desk/cases?state=open").text
    assert "Edited" not in colleague.http.get("/tenants/desk/cases?state=closed").text
    trail = owner.http.get("/tenants/desk/events", headers={"Accept-Language": "zh"}).text
    for word in ("创建案件", "添加证据", "设置诉讼保留", "解除诉讼保留", "移出证据"):
        assert word in trail


def test_each_form_keeps_what_was_typed_and_says_what_is_wrong_beside_the_field(
    platform: Platform,
) -> None:
    owner = visit(platform, forms="owner")
    wrong = {"number": "", "title": "x" * 201, "authority": EVIL + "\x07", "parties": "nobody"}
    answer = owner.post("/tenants/forms/cases", wrong)
    assert answer.status_code == 422
    for name in wrong:
        assert f'id="{name}-error"' in answer.text and f'{name}-error"' in answer.text
    assert "x" * 201 in answer.text and "nobody</textarea>" in answer.text
    assert "<script>" not in answer.text and "line 1" in answer.text
    path = owner.post("/tenants/forms/cases", WORDS).headers["Location"]
    owner.post("/tenants/forms/cases", WORDS | {"number": "2"})
    for address in (f"{path}/edit", "/tenants/forms/cases"):
        answer = owner.post(address, WORDS | {"number": "2", "title": "T"})
        assert answer.status_code == 422 and 'id="number-error"' in answer.text
    for form, data, field in (
        ("notes", {"text": " "}, "text"),
        ("exhibits", {"evidence": "nonsense", "label": "L", "purpose": "P" * 1_001}, "evidence"),
        ("exhibits", {"evidence": "0" * 64, "label": "L" * 41}, "label"),
        ("state", {"action": "hold", "reason": ""}, "reason"),
    ):
        answer = owner.post(f"{path}/{form}", data)
        assert answer.status_code == 422 and f'id="{field}-error"' in answer.text, form
        for typed in data.values():
            assert typed in answer.text
    piece = Program(owner, "forms").submit(80)
    owner.post(f"{path}/exhibits", {"evidence": piece["id"]})
    (exhibit,) = re.findall(rf'href="({path}/exhibits/[0-9a-f]+)"', owner.http.get(path).text)
    for position in ("", "0", "-1", "1.5", "٣", "1001", "9" * 40):
        answer = owner.post(exhibit, {"position": position, "label": "kept"})
        assert answer.status_code == 422 and 'id="position-error"' in answer.text
        assert 'value="kept"' in answer.text
    assert owner.post(f"{path}/state", {"action": "burn"}).status_code == 400
    assert owner.post(f"{path}/members", {"person": "none"}).status_code == 404


def test_a_member_who_is_no_owner_shares_nothing_and_lifts_no_hold(platform: Platform) -> None:
    member = visit(platform, soft="member")
    path = member.post("/tenants/soft/cases", WORDS).headers["Location"]
    assert 'name="shared"' not in member.http.get(f"{path}/edit").text
    assert member.post(f"{path}/edit", WORDS | {"shared": "yes"}).status_code == 303
    reader = visit(platform, soft="reader")
    assert reader.http.get(path).status_code == 404
    member.post(f"{path}/state", {"action": "hold", "reason": "suit"})
    page = member.http.get(path).text
    assert 'value="lift"' not in page and 'value="close"' not in page
    for action in ("lift", "close"):
        assert member.post(f"{path}/state", {"action": action}).status_code == 403


def test_the_pages_of_cases_are_labelled_bounded_and_in_chinese(platform: Platform) -> None:
    owner = visit(platform, "欧", tidy="owner")
    visit(platform, "甲", tidy="reader")
    path = owner.post("/tenants/tidy/cases", {"number": "1", "title": "案"}).headers["Location"]
    piece = Program(owner, "tidy").submit(90)
    owner.post(f"{path}/exhibits", {"evidence": piece["id"]})
    owner.post(f"{path}/notes", {"text": "注"})
    (exhibit,) = re.findall(rf'href="({path}/exhibits/[0-9a-f]+)"', owner.http.get(path).text)
    for address in ("/tenants/tidy/cases", "/tenants/tidy/cases/new", path, f"{path}/edit",
                    exhibit):  # fmt: skip
        for language in ("en", "zh"):
            page = owner.http.get(address, headers={"Accept-Language": language})
            assert page.status_code == 200 and "script" not in page.headers[
                "Content-Security-Policy"
            ]  # fmt: skip
            assert "<script" not in page.text and " style=" not in page.text
            ids = re.findall(r'\bid="([^"]*)"', page.text)
            assert len(ids) == len(set(ids)), address
            fields = re.findall(r"<(?:input|select|textarea)(?![^>]*hidden)[^>]*>", page.text)
            for field in fields:
                (id,) = re.findall(r' id="([^"]*)"', field)
                assert f'<label for="{id}"' in page.text
            for described in re.findall(r'aria-describedby="([^"]*)"', page.text):
                assert set(described.split()) <= set(ids), address
            assert len(page.content) < 100_000
            if language == "zh":
                shown = re.sub(r"(?s)<(bdi|code|title|svg)\b.*?</\1>|<a class=\"switch\".*?</a>",
                               " ", page.text)  # fmt: skip
                words = re.sub(r"<[^>]*>", "\n", shown).split("\n")
                english = {left for word in words if (left := what_is_english(word.strip()))}
                assert english <= {"anchor", "tidy", piece["number"]}, (address, english)


@pytest.mark.parametrize(
    ("language", "first", "second", "made"),
    [
        (
            "en",
            "erased on 2026-05-06 00:00:00 UTC",
            "erased on 2026-05-06 18:30:00 UTC",
            r"Created</dt><dd>[-0-9]{10} [:0-9]{8} UTC,",
        ),
        (
            "zh",
            "已于 北京时间 2026-05-06 08:00:00（2026-05-06 00:00:00 UTC） 擦除",
            "已于 北京时间 2026-05-07 02:30:00（2026-05-06 18:30:00 UTC） 擦除",
            r"创建时间</dt><dd>北京时间 [-0-9]{10} [:0-9]{8}（[-0-9]{10} [:0-9]{8} UTC）,",
        ),
    ],
)
def test_the_page_of_a_case_tells_pieces_of_one_day_apart(
    language: str, first: str, second: str, made: str, platform: Platform
) -> None:
    tenant = f"hours-{language}"
    (owner,) = enter(platform, tenant, "owner")
    path = owner.make()
    for number, hour in ((95, "00:00"), (96, "18:30")):
        piece = owner.submit(number)
        owner.call("POST", f"{path}/exhibits", {"evidence": piece["id"]})
        with platform.project.database.write() as connection:
            erased = find_by_ids(connection, [bytes.fromhex(piece["id"])])
            erase_rows(connection, erased, [(None, f"2026-05-06T{hour}:00.000Z")])
    address = f"/tenants/{tenant}/cases/{path.rpartition('/')[2]}"
    page = owner.http.get(address, headers={"Accept-Language": language}).text
    assert first in page and second in page
    assert re.search(made, page), page
    listed = owner.http.get(f"/tenants/{tenant}/cases", headers={"Accept-Language": language}).text
    assert re.search(r"[-0-9]{10} [:0-9]{8} UTC", listed), listed


# Packed folders.


def seal_all(platform: Platform) -> None:
    """Seal what waits, as `anchor run` does beside the service."""
    with closing(open_database(platform.project.config.store)) as database, database.hold_lease():
        seal(database, utc_now(), platform.project.tiles)


def read_zip(data: bytes) -> dict[str, bytes]:
    """Return the files of a packed folder below its one top, whose list of digests is right."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        files = {name.partition("/")[2]: archive.read(name) for name in names}
    assert len({name.partition("/")[0] for name in names}) == 1
    lines = files["tagmanifest-sha256.txt"].decode().splitlines()
    listed = {line.partition("  ")[2]: line.partition("  ")[0] for line in lines}
    assert listed == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items()
        if name != "tagmanifest-sha256.txt"
    }  # fmt: skip
    return files


def test_a_case_is_packed_twice_as_the_same_bytes_without_an_original(
    platform: Platform,
) -> None:
    owner, member = enter(platform, "pack", "owner", "member")
    (stranger,) = enter(platform, "box", "owner")
    path = member.make()
    pieces = [member.submit(number, "合同.pdf") for number in (200, 201, 202)]
    exhibits = [
        member.call("POST", f"{path}/exhibits", {"evidence": piece["id"], "label": f"{place}",
                                                 "purpose": EVIL}).json()
        for place, piece in enumerate(pieces)
    ]  # fmt: skip
    answer = member.call("GET", f"{path}/package")
    assert answer.status_code == 200, answer.text
    files = read_zip(answer.content)
    assert not any(name.startswith("receipts/") for name in files), "nothing is sealed yet"
    seal_all(platform)
    with platform.project.database.write() as connection:
        erased = find_by_ids(connection, [bytes.fromhex(pieces[2]["id"])])
        erase_rows(connection, erased, [(None, "2026-05-06T00:00:00.000Z")])
        piece = find_by_ids(connection, [bytes.fromhex(pieces[0]["id"])])[0]
        order = request_certificate(
            connection, "pack", piece.identity, requested_by="x", at=utc_now()
        )
        at = "2026-05-07T00:00:00.000Z"
        save_issue(connection, order.id, number="AC-1", issued_at=at, files={"json": b"{}\n"})
    member.call("PATCH", f"{path}/exhibits/{exhibits[1]['id']}", {"position": 1})
    answers = [who.call("GET", f"{path}/package") for who in (member, owner)]
    assert answers[0].content == answers[1].content
    assert f'filename="case-{path.rpartition("/")[2]}.zip"' in answers[0].headers[
        "Content-Disposition"
    ]  # fmt: skip
    files = read_zip(answers[0].content)
    assert set(files) == {
        "README.en.md", "README.zh.md", "certificate/AC-1.json", "exhibits/exhibits.html",
        "exhibits/exhibits.json", "policy/trust.toml", "receipts/合同.pdf.anchor.json",
        "receipts/2/合同.pdf.anchor.json", "tagmanifest-sha256.txt", "verify/verifier.html",
        "verify/verify.py",
    }  # fmt: skip
    listed = json.loads(files["exhibits/exhibits.json"])
    assert listed["format"] == "anchor-package/1" and listed["case"]["parties"] == CASE["parties"]
    assert [each["stated"]["label"] for each in listed["exhibits"]] == ["1", "0", "2"]
    for each, piece_of in zip(listed["exhibits"], (pieces[1], pieces[0]), strict=False):
        receipt = parse_receipt(files[each["receipt"]])
        assert number_record(receipt.record) == piece_of["number"] == each["preservation_number"]
        assert each["receipt"] == f"{each['original']}.anchor.json"
    last = listed["exhibits"][2]
    assert (last["receipt"], last["name"], last["sha256"]) == (None, None, None)
    assert last["erased_at"] and digest(202).encode() not in b"".join(files.values())
    assert b"<script" not in files["exhibits/exhibits.html"]
    erased_at = "北京时间 2026-05-06 08:00:00（2026-05-06 00:00:00 UTC）"
    assert f"已于 {erased_at} 擦除".encode() in files["exhibits/exhibits.html"]
    assert "原件应放位置（本材料包不含原件）" in files["exhibits/exhibits.html"].decode()
    assert "证据包" not in files["exhibits/exhibits.html"].decode()
    readme = files["README.zh.md"].decode()
    before_commands = readme.split("```sh")[0]
    assert "请将每份原件放入" in before_commands and "`verify/verifier.html`" in before_commands
    assert "“未通过核验：不在您信任的范围之内”" in before_commands and "允许误差" in readme
    assert hashlib.sha256(files["verify/verifier.html"]).hexdigest() in before_commands
    assert b"rpc = []" in files["policy/trust.toml"]
    assert stranger.call("GET", f"{path}/package").status_code == 404
    assert stranger.call("GET", f"/v1/evidence/{pieces[0]['id']}/package").status_code == 404
    assert member.call("GET", f"/v1/evidence/{pieces[2]['id']}/package").status_code == 410
    page = member.http.get(f"/tenants/pack/cases/{path.rpartition('/')[2]}")
    (link,) = re.findall(r'href="([^"]*/package)"', page.text)
    assert member.http.get(link).content == answers[0].content
    with platform.project.database.write() as connection:
        assert revoke_certificate(connection, order.id, reason="r", at=utc_now())
    single = read_zip(member.call("GET", f"/v1/evidence/{pieces[0]['id']}/package").content)
    assert "receipts/合同.pdf.anchor.json" in single and "certificate/AC-1.json" not in single


def test_a_package_says_which_certificate_replaced_which(platform: Platform) -> None:
    (member,) = enter(platform, "again", "member")
    path = member.make()
    piece = member.submit(205, "合同.pdf")
    member.call("POST", f"{path}/exhibits", {"evidence": piece["id"]})
    seal_all(platform)
    # Ordered first, issued last: what counts is when it was issued.
    issues = (("AC-3", "03"), ("AC-1", "01"), ("AC-4", "04"), ("AC-2", "02"))
    ids = {}
    with platform.project.database.write() as connection:
        stored = find_by_ids(connection, [bytes.fromhex(piece["id"])])[0]
        for place, (number, day) in enumerate(issues):
            order = request_certificate(
                connection, "again", stored.identity, requested_by="x",
                at=f"2026-05-0{place + 1}T00:00:00.000Z",
            )  # fmt: skip
            save_issue(
                connection, order.id, number=number, issued_at=f"2026-06-{day}T01:02:03.000Z",
                files={"json": number.encode()},
            )  # fmt: skip
            ids[number] = order.id
        assert revoke_certificate(
            connection, ids["AC-4"], reason="r", at="2026-06-05T00:00:00.000Z"
        )
    files = read_zip(member.call("GET", f"{path}/package").content)
    (listed,) = json.loads(files["exhibits/exhibits.json"])["exhibits"]
    held = [f"certificate/AC-{number}.json" for number in (1, 2, 3)]
    assert listed["certificates"] == held and "certificate/AC-4.json" not in files
    newest = {"number": "AC-3", "issued_at": "2026-06-03T01:02:03.000Z"}
    states = listed["certificate_states"]
    assert [
        (each["number"], each["issued_at"][8:10], each["state"], each["replaced_by"])
        for each in states
    ] == [
        ("AC-1", "01", "replaced", newest),
        ("AC-2", "02", "replaced", newest),
        ("AC-3", "03", "current", None),
        ("AC-4", "04", "revoked", None),
    ]
    assert [each["files"] for each in states] == [*([name] for name in held), []]
    assert [each["revoked_at"] is not None for each in states] == [False, False, False, True]
    beijing = "北京时间 2026-06-0{0} 09:02:03（2026-06-0{0} 01:02:03 UTC）"
    one, three, four = (beijing.format(day) for day in (1, 3, 4))
    for name in ("README.zh.md", "exhibits/exhibits.html"):
        text = files[name].decode()
        assert f"AC-1，{one}出具，已由{three}出具的证书 AC-3 取代" in text
        assert f"AC-3，{three}出具，为现行证书" in text
        assert f"AC-4，{four}出具，已于北京时间 2026-06-05 08:00:00" in text
    english = files["README.en.md"].decode()
    assert "replaced by certificate AC-3, issued 2026-06-03 01:02:03 UTC" in english


def test_the_list_for_the_court_has_the_partys_statements_with_whose_they_are(
    platform: Platform,
) -> None:
    (member,) = enter(platform, "party", "member")
    stated = {"source": {"origin": "<i>电脑</i>"}, "collection": {"place": "上海"}}
    body = {"sha256": digest(230), "name": "a.pdf", "groups": stated}
    pieces = [member.call("POST", "/v1/evidence", body).json(), member.submit(231)]
    seal_all(platform)
    path = member.make()
    for piece in pieces:
        member.call("POST", f"{path}/exhibits", {"evidence": piece["id"]})
    files = read_zip(member.call("GET", f"{path}/package").content)
    one, other = json.loads(files["exhibits/exhibits.json"])["exhibits"]
    actor = f"person:{member.person}"
    assert one["stated_in_record"] == stated and other["stated_in_record"] == {}
    assert [one[name] for name in ("account", "submitter", "submitter_name")] == [
        "party", actor, "member",
    ]  # fmt: skip
    assert [other[name] for name in ("account", "submitter", "submitter_name")] == [
        "party", None, None,
    ]  # fmt: skip
    page = files["exhibits/exhibits.html"].decode()
    assert f"提交人编号：{actor}。" in page and "“member”由存证服务登记，不在记录内" in page
    assert "&lt;i&gt;电脑" in page and "上海" in page and "<i>" not in page
    assert page.count("未记录 / not recorded") == 1


def test_a_packed_folder_has_a_bound(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    (member,) = enter(platform, "bound", "member")
    piece = member.submit(210)
    seal_all(platform)
    monkeypatch.setattr("anchor.service.package_builder._MOST_BYTES", 100)
    answer = member.call("GET", f"/v1/evidence/{piece['id']}/package")
    assert (answer.status_code, answer.json()["id"]) == (409, "package-too-large")


def test_a_worker_packs_few_folders_at_once(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    (member,) = enter(platform, "crowd", "member")
    path = f"/v1/evidence/{member.submit(211)['id']}/package"
    seal_all(platform)
    monkeypatch.setattr("anchor.service.package_builder._MOST_IN_WORKER", 0)
    answer = member.call("GET", path)
    assert (answer.status_code, answer.json()["id"]) == (503, "packages-busy")
    monkeypatch.undo()
    # The tenant's own slot was given back.
    assert member.call("GET", path).status_code == 200
