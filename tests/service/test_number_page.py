"""`/number` and `/about`: a verdict in words for whoever has a number, and nothing else."""

from __future__ import annotations

import hashlib
import html
import json
import re
import secrets
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from support.chain_kinds import CHAINS, PROVES_TIME
from support.memory_projects import MemorySite
from support.page_service import PageService, serve_pages
from support.store_contents import Piece, load_pieces

from anchor.base.errors import IncidentError
from anchor.base.messages.message import Message, translate
from anchor.base.types import Block, ChainId, Hash32, Stage, log_number, log_owner
from anchor.base.units import format_timestamp
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import ChainKind
from anchor.evidence.not_before import NotBefore
from anchor.evidence.preservation_number import format_number, number_record
from anchor.evidence.printed_number import NumberKind, read_number
from anchor.service.pages import number_page
from anchor.service.pages.number_facts import describe_match
from anchor.service.settings import Settings
from anchor.store.certificates import request_certificate, revoke_certificate, save_issue
from anchor.store.number_search import NumberedItem, find_numbered

EVIL = "<script>alert(1)</script>'\"&{{7133*7001}}\u202e"
EARLIEST = (
    "2026-01-01 00:00:00 UTC: the record names block 77. This is a calculated limit: the block's "
    "time less the 12 s by which block times on this chain may be off."
)
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
NUMBER = "AC-20261127-0123456789ABCDEF"


def look(served: PageService, text: str, **headers: str):
    query = {"of": text}
    return served.http.get("/number", params=query, headers=headers, follow_redirects=False)


def words(answer) -> str:
    """Return the page's text as it is read."""
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return html.unescape(" ".join(re.sub("<[^>]*>", " ", answer.text).split()))


def piece_at(served: PageService, index: int) -> Piece:
    with served.project.database.read() as connection:
        return load_pieces(connection)[index]


def secrets_of(piece: Piece) -> dict[str, str]:
    """Return what nobody learns from a number, by its kind."""
    assert piece.record is not None and piece.sha256 is not None
    number = number_record(piece.record)
    return {
        "preservation-number": number,
        "record": hashlib.sha256(piece.record).hexdigest(),
        "sha256": piece.sha256.hex(),
        "leaf": piece.leaf.hex(),
        "id": piece.identity.hex(),
        "name": json.loads(piece.record)["name"],
    }


def test_the_form_is_for_everybody_and_needs_no_script(served: PageService) -> None:
    answer = served.ask("/number")
    assert answer.status_code == 200
    assert "script" not in answer.text
    assert 'action="/number" method="get"' in answer.text
    assert served.ask("/number?of=%20").status_code == 200
    for path in ("/login", "/log", "/log/leaf?of=0"):
        assert '"/number"' in served.ask(path).text and '"/about"' in served.ask(path).text


def test_every_number_gets_a_verdict_times_and_an_anchor_and_reveals_nothing_else(
    served: PageService,
) -> None:
    piece = piece_at(served, 5)
    hidden = secrets_of(piece)
    name = hidden.pop("name")
    for kind, number in hidden.items():
        answer = look(served, number)
        text = words(answer)
        assert answer.status_code == 200
        assert "Preserved, and its anchor on the chain is final" in text
        latest = r"Latest time by the block \(proves nothing\) [-\d]{10} [:\d]{8} UTC: it"
        assert re.search(latest, text) and "Existed no later than" not in text
        assert "a calculated limit: the block's time plus the 12 s by which" in text
        assert "over 304 leaves" in text and "Check this without this site" in text
        assert name not in answer.text
        for other, secret in hidden.items():
            assert (secret in answer.text) == (other == kind), (kind, other)


def test_what_has_come_less_far_is_said_to_be(served: PageService) -> None:
    reversible = look(served, number_record(piece_at(served, 310).record or b""))
    assert "its block can still be reversed" in words(reversible)
    headers = {"Authorization": f"Bearer {served.reader}"}
    body = {"sha256": hashlib.sha256(b"waits").hexdigest(), "name": "waits.txt"}
    accepted = served.http.post("/v1/evidence", json=body, headers=headers).json()
    text = words(look(served, accepted["number"]))
    assert "Preserved, but not anchored yet" in text
    assert "the word of the service alone" in text and "not anchored yet" in text
    assert "eth_getStorageAt" not in text


def test_a_node_answers_the_question_as_the_page_says(
    served: PageService, grown: MemorySite
) -> None:
    text = words(look(served, number_record(piece_at(served, 5).record or b"")))
    question = json.loads(re.search(r"--data '(\{.*?\})'", text)[1])
    (ending,) = re.findall(r"must end in ([0-9a-f]+)", text)
    word = grown.chain.call(question["method"], question["params"])
    assert word.endswith(ending) and len(ending) == 46
    other = [*question["params"][:1], "0x" + "00" * 32, "latest"]
    assert not grown.chain.call(question["method"], other).endswith(ending)


