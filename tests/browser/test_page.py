"""The page in a real Chromium: what it is given, whom it asks, what it says and how it looks."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from support.bent_receipts import Honest, honest_receipts, world
from support.chain_kinds import CHAINS as CHAIN_OF_KIND
from support.chain_kinds import PROVES_TIME, case_on
from support.desk import HOSTILE_NAMES, Desk, compare, open_desk
from support.tries import keccak256
from support.world import SIDE

import anchor.page
from anchor.base.digests import digest_bytes
from anchor.base.messages.catalogue import Language, load_catalogue
from anchor.base.messages.message import Message, translate
from anchor.base.types import ChainId, Hash32
from anchor.base.units import format_moment
from anchor.ethereum.known_chains import HEADLINES, KIND_SENTENCES, ChainKind
from anchor.verification.pinning import encode_policy
from anchor.verification.policy import parse_policy
from anchor.verification.report import NOT_PROVEN
from anchor.verification.report_json import VerificationDocument
from anchor.verification.verifier import judge

pytestmark = pytest.mark.release

FOLDER = Path(anchor.page.__file__).parent
PAGE = (FOLDER / "verify.html").as_uri()
HONEST = {honest.name: honest for honest in honest_receipts()}
OPERATORS = HONEST["an operator's"]
(BLOCK,) = ("0x" + named.hex() for named in OPERATORS.given.block_hashes)
BLOCK_TIME = datetime.fromtimestamp(OPERATORS.document["anchors"][0]["timestamp"], UTC)
FILE = world().files[6]
NAME = "evidence-6.txt"
LEAVE, MINE = Message("page-policy-leave"), Message("page-policy-mine")
COPY_BLOCK = f"{Message('page-copy')}: {Message('page-proof-block')}"


@pytest.fixture
def desk(browser: Browser) -> Iterator[Desk]:
    """A page from a file, in English, that must neither ask a network nor complain."""
    desk = open_desk(browser)
    desk.open(PAGE)
    yield desk
    assert desk.network == []
    assert desk.said == []
    desk.tab.context.close()


@pytest.fixture
def given(tmp_path: Path) -> Callable[..., dict[str, Path]]:
    """Write a file and a receipt, and say where they are."""

    def write(honest: Honest = OPERATORS, data: bytes = FILE, **members: Any) -> dict[str, Path]:
        file, receipt = tmp_path / NAME, tmp_path / f"{NAME}.anchor.json"
        file.write_bytes(data)
        receipt.write_text(json.dumps(honest.document | members), "utf-8")
        return {"file": file, "receipt": receipt}

    return write


Given = Callable[..., dict[str, Path]]


CHAINS = "31337, 10"


def accept(desk: Desk, *named: str) -> None:
    """Name blocks and both chains, and take the receipt's word for the rest."""
    desk.fill(hashes="\n".join(named), chains=CHAINS)
    desk.tab.check("#unpinned")


def by_package(given: dict[str, Path], *named: str, policy: bytes | None = None) -> Any:
    """Judge as the page does, with the policy, or with what `accept` fills in."""
    return judge(
        given["receipt"].read_bytes(),
        digest_bytes(given["file"].read_bytes(), ("sha256", "sm3")),
        policy=policy and parse_policy(policy),
        connect=None,
        block_hashes=[Hash32(bytes.fromhex(text[2:])) for text in named],
        chain_ids=() if policy else [ChainId(int(text)) for text in CHAINS.split(",")],
        accept_unpinned=policy is None,
    )


# ------------------------------------------------------------------------------------------------
# What it says.


def test_times_are_in_utc_and_in_chinese_in_beijing_as_well_whatever_the_machines_zone(
    browser: Browser, given: Given
) -> None:
    desk = open_desk(browser, timezone_id="Asia/Kolkata")
    desk.open(PAGE)
    desk.give(**given())
    accept(desk, BLOCK)
    desk.press()
    desk.verify()
    latest = format_moment(BLOCK_TIME)
    assert str(latest) in desk.tab.inner_text(".verdict")
    assert "+0530" not in desk.tab.inner_text("#report")
    assert "北京时间" not in desk.tab.inner_text("#report")
    desk.tab.click("#zh")
    beijing = "北京时间 2026-09-21 22:17:20（2026-09-21 14:17:20 UTC）"
    assert translate(latest, "zh") == beijing
    for place in (".verdict", ".times"):
        assert beijing in desk.tab.inner_text(place)
    report = desk.tab.inner_text("#report")
    times = re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", report)
    assert len(times) == 2 * report.count("北京时间") == 2 * report.count(" UTC")
    desk.tab.context.close()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_step_is_listed_also_one_that_was_not_made(
    desk: Desk, given: Given, language: Language
) -> None:
    desk.give(**given())
    accept(desk, BLOCK)
    desk.press()
    desk.verify()
    desk.tab.click(f"#{language}")
    heading = translate(Message("page-steps-heading"), language)
    section = desk.tab.locator("#report section", has=desk.tab.get_by_text(heading, exact=True))
    titles = section.locator("li b").all_inner_texts()
    assert [title.partition(".")[0] for title in titles] == [str(n) for n in range(1, 12)]
    row = section.locator("li.not-present").inner_text()
    assert translate(Message("step-earliest-time"), language) in row
    assert translate(Message("record-names-nothing-earlier"), language) in row


