"""The page's script as it is built: on the shared vectors, and beside the package's verifier."""

from __future__ import annotations

import base64
import dataclasses
import json
import multiprocessing
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import pytest
from support.bent_receipts import KINDS, Given, honest_receipts, named_hashes, world
from support.chinese_text import what_is_english
from support.named_bends import DISHONEST, NAMED, TEXT
from support.page_campaign import run_campaign
from support.page_script import (
    PageScript,
    Refused,
    as_on_the_page,
    run_page_script,
    without_advice,
)
from support.paths import VECTORS
from support.tries import keccak256
from support.two_verifiers import judge_by_package
from support.vectors.cases import fill
from support.vectors.policies import to_toml
from support.world import MAIN, SIDE, World

from anchor.base.canonical import encode_canonical, parse_strict
from anchor.base.digests import Digests, digest_bytes
from anchor.base.errors import ExitCode, MalformedError, UnknownVersionError
from anchor.base.messages.message import Message, translate
from anchor.base.system.urls import are_distinct
from anchor.base.types import Hash32
from anchor.receipt.format import encode_receipt
from anchor.verification.policy import MAX_POLICY_BYTES, TrustedOperator, parse_policy
from anchor.verification.report import Report
from anchor.verification.report_json import describe_report
from anchor.verification.verifier import judge

pytestmark = pytest.mark.release

# Of an unproven key, as of a later fork, nothing can be told.
UNKNOWN = (ExitCode.CANNOT_CHECK, ExitCode.UNKNOWN_VERSION)


@pytest.fixture(scope="module")
def script() -> Iterator[PageScript]:
    with run_page_script() as running:
        yield running


@pytest.mark.parametrize(
    ("name", "kind", "ask"),
    [
        ("state/trie.json", "proofs", "proof"),
        ("state/headers.json", "headers", "header"),
        ("state/states.json", "states", "state"),
        ("state/submitters.json", "submitters", "submitter"),
        ("log/inclusion.json", "inclusion", "inclusion"),
        ("numbers/numbers.json", "records", "number"),
        ("bundles/bundles.json", "bundles", "bundle"),
        ("state/beacons.json", "beacons", "beacon"),
        ("bundles/beacons.json", "bundles", "bundle"),
    ],
)
def test_every_vector_ends_as_its_label_says(
    script: PageScript, name: str, kind: str, ask: str
) -> None:
    wrong = {}
    cases = json.loads((VECTORS / name).read_text("ascii"))[kind]
    for case in cases:
        given = {**case, ask: fill(case, ask)} if "padding" in case else case
        answer = script.ask(ask, **given)
        said = {} if isinstance(answer, Refused) else answer
        result = "valid"
        if isinstance(answer, Refused):
            result = "unknown" if answer.code in UNKNOWN else "invalid"
            assert answer.code == case.get("exit_code", answer.code), case["name"]
        if result != case["result"] or said != {field: case[field] for field in said}:
            wrong[case["name"]] = answer
    assert wrong == {}
    assert len(cases) > 20


@pytest.mark.parametrize(
    "name",
    [
        "anchor-receipt-1.json",
        "anchor-receipt-1-promise.json",
        "anchor-receipt-1-not-before.json",
    ],
)
def test_the_kept_receipts_are_judged_as_by_the_package(script: PageScript, name: str) -> None:
    receipt = (VECTORS / "receipts" / name).read_bytes()
    evidence = digest_bytes(b"another file", ("sha256", "sm3"))
    report = judge(receipt, evidence, policy=None, connect=None)
    page = script.judge_evidence(receipt, evidence, policy=None, block_hashes=[])
    theirs = as_on_the_page(describe_report("file", report).model_dump())
    assert without_advice(page["files"][0]) == without_advice(theirs)