def test_a_number_that_nothing_has_is_answered_alike(served: PageService) -> None:
    texts = [format_number(secrets.token_bytes(10)) for _ in range(5)]
    texts += [secrets.token_hex(32) for _ in range(5)]
    pages = set()
    for text in texts:
        answer = look(served, text)
        assert answer.status_code == 404
        pages.add(answer.text.replace(text, ""))
    assert len(pages) == 1
    assert "Nothing here has this number" in pages.pop()
    unknown = words(look(served, "AC-20200101-0123456789ABCDEF"))
    assert "look up the preservation number" in unknown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", "this is no number"),
        ("BZPE-PSQZ-S1QK-HPAJ-1", "check character does not match"),
        ("9" * 201, "this is no number"),
        (EVIL, "this is no number"),
        ("\0", "this is no number"),
    ],
)
def test_what_is_no_number_is_said_beside_the_field_and_kept_there(
    served: PageService, text: str, said: str
) -> None:
    answer = look(served, text)
    assert answer.status_code == 422
    (error,) = re.findall(r'<span class="problem" id="of-error">(.*?)</span>', answer.text)
    assert said in html.unescape(error)
    (kept,) = re.findall(r'id="of"[^>]* value="([^"]*)"', answer.text, re.DOTALL)
    assert html.unescape(kept) == text[:200]
    assert 'aria-invalid="true"' in answer.text and "<script" not in answer.text


def test_a_certificate_says_when_it_was_issued_and_why_it_was_revoked(
    served: PageService,
) -> None:
    piece = piece_at(served, 9)
    with served.project.database.write() as connection:
        ordered = request_certificate(
            connection, "acme", piece.identity, requested_by="key:none", at=piece.accepted_at
        )
        save_issue(
            connection,
            ordered.id,
            number=NUMBER,
            issued_at="2026-11-27T10:00:00.123Z",
            files={"pdf": b""},
        )
    answer = look(served, NUMBER)
    text = words(answer)
    assert "was issued here, and was not revoked" in text
    assert "Issued 2026-11-27 10:00:00 UTC" in text and "Latest time by the block" in text
    for secret in (*secrets_of(piece).values(), "acme"):
        assert secret not in answer.text
    with served.project.database.write() as connection:
        revoke_certificate(connection, ordered.id, reason="<b>misprint</b>", at="2026-11-28T10:00Z")
    answer = look(served, NUMBER)
    assert "The certificate with this number was revoked" in words(answer)
    assert "Reason <b>misprint</b>" in words(answer) and "<b>" not in answer.text
    assert 'class="verdict fail"' in answer.text


def test_many_matches_are_cut(served: PageService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_page, "_MOST", 2)
    headers = {"Authorization": f"Bearer {served.reader}"}
    digest = hashlib.sha256(b"many").hexdigest()
    for count in (1, 2, 3):
        body = {"sha256": digest, "name": f"copy {count}"}
        assert served.http.post("/v1/evidence", json=body, headers=headers).status_code == 201
        answer = look(served, digest)
        assert answer.text.count('class="verdict') == min(count, 2)
        assert ("first 2 matches" in answer.text) == (count > 2)


def test_chinese_readers_get_beijing_time_and_learn_why_it_is_later_than_the_block(
    served: PageService,
) -> None:
    number = secrets_of(piece_at(served, 5))["preservation-number"]
    text = words(look(served, number, **{"Accept-Language": "zh"}))
    latest = re.search(
        r"依区块所载时间推得的最晚时间（不具证明意义） "
        r"北京时间 (.{19})（(.{19}) UTC）：锚定于区块 \d+。"
        r"该时间是推算的上限：区块时间加该链区块时间允许的误差 12 秒。",
        text,
    )
    anchored = re.search(r"区块 \d+，北京时间 (.{19})（(.{19}) UTC）", text)
    assert latest is not None and anchored is not None
    beijing, utc = map(datetime.fromisoformat, latest.groups())
    assert beijing - utc == timedelta(hours=8)
    assert utc - datetime.fromisoformat(anchored[2]) == timedelta(seconds=12)
    assert len(re.findall("北京时间", text)) == text.count(" UTC")


def test_where_the_error_of_block_times_is_unknown_none_is_added(served: PageService) -> None:
    project = served.project
    with project.database.read() as connection:
        found_by = read_number(piece_at(served, 5).leaf.hex())
        (match,) = find_numbered(connection, project.config.chain_id, found_by)
    config = replace(project.config, chain_id=ChainId(1_234_567))
    (fact,) = (
        fact
        for fact in describe_match(match, config, None).facts
        if fact.label == Message("number-fact-latest")
    )
    assert match.anchored is not None
    assert str(fact.text).startswith(format_timestamp(match.anchored.timestamp))
    assert str(fact.text).endswith("is not known here, and not added.")


