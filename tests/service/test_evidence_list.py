"""`GET /v1/evidence` and its page: a tenant's evidence, newest first, page by page."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from support.grown_logs import grow_log
from support.memory_chain import GWEI
from support.memory_projects import MemorySite
from support.sign_in_providers import Platform, serve_platform
from support.troubles import Effects
from support.visitors import close_browsers, visit

from anchor.base.digests import Digests
from anchor.base.errors import IncidentError, MalformedError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.base.types import Stage
from anchor.evidence.record import encode_record
from anchor.log.merkle import hash_leaf
from anchor.monitor.log_progress import LogProgress
from anchor.monitor.tenant_listing import (
    decode_cursor,
    encode_cursor,
    find_stage_range,
    parse_bound,
)
from anchor.service.pages import evidence_list_page
from anchor.store.api_keys import create_key
from anchor.store.certificates import request_certificate, save_issue
from anchor.store.columns import NewEvidence
from anchor.store.erasures import erase_rows, find_by_ids
from anchor.store.evidence import make_identity
from anchor.store.evidence_insertion import insert_evidence
from anchor.store.sealing import seal

BATCHES = ("2026-01-10", "2026-02-10", "2026-03-10", "2026-04-10")
STATES = ("anchored", "included", "sealed", "accepted")
PER_BATCH = 4


def make_piece(tenant: str, day: str, number: int, log: bytes) -> NewEvidence:
    name, at = f"{day} {number} <b>.txt", f"{day}T12:00:0{number}.000Z"
    sha256 = hashlib.sha256(f"{tenant} {name}".encode()).digest()
    digests = Digests(sha256=sha256, sm3=None, size=number)
    record = encode_record(
        digests=digests, name=name, media_type=None, salt=sha256, recorded_at=at, log=log
    )
    return NewEvidence(
        identity=make_identity(digests, tenant.encode()), source=f"tenant:{tenant}/{name}",
        sha256=sha256, sm3=None, record=record, leaf=hash_leaf(record), accepted_at=at,
    )  # fmt: skip


def submit(site: MemorySite, day: str) -> None:
    project = site.open()
    with project.database.write() as connection:
        for number in range(PER_BATCH):
            tenants = ("acme", "other") if number % 2 else ("other", "acme")
            rows = [make_piece(tenant, day, number, site.config.log) for tenant in tenants]
            insert_evidence(connection, rows)
    project.database.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> MemorySite:
    """Evidence of two tenants: a batch that is final, one reversible, one sealed, one waiting."""
    site = grow_log(tmp_path_factory.mktemp("listed"), [])
    for day in BATCHES[:2]:
        submit(site, day)
        site.chain.set_next_base_fee(10 * GWEI)
        site.round(Effects())
        if day == BATCHES[0]:
            site.serve(Effects(), 5 * 12)
    submit(site, BATCHES[2])
    project = site.open()
    with project.database.hold_lease():
        seal(project.database, utc_now())
    project.database.close()
    submit(site, BATCHES[3])
    return site


@pytest.fixture(scope="module")
def platform(site: MemorySite) -> Iterator[Platform]:
    with serve_platform(site) as served:
        yield served
    close_browsers()


@pytest.fixture(scope="module")
def key(platform: Platform) -> str:
    with platform.project.database.write() as connection:
        return create_key(connection, "acme", ["read"], created_at=utc_now())


def ask(platform: Platform, key: str, **query: object) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.get(
        f"{platform.url}/v1/evidence", params=query, headers=headers, trust_env=False, timeout=60
    )


def names(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [piece["name"][:12] for piece in answer.json()["evidence"]]


EVERY = [f"{day} {number}" for day in reversed(BATCHES) for number in (3, 2, 1, 0)]


def test_a_tenants_evidence_is_listed_newest_first(platform: Platform, key: str) -> None:
    answer = ask(platform, key)
    assert names(answer) == EVERY and answer.json()["next"] is None
    pieces = answer.json()["evidence"]
    assert [piece["state"] for piece in pieces] == [
        state for state in reversed(STATES) for _ in range(PER_BATCH)
    ]
    newest, oldest = pieces[0], pieces[-1]
    assert (newest["index"], newest["anchor"], newest["size"]) == (None, None, 3)
    assert oldest["accepted_at"] == "2026-01-10T12:00:00.000Z" and oldest["index"] in (0, 1)
    for piece in pieces:
        headers = {"Authorization": f"Bearer {key}"}
        status = httpx.get(
            f"{platform.url}/v1/evidence/{piece['id']}",
            headers=headers,
            timeout=60,
            trust_env=False,
        ).json()
        for member in ("number", "state", "index", "anchor"):
            assert status[member] == piece[member], member


def test_pages_do_not_move_when_evidence_arrives(platform: Platform, key: str) -> None:
    for limit in (1, 3, 7, 16):
        seen: list[str] = []
        cursor: dict[str, Any] = {}
        while True:
            answer = ask(platform, key, limit=limit, **cursor)
            seen += names(answer)
            if answer.json()["next"] is None:
                break
            assert len(names(answer)) == limit
            cursor = {"cursor": answer.json()["next"]}
            if limit == 3 and len(seen) == 3:
                rows = [make_piece("third", "2026-05-01", at, b"0" * 32) for at in range(3)]
                with platform.project.database.write() as connection:
                    insert_evidence(connection, rows)
        assert seen == EVERY


@pytest.mark.parametrize("path", ["/v1/evidence?state=sealed", "/v1/heads", "/v1/search?q=b"])
def test_the_header_link_leads_through_all_pages(platform: Platform, key: str, path: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    bodies, following = [], f"{path}{'&' if '?' in path else '?'}limit=1"
    while following:
        answer = httpx.get(platform.url + following, headers=headers, trust_env=False, timeout=60)
        bodies.append(answer.json())
        following = answer.links.get("next", {}).get("url", "")
        assert bool(following) == (bodies[-1]["next"] is not None)
    (member,) = (name for name in ("evidence", "heads") if name in bodies[0])
    whole = httpx.get(platform.url + path, headers=headers, trust_env=False, timeout=60).json()
    assert [each for body in bodies for each in body[member]] == whole[member]
    assert len(whole[member]) > 2


def test_a_receipt_has_a_name_to_save_it_under(platform: Platform, key: str) -> None:
    piece = ask(platform, key).json()["evidence"][-1]["id"]
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx.get(
        f"{platform.url}/v1/evidence/{piece}/receipt", headers=headers, trust_env=False, timeout=60
    )
    name = quote(ask(platform, key).json()["evidence"][-1]["name"], safe="")
    assert answer.headers["Content-Disposition"] == (
        f"attachment; filename=\"{piece[:16]}.anchor.json\"; filename*=UTF-8''{name}.anchor.json"
    )


def test_the_type_of_a_problem_is_a_page_in_both_languages(platform: Platform, key: str) -> None:
    problem = ask(platform, key, cursor="x" * 65).json()
    assert problem["type"] == "/problems/request-parameter-invalid"
    for language, text in (("en", "parameter"), ("zh", "参数")):
        page = httpx.get(
            f"{platform.url}{problem['type']}?lang={language}", trust_env=False, timeout=60
        )
        assert page.status_code == 200 and text in page.text
    unknown = httpx.get(f"{platform.url}/problems/no-such-thing", trust_env=False, timeout=60)
    assert unknown.status_code == 404


def test_filters_choose_by_time_and_state(platform: Platform, key: str) -> None:
    for state, day in zip(STATES, BATCHES, strict=True):
        expected = [name for name in EVERY if name.startswith(day)]
        assert names(ask(platform, key, state=state)) == expected
        assert names(ask(platform, key, accepted_from=day, accepted_to=day)) == expected
        assert names(ask(platform, key, state=state, accepted_to="2026-01-09")) == []
    assert names(ask(platform, key, state="submitted")) == []
    moment = "2026-02-10T12:00:01Z"
    assert names(ask(platform, key, accepted_from=moment)) == EVERY[:11]
    assert names(ask(platform, key, accepted_to=moment)) == EVERY[10:]
    assert names(ask(platform, key, accepted_from="2026-02-10T12:00:01.001Z")) == EVERY[:10]
    first = ask(platform, key, accepted_from=moment, state="included", limit=2)
    cursor = first.json()["next"]
    rest = ask(platform, key, accepted_from=moment, state="included", cursor=cursor)
    assert names(first) + names(rest) == EVERY[8:11]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": encode_cursor(7)[:-1] + "A"}, "cursor"),
        ({"cursor": ""}, "cursor"),
        ({"accepted_from": "yesterday"}, "accepted_from"),
        ({"accepted_to": "2026-02-30"}, "accepted_to"),
        ({"accepted_to": "9999-12-31"}, "accepted_to"),
        ({"state": "waiting"}, "state"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"order": "oldest"}, "order"),
    ],
)
def test_a_wrong_parameter_is_named(
    platform: Platform, key: str, query: dict[str, object], pointer: str
) -> None:
    answer = ask(platform, key, **query)
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_another_tenant_sees_its_own_only(platform: Platform, key: str) -> None:
    with platform.project.database.write() as connection:
        other = create_key(connection, "other", ["read"], created_at=utc_now())
        nobody = create_key(connection, "nobody", ["read"], created_at=utc_now())
    ids = [
        {piece["id"] for piece in ask(platform, each).json()["evidence"]} for each in (key, other)
    ]
    assert len(ids[0]) == len(ids[1]) == 16 and not ids[0] & ids[1]
    cursor = ask(platform, key, limit=3).json()["next"]
    assert set(names(ask(platform, other, cursor=cursor))) <= set(EVERY)
    assert names(ask(platform, nobody)) == []


def test_nothing_final_is_listed_while_the_chain_contradicts_the_log(
    platform: Platform, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise IncidentError(Message("number-unknown"))

    monkeypatch.setattr(platform.service, "check_chain", refuse)
    assert ask(platform, key).status_code == 503
    assert ask(platform, key, state="accepted").status_code == 200
    reader = visit(platform, acme="reader")
    assert reader.http.get("/tenants/acme/evidence").status_code == 503


# The page.


def test_the_page_shows_the_list_with_its_files(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence_list_page, "LIST_ROWS", 5)
    piece = make_piece("acme", BATCHES[0], 1, platform.project.config.log)
    with platform.project.database.write() as connection:
        ordered = request_certificate(
            connection, "acme", piece.identity, requested_by="key:1", at=utc_now()
        )
        number = "AC-20260110-0123456789ABCDEF"
        save_issue(
            connection, ordered.id, number=number, issued_at=utc_now(), files={"html": b"<p>"}
        )
    visitor = visit(platform, acme="reader", other="auditor")
    seen: list[str] = []
    address, pages, text = "/tenants/acme/evidence", 0, ""
    while address:
        answer = visitor.http.get(address)
        assert answer.status_code == 200
        text += answer.text
        seen += re.findall(r"<bdi>(\d{4}-\d\d-\d\d \d) &lt;b&gt;", answer.text)
        pages += 1
        following = re.findall(r'href="([^"]*)" rel="next"', answer.text)
        address = following[0].replace("&amp;", "&") if following else ""
    assert (seen, pages) == (EVERY, 4)
    assert "<b>" not in text and number in text
    receipts = re.findall(r'href="(/tenants/acme/evidence/[0-9a-f]{64}/receipt)"', text)
    assert len(receipts) == 12  # what waits has none
    body = visitor.http.get(receipts[-1])
    assert body.status_code == 200 and body.json()["format"] == "anchor-receipt/1"
    assert re.search(r"filename\*=UTF-8''.+\.anchor\.json$", body.headers["Content-Disposition"])
    file = f"/tenants/acme/certificates/{ordered.id}/html"
    assert file in text and visitor.http.get(file).content == b"<p>"
    # An auditor of the other tenant, and whoever asks for what is not there.
    assert visitor.http.get("/tenants/other/evidence").status_code == 403
    owner = visit(platform, other="owner")
    for path in (file.replace("acme", "other"), receipts[0].replace("acme", "other"),
                 "/tenants/acme/evidence", "/tenants/other/evidence/xyz/receipt",
                 "/tenants/other/evidence?cursor=nonsense"):  # fmt: skip
        refused = owner.http.get(path)
        assert refused.status_code == 404, path
        assert refused.headers["Content-Type"].startswith("text/html")
    waiting = make_piece("other", BATCHES[3], 1, platform.project.config.log).identity.hex()
    early = owner.http.get(f"/tenants/other/evidence/{waiting}/receipt")
    assert early.status_code == 409 and early.headers["Content-Type"].startswith("text/html")


def test_the_pages_form_keeps_what_was_typed_and_says_what_is_wrong(platform: Platform) -> None:
    visitor = visit(platform, acme="member")
    query = {"from": "soon<", "to": "2026-01-11", "state": "lost"}
    answer = visitor.http.get("/tenants/acme/evidence", params=query)
    assert answer.status_code == 422
    for name in ("from", "state"):
        assert f'id="{name}-error"' in answer.text
    assert 'value="soon&lt;"' in answer.text and 'value="2026-01-11"' in answer.text
    assert "<bdi>" not in answer.text
    query = {"to": "2026-01-10", "state": "anchored"}
    answer = visitor.http.get("/tenants/acme/evidence", params=query)
    assert answer.text.count("<bdi>") == PER_BATCH
    assert '<option value="anchored" selected>' in answer.text


def test_erased_evidence_leaves_the_list(platform: Platform, key: str) -> None:
    gone = make_piece("acme", BATCHES[1], 2, platform.project.config.log)
    with platform.project.database.write() as connection:
        erase_rows(connection, find_by_ids(connection, [gone.identity]), [(None, utc_now())])
    assert names(ask(platform, key)) == [each for each in EVERY if each != f"{BATCHES[1]} 2"]


# Rules.


def test_every_index_is_in_one_states_range() -> None:
    for sizes in ((2, 4, 6, 8), (0, 0, 0, 0), (3, 3, 2, 9), (1, 5, 5, 5)):
        anchored, included, submitted, sealed = sizes
        progress = LogProgress(
            waiting=3, sealed=sealed, submitted=submitted, included=included, anchored=anchored
        )
        for index in range(12):
            ranges = {stage: find_stage_range(progress, stage) for stage in Stage}
            holding = [stage for stage, (low, high) in ranges.items() if low <= index < high]
            assert holding == [progress.stage_of(index if index < sealed else None)]


def test_bounds_of_times() -> None:
    assert parse_bound("2026-01-31") == "2026-01-31T00:00:00.000Z"
    assert parse_bound("2026-01-31", is_end=True) == "2026-02-01T00:00:00.000Z"
    assert parse_bound("2026-01-31T10:00Z") == "2026-01-31T10:00:00.000Z"
    assert parse_bound("2026-01-31T10:00:00.5Z", is_end=True) == "2026-01-31T10:00:00.501Z"
    for text in ("", "2026-1-31", "2026-01-31T10:00:00", "2026-01-31T25:00Z", "２０２６-01-31"):
        with pytest.raises(MalformedError):
            parse_bound(text)


def test_a_cursor_is_read_as_it_was_made_and_nothing_else_is_one() -> None:
    for index in (0, 1, 2**47):
        assert decode_cursor(encode_cursor(index)) == index
    for text in ("", "AAAA", "é", encode_cursor(5) + "A", encode_cursor(5).swapcase()):
        with pytest.raises(MalformedError):
            decode_cursor(text)


def test_days_of_the_form_begin_in_beijing_for_chinese_readers_and_else_in_utc(
    platform: Platform, site: MemorySite
) -> None:
    member = visit(platform, "Nia", night="member")
    piece = make_piece("night", "2036-04-10", 9, site.config.log)
    with platform.project.database.write() as connection:
        insert_evidence(connection, [piece._replace(accepted_at="2036-04-10T20:00:00.000Z")])
    shown = {}
    for language in ("en", "zh"):
        for bound in ("from=2036-04-11", "to=2036-04-10"):
            answer = member.http.get(
                f"/tenants/night/evidence?{bound}", headers={"Accept-Language": language}
            )
            assert answer.status_code == 200
            shown[language, bound] = "2036-04-10 9" in answer.text
    assert shown == {
        ("en", "from=2036-04-11"): False,
        ("en", "to=2036-04-10"): True,
        ("zh", "from=2036-04-11"): True,
        ("zh", "to=2036-04-10"): False,
    }
    chinese = member.http.get("/tenants/night/evidence", headers={"Accept-Language": "zh"}).text
    assert "接收时间自（北京时间）" in chinese
    assert "北京时间 2036-04-11 04:00:00<br>（2036-04-10 20:00:00 UTC）" in chinese