def test_whole_verifications_end_as_their_labels_say(script: PageScript) -> None:
    folder = VECTORS / "verification"
    cases = json.loads((folder / "index.json").read_bytes())["verifications"]
    wrong = {}
    for case in cases:
        evidence = case["evidence"]
        report = script.judge_evidence(
            (folder / case["receipt"]).read_bytes(),
            Digests(
                sha256=bytes.fromhex(evidence["sha256"]),
                sm3=bytes.fromhex(evidence["sm3"]),
                size=evidence["size"],
            ),
            policy=case["policy"] and to_toml(case["policy"]),
            block_hashes=case["block_hashes"],
            chain_ids=case["chain_ids"],
            accept_unpinned=case["accept_unpinned"],
        )
        (file,) = report["files"]
        failing = sorted({step["number"] for step in file["steps"] if step["verdict"] != "pass"})
        if (report["exit_code"], failing) != (case["exit_code"], case["failing_steps"]):
            wrong[case["name"]] = report["exit_code"], failing
    assert wrong == {}
    assert len(cases) > 500


def test_policies_are_read_as_their_labels_say(script: PageScript) -> None:
    cases = json.loads((VECTORS / "policies" / "policies.json").read_bytes())["policies"]
    wrong = {}
    for case in cases:
        answer = script.ask("policy", text=base64.b64encode(case["toml"].encode()).decode())
        expected: object = len(case["trust"]) if case["result"] == "valid" else None
        if case["result"] != "valid":
            expected, answer = {"invalid": 2, "unknown": 22}[case["result"]], answer.code
        may_refuse = "may_refuse" in case and getattr(answer, "code", None) == 2
        if answer != expected and not may_refuse:
            wrong[case["name"]] = answer
    assert wrong == {}
    assert len(cases) > 60


ONE_NODE = [
    ("http://127.0.0.1:8545", "http://localhost:8545/"),
    ("http://127.0.0.1:8545", "http://127.1:8545"),
    ("http://localhost", "https://localhost"),
    ("http://[::1]:1", "http://localhost:1"),
    ("http://[::ffff:127.0.0.1]:1", "http://127.0.0.1:1"),
    ("https://node.example:443/key", "https://NODE.example./key/"),
    ("https://node.example/k%65y", "https://node.example/key"),
    ("https://[2001:db8::1]", "https://[2001:db8:0::1]"),
    # Who connects to any of these comes to this machine, and a port there is one program.
    ("http://0.0.0.0:8545", "http://127.0.0.1:8545"),
    ("http://[::]:8545", "http://localhost:8545"),
    ("http://127.0.0.2:8545", "http://127.0.0.1:8545"),
    ("http://127.0.0.1:8545", "http://127.0.0.1:8545/?a"),
    ("http://127.0.0.1:8545/x", "http://localhost.:8545/y?a"),
    ("http://node.localhost:8545", "http://127.0.0.1:8545"),
    ("http://2130706433:8545", "http://127.0.0.1:8545"),
    ("http://0x7f.0.0.1:8545", "http://127.0.0.1:8545"),
    ("http://[::ffff:7f00:1]:1", "http://127.0.0.1:1"),
    ("https://[::ffff:192.0.2.1]/x", "https://192.0.2.1/x"),
    ("https://node.example..", "https://node.example"),
    ("https://n%6fde.example", "https://node.example"),
    ("https://user:secret@node.example", "https://node.example"),
    ("https://node.example/a/../key", "https://node.example//key"),
    ("http://node.example:80", "https://node.example:443"),
    ("https://bücher.example/x", "https://xn--bcher-kva.example:443/x"),
    ("https://BÜCHER.example", "https://bu\u0308cher\u3002example."),
]
TWO_NODES = [
    ("https://node.example/one", "https://node.example/two"),
    ("https://node.example:444", "https://node.example"),
    ("https://node.example/?key=1", "https://node.example/?key=2"),
    ("http://127.0.0.1:8545", "http://127.0.0.1:8546"),
    # One door may have a node behind each path and each key.
    ("https://node.example/x", "https://node.example/?a"),
    ("https://node.example", "https://node.example/?a"),
    ("http://node.example:443", "https://node.example:443"),
    ("https://127.node.example", "https://128.node.example"),
    ("https://192.0.2.1", "https://192.0.2.2"),
    ("https://straße.example", "https://strasse.example"),
]