@pytest.mark.parametrize("order", [("file", "receipt"), ("receipt", "file")])
def test_a_file_is_verified_by_a_block_hash_of_ones_own(
    desk: Desk, given: Given, order: tuple[str, str]
) -> None:
    files = given()
    for kind in order:
        desk.give(**{kind: files[kind]})
    desk.tab.get_by_text(Message("page-receipt-block", block=40, chain=31337)).wait_for()
    accept(desk, BLOCK)
    desk.press()
    assert desk.tab.evaluate("document.activeElement.id") == "headline"
    page = desk.verify()
    compare(page, by_package(files, BLOCK))
    assert page["exit_code"] == 0
    assert page["files"][0]["file"] == NAME
    word = Message("verdict-by-your-block", headline=HEADLINES["development"])
    assert desk.tab.inner_text(".word") == word.replace("verified", "VERIFIED")
    time = Message("report-block-time", time=format_moment(BLOCK_TIME))
    assert time in desk.tab.inner_text(".verdict")
    assert Message("basis-proof-asserted", block=40) in desk.tab.inner_text(".verdict")
    assert "the log's owner 0xa11ce" in desk.tab.inner_text("#report").lower()


def test_a_policy_pins_and_may_hold_the_block_hash(
    desk: Desk, given: Given, tmp_path: Path
) -> None:
    files = given()
    policy = tmp_path / "mine.toml"
    assert OPERATORS.given.policy is not None
    text = encode_policy(OPERATORS.given.policy.entries)
    policy.write_bytes(
        text.replace(b'assurance = "rpc"', b'block_hashes = ["%s"]' % BLOCK.encode())
    )
    desk.give(**files, policy=policy)
    asks = Message("page-asks-nodes", names="https://node-31337.example")
    desk.tab.get_by_text(asks).wait_for()
    desk.tab.check("#offline")
    assert desk.tab.inner_text("#asks") == Message("page-asks-nobody")
    page = desk.verify()
    compare(page, by_package(files, policy=policy.read_bytes()))
    digest = hashlib.sha256(policy.read_bytes()).hexdigest()
    assert page["exit_code"] == 0
    assert page["policies"] == [{"file": "mine.toml", "sha256": digest, "source": "option"}]
    named = Message("report-policy", name="mine.toml")
    assert f"{named}\nSHA-256 {digest}" in desk.tab.inner_text("#report")


def test_the_saved_report_is_english_in_either_language(desk: Desk, given: Given) -> None:
    desk.give(**given())
    accept(desk, BLOCK)
    english = desk.verify()
    desk.tab.click("#zh")
    for kind in ("JSON", "CSV"):
        name = translate(Message("page-save", kind=kind), "zh")
        assert "英文" in name and desk.tab.get_by_role("button", name=name).is_visible()
    assert desk.verify() == english


