"""tests/vectors/bags: every case against this release's verifiers, as ZIP file and as folder."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.bags import by_package, by_page, by_standalone, write_folder, write_zip
from support.bent_receipts import Given
from support.in_process import run_in_process
from support.page_script import PageScript, run_page_script
from support.paths import VECTORS
from support.policy_json import read_policy_json
from support.two_verifiers import make_pins
from support.vectors.policies import to_toml

from anchor.base.types import ChainId
from anchor.standalone import verify as standalone

pytestmark = pytest.mark.release

Case = dict[str, Any]


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((VECTORS / "bags" / name).read_bytes())
    return document


DOCUMENT, RECORDS, EVIDENCE = load("bags.json"), load("records.json"), load("evidence.json")
CASES: list[Case] = [*DOCUMENT["bags"], *RECORDS["bags"]]
EVIDENCE_CASES: list[Case] = EVIDENCE["evidence_bags"]
ZIPS = load("zip.json")
ZIP_CASES: list[Case] = ZIPS["zip_files"]
# Streams of Node ignore what follows; tests/browser shows that Chromium's do not.
TRAILING = ("deflated data with more behind",)


@pytest.fixture(scope="module")
def script() -> Iterator[PageScript]:
    with run_page_script() as running:
        yield running


def write_both(case: Case, folder: Path) -> list[Path]:
    files = {name: text.encode() for name, text in case["files"].items()}
    paths = [write_zip(folder / "bag.zip", files)]
    if not case.get("only_zip"):
        paths.append(write_folder(folder / "bag", files))
    return paths


def run_package(case: Case, path: Path) -> int:
    """Return the exit code of ``anchor verify``, beside whose bag the receipt may lie."""
    options = [f"--block-hash={named}" for named in case["block_hashes"]]
    if case["policy"] is not None:
        (path.parent / "trust.toml").write_text(to_toml(case["policy"]), "utf-8")
        options += ["--trust", "trust.toml"]
    if case["accept_unpinned"]:
        options.append("--accept-unpinned")
    return run_in_process("verify", path, "--offline", *options, cwd=path.parent).code


def run_standalone(case: Case, path: Path) -> int:
    policy = read_policy_json(case["policy"])
    hashes = frozenset(bytes.fromhex(named[2:]) for named in case["block_hashes"])
    chain_ids = tuple(ChainId(chain_id) for chain_id in case["chain_ids"])
    pins = make_pins(Given(0, policy, hashes, chain_ids, case["accept_unpinned"]))
    codes = {report.exit_code() for _, report in standalone.report_alone(str(path), pins, (), None)}
    assert codes
    return standalone.find_gravest(codes)


def give_page(case: Case, path: Path) -> dict[str, Any]:
    policy = case["policy"] and to_toml(case["policy"])
    return {"bag": path.read_bytes(), "policy": policy, "block_hashes": case["block_hashes"]}


def run_page(case: Case, path: Path, script: PageScript) -> int:
    given = give_page(case, path)
    answers = script.ask_bags(
        [given["bag"]],
        policy=given["policy"],
        blocks=given["block_hashes"],
        accept_unpinned=case["accept_unpinned"],
    )
    ((code, codes, *_),) = answers
    return standalone.find_gravest({code, *codes})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_three_verifiers_end_as_stated(case: Case, script: PageScript, tmp_path: Path) -> None:
    archive, *folders = write_both(case, tmp_path)
    ended = [run_page(case, archive, script)]
    for path in (archive, *folders):
        ended += [run_package(case, path), run_standalone(case, path)]
    assert ended == [case["exit_code"]] * len(ended)


@pytest.mark.parametrize("case", EVIDENCE_CASES, ids=lambda case: case["name"])
def test_three_verifiers_end_a_bag_that_is_evidence_as_stated(
    case: Case, script: PageScript, tmp_path: Path
) -> None:
    archive, *folders = write_both(case, tmp_path)
    ended = []
    if case["receipt"] is not None:  # the page itself asks for one
        (tmp_path / "bag.anchor.json").write_text(case["receipt"], "utf-8")
        given = give_page(case, archive)
        given["bag"] = base64.b64encode(given["bag"]).decode()
        given["receipt"] = base64.b64encode(case["receipt"].encode()).decode()
        ((code, _),) = script.ask("evidence_bags", bags=[given])
        ended.append(code)
    for path in (archive, *folders):
        ended += [run_package(case, path), run_standalone(case, path)]
    assert ended == [case["exit_code"]] * len(ended)


@pytest.mark.parametrize("case", ZIP_CASES, ids=lambda case: case["name"])
def test_three_readers_end_a_zip_file_as_stated(
    case: Case, script: PageScript, tmp_path: Path
) -> None:
    data = base64.b64decode(case["zip"], validate=True)
    archive = tmp_path / "bag.zip"
    archive.write_bytes(data)
    ended = [by_package(archive), by_standalone(archive)]
    if case["name"] not in TRAILING:
        ((code, _),) = by_page(script, [data])
        ended.append(code)
    assert ended == [case["exit_code"]] * len(ended)


@pytest.mark.parametrize(
    ("document", "kind", "codes", "least"),
    [
        (DOCUMENT, "bags", {0, 2, 10, 12, 14, 20, 22}, 134),
        (RECORDS, "bags", {0, 10, 14}, 33),
        (EVIDENCE, "evidence_bags", {0, 2, 10, 12, 20, 22}, 91),
        (ZIPS, "zip_files", {0, 2, 10, 22}, 184),
    ],
    ids=["bags", "records", "evidence", "zip"],
)
def test_each_rule_is_broken_and_each_result_there(
    document: dict[str, Any], kind: str, codes: set[int], least: int
) -> None:
    cases = document[kind]
    assert {case["rule"] for case in cases if "rule" in case} == set(document["rules"])
    assert codes == {case["exit_code"] for case in cases}
    assert len({case["name"] for case in cases}) == len(cases) >= least