@pytest.mark.parametrize("urls", ONE_NODE + TWO_NODES)
def test_one_node_under_two_names_is_one(script: PageScript, urls: tuple[str, str]) -> None:
    assert script.ask("distinct", urls=urls) is (urls in TWO_NODES)
    assert are_distinct(urls) is (urls in TWO_NODES)


@pytest.mark.parametrize("length", [0, 1, 55, 56, 63, 64, 119, 120, 135, 136, 137, 271, 272, 1000])
def test_its_hashes_are_those_of_others(script: PageScript, length: int) -> None:
    data = bytes(index % 251 for index in range(length))
    digests = digest_bytes(data, ("sha256", "sm3"))
    assert digests.sha256 is not None
    assert digests.sm3 is not None
    assert script.ask("hash", data=base64.b64encode(data).decode()) == {
        "sha256": digests.sha256.hex(),
        "sm3": digests.sm3.hex(),
        "keccak256": keccak256(data).hex(),
    }


DOCUMENTS = [
    b'{"b":1,"a":[true,null,false,"x"]}',
    b' {"\xef\xbd\x9e":1,"\xf0\x9f\x98\x80":2,"z":3} ',
    b'"\\u0000\\u001f\\u007f\\u2028\\"\\\\\\/\\b\\f\\n\\r\\t"',
    b'"\\ud83d\\ude00"',
    b"[]",
    b"{}",
    b"0",
    b"9007199254740991",
    b"-9007199254740991",
    b"9007199254740992",
    b"-9007199254740992",
    b"-0",
    b"00",
    b"-",
    b"1.0",
    b"1e1",
    b"NaN",
    b"[1,]",
    b'{"a":1,}',
    b'{"a":1,"a":1}',
    b'{"a" 1}',
    b"{a:1}",
    b'"\\ud83d"',
    b'"\\ude00\\ud83d"',
    b"\xff",
    b"\xef\xbb\xbf{}",
    b"\xc0\x80",
    b'"\x00"',
    b'"\t"',
    b'"\\x41"',
    b'"\\u00g0"',
    b'"',
    b'"\\',
    b"tru",
    b"nulll",
    b"1 2",
    b"",
    b" ",
    b"\x0c1",
    b"\xc2\xa01",
    b"[" * 16 + b"]" * 16,
    b"[" * 17 + b"]" * 17,
    b'{"__proto__":1,"constructor":{"__proto__":2}}',
    b'{"\\u0061":1,"a":2}',
    b"[1 2]",
    b"[,1]",
    b"}",
    b"]",
    b'"\xed\xa0\x80"',
]


@pytest.mark.parametrize("data", DOCUMENTS)
def test_json_is_read_and_written_as_by_the_package(script: PageScript, data: bytes) -> None:
    said = None
    try:
        value = parse_strict(data, subject="it", max_bytes=1 << 20)
        expected: object = encode_canonical(value, subject="it").decode()
    except MalformedError as error:
        expected, said = ExitCode.USAGE, error.message
    answer = script.ask("canonical", data=base64.b64encode(data).decode())
    assert (answer.code if isinstance(answer, Refused) else answer) == expected
    if isinstance(answer, Refused):
        assert what_is_english(answer.chinese) is None
        # Where JSON or UTF-8 itself is broken, each reader says it in its own words.
        assert answer.message == said or "is not JSON" in answer.message or "UTF-8" in str(said)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "it's",
        '"',
        "'\"",
        "a\\b",
        "\n\r\t\0\x1f\x7f\x85",
        "é\xa0\xad",
        "证据\u3000",
        "\u202e\u200b\ufeff",
        "\U0001f600\U000e0001",
        "{name}$&`${1}",
    ],
)
def test_what_is_quoted_in_a_sentence_is_quoted_as_by_the_package(
    script: PageScript, text: str
) -> None:
    assert script.ask("quote", text=text) == [repr(text), ascii(text)]


# ------------------------------------------------------------------------------------------------
# Beside the package's verifier.


def check_tally(tally: Counter[str], troubles: list[str]) -> None:
    assert troubles == []
    codes = {"0", "2", "10", "11", "12", "13", "20", "21", "22"}
    assert {*KINDS, *codes} == set(tally)