ENDS: dict[str, tuple[int, str, dict[str, Any]]] = {
    "an altered file": (10, Message("page-result-other-file"), {"data": b"altered"}),
    "another index": (10, Message("page-result-mismatch"), {"index": 5}),
    "no block hash": (20, Message("page-result-not-checked"), {}),
    "a promise": (
        21,
        Message("page-result-not-final"),
        {"honest": HONEST["a promise, nothing pinned"]},
    ),
    "not anchored": (11, Message("page-result-not-anchored"), {"honest": HONEST["not anchored"]}),
    "another version": (
        22,
        Message("page-result-unknown-version"),
        {"format": "anchor-receipt/2"},
    ),
    "a float": (2, Message("page-result-malformed"), {"index": 1.5}),
    "two chains": (
        0,
        Message("page-result-unchanged-unpinned"),
        {"honest": HONEST["two chains', nothing pinned"]},
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_it_says_what_the_command_says(desk: Desk, given: Given, name: str) -> None:
    code, headline, what = ENDS[name]
    files = given(**what)
    honest = what.get("honest", OPERATORS)
    named = [] if code == 20 else ["0x" + named.hex() for named in honest.given.block_hashes]
    desk.give(**files)
    accept(desk, *named)
    page = desk.verify()
    assert page["exit_code"] == code
    compare(page, by_package(files, *named))
    assert desk.tab.inner_text("#headline") == headline
    tone = {20: "unknown", 21: "unknown", 22: "unknown"}.get(code, "fail" if code else "unknown")
    assert desk.tab.locator(f".verdict.{tone}").count() == 1
    assert (Message("page-result-open") in desk.tab.inner_text(".verdict")) == (code >= 20)


def test_the_log_of_another_owner_is_not_trusted(desk: Desk, given: Given) -> None:
    files = given()
    desk.give(**files)
    desk.fill(hashes=BLOCK, chain="31337", owner="0x" + "77" * 20)
    assert desk.verify()["exit_code"] == 12
    assert desk.tab.inner_text("#headline") == Message("page-result-not-trusted")
    desk.fill(owner="0x" + world().log[12:].hex())
    page = desk.verify()
    assert (page["exit_code"], page["files"][0]["unpinned"]) == (0, [])
    (policy,) = page["policies"]
    assert policy["file"].startswith("chain 31337, log 0 of owner 0xa11ce")
    VerificationDocument.model_validate(page)
    desk.fill(chain="10")
    assert desk.verify()["exit_code"] == 12


def test_a_digest_does_instead_of_the_file(desk: Desk, given: Given) -> None:
    desk.give(receipt=given()["receipt"])
    digests = digest_bytes(FILE, ("sha256", "sm3"))
    assert digests.sha256 is not None
    assert digests.sm3 is not None
    accept(desk, BLOCK)
    for text, code in (
        (digests.sha256.hex(), 0),
        (f"sha256:{digests.sha256.hex().upper()}", 0),
        (f"sm3:{digests.sm3.hex()}", 0),
        (digests.sm3.hex(), 10),
    ):
        desk.fill(digest=text)
        page = desk.verify()
        assert (page["exit_code"], page["files"][0]["file"]) == (code, text)


def test_a_receipt_can_be_pasted(desk: Desk, given: Given) -> None:
    files = given()
    desk.give(file=files["file"])
    accept(desk, BLOCK)
    desk.fill(**{"receipt-text": files["receipt"].read_text("utf-8")})
    assert desk.verify()["exit_code"] == 0


def test_a_file_and_its_receipt_are_told_apart_when_they_are_dropped_together(desk: Desk) -> None:
    desk.drop(**{"b.txt": FILE, "c": json.dumps(OPERATORS.document).encode()})
    desk.tab.get_by_text(Message("page-file-ready", name="b.txt", size=17)).wait_for()
    accept(desk, BLOCK)
    assert desk.verify()["exit_code"] == 0
    # A receipt that is none still is what its name says.
    desk.drop(**{"b.txt.anchor.json": b"{}"})
    desk.tab.get_by_text(Message("page-file-ready", name="b.txt.anchor.json", size=2)).wait_for()
    assert desk.tab.is_hidden("#report")
    assert desk.verify()["exit_code"] == 2


@pytest.mark.parametrize("names", ["rbo", "orb", "obr", "bro"])
def test_of_several_dropped_files_that_with_a_receipt_beside_it_counts(
    desk: Desk, names: str
) -> None:
    receipt = json.dumps(OPERATORS.document).encode()
    files = {
        "r": ("b.txt.anchor.json", receipt),
        "b": ("b.txt", FILE),
        "o": ("certificate.pdf", b"%PDF-1.7"),
    }
    desk.drop(**dict(files[name] for name in names))
    desk.tab.get_by_text(Message("page-file-ready", name="b.txt", size=17)).wait_for()
    accept(desk, BLOCK)
    page = desk.verify()
    assert (page["exit_code"], page["files"][0]["file"]) == (0, "b.txt")
    left_out = Message("page-files-left-out", names="certificate.pdf")
    assert left_out in desk.tab.inner_text("#report p.problem")
    desk.drop(**{"b.txt": FILE})
    assert desk.verify()["exit_code"] == 0
    assert desk.tab.locator("#report p.problem").count() == 0


@pytest.mark.parametrize("names", [("b.txt", "b.txt.anchor.json"), ("b.txt.anchor.json", "b.txt")])
def test_a_file_and_its_receipt_chosen_together_count_as_if_they_were_dropped(
    desk: Desk, names: tuple[str, str]
) -> None:
    files = {"b.txt": FILE, "b.txt.anchor.json": json.dumps(OPERATORS.document).encode()}
    chosen = [{"name": name, "mimeType": "", "buffer": files[name]} for name in names]
    desk.tab.set_input_files("#file", chosen)
    desk.tab.get_by_text(Message("page-file-ready", name="b.txt", size=17)).wait_for()
    accept(desk, BLOCK)
    page = desk.verify()
    assert (page["exit_code"], page["files"][0]["file"]) == (0, "b.txt")


@pytest.mark.parametrize(
    "name",
    [
        "AC-6F6AB8F45CC5EA5C.pdf",
        "AC-20261129-6F6AB8F45CC5EA5C.pdf",
        "b.txt.certificate.json",
        "b.txt.certificate.pdf",
    ],
)
def test_a_certificate_replaces_neither_the_file_nor_its_receipt_and_the_page_says_so(
    desk: Desk, name: str
) -> None:
    told = Message("page-certificate-given", name=name)
    desk.drop(**{"b.txt": FILE, name: b"%PDF-1.7"})
    desk.tab.get_by_text(told).wait_for()
    assert told in desk.complaint()
    desk.drop(**{name: b"%PDF-1.7"})
    desk.drop(**{"b.txt.anchor.json": json.dumps(OPERATORS.document).encode()})
    desk.tab.get_by_text(Message("page-file-ready", name="b.txt", size=17)).wait_for()
    accept(desk, BLOCK)
    page = desk.verify()
    assert (page["exit_code"], page["files"][0]["file"]) == (0, "b.txt")
    left_out = Message("page-files-left-out", names=name)
    assert left_out in desk.tab.inner_text("#report p.problem")
    desk.drop(**{"b.txt": FILE})
    desk.tab.get_by_text(told).wait_for(state="detached")


# ------------------------------------------------------------------------------------------------
# A policy that was dropped: whose it is, only the person can say.


def forgers_policy() -> bytes:
    """Pin the receipt's own log, and call the block final that proves it."""
    entry = dataclasses.replace(
        world().entry(), rpc=(), block_hashes=(Hash32(bytes.fromhex(BLOCK[2:])),)
    )
    return encode_policy([entry])


@pytest.fixture
def dropped(desk: Desk) -> Callable[..., Desk]:
    """Drop evidence, receipt and a policy, all at once, and wait for the question."""

    def drop(name: str = "trust.toml", policy: bytes | None = None) -> Desk:
        receipt = json.dumps(OPERATORS.document).encode()
        text = forgers_policy() if policy is None else policy
        desk.drop(**{name: text, NAME: FILE, f"{NAME}.anchor.json": receipt})
        desk.tab.locator("dialog[open]").wait_for()
        return desk

    return drop


Dropped = Callable[..., Desk]


@pytest.mark.parametrize("name", ["trust.toml", "readme.txt", "b.txt"])
@pytest.mark.parametrize("how", [LEAVE, "Escape"])
def test_three_files_of_a_forger_dropped_together_are_never_a_pass(
    dropped: Dropped, name: str, how: str
) -> None:
    desk = dropped(name)
    if how == "Escape":
        desk.tab.keyboard.press("Escape")
    else:
        desk.tab.get_by_role("button", name=how).click()
    page = desk.verify()
    assert (page["exit_code"], page["policies"]) == (20, [])
    assert page["files"][0]["file"] == NAME
    assert desk.tab.locator(".verdict.unknown").count() == 1


def test_the_question_says_whose_file_it_is_and_what_it_pins(dropped: Dropped) -> None:
    desk = dropped()
    asked = desk.tab.inner_text("dialog")
    for words in (
        Message("page-policy-question", name="trust.toml"),
        Message("page-policy-question-reason"),
        Message("chain-with-name", chain=31337, name=Message("chain-name-development")),
        world().log[12:].hex(),
        Message("page-policy-pin-blocks", count=1),
        f"SHA-256 {hashlib.sha256(forgers_policy()).hexdigest()}",
    ):
        assert words.lower() in asked.lower()
    # Nothing can be verified past it, and Enter does not accept.
    assert desk.tab.evaluate("document.activeElement.textContent") == LEAVE
    assert desk.tab.evaluate("document.querySelector('dialog').matches(':modal')")
    desk.check_accessible()


def test_a_dropped_policy_that_the_person_calls_theirs_counts_and_is_named(
    dropped: Dropped,
) -> None:
    desk = dropped()
    desk.tab.get_by_role("button", name=MINE).click()
    page = desk.verify()
    digest = hashlib.sha256(forgers_policy()).hexdigest()
    assert page["policies"] == [{"file": "trust.toml", "sha256": digest, "source": "dropped"}]
    VerificationDocument.model_validate(page)  # the command's document, with the same schema
    assert page["exit_code"] == 0
    shown = desk.tab.inner_text("#report")
    assert Message("page-policy-dropped") in shown
    assert digest in shown


def test_what_begins_like_a_policy_may_be_the_evidence(desk: Desk) -> None:
    data = forgers_policy()
    desk.drop(**{"evidence.toml": data})
    desk.tab.get_by_role("button", name=Message("page-policy-is-file")).click()
    desk.tab.get_by_text(
        Message("page-file-ready", name="evidence.toml", size=len(data))
    ).wait_for()
    desk.drop(**{f"{NAME}.anchor.json": json.dumps(OPERATORS.document).encode()})
    accept(desk, BLOCK)
    page = desk.verify()
    assert (page["exit_code"], page["policies"]) == (10, [])
    assert hashlib.sha256(data).hexdigest() in page["files"][0]["steps"][1]["detail"]


def test_a_policy_dropped_alone_is_asked_about_as_well_and_each_of_two(desk: Desk) -> None:
    desk.drop(**{"one.toml": forgers_policy(), "two.toml": forgers_policy() + b"# 2\n"})
    for name in ("one.toml", "two.toml"):
        desk.tab.get_by_text(Message("page-policy-question", name=name)).wait_for()
        desk.tab.get_by_role("button", name=MINE).click()
    desk.tab.get_by_text("two.toml, ").wait_for()
    assert "one.toml" not in desk.tab.inner_text("#form")


def test_what_is_dropped_while_a_question_is_open_waits_for_its_answer(desk: Desk) -> None:
    desk.drop(**{"one.toml": forgers_policy()})
    first = desk.tab.get_by_text(Message("page-policy-question", name="one.toml"))
    first.wait_for()
    desk.drop(**{"two.toml": forgers_policy(), "b.txt": FILE})
    desk.tab.wait_for_timeout(300)
    assert first.is_visible()
    desk.tab.get_by_role("button", name=MINE).click()
    desk.tab.get_by_text(Message("page-policy-question", name="two.toml")).wait_for()
    desk.tab.get_by_role("button", name=LEAVE).click()
    assert "one.toml, " in desk.tab.inner_text("#policy-chosen")
    ready = Message("page-file-ready", name="b.txt", size=17)
    assert desk.tab.inner_text("#file-chosen") == ready


def test_a_dropped_policy_that_cannot_be_read_can_only_be_left_out_or_be_evidence(
    dropped: Dropped,
) -> None:
    desk = dropped(policy=b'format = "anchor-trust/1"\n')
    reason = Message("policy-member-invalid", member="trust", reason=Message("value-not-list"))
    told = Message("page-policy-unreadable", reason=reason)
    assert told in desk.tab.inner_text("dialog")
    assert desk.tab.get_by_role("button", name=MINE).count() == 0


def test_a_dropped_policys_hostile_name_and_urls_are_shown_as_text(dropped: Dropped) -> None:
    entry = dataclasses.replace(
        world().entry(), rpc=("https://a:secret@e.org/key", "https://<img.src=x>")
    )
    desk = dropped("<img src=x onerror=alert(1)>\u202e.toml", encode_policy([entry]))
    asked = desk.tab.inner_text("dialog")
    assert "<img src=x onerror=alert(1)>\\u{202e}.toml" in asked
    assert "secret" not in asked
    assert desk.tab.locator("dialog img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_question_is_accessible_and_fits_in_both_languages(
    browser: Browser, scheme: Any
) -> None:
    question = Message("page-policy-question", name="trust.toml")
    for locale, words in (("en-GB", question), ("zh-CN", translate(question, "zh"))):
        desk = open_desk(
            browser, color_scheme=scheme, locale=locale, viewport={"width": 360, "height": 740}
        )
        desk.tab.goto(PAGE)
        desk.tab.wait_for_selector("#verify")
        desk.drop(**{"trust.toml": forgers_policy()})
        desk.tab.locator("dialog[open]").wait_for()
        assert words in desk.tab.inner_text("dialog")
        desk.check_fits()
        desk.check_accessible()
        desk.tab.context.close()


# ------------------------------------------------------------------------------------------------
# What the chain is worth, and what nothing pins.


@pytest.mark.parametrize(("button", "language"), [("English", "en"), ("中文", "zh")])
def test_a_development_chain_is_never_plain_green_and_named_in_the_commands_words(
    desk: Desk, given: Given, tmp_path: Path, button: str, language: Language
) -> None:
    policy = tmp_path / "mine.toml"
    policy.write_bytes(forgers_policy())
    desk.give(**given(), policy=policy)
    assert desk.verify()["exit_code"] == 0
    desk.tab.get_by_role("button", name=button).click()
    verified = translate(HEADLINES["development"], language)
    assert verified.lower() in desk.tab.inner_text(".word").lower()
    headline = Message("report-chain-kind", chain=31337, kind=KIND_SENTENCES["development"])
    assert desk.tab.inner_text("#headline") == translate(headline, language)
    assert desk.tab.locator(".verdict.pass, .times .pass, .times .strong").count() == 0
    claim = desk.tab.locator("li.cannot-tell", has_text="C4 ").inner_text()
    clock = translate(Message("time-of-chain-alone", detail=""), language)
    assert clock.strip() in claim
    assert translate(Message("page-time-unproven"), language) in desk.tab.inner_text("#report")
    assert translate(Message("page-time-latest"), language) not in desk.tab.inner_text("#report")


@pytest.mark.parametrize("kind", CHAIN_OF_KIND)
def test_bounds_of_time_are_shown_only_where_the_chain_proves_them(
    desk: Desk, given: Given, tmp_path: Path, kind: ChainKind
) -> None:
    case = case_on(kind)
    assert case.given.policy is not None
    policy = tmp_path / "mine.toml"
    entries = [dataclasses.replace(entry, rpc=()) for entry in case.given.policy.entries]
    policy.write_bytes(encode_policy(entries))
    desk.give(**given(**case.document), policy=policy)
    desk.fill(hashes="\n".join("0x" + named.hex() for named in case.given.block_hashes))
    assert desk.verify()["exit_code"] == 0
    is_proven = PROVES_TIME[kind]
    shown = "pass" if is_proven else "cannot-tell"
    titles = desk.tab.locator(f"#report li.{shown} b").all_inner_texts()
    assert {title[:2] for title in titles} >= {"C4", "C5"}
    times, verdict = desk.tab.inner_text(".times"), desk.tab.inner_text(".verdict")
    for bound in ("page-time-earliest", "page-time-latest"):
        assert (translate(Message(bound), "en") in times) == is_proven
    assert ("not later than" in verdict) == is_proven
    assert ("Time stated by the block, which proves nothing" in verdict) == (not is_proven)
    unproven = translate(Message("page-time-unproven"), "en")
    assert (unproven in desk.tab.inner_text("#report")) == (not is_proven)


def test_on_a_listed_main_chain_with_everything_pinned_it_is_green(
    desk: Desk, given: Given, tmp_path: Path
) -> None:
    policy = tmp_path / "mine.toml"
    side = HONEST["two chains'"].document["anchors"][1]
    block = keccak256(bytes.fromhex(side["state"]["header"][2:]))
    entry = dataclasses.replace(world().entry(SIDE), rpc=(), block_hashes=(Hash32(block),))
    policy.write_bytes(encode_policy([entry]))
    desk.give(**given(anchors=[side]), policy=policy)
    page = desk.verify()
    assert (page["exit_code"], page["files"][0]["anchors"][0]["assurance"]) == (0, "proof")
    assert desk.tab.inner_text(".word") == "VERIFIED"
    assert desk.tab.inner_text("#headline") == Message("page-result-unchanged")
    assert "C4 " in desk.tab.inner_text("#report li.pass:has-text('C4 ')")
    assert Message("page-time-latest") in desk.tab.inner_text(".times")
    assert desk.tab.locator(".verdict.pass").count() == 1
    # With the block typed beside the receipt it is only as good as that.
    policy.write_bytes(encode_policy([dataclasses.replace(entry, block_hashes=())]))
    desk.give(policy=policy)
    desk.fill(hashes="0x" + block.hex())
    page = desk.verify()
    assert (page["exit_code"], page["files"][0]["anchors"][0]["assurance"]) == (0, "asserted")
    assert desk.tab.inner_text("#headline") == Message("page-result-unchanged-asserted")
    assert desk.tab.locator(".verdict.pass").count() == 0


def test_without_a_policy_nothing_passes_unless_that_is_accepted(desk: Desk, given: Given) -> None:
    files = given()
    desk.give(**files)
    desk.fill(hashes=BLOCK, chains="31337")
    page = desk.verify()
    assert page["exit_code"] == 20
    assert desk.tab.inner_text("#headline") == Message("page-result-no-policy")
    unpinned = page["files"][0]["unpinned"]
    assert unpinned
    assert all(line in desk.tab.inner_text("#report") for line in unpinned)
    desk.tab.check("#unpinned")
    page = desk.verify()
    assert (page["exit_code"], page["files"][0]["unpinned"]) == (0, unpinned)
    assert all(line in desk.tab.inner_text("#report") for line in unpinned)
    # A chain that is not named stays open, whatever is accepted.
    desk.fill(chains="")
    assert desk.verify()["exit_code"] == 20
    desk.fill(chains="1")
    assert desk.verify()["exit_code"] == 12


def test_it_says_that_a_copy_of_the_other_side_proves_nothing_and_how_to_compare(
    desk: Desk,
) -> None:
    assert desk.tab.get_by_text(Message("page-copy-of-other-side")).is_visible()
    desk.tab.get_by_text(Message("page-genuine-heading")).click()
    told = desk.tab.inner_text("#genuine")
    for command in ("sha256sum verify.html", "certutil -hashfile", "anchor verifier --sha256"):
        assert command in told
    desk.check_accessible()


QUORUM_IN_WORDS = Message("page-number-invalid", field=Message("page-quorum"))
UNKNOWN_CHAIN = Message("page-chain-code-unknown", chain=5)
INSECURE = Message("page-node-url-insecure", url="http://example.org")
WITH_USER = Message("page-node-url-with-user", url="https://example.org")
NO_HASH = Message("hex-with-prefix-malformed", subject="'latest'", count=64)
CHECKSUM = Message(
    "address-checksum-wrong", subject=Message("page-owner"), address="0x" + "aB" * 20
)
WRONG = {
    "no file": ({"file": None}, {}, Message("page-file-missing")),
    "no receipt": ({"receipt": None}, {}, Message("page-receipt-missing")),
    "a digest": ({}, {"digest": "sha512:00"}, Message("page-digest-invalid")),
    "a block hash": ({}, {"hashes": "latest"}, NO_HASH),
    "a node": ({}, {"nodes": "ftp://example.org"}, Message("rpc-url-scheme-unknown")),
    "a node in the clear": ({}, {"nodes": "http://example.org"}, INSECURE),
    "a node with a password": ({}, {"nodes": "https://a:secret@example.org"}, WITH_USER),
    "a node with a password alone": ({}, {"nodes": "https://:secret@example.org"}, WITH_USER),
    "a node twice": ({}, {"nodes": "https://e.org https://e.org./"}, Message("page-node-twice")),
    "a quorum of more": (
        {},
        {"nodes": "https://e.org", "quorum": "2"},
        Message("page-quorum-invalid", quorum=2, nodes=1),
    ),
    "a quorum of none": (
        {},
        {"nodes": "https://e.org", "quorum": "0"},
        Message("page-quorum-invalid", quorum=0, nodes=1),
    ),
    "a quorum in words": ({}, {"nodes": "https://e.org", "quorum": "two"}, QUORUM_IN_WORDS),
    "an owner alone": ({}, {"owner": "0x" + "77" * 20}, Message("page-owner-missing")),
    "an owner's checksum": ({}, {"chain": "1", "owner": "0x" + "aB" * 20}, CHECKSUM),
    "chain ids in words": ({}, {"chains": "mainnet"}, Message("page-chains-invalid")),
    "a chain that is not listed": ({}, {"chain": "5", "owner": "0x" + "77" * 20}, UNKNOWN_CHAIN),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_filled_in_wrongly_is_told_and_gives_no_verdict(
    desk: Desk, given: Given, name: str
) -> None:
    missing, fields, told = WRONG[name]
    desk.give(**{kind: path for kind, path in given().items() if kind not in missing})
    desk.fill(**fields)
    complaint = desk.complaint()
    assert told in complaint
    assert "secret" not in complaint
    desk.check_accessible()


def test_what_was_told_changes_its_language_with_the_page(desk: Desk, given: Given) -> None:
    desk.give(**given())
    desk.fill(chain="1", owner="0x12")
    told = Message("address-malformed", subject=Message("page-owner"))
    assert told in desk.complaint()
    desk.tab.get_by_role("button", name="中文").click()
    for place in ("#policy-problem", "#status"):
        assert desk.tab.inner_text(place) == translate(told, "zh")
    ready = Message("page-file-ready", name=NAME, size=17)
    assert desk.tab.inner_text("#file-chosen") == translate(ready, "zh")


def test_documents_are_in_english_whatever_the_language_of_the_page(
    desk: Desk, given: Given
) -> None:
    desk.tab.get_by_role("button", name="中文").click()
    desk.give(**given())
    desk.fill(hashes=BLOCK, chain="31337", owner="0x" + world().log[12:].hex())
    page = desk.verify()
    assert page["exit_code"] == 0
    assert re.search("[\u4e00-\u9fff]", json.dumps(page, ensure_ascii=False)) is None
    assert page["policies"][0]["file"].startswith("chain 31337, log 0 of owner 0xa11ce")
    assert "信任策略：链 31337，所有者 0xa11ce" in desk.tab.inner_text("#report")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"[[trust]", "line 1"),
        (b'format = "anchor-trust/2"\n', "anchor-trust/2"),
        (b'format = "anchor-trust/1"\n', "trust"),
        (b"\xff", "UTF-8"),
    ],
)
def test_a_policy_that_is_none_is_told_and_gives_no_verdict(
    desk: Desk, given: Given, tmp_path: Path, text: bytes, told: str
) -> None:
    policy = tmp_path / "trust.toml"
    policy.write_bytes(text)
    desk.give(**given(), policy=policy)
    assert told in desk.complaint()


