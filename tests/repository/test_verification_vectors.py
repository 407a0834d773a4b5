"""tests/vectors/verification and policies: every case against this release's two verifiers."""

from __future__ import annotations

import io
import json
from functools import cache, lru_cache
from typing import Any

import pytest
from support.bent_receipts import Given
from support.paths import ROOT
from support.policy_json import describe_entry, read_policy_json
from support.tries import keccak256
from support.two_verifiers import make_pins
from support.vectors import beacons, offline_world
from support.vectors.kept_receipts import evidence_of
from support.vectors.policies import RULES as POLICY_RULES
from support.vectors.verification import RULES

from anchor.base.digests import Digests
from anchor.base.errors import MalformedError, UnknownVersionError
from anchor.base.types import ChainId, Hash32
from anchor.ethereum.known_chains import find_chain
from anchor.receipt.bundle import read_bundle
from anchor.receipt.format import Receipt
from anchor.registry.artifact import expected_code_hash, registry_address
from anchor.standalone import verify as standalone
from anchor.verification.policy import parse_policy
from anchor.verification.report import Report
from anchor.verification.verifier import judge

FOLDER = ROOT / "tests" / "vectors"

Case = dict[str, Any]


@cache
def cases_of(file: str, kind: str) -> list[Case]:
    cases: list[Case] = json.loads((FOLDER / file).read_bytes())[kind]
    return cases


def verifications() -> list[Case]:
    return cases_of("verification/index.json", "verifications")


def judge_case(case: Case, receipt: bytes | Receipt) -> Report:
    evidence = case["evidence"]
    return judge(
        receipt,
        Digests(
            sha256=Hash32(bytes.fromhex(evidence["sha256"])),
            sm3=Hash32(bytes.fromhex(evidence["sm3"])),
            size=evidence["size"],
        ),
        policy=read_policy_json(case["policy"]),
        connect=None,
        block_hashes=[Hash32(bytes.fromhex(named[2:])) for named in case["block_hashes"]],
        chain_ids=[ChainId(chain_id) for chain_id in case["chain_ids"]],
        accept_unpinned=case["accept_unpinned"],
    )


def result_of(case: Case, receipt: bytes | Receipt) -> tuple[int, list[int]]:
    report = judge_case(case, receipt)
    failing = sorted({step.number for step in report.steps if step.error is not None})
    return int(report.exit_code), failing


@pytest.mark.parametrize(("folder", "least"), [("verification", 650), ("receipts", 7)])
def test_the_package_ends_every_verification_as_its_label_says(folder: str, least: int) -> None:
    cases = cases_of(f"{folder}/index.json", "verifications")
    assert len(cases) >= least
    wrong = {}
    for case in cases:
        result = result_of(case, (FOLDER / folder / case["receipt"]).read_bytes())
        if result != (case["exit_code"], case["failing_steps"]):
            wrong[case["name"]] = result
    assert not wrong


@pytest.mark.parametrize(
    "case", cases_of("receipts/index.json", "bundles"), ids=lambda case: case["name"]
)
def test_the_receipts_of_a_kept_bundle_end_as_stated(case: Case) -> None:
    found = []
    for receipt in read_bundle(io.BytesIO((FOLDER / "receipts" / case["bundle"]).read_bytes())):
        evidence = evidence_of(receipt.record.decode())
        code, steps = result_of({**case, "evidence": evidence}, receipt)
        found.append({"index": receipt.index, "exit_code": code, "failing_steps": steps})
    assert found == case["results"]


@pytest.mark.parametrize(
    "case", cases_of("bundles/judged.json", "judged"), ids=lambda case: case["name"]
)
def test_the_receipts_of_a_bundle_end_as_stated(case: Case) -> None:
    judged = []
    for receipt in read_bundle(io.BytesIO(case["bundle"].encode())):
        code, steps = result_of(case, receipt)
        judged.append({"index": receipt.index, "exit_code": code, "failing_steps": steps})
    assert judged == case["results"]
    assert [each["exit_code"] for each in judged] == [case["exit_code"]]


def test_every_kept_receipt_and_bundle_has_a_result() -> None:
    document = json.loads((FOLDER / "receipts" / "index.json").read_bytes())
    named = {case["receipt"] for case in document["verifications"]}
    named |= {case["bundle"] for case in document["bundles"]}
    stored = {path.name for path in (FOLDER / "receipts").iterdir()}
    assert named | {"index.json"} == stored