@pytest.mark.parametrize("honest", honest_receipts(), ids=lambda honest: honest.name)
def test_an_honest_receipts_report_is_the_packages_word_for_word(
    script: PageScript, honest: Any
) -> None:
    receipt = json.dumps(honest.document).encode()
    report = judge(
        receipt,
        world().evidence(honest.given.leaf),
        policy=honest.given.policy,
        connect=None,
        block_hashes=honest.given.block_hashes,
        chain_ids=honest.given.chain_ids,
        accept_unpinned=honest.given.accept_unpinned,
    )
    page = script.judge(receipt, honest.given)
    assert page["exit_code"] == honest.code
    theirs = as_on_the_page(without_advice(describe_report("file", report).model_dump()))
    assert without_advice(page["files"][0]) == theirs
    chinese = {text: translate(text, "zh") for text in list_messages(report)}
    for ours, translated in script.list_sentences(receipt, honest.given):
        assert what_is_english(translated) is None, ours
        assert translated == chinese.get(ours, translated)


def list_messages(report: Report) -> list[Message]:
    """Return what a report of the package says."""
    said = [step.detail for step in report.steps]
    said += [text for claim in report.claims for text in (claim.title, claim.reason)]
    return [*said, *report.unpinned, *report.notes, *report.not_proven]


@pytest.mark.parametrize("name", NAMED)
def test_it_ends_as_the_others_do_on_a_bend_with_a_name(script: PageScript, name: str) -> None:
    code, bend = NAMED[name]
    receipt, given = bend(TEXT).encode(), honest_receipts()[0].given
    assert script.judge(receipt, given)["exit_code"] == code
    for english, chinese in script.list_sentences(receipt, given):
        assert what_is_english(chinese) is None, english


@pytest.mark.parametrize("wrong", ["sha256", "sm3", "size"])
def test_each_digest_and_the_size_has_to_be_the_files(script: PageScript, wrong: str) -> None:
    honest = honest_receipts()[0]
    other = 18 if wrong == "size" else bytes(32)
    evidence = dataclasses.replace(world().evidence(honest.given.leaf), **{wrong: other})
    page = script.judge_evidence(
        json.dumps(honest.document).encode(), evidence, policy=None, block_hashes=[]
    )
    (file,) = page["files"]
    assert file["steps"][1]["verdict"] == "fail"
    assert page["exit_code"] == 10


def test_an_operator_has_to_be_accepted_for_the_anchors_block(script: PageScript) -> None:
    honest = honest_receipts()[0]
    for operators, code in (
        ((), 12),
        ((TrustedOperator(id=0, from_block=0, until_block=None),), 12),
        ((TrustedOperator(id=1, from_block=21, until_block=None),), 12),
        ((TrustedOperator(id=1, from_block=0, until_block=19),), 12),
        ((TrustedOperator(id=1, from_block=20, until_block=20),), 0),
    ):
        policy = world().policy(dataclasses.replace(world().entry(), operators=operators))
        given = honest.given._replace(policy=policy)
        receipt = json.dumps(honest.document).encode()
        assert script.judge(receipt, given)["exit_code"] == code
        assert judge_by_package(receipt, given) == code


def see_that_the_package_says_the_same(page: Any, receipt: bytes, given: Given) -> None:
    report = judge(
        receipt,
        world().evidence(given.leaf),
        policy=given.policy,
        connect=None,
        block_hashes=[Hash32(named) for named in given.block_hashes],
    )
    theirs = without_advice(describe_report("file", report).model_dump())
    assert without_advice(page["files"][0]) == theirs


@pytest.mark.parametrize("name", DISHONEST)
def test_it_says_what_the_package_says_of_what_a_registry_cannot_hold(
    script: PageScript, name: str
) -> None:
    code, bend = DISHONEST[name]
    here = World()
    bend(here)
    anchor = here.prove(here.anchor(6, 9))
    receipt = encode_receipt(here.receipt(6, anchor))
    given = Given(6, here.policy(), named_hashes([anchor]))
    page = script.judge(receipt, given)
    assert page["exit_code"] == code
    see_that_the_package_says_the_same(page, receipt, given)


