"""Review links over HTTP: made by owners, read by whoever has one, ended, and never guessed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from support.chinese_text import what_is_english
from support.memory_projects import MemorySite
from support.service import digest
from support.sign_in_providers import Platform, serve_platform
from support.visitors import Visitor, close_browsers, visit

from anchor.base.errors import CannotCheckError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.evidence.preservation_number import number_record
from anchor.people.lifetimes import later
from anchor.receipt.format import parse_receipt
from anchor.service.settings import Settings
from anchor.store.case_links import load_case_links
from anchor.store.certificates import request_certificate, revoke_certificate, save_issue
from anchor.store.database import open_database
from anchor.store.erasures import erase_rows, find_by_ids
from anchor.store.sealing import seal
from anchor.store.tenant_events import load_events

EVIL = "<script>alert(1)</script>{{7133*7001}}"
SECRET = "do not show this to the court"
COURT = "杭州互联网法院"


@pytest.fixture(scope="module")
def platform(grown_copy: MemorySite) -> Iterator[Platform]:
    with serve_platform(grown_copy) as served:
        yield served
    close_browsers()


@pytest.fixture
def court(platform: Platform) -> Iterator[httpx.Client]:
    """The browser of somebody without an account."""
    with platform.browser() as stranger:
        yield stranger


class Case:
    """A case of an owner on the pages."""

    def __init__(self, owner: Visitor, tenant: str, number: str = "（2026）浙0192民初1号") -> None:
        self.owner, self.tenant = owner, tenant
        words = {"number": number, "title": f"Lee {EVIL}", "authority": COURT,
                 "parties": "原告：Ann Lee\n被告：Bo Ho"}  # fmt: skip
        self.path = owner.post(f"/tenants/{tenant}/cases", words).headers["Location"]
        self.id = self.path.rpartition("/")[2]
        self.headers = {"Origin": owner.platform.url, "Anchor-Tenant": tenant}

    def add(self, number: int, **words: str) -> dict[str, str]:
        """Submit a piece and make it an exhibit; return it with the exhibit's id."""
        body = {"sha256": digest(number), "sm3": digest(number + 1), "name": f"合同{number}.pdf"}
        piece = self.owner.http.post("/v1/evidence", json=body, headers=self.headers).json()
        answer = self.owner.http.post(
            f"/v1/cases/{self.id}/exhibits", json={"evidence": piece["id"], **words},
            headers=self.headers,
        )  # fmt: skip
        assert answer.status_code == 201, answer.text
        return {**piece, "exhibit": answer.json()["id"]}

    def share(self, **body: object) -> str:
        """Make a link by the API; return its path."""
        answer = self.call("POST", "", {"label": COURT, **body})
        assert answer.status_code == 201, answer.text
        link: str = answer.json()["link"]
        return link

    def call(self, method: str, path: str = "", body: object = None) -> httpx.Response:
        content = {} if body is None else {"json": body}
        return self.owner.http.request(
            method, f"/v1/cases/{self.id}/links{path}", headers=self.headers, **content
        )

    def events(self) -> list[str]:
        with self.owner.platform.project.database.read() as connection:
            events = load_events(connection, self.tenant, 200)[::-1]
        return [event.action for event in events if event.action.startswith("case-link-")]


def open_case(platform: Platform, tenant: str) -> Case:
    return Case(visit(platform, "Olga", **{tenant: "owner"}), tenant)


def seal_all(platform: Platform) -> None:
    with closing(open_database(platform.project.config.store)) as database, database.hold_lease():
        seal(database, utc_now(), platform.project.tiles)