def test_another_file_takes_an_earlier_report_away(
    desk: Desk, given: Given, tmp_path: Path
) -> None:
    desk.give(**given())
    accept(desk, BLOCK)
    assert desk.verify()["exit_code"] == 0
    other = tmp_path / "other.txt"
    other.write_bytes(b"other")
    desk.give(file=other)
    assert desk.tab.is_hidden("#report")
    assert desk.verify()["exit_code"] == 10


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_name_is_shown_as_text_and_nothing_else(
    desk: Desk, given: Given, name: str, tmp_path: Path
) -> None:
    record = json.loads(OPERATORS.document["record"]) | {"name": name, "media_type": name}
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    files = given(record=text)
    desk.tab.set_input_files("#receipt", files["receipt"])
    desk.tab.set_input_files(
        "#file", {"name": name.replace("/", "|"), "mimeType": "text/html", "buffer": FILE}
    )
    accept(desk, BLOCK)
    before = desk.tab.evaluate("document.querySelectorAll('script,img,h1,title').length")
    assert desk.verify()["exit_code"] == 10
    after = desk.tab.evaluate("document.querySelectorAll('script,img,h1,title').length")
    assert after == before
    shown = desk.tab.inner_text("#report")
    assert not {"\u202e", "\u2066", "\u200b", "\ufeff", "\x07"} & set(shown)
    if name.isprintable():
        assert name in shown