@pytest.mark.parametrize(
    ("main", "side", "code"),
    [(12, 10, 10), (11, 12, 12), (11, 2, 11), (22, 2, 2), (20, 22, 22)],
)
def test_of_two_chains_findings_the_gravest_is_the_code(
    script: PageScript, main: int, side: int, code: int
) -> None:
    """Each is the other's neighbour in the order; a claim fails though its first step is open."""
    honest = {honest.name: honest for honest in honest_receipts()}
    two = honest["two chains'"]
    anchors, hashes, entries = [], set[bytes](), []
    for at, (chain_id, wrong) in enumerate(((MAIN, main), (SIDE, side))):
        anchor = (two if wrong != 11 else honest["not anchored"]).document["anchors"][at]
        entry, state = world().entry(chain_id), anchor["state"]
        if wrong == 10:
            anchor = anchor | {"sequence": anchor["sequence"] + 1}
        elif wrong == 12:
            entry = dataclasses.replace(entry, operators=())
        elif wrong == 2:
            state = state | {"storage_proof": state["storage_proof"][:-1]}
        elif wrong == 22:
            state = state | {"header": "0xc0"}
        if wrong != 20:
            hashes.add(keccak256(bytes.fromhex(state["header"][2:])))
        anchors.append(anchor | {"state": state})
        entries.append(entry)
    receipt = json.dumps(two.document | {"anchors": anchors}).encode()
    given = Given(6, world().policy(*entries), frozenset(hashes))
    page = script.judge(receipt, given)
    assert page["exit_code"] == code
    see_that_the_package_says_the_same(page, receipt, given)


def test_it_ends_as_the_package_does_on_two_thousand_bent_receipts() -> None:
    check_tally(*run_campaign(0, 2_000))


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_it_ends_as_the_package_does_on_three_hundred_thousand_bent_receipts() -> None:
    part, total = 5_000, 300_000
    troubles, tally = list[str](), Counter[str]()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for found, wrong in pool.map(partial(run_campaign, count=part), range(0, total, part)):
            tally += found
            troubles += wrong
    check_tally(tally, troubles)


# ------------------------------------------------------------------------------------------------
# The trust policy.

POLICY = """format = "anchor-trust/1"
[[trust]]
chain_id = 1
genesis = "0x{0}"
registry = "0x{1}"
code_hash = "0x{0}"
owner = "0x{1}"
logs = [0]
"""


def entry(more: str = "", **values: str) -> str:
    text = POLICY.format("ab" * 32, "12" * 20) + more
    for name, value in values.items():
        before = next(line for line in text.splitlines() if line.startswith(name))
        text = text.replace(before, f"{name} = {value}" if value else "")
    return text


PEM = "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n"


def tsa(name: str, roots: str) -> str:
    return f'[[tsa]]\nname = "{name}"\nroots = {roots}\n'


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def signer(members: str) -> str:
    return f'[[signer]]\nname = "a"\n{members}\n'