def test_a_court_reads_the_case_without_an_account_and_nothing_beyond_it(
    platform: Platform, court: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    case = open_case(platform, "firm")
    member = visit(platform, "Mallory Member", firm="reader")
    case.owner.post(f"{case.path}/members", {"person": member.id})
    case.owner.post(f"{case.path}/notes", {"text": SECRET})
    pieces = [case.add(300 + 2 * place, label=f"证据{place}", purpose=EVIL, note=SECRET)
              for place in range(3)]  # fmt: skip
    other = Case(case.owner, "firm", "another-case-number")
    foreign = other.add(320)
    seal_all(platform)
    with platform.project.database.write() as connection:
        erased = find_by_ids(connection, [bytes.fromhex(pieces[2]["id"])])
        erase_rows(connection, erased, [(None, "2026-05-06T00:00:00.000Z")])
        identity = find_by_ids(connection, [bytes.fromhex(pieces[0]["id"])])[0].identity
        for number in ("AC-valid", "AC-gone", None):
            order = request_certificate(
                connection, "firm", identity, requested_by="x", at=utc_now()
            )
            if number is not None:
                save_issue(
                    connection, order.id, number=number, issued_at=utc_now(), files={"json": b"{}"}
                )
            if number == "AC-gone":
                assert revoke_certificate(connection, order.id, reason="r", at=utc_now())
    link = case.share()
    page = court.get(link)
    assert page.status_code == 200
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["X-Robots-Tag"].startswith("noindex") and "noindex" in page.text
    assert page.headers["Cache-Control"] == "no-store" and "Set-Cookie" not in page.headers
    assert "<script" not in page.text and "49940133" not in page.text
    for shown in ("（2026）浙0192民初1号", COURT, "Ann Lee", "被告", "证据0", "合同300.pdf",
                  pieces[0]["number"], digest(300), digest(301), "AC-valid", "UTC"):  # fmt: skip
        assert shown in page.text, shown
    assert re.search("AC-gone</span> [(]revoked[)]", page.text)
    assert not re.search("AC-valid</span> [(]revoked[)]", page.text)
    numbers = re.findall('<span class="hash">([^<]*)</span>', page.text)
    assert numbers == ["AC-valid", "AC-gone"], "none of an order that waits"
    assert page.text.count("&lt;script&gt;alert(1)") >= 4
    assert "erased on 2026-05-06 00:00:00 UTC" in page.text and digest(304) not in page.text
    chinese = court.get(link, headers={"Accept-Language": "zh"}).text
    assert "已于 北京时间 2026-05-06 08:00:00（2026-05-06 00:00:00 UTC） 擦除" in chinese
    for hidden in (SECRET, "Mallory", "another-case-number", "Olga", foreign["number"], "firm"):
        assert hidden not in page.text, hidden
    labels = re.findall("<bdi>(证据[0-9])</bdi>", page.text)
    assert labels == ["证据0", "证据1", "证据2"]
    # Receipts, and the package without the remarks.
    receipts = re.findall(r'href="(/shared/exhibits/[^"]*)"', page.text)
    assert len(receipts) == 2
    answer = court.get(receipts[0])
    assert number_record(parse_receipt(answer.content).record) == pieces[0]["number"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    (address,) = re.findall(r'href="(/shared/package[^"]*)"', page.text)
    packed = court.get(address)
    assert packed.status_code == 200 and packed.content[:2] == b"PK"
    own = case.owner.http.get(f"{case.path}/package").content
    assert SECRET.encode() in own and SECRET.encode() not in packed.content
    assert pieces[0]["number"].encode() in packed.content
    # A crossed exhibit, one that is not there, and an erased one.
    token = link.partition("=")[2]
    for exhibit, status in ((foreign["exhibit"], 404), ("none", 404), ("%00", 404),
                            (pieces[2]["exhibit"], 410)):  # fmt: skip
        answer = court.get(f"/shared/exhibits/{exhibit}/receipt?token={token}")
        assert answer.status_code == status, (exhibit, answer.text)
    assert court.get(f"{case.path}?token={token}").status_code == 303, "only to /shared"
    assert court.get("/v1/cases", params={"token": token}).status_code in (401, 422)
    assert not any(token in record.getMessage() for record in caplog.records
                   if record.name.startswith("anchor"))  # fmt: skip


def test_the_page_says_what_the_operator_states_of_a_piece(
    platform: Platform, court: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = open_case(platform, "noticed")
    case.add(340)
    link = case.share()
    assert court.get(link).text.count('class="verdict') == 1

    def find_none(*_: object) -> None:
        raise CannotCheckError(Message("form-malformed"))

    monkeypatch.setattr("anchor.service.evidence_status.find_notice", find_none)
    page = court.get(link).text
    assert page.count('class="verdict') == 2 and "a notice" in page


def test_uses_are_counted_and_in_the_trail_once_an_hour(
    platform: Platform, court: httpx.Client
) -> None:
    case = open_case(platform, "counted")
    first, second = case.share(days=90), case.share(label="X")
    for _ in range(3):
        assert court.get(first).status_code == 200
    assert court.get(first.replace("/shared", "/shared/package")).status_code == 200
    assert case.events() == ["case-link-made", "case-link-made", "case-link-opened"]
    assert court.get(second).status_code == 200
    assert case.events().count("case-link-opened") == 2
    links = case.call("GET").json()["links"]
    assert {link["label"]: link["opened"] for link in links} == {COURT: 4, "X": 1}
    assert {link["state"] for link in links} == {"in-force"}
    assert first.partition("=")[2] not in json.dumps(links)
    page = case.owner.http.get(case.path).text
    assert re.search(rf'(?s)<bdi>{COURT}</bdi></td>.*?<td class="number">4</td>', page)
    trail = case.owner.http.get("/tenants/counted/events", headers={"Accept-Language": "zh"}).text
    for word in ("创建审阅链接", "使用审阅链接", f"审阅链接 {links[0]['id']}"):
        assert word in trail


def test_a_link_ends_when_it_is_revoked_and_when_it_expires(
    platform: Platform, court: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = open_case(platform, "ended")
    piece = case.add(360)
    seal_all(platform)
    gone, dated = case.share(), case.share(label="dated", days=1)
    receipt = f"/shared/exhibits/{piece['exhibit']}/receipt?{gone.partition('?')[2]}"
    assert [court.get(each).status_code for each in (gone, receipt, dated)] == [200] * 3
    (id,) = (each["id"] for each in case.call("GET").json()["links"] if each["label"] == COURT)
    foreign = Case(case.owner, "ended", "2")
    assert foreign.call("DELETE", f"/{id}").status_code == 404, "a link of another case"
    assert foreign.owner.post(f"{foreign.path}/links", {"revoke": id}).status_code == 404
    assert court.get(gone).status_code == 200
    for _ in range(2):
        assert case.call("DELETE", f"/{id}").status_code == 204
    addresses = (gone, receipt, gone.replace("/shared", "/shared/package"))
    assert [court.get(each).status_code for each in addresses] == [404] * 3
    assert case.events().count("case-link-revoked") == 1
    assert court.get(dated).status_code == 200
    day = later(utc_now(), 86_400)
    monkeypatch.setattr("anchor.service.shared_case.utc_now", lambda: day)
    expired, revoked = court.get(dated), court.get(gone)
    unknown, malformed = (court.get(f"/shared?token={token}") for token in ("0" * 64, "x'--"))
    missing = court.get("/shared")
    answers = (expired, revoked, unknown, malformed, missing)
    assert {answer.status_code for answer in answers} == {404}
    pages = {re.sub(r'<a class="switch".*?</a>', "", answer.text) for answer in answers}
    assert len(pages) == 1 and "was revoked, or has expired" in pages.pop()
    for answer in (*answers, court.get("/join?token=x")):
        assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_whoever_guesses_is_held_back_by_address(
    grown_copy: MemorySite,
) -> None:
    settings = Settings(refused_rate=0.001, refused_burst=3)
    with serve_platform(grown_copy, settings=settings) as served:
        case = open_case(served, "guessed")
        link = case.share()
        with served.browser(Accept="text/html") as court:
            assert [court.get(link).status_code for _ in range(5)] == [200] * 5
            statuses = [court.get(f"/shared?token={n:064x}").status_code for n in range(4)]
            assert statuses == [404, 404, 404, 429]
            held = court.get(link)
            assert held.status_code == 429 and "<h1>" in held.text
            assert int(held.headers["Retry-After"]) > 100
            assert held.headers["Referrer-Policy"] == "no-referrer"
        with served.project.database.read() as connection:
            (kept,) = load_case_links(connection, case.id, utc_now())
        assert kept.opened == 5, "held back, it is not counted"


def test_an_owner_makes_and_revokes_a_link_on_the_page(
    platform: Platform, court: httpx.Client
) -> None:
    case = open_case(platform, "desk")
    member = visit(platform, desk="member")
    case.owner.post(f"{case.path}/members", {"person": member.id})
    page = member.http.get(case.path)
    assert page.status_code == 200 and "Review links" not in page.text
    path = f"{case.path}/links"
    for data, field in (
        ({"recipient": " ", "days": "7"}, "recipient"),
        ({"recipient": "x" * 101}, "recipient"),
        ({"recipient": "two\nlines"}, "recipient"),
        ({"recipient": EVIL, "days": "0"}, "days"),
        ({"recipient": EVIL, "days": "91"}, "days"),
        ({"recipient": EVIL, "days": "٣"}, "days"),
    ):
        answer = case.owner.post(path, data)
        assert answer.status_code == 422 and f'id="{field}-error"' in answer.text, data
        assert f'{field}-error"' in answer.text and "<script" not in answer.text
        assert (
            f'name="days" inputmode="numeric" maxlength="2" value="{data.get("days", "14")}"'
            in (answer.text)
        )
    assert "&lt;script&gt;alert(1)" in answer.text, "what was typed is kept"
    assert case.events() == []
    made = case.owner.post(path, {"recipient": EVIL, "days": "7"})
    assert made.status_code == 200 and "cannot be shown again" in made.text
    (link,) = re.findall(r'value="http://[^"/]*(/shared[?]token=[0-9a-f]{64})"', made.text)
    assert court.get(link).status_code == 200 and "alert(1)" in made.text
    shown = case.owner.http.get(case.path).text
    assert link.partition("=")[2] not in shown and "in force" in shown and "<script" not in shown
    (id,) = re.findall('name="revoke" value="([0-9a-f]{16})"', shown)
    assert case.owner.post(path, {"revoke": id}).headers["Location"] == f"{case.path}#links"
    assert court.get(link).status_code == 404
    shown = case.owner.http.get(case.path).text
    assert 'name="revoke"' not in shown and "revoked" in shown
    assert case.owner.post(path, {"revoke": "none"}).status_code == 404


def test_what_is_wrong_with_a_request_is_told_by_its_members(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = open_case(platform, "strict")
    for body, member in (
        ({}, "/label"), ({"label": " "}, "/label"), ({"label": "x" * 101}, "/label"),
        ({"label": "a\u202eb"}, "/label"), ({"label": "x", "days": 0}, "/days"),
        ({"label": "x", "days": 91}, "/days"), ({"label": "x", "more": 1}, "/more"),
    ):  # fmt: skip
        answer = case.call("POST", "", body)
        assert answer.status_code == 422, answer.text
        assert member in {error["pointer"] if "pointer" in error else error["name"]
                          for error in answer.json()["errors"]}  # fmt: skip
    assert case.call("DELETE", "/none").status_code == 404
    monkeypatch.setattr("anchor.store.case_links.MAX_LINKS", 1)
    case.share()
    answer = case.call("POST", "", {"label": "x"})
    assert (answer.status_code, answer.json()["id"]) == (409, "case-links-too-many")
    answer = case.owner.post(f"{case.path}/links", {"recipient": "kept"})
    assert answer.status_code == 422 and 'value="kept"' in answer.text


def test_the_pages_are_in_chinese_labelled_and_without_script(
    platform: Platform, court: httpx.Client
) -> None:
    case = open_case(platform, "tidy")
    piece = case.add(380, label="证1")
    seal_all(platform)
    link = case.share(label="法院")
    assert court.get(link + "&lang=zh").status_code == 200
    for who, address in ((court, link), (case.owner.http, case.path)):
        page = who.get(address, headers={"Accept-Language": "zh"}).text
        ids = re.findall(r'\bid="([^"]*)"', page)
        assert len(ids) == len(set(ids)) and " style=" not in page and "<script" not in page
        for described in re.findall(r'aria-(?:describedby|labelledby)="([^"]*)"', page):
            assert set(described.split()) <= set(ids)
        shown = re.sub(r"(?s)<(bdi|code|title|svg)\b.*?</\1>|<a class=\"switch\".*?</a>", " ", page)
        words = re.sub(r"<[^>]*>", "\n", shown).split("\n")
        english = {left for word in words if (left := what_is_english(word.strip()))}
        assert english <= {"anchor", "tidy", "Olga", piece["number"]}, english
    switched = re.findall('class="switch" href="([^"]*)"', court.get(link).text)
    assert court.get(switched[0].replace("&amp;", "&")).status_code == 200