def is_sayable(policy: Case | None) -> bool:
    """Return whether the standalone verifier has an option for every member of a policy."""
    plain = offline_world.entry_of()
    names = ("registry", "logs", "operators")
    listed = [{**entry, "operators": plain["operators"]} if "operators" not in entry else entry
              for entry in (policy or {"trust": []})["trust"]]  # fmt: skip
    chains = [entry["chain_id"] for entry in listed]
    return len(set(chains)) == len(chains) and all(
        not {"assurance", "block_hashes"} & entry.keys()
        and entry["genesis"] == offline_world.entry_of(entry["chain_id"])["genesis"]
        and [entry[name] for name in names[1:]] == [plain[name] for name in names[1:]]
        for entry in listed
    )


def test_the_standalone_verifier_ends_them_in_the_same_way_where_its_options_can_say_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # That it hashes as others do is tested elsewhere, and most nodes are the same.
    monkeypatch.setattr(standalone, "keccak256", lru_cache(1 << 14)(keccak256))
    wrong = {}
    sayable = [case for case in verifications() if is_sayable(case["policy"])]
    for case in sayable:
        policy = read_policy_json(case["policy"])
        chain_ids = tuple(ChainId(chain_id) for chain_id in case["chain_ids"])
        pinned = [entry.chain_id for entry in policy.entries] if policy else []
        if chain_ids and pinned and not set(chain_ids) & set(pinned):
            continue  # that no chain is left cannot be said
        hashes = frozenset(bytes.fromhex(named[2:]) for named in case["block_hashes"])
        given = Given(0, policy, hashes, chain_ids, case["accept_unpinned"])
        evidence = case["evidence"]
        report = standalone.verify(
            (FOLDER / "verification" / case["receipt"]).read_bytes(),
            {name: evidence[name] for name in ("sha256", "sm3")},
            evidence["size"],
            make_pins(given),
        )
        failing = sorted({step for step, code, _ in report.lines if code})
        if (report.exit_code(), failing) != (case["exit_code"], case["failing_steps"]):
            wrong[case["name"]] = (report.exit_code(), failing, report.lines)
    assert not wrong
    assert len(sayable) > 450


def test_the_vectors_constants_are_those_of_this_release() -> None:
    assert registry_address() == offline_world.REGISTRY
    for chain_id, code_hash in offline_world.CODE_HASHES.items():
        assert expected_code_hash(ChainId(chain_id)).hex() == code_hash
    main = find_chain(ChainId(offline_world.MAIN))
    assert main.kind == "main"
    assert main.genesis is not None
    assert main.genesis.hex() == offline_world.GENESIS[offline_world.MAIN]
    assert find_chain(ChainId(offline_world.UNLISTED)).kind == "unlisted"
    assert beacons.WINDOW == standalone.HISTORY_WINDOW
    stated = json.loads((FOLDER / "verification" / "index.json").read_bytes())["release"]
    assert [each["chain_id"] for each in stated["chains"]] == [*offline_world.CODE_HASHES]
    # docs/spec/release.json is written from the code, and has all chains.
    release = json.loads((ROOT / "docs" / "spec" / "release.json").read_bytes())
    listed = {each["chain_id"]: each for each in release["chains"]}
    assert stated["registry"] == release["registry"]
    for each in stated["chains"]:
        assert each.items() <= listed[each["chain_id"]].items()


def test_every_rule_is_broken_and_every_receipt_used() -> None:
    assert {case["rule"] for case in verifications() if "rule" in case} == set(RULES)
    policies = cases_of("policies/policies.json", "policies")
    assert {case["rule"] for case in policies if "rule" in case} == set(POLICY_RULES)
    stored = {path.name for path in (FOLDER / "verification" / "receipts").iterdir()}
    assert {case["receipt"] for case in verifications()} == {f"receipts/{name}" for name in stored}


@pytest.mark.parametrize("code", [0, 2, 10, 11, 12, 13, 20, 21, 22])
def test_every_result_that_one_receipt_can_have_is_there(code: int) -> None:
    assert code in {case["exit_code"] for case in verifications()}


@pytest.mark.parametrize(
    "case", cases_of("policies/policies.json", "policies"), ids=lambda case: case["name"]
)
def test_a_policy_is_read_as_its_label_says(case: Case) -> None:
    data = case["toml"].encode()
    if case["result"] == "valid":
        assert [describe_entry(entry) for entry in parse_policy(data).entries] == case["trust"]
    else:
        refusal = MalformedError if case["result"] == "invalid" else UnknownVersionError
        with pytest.raises(refusal):
            parse_policy(data)