@pytest.mark.parametrize("kind", CHAINS)
def test_a_card_labels_a_time_by_its_chain(served: PageService, kind: ChainKind) -> None:
    project = served.project
    with project.database.read() as connection:
        number = read_number(piece_at(served, 5).leaf.hex())
        (match,) = find_numbered(connection, project.config.chain_id, number)
    config = replace(project.config, chain_id=CHAINS[kind])
    labels = [fact.label for fact in describe_match(match, config, None).facts]
    bounds = [Message("number-fact-earliest"), Message("number-fact-latest")]
    unproven = Message("certificate-bound-not-proven")
    assert [label in labels for label in bounds] == [PROVES_TIME[kind]] * 2
    assert (unproven in labels) == (not PROVES_TIME[kind])


def test_the_bracket_names_the_block_that_a_record_names(served: PageService) -> None:
    project = served.project
    piece = piece_at(served, 5)
    with project.database.read() as connection:
        number = read_number(piece.leaf.hex())
        (match,) = find_numbered(connection, project.config.chain_id, number)
    hash32 = Hash32(b"h" * 32)
    named = NotBefore(chain_id=ChainId(1), block_number=77, block_hash=hash32)
    match = replace(match, not_before=named)
    block = Block(number=77, hash=hash32, timestamp=1_767_225_612)
    config = replace(project.config, chain_id=ChainId(1))
    earliest = Message("number-fact-earliest")
    for known, said in (
        (block, EARLIEST),
        (None, "block 77, which the record names"),
    ):
        card = describe_match(match, config, known)
        (fact,) = [fact for fact in card.facts if fact.label == earliest]
        assert translate(fact.text, "en") == said
    assert describe_match(match, config, block).tone == "pass"
    assert describe_match(match, project.config, block).tone == "unknown"  # a development chain
    erased = NumberedItem(
        kind=NumberKind.NUMBER, index=1, stage=Stage.ANCHORED, is_erased=True, accepted_at=None,
        sealed_at=None, head=None, anchored=None,
    )  # fmt: skip
    assert describe_match(erased, config, None).verdict == Message("number-verdict-erased")
    assert describe_match(erased, config, None).tone == "unknown"


def test_too_many_guesses_get_a_page_in_a_browser_and_a_problem_elsewhere(
    grown: MemorySite,
) -> None:
    settings = Settings(anonymous_rate=0.01, anonymous_burst=5)
    with serve_pages(grown, settings=settings) as served:
        codes = [look(served, secrets.token_hex(32), **BROWSER).status_code for _ in range(9)]
        assert codes == [404] * 5 + [429] * 4
        keyed = {"Authorization": f"Bearer {served.reader}"}
        for headers in (BROWSER, BROWSER | keyed):
            answer = look(served, NUMBER, **headers)
            assert answer.status_code == 429
            assert int(answer.headers["Retry-After"]) > 0
            assert "too many requests" in words(answer).lower()
        zh = served.http.get("/about?lang=zh", headers=BROWSER)
        assert zh.status_code == 429 and 'lang="zh-Hans"' in zh.text
        for path, headers in (("/v1/lookup/1", BROWSER), ("/number", {"Accept": "*/*"})):
            answer = served.http.get(path, headers=headers)
            assert answer.status_code == 429
            assert answer.headers["Content-Type"] == "application/problem+json"


def test_nothing_is_said_to_be_final_while_the_chain_contradicts_the_log(
    served: PageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise IncidentError(Message("number-unknown"))

    monkeypatch.setattr(served.service, "check_chain", refuse)
    final, reversible = (number_record(piece_at(served, at).record or b"") for at in (5, 310))
    answer = look(served, final)
    assert answer.status_code == 503 and "is final" not in words(answer)
    assert served.ask(f"/v1/lookup/{final}").status_code == 503
    assert look(served, reversible).status_code == 200


def test_the_page_about_it_says_what_is_not_proven_and_how_to_compare(served: PageService) -> None:
    answer = served.ask("/about")
    log = served.project.config.log
    identity = (
        f"0x{log.hex()}",
        format_address(log_owner(log)),
        f"The log's number {log_number(log)}",
    )
    looked_up = look(served, secrets_of(piece_at(served, 0))["preservation-number"])
    for shown in (answer, looked_up):
        assert all(each in words(shown) for each in identity)
    text = words(answer)
    assert answer.status_code == 200
    page = served.http.get("/verify.html").content
    assert f"installed here {hashlib.sha256(page).hexdigest()}" in text
    for said in ("A copy served by a party proves nothing", "anchor verifier --sha256",
                 "Truth of the content", "Legality and relevance", "Authorship"):  # fmt: skip
        assert said in text
    assert "development chain" in text