def test_what_the_operator_states_and_what_the_program_observed_are_apart(
    desk: Desk, given: Given
) -> None:
    record = json.loads(OPERATORS.document["record"])
    record |= {
        "source": {"origin": "甲的手机"},
        "environment": {},
        "verdict": "x",
        "constructor": 1,
    }
    record |= {"platform": {"software": "anchor", "chain": "eip155:1"}, "process": "x"}
    record["submitter"] = {"account": "acme", "actor": "person:1"}
    record.pop("more", None)
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    desk.give(**given(record=text))
    accept(desk, BLOCK)
    desk.verify()
    shown = desk.tab.inner_text("#report")
    assert f"{Message('account-stated')}: source, platform" in shown
    assert f"{Message('account-observed')}: platform, environment" in shown
    assert "source: 甲的手机" in shown
    assert "platform: eip155:1" in shown
    assert Message("account-uninterpreted", names="process") in shown
    assert Message("report-submitted-by", account="acme", actor="person:1") in shown
    assert Message("report-statements-unchecked", names="constructor, verdict") in shown
    assert "–stated, not checked" in shown.replace("\n", "")
    desk.tab.get_by_role("button", name="中文").click()
    shown = desk.tab.inner_text("#report")
    assert "由制作记录的程序查明，未经核验：存证平台、软硬件环境" in shown
    assert "有陈述，未核对" in shown and "submitter" not in shown


