"""The page in a real Chromium: what it is given, whom it asks, what it says and how it looks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from support.bent_receipts import Honest, honest_receipts, world
from support.desk import HOSTILE_NAMES, Desk, compare, open_desk

import anchor.web
from anchor.digest import digest_bytes
from anchor.trust import encode_policy, parse_policy
from anchor.types import Hash32
from anchor.verify import judge

FOLDER = Path(anchor.web.__file__).parent
PAGE = (FOLDER / "verify.html").as_uri()
HONEST = {honest.name: honest for honest in honest_receipts()}
OPERATORS = HONEST["an operator's"]
(BLOCK,) = ("0x" + named.hex() for named in OPERATORS.given.block_hashes)
FILE = world().files[6]
NAME = "evidence-6.txt"


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


def by_package(given: dict[str, Path], *named: str, policy: bytes | None = None) -> Any:
    return judge(
        given["receipt"].read_bytes(),
        digest_bytes(given["file"].read_bytes(), ("sha256", "sm3")),
        policy=policy and parse_policy(policy),
        connect=None,
        block_hashes=[Hash32(bytes.fromhex(text[2:])) for text in named],
    )


# ------------------------------------------------------------------------------------------------
# What it says.


@pytest.mark.parametrize("order", [("file", "receipt"), ("receipt", "file")])
def test_a_file_is_verified_by_a_block_hash_of_ones_own(
    desk: Desk, given: Given, order: tuple[str, str]
) -> None:
    files = given()
    for kind in order:
        desk.give(**{kind: files[kind]})
    desk.tab.get_by_text("proven by block 40 of chain 31337").wait_for()
    desk.fill(hashes=BLOCK)
    desk.press()
    assert desk.tab.evaluate("document.activeElement.id") == "headline"
    page = desk.verify()
    compare(page, by_package(files, BLOCK))
    assert page["exit_code"] == 0
    assert page["files"][0]["file"] == NAME
    assert desk.tab.inner_text(".word") == "VERIFIED (exit code 0)"
    assert desk.tab.inner_text("#headline") == "Unchanged since it was recorded"
    assert "existed no later than 2026-09-21 14:17:32 UTC" in desk.tab.inner_text(".verdict")
    assert "asserted by you" in desk.tab.inner_text(".verdict")
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
    desk.tab.get_by_text("Pressing may ask: https://node-31337.example").wait_for()
    desk.tab.check("#offline")
    assert "Nothing is sent" in desk.tab.inner_text("#asks")
    page = desk.verify()
    compare(page, by_package(files, policy=policy.read_bytes()))
    assert (page["exit_code"], page["policy"]) == (0, "mine.toml")
    assert "Trust policy: mine.toml" in desk.tab.inner_text("#report")


ENDS: dict[str, tuple[int, str, dict[str, Any]]] = {
    "an altered file": (10, "This is not the file that was recorded", {"data": b"altered"}),
    "another index": (10, "Something does not match", {"index": 5}),
    "no block hash": (20, "It could not be checked", {}),
    "a promise": (21, "Not final yet", {"honest": HONEST["a promise, nothing pinned"]}),
    "not anchored": (11, "does not hold this record's root", {"honest": HONEST["not anchored"]}),
    "another version": (
        22,
        "A version that this page does not know",
        {"format": "anchor-receipt/2"},
    ),
    "a float": (2, "is not well formed", {"index": 1.5}),
    "two chains": (0, "Unchanged", {"honest": HONEST["two chains', nothing pinned"]}),
}


@pytest.mark.parametrize("name", ENDS)
def test_it_says_what_the_command_says(desk: Desk, given: Given, name: str) -> None:
    code, headline, what = ENDS[name]
    files = given(**what)
    honest = what.get("honest", OPERATORS)
    named = [] if code == 20 else ["0x" + named.hex() for named in honest.given.block_hashes]
    desk.give(**files)
    desk.fill(hashes="\n".join(named))
    page = desk.verify()
    assert page["exit_code"] == code
    compare(page, by_package(files, *named))
    assert headline in desk.tab.inner_text("#headline")
    tone = {0: "pass", 20: "unknown", 21: "unknown", 22: "unknown"}.get(code, "fail")
    assert desk.tab.locator(f".verdict.{tone}").count() == 1
    assert ("Neither a yes nor a no." in desk.tab.inner_text(".verdict")) == (tone == "unknown")


def test_the_log_of_another_owner_is_not_trusted(desk: Desk, given: Given) -> None:
    files = given()
    desk.give(**files)
    desk.fill(hashes=BLOCK, chain="31337", owner="0x" + "77" * 20)
    assert desk.verify()["exit_code"] == 12
    assert desk.tab.inner_text("#headline") == "This is not what you trust"
    desk.fill(owner="0x" + world().log[12:].hex())
    page = desk.verify()
    assert (page["exit_code"], page["files"][0]["unpinned"]) == (0, [])
    desk.fill(chain="10")
    assert desk.verify()["exit_code"] == 12


def test_a_digest_does_instead_of_the_file(desk: Desk, given: Given) -> None:
    desk.give(receipt=given()["receipt"])
    digests = digest_bytes(FILE, ("sha256", "sm3"))
    assert digests.sha256 is not None
    assert digests.sm3 is not None
    desk.fill(hashes=BLOCK)
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
    desk.fill(hashes=BLOCK, **{"receipt-text": files["receipt"].read_text("utf-8")})
    assert desk.verify()["exit_code"] == 0


def test_files_are_told_apart_when_they_are_dropped_together(desk: Desk) -> None:
    receipt = json.dumps(OPERATORS.document).encode()
    assert OPERATORS.given.policy is not None
    policy = encode_policy(OPERATORS.given.policy.entries)
    desk.drop(**{"a": policy, "b.txt": FILE, "c": receipt})
    desk.tab.get_by_text("b.txt, 17 bytes").wait_for()
    desk.tab.get_by_text("a, 729 bytes").wait_for()
    desk.tab.check("#offline")
    desk.fill(hashes=BLOCK)
    assert desk.verify()["exit_code"] == 0
    # A receipt that is none still is what its name says.
    desk.drop(**{"b.txt.anchor.json": b"{}"})
    desk.tab.get_by_text("b.txt.anchor.json, 2 bytes").wait_for()
    assert desk.tab.is_hidden("#report")
    assert desk.verify()["exit_code"] == 2


WRONG = {
    "no file": ({"file": None}, {}, "Choose a file"),
    "no receipt": ({"receipt": None}, {}, "Choose the receipt"),
    "a digest": ({}, {"digest": "sha512:00"}, "64 hex digits"),
    "a block hash": ({}, {"hashes": "latest"}, "lower-case hex digits"),
    "a node": ({}, {"nodes": "ftp://example.org"}, "must start with"),
    "a node in the clear": ({}, {"nodes": "http://example.org"}, "https://"),
    "a node with a password": ({}, {"nodes": "https://a:secret@example.org"}, "user name"),
    "a node with a password alone": ({}, {"nodes": "https://:secret@example.org"}, "user name"),
    "a node twice": ({}, {"nodes": "https://e.org https://e.org./"}, "named twice"),
    "a quorum of more": ({}, {"nodes": "https://e.org", "quorum": "2"}, "cannot agree"),
    "a quorum of none": ({}, {"nodes": "https://e.org", "quorum": "0"}, "cannot agree"),
    "a quorum in words": ({}, {"nodes": "https://e.org", "quorum": "two"}, "whole number"),
    "an owner alone": ({}, {"owner": "0x" + "77" * 20}, "go together"),
    "an owner's checksum": ({}, {"chain": "1", "owner": "0x" + "aB" * 20}, "checksum"),
    "a chain that is not listed": ({}, {"chain": "5", "owner": "0x" + "77" * 20}, "does not know"),
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
    desk.fill(hashes=BLOCK)
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
    desk.fill(hashes=BLOCK)
    before = desk.tab.evaluate("document.querySelectorAll('script,img,h1,title').length")
    assert desk.verify()["exit_code"] == 10
    after = desk.tab.evaluate("document.querySelectorAll('script,img,h1,title').length")
    assert after == before
    shown = desk.tab.inner_text("#report")
    assert not {"\u202e", "\u2066", "\u200b", "\ufeff", "\x07"} & set(shown)
    if name.isprintable():
        assert name in shown


def test_a_record_as_long_as_can_be_is_shown_within_the_window(browser: Browser, given: Given):
    desk = open_desk(browser, viewport={"width": 360, "height": 700})
    desk.open(PAGE)
    record = json.loads(OPERATORS.document["record"]) | {"name": "W" * 4096}
    record["filler"] = "<b>" * 20_000
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    desk.give(**given(record=text))
    desk.fill(hashes=BLOCK)
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
        desk.fill(hashes=what.pop("hashes", ""))
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
    for locale, query, title in (
        ("en-GB", "", "Verify evidence"),
        ("zh-CN", "", "核验电子证据"),
        ("zh-TW", "?lang=en", "Verify evidence"),
        ("de-DE", "?lang=zh", "核验电子证据"),
        ("de-DE", "", "Verify evidence"),
    ):
        desk = open_desk(browser, locale=locale)
        desk.open(PAGE + query)
        assert desk.tab.inner_text("h1") == title
        assert desk.tab.title() == title
        desk.tab.context.close()


def test_the_report_changes_its_language_with_the_page(desk: Desk, given: Given) -> None:
    desk.give(**given(data=b"altered"))
    desk.fill(hashes=BLOCK)
    desk.verify()
    desk.tab.get_by_role("button", name="中文").click()
    shown = desk.tab.inner_text("#report")
    for words in (
        "文件的 sha256 为",
        "未通过验证（退出码 10）",
        "文件与记录一致",
        "不通过",
        "链上登记真实存在且已终局",
        "没有遗漏，或运营方没有另立日志",
    ):
        assert words in shown
    assert [key for key in ("undefined", "NaN", "{") if key in desk.tab.inner_text("body")] == []


def test_everything_can_be_done_with_the_keyboard(desk: Desk, given: Given) -> None:
    desk.give(**given())
    desk.fill(hashes=BLOCK)
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
    assert {"Each step, t", "Copy", "Print", "Save as JSON"} <= reached


def test_a_value_is_copied_whole(browser: Browser, given: Given) -> None:
    desk = open_desk(browser, permissions=["clipboard-read", "clipboard-write"])
    desk.open(PAGE)
    desk.give(**given())
    desk.fill(hashes=BLOCK)
    desk.press()
    desk.tab.get_by_role("button", name="Copy: block of the proof").click()
    desk.tab.get_by_text("Copied").wait_for()
    assert desk.tab.evaluate("navigator.clipboard.readText()") == BLOCK
    desk.tab.context.close()


def test_the_path_is_drawn_and_every_hash_of_it_listed(desk: Desk, given: Given) -> None:
    desk.give(**given())
    desk.fill(hashes=BLOCK)
    desk.verify()
    anchor = OPERATORS.document["anchors"][0]
    picture = desk.tab.locator("figure svg")
    assert f"of {len(anchor['path'])} steps" in str(picture.get_attribute("aria-label"))
    assert picture.locator(".box").count() == 2 * len(anchor["path"]) + 1
    assert picture.locator(".box.root").count() == 1
    listed = desk.tab.locator(".hashes").text_content()
    assert all(node in str(listed) for node in (*anchor["path"], anchor["root"]))
    desk.tab.get_by_text("Each step").click()
    desk.check_accessible()


def test_printed_it_is_the_report_without_the_form(desk: Desk, given: Given) -> None:
    desk.give(**given())
    desk.fill(hashes=BLOCK)
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
        desk.fill(hashes=BLOCK)
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
    assert refused[0] == "Verify evidence"
    assert refused.count("TypeError") == 2
    assert {"style-src-elem", "img-src", "connect-src"} <= set(refused)
    desk.said.clear()  # the browser tells of each
    desk.requests.clear()