POLICIES = [
    entry(),
    entry("# a word\n"),
    entry("\n\n[[trust.operators]]\nid = 0 # the owner\nfrom_block = 7\n"),
    entry(logs="[\n 0, # first\n 1,\n]"),
    entry(logs="[]"),
    entry(logs="0"),
    entry(logs="[true]"),
    entry(logs="[0x10]"),
    entry(logs="[1_000]"),
    entry(logs="[1__0]"),
    entry(logs="[01]"),
    entry(logs="[-1]"),
    entry(logs="[+1]"),
    entry(logs="[1.0]"),
    entry(chain_id="0"),
    entry(chain_id="1 2"),
    entry(chain_id='"1"'),
    entry(chain_id=""),
    entry(genesis="'0x" + "cd" * 32 + "'"),
    entry(genesis='"0x' + "CD" * 32 + '"'),
    entry(genesis='"0x\\u0061b' + "cd" * 31 + '"'),
    entry('rpc = ["https://a", "https://b"]\n'),
    entry('rpc = ["https://a"]\nquorum = 2\n'),
    entry("quorum = 0\n"),
    entry('assurance = "proof"\n'),
    entry('assurance = "faith"\n'),
    entry("finality = 3\n"),
    entry('finality = "safe"\n'),
    entry("time_slack = 172801\n"),
    entry("operators = []\n"),
    entry("surprise = 1\n"),
    entry("logs = [1]\n"),
    entry("[other]\n"),
    entry('block_hashes = ["0x' + "ef" * 32 + '"]\n'),
    entry('block_hashes = ["latest"]\n'),
    entry(registry='"0xF525060e7F0b222b6c7A0a7445eF1c5aD1aA8068"'),
    entry(owner='"0x12"'),
    entry("[[trust.operators]]\nid = 0\n[[trust.operators]]\nid = 1\nuntil_block = 9\n"),
    entry("[[trust.operators]]\nid = -1\n"),
    entry() + entry().partition("\n")[2],
    entry().replace("[[trust]]", "[trust]"),
    entry().replace("anchor-trust/1", "anchor-trust/2"),
    entry().replace('format = "anchor-trust/1"', ""),
    "",
    "format",
    "format = ",
    "= 1",
    "\ufeff" + entry(),
    entry().replace("\n", "\r\n"),
    entry().replace("\n", "\r"),
    entry("\x01"),
    entry("# \x7f\n"),
    entry().replace("logs = [0]", "logs = [0]\nlogs = [0]"),
    "[" * 10_000,
    'a = "' + "x" * 100_000 + '"',
    # Where a lone return ends a line, what follows it is a member.
    entry("# a word\rquorum = 0\n"),
    entry("quorum = 1 time_slack = 1\n"),
    entry(logs="[0 1]"),
    entry(logs="[+0x10]"),
    entry(logs="[" * 100_000),
    entry("operators = []\n[[trust.operators]]\nid = 0\n"),
    entry().replace("[[trust]]", "[[trust]"),
    entry('rpc = ["https://a/\\ud800"]\n'),
    'format = "anchor-trust/1"\ntrust = []\n',
    # A bound that is misspelled must not leave an operator without one.
    entry("[[trust.operators]]\nid = 0\nuntil = 9\n"),
    entry("[[trust.operators]]\nid = 0\nfrom_block = -1\n"),
    entry(f"[[trust.operators]]\nid = 0\nuntil_block = {2**48 - 1}\n"),
    entry(f"[[trust.operators]]\nid = 0\nuntil_block = {2**48}\n"),
    entry("finality = 100_000\n"),
    entry("finality = 100_001\n"),
    entry("quorum = 16\n"),
    entry("quorum = 17\n"),
    entry(f"rpc = {[f'https://a{number}' for number in range(16)]}\n"),
    entry(f"rpc = {[f'https://a{number}' for number in range(17)]}\n"),
    entry(f"block_hashes = {['0x' + 'ef' * 32] * 1_000}\n"),
    entry(f"block_hashes = {['0x' + 'ef' * 32] * 1_001}\n"),
    entry("time_slack = 0\n"),
    entry("recorded_at_tolerance = 0\n"),
    entry("recorded_at_tolerance = 86_400\n"),
    entry("recorded_at_tolerance = 86_401\n"),
    entry("recorded_at_tolerance = -1\n"),
    entry('recorded_at_tolerance = "300"\n'),
    entry("exclusive_logs = true\n"),
    entry("exclusive_logs = false\n"),
    entry("exclusive_logs = 1\n"),
    entry('exclusive_logs = "true"\n'),
    # One node under two spellings would agree with itself.
    entry('rpc = ["http://127.0.0.1:8545", "http://localhost:8545/"]\n'),
    entry('rpc = ["https://a/", "https://A"]\n'),
    entry('rpc = ["https://a/one", "https://a/two"]\n'),
    entry('rpc = ["one", "one"]\n'),
    entry('rpc = ["one", "two"]\n'),
    # The authorities of timestamps, whose certificates take several lines.
    entry(tsa("a", f'"""\n{PEM}"""') + tsa("b", f"'''{PEM}'''")),
    entry(tsa("a", f'"""{PEM}{PEM}"""')).replace("\n", "\r\n"),
    entry(tsa("a", '"' + PEM.replace("\n", "\\n") + '"')),
    entry(tsa("a", '""')),
    entry(tsa("a", '"PEM"')),
    entry(tsa("a", f'"""{PEM} and more"""')),
    entry(tsa("", f'"""{PEM}"""')),
    entry(tsa("a" * 81, f'"""{PEM}"""')),
    entry(tsa("a", f'"""{PEM}"""') + 'url = "https://a"\n'),
    entry(f'[tsa]\nname = "a"\nroots = """{PEM}"""\n'),
    entry('[[tsa]]\nname = "a"\n'),
    entry(tsa("a", f'"""{PEM}"""') * 33),
    # Who signs records: by an SSH key, or by a subject below roots.
    entry(signer(f'ssh_key = "{KEY} somebody"')),
    entry(signer(f"ssh_key = '{KEY}'\n") * 2),
    entry(signer(f'ssh_key = "{KEY}="')),
    entry(signer(f'ssh_key = "{KEY[:-1]}"')),
    entry(signer(f'ssh_key = " {KEY}"')),
    entry(signer(f'ssh_key = """{KEY}\n"""')),
    entry(signer(f'ssh_key = "{KEY.replace("ssh-ed25519", "ssh-rsa")}"')),
    entry(signer('ssh_key = "x-cert-y AAAACHgtY2VydC15"')),
    entry(signer('ssh_key = "x-curt-y AAAACHgtY3VydC15"')),
    entry(signer("ssh_key = 1")),
    entry(signer("")),
    entry(signer(f'subject = "CN=王"\nroots = """{PEM}"""')),
    entry(signer(f'subject = ""\nroots = """{PEM}"""')),
    entry(signer(f'subject = "{"王" * 1000}"\nroots = """{PEM}"""')),
    entry(signer(f'subject = "{"王" * 1001}"\nroots = """{PEM}"""')),
    entry(signer('subject = "CN=a"')),
    entry(signer('subject = "CN=a"\nroots = "PEM"')),
    entry(signer(f'roots = """{PEM}"""')),
    entry(signer(f'ssh_key = "{KEY}"\nsubject = "CN=a"')),
    entry(signer(f'ssh_key = "{KEY}"\nroots = """{PEM}"""')),
    entry(signer(f'ssh_key = "{KEY}"\nuntil = 9')),
    entry(signer(f'ssh_key = "{KEY}"').replace('"a"', '""')),
    entry(signer(f'ssh_key = "{KEY}"\n') * 257),
    entry().ljust(MAX_POLICY_BYTES, "\n"),
    entry().ljust(MAX_POLICY_BYTES + 1, "\n"),
]