def test_a_record_as_long_as_can_be_is_shown_within_the_window(browser: Browser, given: Given):
    desk = open_desk(browser, viewport={"width": 360, "height": 700})
    desk.open(PAGE)
    record = json.loads(OPERATORS.document["record"]) | {"name": "W" * 4096}
    record["filler"] = "<b>" * 20_000
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    desk.give(**given(record=text))
    accept(desk, BLOCK)
    assert desk.verify()["exit_code"] == 10
    desk.check_fits()
    assert desk.said == []
    desk.tab.context.close()


# ------------------------------------------------------------------------------------------------
# How it looks and sounds.

STATES: dict[str, dict[str, Any]] = {
    "empty": {},
    "verified": {"hashes": BLOCK},
    "altered": {"data": b"altered", "hashes": BLOCK},
    "cannot tell": {"hashes": ""},
    "malformed": {"format": 7},
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_every_state_is_accessible_and_fits_in_both_languages(
    browser: Browser, given: Given, state: str, scheme: Any
) -> None:
    desk = open_desk(browser, color_scheme=scheme, viewport={"width": 360, "height": 740})
    desk.open(PAGE)
    if state != "empty":
        what = dict(STATES[state])
        accept(desk, what.pop("hashes", ""))
        desk.give(**given(**what))
        desk.press()
    for language in ("English", "中文"):
        desk.tab.get_by_role("button", name=language).click()
        for width in (360, 1280):
            desk.tab.set_viewport_size({"width": width, "height": 740})
            desk.check_fits()
        desk.check_accessible()
    assert desk.tab.evaluate("document.documentElement.lang") == "zh-Hans"
    desk.tab.context.close()


def test_it_speaks_the_language_asked_for_and_that_of_the_browser(browser: Browser) -> None:
    for locale, query, language in (
        ("en-GB", "", "en"),
        ("zh-CN", "", "zh"),
        ("zh-TW", "?lang=en", "en"),
        ("de-DE", "?lang=zh", "zh"),
        ("de-DE", "", "en"),
    ):
        desk = open_desk(browser, locale=locale)
        desk.open(PAGE + query)
        title = translate(Message("page-title"), language)
        assert desk.tab.inner_text("h1") == title
        assert desk.tab.title() == title
        desk.tab.context.close()


def test_the_report_changes_its_language_with_the_page(desk: Desk, given: Given) -> None:
    desk.give(**given(data=b"altered"))
    accept(desk, BLOCK)
    desk.verify()
    desk.tab.get_by_role("button", name="中文").click()
    shown = desk.tab.inner_text("#report")
    for words in (
        Message("page-result-other-file"),
        Message("verdict-mismatch"),
        Message("verdict-fail"),
        Message("step-file-matches"),
        Message("claim-anchor-final"),
        *NOT_PROVEN,
    ):
        assert translate(words, "zh") in shown
    assert [key for key in ("undefined", "NaN", "{") if key in desk.tab.inner_text("body")] == []


def test_everything_can_be_done_with_the_keyboard(desk: Desk, given: Given) -> None:
    desk.give(**given())
    accept(desk, BLOCK)
    desk.tab.focus("#hashes")
    for _ in range(20):
        desk.tab.keyboard.press("Tab")
        if desk.tab.evaluate("document.activeElement.id") == "verify":
            break
    desk.tab.keyboard.press("Enter")
    desk.tab.wait_for_selector("#headline")
    reached = set()
    for _ in range(40):
        desk.tab.keyboard.press("Tab")
        reached.add(desk.tab.evaluate("document.activeElement.textContent.slice(0, 12)"))
    buttons = ("page-path-steps", "page-copy", "page-print")
    labels = {load_catalogue("en")[button][:12] for button in buttons}
    assert labels | {"Save as JSON", "Save as CSV"} <= reached


def test_a_value_is_copied_whole(browser: Browser, given: Given) -> None:
    desk = open_desk(browser, permissions=["clipboard-read", "clipboard-write"])
    desk.open(PAGE)
    desk.give(**given())
    accept(desk, BLOCK)
    desk.press()
    desk.tab.get_by_role("button", name=COPY_BLOCK).click()
    desk.tab.get_by_text(Message("page-copied")).wait_for()
    assert desk.tab.evaluate("navigator.clipboard.readText()") == BLOCK
    desk.tab.context.close()


def test_the_path_is_drawn_and_every_hash_of_it_listed(desk: Desk, given: Given) -> None:
    desk.give(**given())
    accept(desk, BLOCK)
    desk.verify()
    anchor = OPERATORS.document["anchors"][0]
    picture = desk.tab.locator("figure svg")
    label = Message("page-path-picture", steps=len(anchor["path"]))
    assert picture.get_attribute("aria-label") == label
    assert picture.locator(".box").count() == 2 * len(anchor["path"]) + 1
    assert picture.locator(".box.root").count() == 1
    listed = desk.tab.locator(".hashes").text_content()
    assert all(node in str(listed) for node in (*anchor["path"], anchor["root"]))
    desk.tab.get_by_text(Message("page-path-steps")).click()
    desk.check_accessible()


def test_printed_it_is_the_report_without_the_form(desk: Desk, given: Given) -> None:
    desk.give(**given())
    accept(desk, BLOCK)
    desk.verify()
    desk.tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    desk.tab.emulate_media(media="print")
    assert desk.tab.is_hidden("#form")
    assert desk.tab.is_visible("#headline")
    assert desk.tab.is_visible(".hashes li")
    desk.tab.emulate_media(media="screen")
    desk.tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert desk.tab.is_hidden(".hashes li")


# ------------------------------------------------------------------------------------------------
# From a server.


@contextmanager
def served() -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(FOLDER)))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/verify.html"
    finally:
        server.shutdown()
        server.server_close()


