"""A report in Chinese says in Chinese whatever this package says, and quotes the rest."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from string import Formatter

import pytest
from support.bent_receipts import honest_receipts, make_cases, world
from support.examples import examples
from support.paths import PACKAGE
from support.world import MAIN, World, expect, hash_of, judged

from anchor.cli.console import Output
from anchor.cli.report_text import print_report
from anchor.errors import AnchorError
from anchor.types import Hash32
from anchor.verification.report import Report
from anchor.verification.report_words import CHINESE
from anchor.verification.translation import to_chinese
from anchor.verification.verifier import judge

PAIRS: list[list[str]] = json.loads((PACKAGE / "verification" / "chinese.json").read_text("utf-8"))

# What is quoted, spelled, or a name: code, options, hex, numbers, and words of formats.
QUOTED = re.compile(r"`[^`]*`|'[^']*'|\"[^\"]*\"|--[a-z-]+|0x[0-9a-fA-F]*…?|https?://\S+")
NAMES = re.compile(
    r"\b(RFC \d+|JSON|UTF-8|UTC|RLP|ASCII|HTTP|sha256|sm3|keccak256|nonce|null|format|head|"
    r"recorded_at|media_type|digests|size|name|salt|sequence|block_number|timestamp|finalized|"
    r"OP Mainnet|Ethereum Mainnet|"
    r"result|error|chain\.finality|trust\.toml|final|latest|finality|[0-9a-f]{16,}|v\d+)\b"
)
ENGLISH = re.compile(r"[A-Za-z]{2,}\W+[A-Za-z]{2,}")
CHARACTER = re.compile("[\u4e00-\u9fff]")


def what_is_english(text: str) -> str | None:
    """Return words that are left in English; None where there are none."""
    plain = NAMES.sub("", QUOTED.sub("", text))
    found = ENGLISH.search(plain)
    if found is None and re.search("[a-z]{4,}", plain) and not CHARACTER.search(text):
        return text
    return found and found[0]


def test_both_sides_of_a_pair_name_the_same_values() -> None:
    for english, chinese in PAIRS:
        named, shown = (
            [field for _, field, _, _ in Formatter().parse(text) if field]
            for text in (english, chinese)
        )
        assert len(set(named)) == len(named), english
        assert set(shown) <= set(named), english
        # Why something is no JSON or no date is the reader's own text.
        assert set(named) - set(shown) <= {"why"}, english
        assert CHARACTER.search(chinese), english
    assert len({english for english, _ in PAIRS}) == len(PAIRS)


def test_a_value_that_is_a_sentence_is_translated_within_it() -> None:
    assert to_chinese("step 3: the record does not lead to the root of the anchor of size 9: "
                      "the path leads to another root") == (
        "第 3 步：由记录得不到大小为 9 的锚定的根：路径得到的是另一个根"
    )  # fmt: skip
    assert to_chinese("whatever it is") == "whatever it is"
    assert to_chinese("") == ""
    assert to_chinese("7 equal") == "7 一致"
    assert to_chinese("7" * 2_000 + " equal").endswith("equal")


# ------------------------------------------------------------------------------------------------
# What the source can say.

# Functions that no verification calls.
ELSEWHERE = {
    "encode_record", "encode_header", "_encode_member", "verify_consistency",
    "make_log_id", "__init__", "hash_tree", "send_raw_transaction", "fetch_receipt", "fetch_nonce",
    "fetch_gas_price", "estimate_gas", "fetch_state_proof", "fetch_header", "fetch_base_fee",
    "select_primary", "_decode_receipt", "fetch_transaction_hashes", "fetch_calls",
    "_check_lengths", "encode_canonical",
}  # fmt: skip
SOURCES = (
    "verification/steps", "verification/targets", "verification/abandonment",
    "verification/proof_steps", "verification/verifier", "receipt/state_proof", "receipt/format",
    "ethereum/trie", "ethereum/rlp", "ethereum/header", "evidence/record", "canonical", "types",
    "log/merkle", "chain/verifier_nodes", "chain/node_quorum", "chain/node", "chain/json_rpc",
    "chain/chain_reader", "registry/storage",
)  # fmt: skip
VALUES = {
    "subject": "the record",
    "label": "the node http://n's block hash",
    "above": "the root is",
    "error": "a member twice",
    "self._label(part)": "the node http://n's block hash",
    "str(error)": "a member twice",
    "error.message": "the path leads to another root",
}


def read_text(node: ast.expr | None) -> str | None:
    """Return a string of the source, with something for each of its values."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value)
            if isinstance(part, ast.Constant)
            else VALUES.get(ast.unparse(part.value), "7")  # type: ignore[attr-defined]
            for part in node.values
        )
    return None