@pytest.mark.parametrize("text", POLICIES, ids=range(len(POLICIES)))
def test_a_policy_is_read_or_refused_as_by_the_package(script: PageScript, text: str) -> None:
    data = text.encode()
    try:
        expected = len(parse_policy(data).entries)
    except (MalformedError, UnknownVersionError) as error:
        expected = -int(error.exit_code)
    answer = script.ask("policy", text=base64.b64encode(data).decode())
    assert (-answer.code if isinstance(answer, Refused) else answer) == expected, answer
    if isinstance(answer, Refused):
        assert what_is_english(answer.chinese.replace("rpc、quorum、asserted、proof", "")) is None


@pytest.mark.parametrize(
    "more",
    [
        '[trust.rpc]\n"a" = 1\n', "owner.x = 1\n", "rpc = {a = 1}\n",
        'rpc = ["""a\\n"""]\n', 'rpc = ["""a"b"""]\n',
        "time_slack = 1979-05-27\n", "time_slack = inf\n",
    ],
)  # fmt: skip
def test_toml_that_is_not_read_here_is_refused_with_its_line(script: PageScript, more: str) -> None:
    answer = script.ask("policy", text=base64.b64encode(entry(more).encode()).decode())
    assert answer.code == ExitCode.USAGE
    assert "line " in answer.message
    assert what_is_english(answer.chinese) is None