def test_from_a_server_it_does_the_same_and_asks_that_server_for_nothing(
    browser: Browser, given: Given
) -> None:
    with served() as url:
        desk = open_desk(browser)
        desk.open(url)
        desk.give(**given())
        accept(desk, BLOCK)
        assert desk.verify()["exit_code"] == 0
        assert desk.network == []
        assert desk.said == []
        desk.tab.context.close()


INTRUDE = """async () => {
  const broken = [];
  const note = (event) => broken.push(event.effectiveDirective);
  addEventListener("securitypolicyviolation", note);
  const attempt = (act) => {
    try { act(); } catch (error) { broken.push(error.constructor.name); }
  };
  const put = (name, text) => attempt(() => {
    const element = document.createElement(name);
    element.textContent = text;
    document.body.append(element);
  });
  put("script", "document.title = 'broken'");
  put("style", "body { display: none }");
  attempt(() => { document.body.innerHTML = "<p>"; });
  attempt(() => { new Image().src = "https://example.org/"; });
  await fetch("http://example.org/").catch(() => {});
  await new Promise((done) => setTimeout(done, 100));
  return [document.title, ...broken];
}"""


def test_its_policy_lets_nobody_put_a_script_a_style_or_markup_in(desk: Desk) -> None:
    refused = desk.tab.evaluate(INTRUDE)
    assert refused[0] == Message("page-title")
    assert refused.count("TypeError") == 2
    assert {"style-src-elem", "img-src", "connect-src"} <= set(refused)
    desk.said.clear()  # the browser tells of each
    desk.requests.clear()
