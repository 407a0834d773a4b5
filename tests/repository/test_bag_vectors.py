"""tests/vectors/bags: every case against this release's two verifiers, as ZIP file and folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.bags import write_folder, write_zip
from support.bent_receipts import Given
from support.in_process import run_in_process
from support.paths import VECTORS
from support.policy_json import read_policy_json
from support.two_verifiers import make_pins
from support.vectors.policies import to_toml

from anchor.standalone import verify as standalone
from anchor.types import ChainId

pytestmark = pytest.mark.release

Case = dict[str, Any]
DOCUMENT: dict[str, Any] = json.loads((VECTORS / "bags" / "bags.json").read_bytes())
CASES: list[Case] = DOCUMENT["bags"]


def write_both(case: Case, folder: Path) -> list[Path]:
    files = {name: text.encode() for name, text in case["files"].items()}
    paths = [write_zip(folder / "bag.zip", files)]
    if not case["only_zip"]:
        paths.append(write_folder(folder / "bag", files))
    return paths


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_package_and_the_standalone_verifier_end_as_stated(case: Case, tmp_path: Path) -> None:
    options = [f"--block-hash={named}" for named in case["block_hashes"]]
    if case["policy"] is not None:
        (tmp_path / "trust.toml").write_text(to_toml(case["policy"]), "utf-8")
        options += ["--trust", "trust.toml"]
    policy = read_policy_json(case["policy"])
    hashes = frozenset(bytes.fromhex(named[2:]) for named in case["block_hashes"])
    chain_ids = tuple(ChainId(chain_id) for chain_id in case["chain_ids"])
    pins = make_pins(Given(0, policy, hashes, chain_ids, case["accept_unpinned"]))
    found = []
    for path in write_both(case, tmp_path):
        found.append(run_in_process("verify", path, "--offline", *options, cwd=tmp_path).code)
        reports = standalone.report_bag(str(path), pins, (), None, is_named=False)
        codes = {report.exit_code() for _, report in reports}
        assert codes
        found.append(standalone.find_gravest(codes))
    assert found == [case["exit_code"]] * len(found)


def test_each_rule_is_broken_and_each_result_there() -> None:
    assert {case["rule"] for case in CASES if "rule" in case} == set(DOCUMENT["rules"])
    assert {0, 2, 10, 12, 14, 20, 22} <= {case["exit_code"] for case in CASES}
    assert len({case["name"] for case in CASES}) == len(CASES) >= 79
