"""The package's verifier and the standalone one, side by side."""

from __future__ import annotations

import functools
import json
from collections import Counter
from typing import NamedTuple

from support.bent_receipts import Case, Given, is_true, make_cases, world

from anchor.base.types import Hash32, make_log_id
from anchor.standalone import verify as standalone
from anchor.verification.policy import TrustPolicy
from anchor.verification.verifier import judge


class Tally(NamedTuple):
    """What came of a part of a campaign."""

    codes: Counter[int]
    kinds: Counter[str]
    troubles: list[str]


def make_pins(given: Given) -> standalone.Pins:
    """Say with the standalone verifier's options what a policy says."""
    named = sorted(given.block_hashes)
    if given.policy is None:
        return standalone.Pins(
            block_hashes=named,
            chain_ids=given.chain_ids,
            accept_unpinned=given.accept_unpinned,
        )
    # It has no option for a list of logs, nor for a policy with several chains' code; of chains
    # that are named, those count that the policy has.
    entry, *others = given.policy.entries
    chains = [
        entry.chain_id
        for entry in given.policy.entries
        if not given.chain_ids or entry.chain_id in given.chain_ids
    ]
    assert chains, "that no chain is left cannot be said with its options"
    return standalone.Pins(
        block_hashes=named,
        chain_ids=chains,
        registry=entry.registry,
        code_hash=None if others else entry.code_hash,
        log=make_log_id(entry.owner, entry.logs[0]),
        time_slack=entry.time_slack,
        recorded_at_tolerance=entry.recorded_at_tolerance,
        accept_unpinned=given.accept_unpinned,
    )


def judge_alone(receipt: bytes, given: Given) -> standalone.Report:
    return judge_with(receipt, make_pins(given), given.leaf)


def judge_with(receipt: bytes, pins: standalone.Pins, leaf: int = 6) -> standalone.Report:
    evidence = world().evidence(leaf)
    assert evidence.sha256 is not None
    assert evidence.sm3 is not None
    assert evidence.size is not None
    digests = {"sha256": evidence.sha256.hex(), "sm3": evidence.sm3.hex()}
    return standalone.verify(receipt, digests, evidence.size, pins)


def judge_by_package(receipt: bytes, given: Given) -> int:
    policy: TrustPolicy | None = given.policy
    report = judge(
        receipt,
        world().evidence(given.leaf),
        policy=policy,
        connect=None,
        block_hashes=[Hash32(named) for named in given.block_hashes],
        chain_ids=given.chain_ids,
        accept_unpinned=given.accept_unpinned,
    )
    return int(report.exit_code)


def run_campaign(seed: int, first: int, count: int) -> Tally:
    """Judge cases by both; a trouble is a disagreement, or a receipt that passes and should not."""
    tally = Tally(Counter(), Counter(), [])
    plain = standalone.keccak256
    standalone.keccak256 = functools.lru_cache(1 << 14)(plain)  # most nodes are the same
    try:
        for case in make_cases(seed, first, count):
            judge_case(case, tally)
    finally:
        standalone.keccak256 = plain
    return tally


def judge_case(case: Case, tally: Tally) -> None:
    name = f"case {case.number} ({case.honest.name}: {case.kind})"
    alone = judge_alone(case.receipt, case.honest.given)
    code, other = alone.exit_code(), judge_by_package(case.receipt, case.honest.given)
    tally.codes[code] += 1
    tally.kinds[case.kind] += 1
    if code != other:
        tally.troubles.append(f"{name}: the package says {other}, the other {code}: {alone.lines}")
    if code == 0 and not is_true(json.loads(case.receipt), case.honest):
        tally.troubles.append(f"{name}: passes, though it says something else")