def read_errors(name: str) -> Iterator[tuple[str, str]]:
    """Every message and hint of the errors that a module raises, by where they stand."""
    tree = ast.parse((PACKAGE / f"{name}.py").read_text("utf-8"))
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef) or function.name in ELSEWHERE:
            continue
        for node in ast.walk(function):
            if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
                continue
            hints = [keyword.value for keyword in node.exc.keywords if keyword.arg == "hint"]
            kind = ast.unparse(node.exc.func)
            if kind.startswith("_") or kind in ("ValueError", "BadResponse"):
                continue  # caught where it is raised, and told within another error
            for text in map(read_text, [*node.exc.args[:1], *hints]):
                if text is not None and " " in text and text != "the record a member twice":
                    yield f"{name}.{function.name}", text


@pytest.mark.parametrize("name", SOURCES)
def test_every_error_of_a_verification_has_its_chinese(name: str) -> None:
    left = [
        (where, text)
        for where, text in read_errors(name)
        if what_is_english(to_chinese(text)) is not None
    ]
    assert left == []


# ------------------------------------------------------------------------------------------------
# What reports say.


def check_report(report: Report, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """See that a printed report is in Chinese; return its sentences in English."""
    print_report(
        Output(as_json=False), "FILE", report,
        policies=["/p (SHA-256 ab, of your own project)"], nodes=["http://n"], brief=False,
        words=CHINESE,
    )  # fmt: skip
    print_report(
        Output(as_json=False), "FILE", report, policies=(), nodes=(), brief=True, words=CHINESE
    )
    printed = capsys.readouterr().out
    for line in printed.splitlines():
        assert what_is_english(line) is None, line
    return {step.detail for step in report.steps}


def test_the_reports_of_honest_receipts_are_in_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    for honest in honest_receipts():
        given = honest.given
        report = judge(
            json.dumps(honest.document).encode(),
            world().evidence(given.leaf),
            policy=given.policy,
            connect=None,
            block_hashes=[Hash32(named) for named in given.block_hashes],
            chain_ids=given.chain_ids,
            accept_unpinned=given.accept_unpinned,
        )
        assert report.exit_code == honest.code
        check_report(report, capsys)


def test_the_reports_of_bent_receipts_are_in_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    codes, said = set(), set()
    for case in make_cases(6, 0, examples(1_500, ordinary=800)):
        given = case.honest.given
        report = judge(
            case.receipt,
            world().evidence(given.leaf),
            policy=given.policy,
            connect=None,
            block_hashes=[Hash32(named) for named in given.block_hashes],
            chain_ids=given.chain_ids,
            accept_unpinned=given.accept_unpinned,
        )
        codes.add(int(report.exit_code))
        said |= {re.sub("[0-9a-f]+", "#", text) for text in check_report(report, capsys)}
    assert codes == {0, 2, 10, 11, 12, 13, 20, 21, 22}
    assert len(said) > 100


def test_what_nodes_say_is_told_in_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    def lie(ends: int, **changes: object) -> None:
        here = World()
        for name, value in changes.items():
            setattr(here.main, name, value)
        report = judged(here)
        assert int(report.exit_code) == ends
        check_report(report, capsys)

    lie(0)
    lie(20, latest=15, final=10)
    lie(21, latest=21, final=19)
    lie(12, code={})
    here = World()
    here.rewrite(None)
    expect(judged(here), 11, [7], "PFFFF")
    check_report(judged(here), capsys)
    here = World()
    here.main.chain_id = MAIN + 1
    check_report(judged(here), capsys)


def test_whoever_raises_may_quote_a_node_as_it_is() -> None:
    quoted = to_chinese("the node http://n refused eth_call: execution reverted badly")
    assert quoted == "节点 http://n 拒绝了 eth_call：execution reverted badly"
    assert isinstance(AnchorError(quoted).message, str)
    assert hash_of(quoted)
