"""Verification, one lie at a time in the evidence and the receipt.

Each case states the exit code, the steps that do not pass, and the verdicts of C1 C2 C3 C4 C6
(P passed, F failed, ? cannot tell).  The lies about places are in ``test_verifier_policy.py``, of
nodes in ``test_verifier_chain.py``, and several anchors at once in ``test_verifier_anchors.py``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NoReturn

import pytest
from support.records import build_record
from support.world import (
    INDEX,
    KEYS,
    MAIN,
    OWNER,
    REGISTRY,
    SIDE,
    SIZE,
    STRANGER,
    World,
    expect,
    failing_steps,
    hash_of,
    honest,
    judged,
    re_anchored,
    verdicts,
)

from anchor.base import errors
from anchor.base.canonical import encode_canonical
from anchor.base.digests import Digests, digest_bytes
from anchor.base.errors import (
    AnchorError,
    CannotCheckError,
    ConfigError,
    ExitCode,
    MalformedError,
    MismatchError,
    NotAnchoredError,
    NotFinalError,
    NotTrustedError,
    UnknownVersionError,
    UsageError,
)
from anchor.base.messages.message import Message
from anchor.base.types import Assurance, ChainId, Hash32, Head, make_log_id
from anchor.evidence.record import parse_record
from anchor.log.merkle import hash_leaf
from anchor.receipt.format import Receipt, encode_receipt
from anchor.registry.artifact import expected_code_hash
from anchor.verification.report import ProvenAnchor, Step, Verdict, severest_code, verdict_of
from anchor.verification.verifier import TITLES, _Run, judge

Path = tuple[Hash32, ...]


def flip(node: Hash32) -> Hash32:
    return Hash32(bytes([node[0] ^ 1]) + node[1:])


def test_an_honest_receipt_passes_every_step_once_and_every_claim() -> None:
    world = World()
    report = judged(world)
    expect(report, 0, [], "PPPPP")
    assert list(TITLES) == list(range(1, 12))
    assert [step.number for step in report.steps] == list(range(1, 11))
    assert world.asked == [(MAIN, ("https://node-31337.example/",))]
    assert report.record == parse_record(world.records[INDEX])
    assert report.unpinned == ()
    final = world.main.block(40)
    assert report.proven == (
        ProvenAnchor(
            chain_id=MAIN,
            registry=REGISTRY,
            log=world.log,
            root=world.tree.root(SIZE),
            index=INDEX,
            anchor=world.stored(world.main, SIZE),
            submitter=KEYS[1],
            final_block_number=40,
            final_block_hash=final.hash,
            not_before=None,
            existed_by=datetime.fromtimestamp(1_790_000_000 + 12 * 20 + 30, UTC),
            seconds_since_recorded=800 + 12 * 20 + 30 - 6,
            assurance="rpc",
            is_asserted=False,
        ),
    )


@pytest.mark.parametrize("size", [9, 13])
@pytest.mark.parametrize("index", [0, 3, 6, 8])
def test_every_record_verifies_against_every_anchor_that_covers_it(index: int, size: int) -> None:
    world = World()
    receipt = world.receipt(index, world.anchor(index, size))
    expect(judged(world, receipt, evidence=world.evidence(index)), 0, [], "PPPPP")


def test_an_anchor_by_the_owner_needs_no_operator_key() -> None:
    world = World()
    report = judged(world, world.receipt(2, world.anchor(2, 4)), evidence=world.evidence(2))
    expect(report, 0, [], "PPPPP")
    assert report.proven[0].submitter == OWNER
    assert world.main.reads.count("storage") == 2  # the anchor, and whether it is abandoned


def test_the_gravest_finding_is_the_reports_error() -> None:
    world = World()
    data = encode_receipt(honest(world))
    report = judge(data, world.evidence(6), policy=world.policy(), connect=world.connect)
    assert report.exit_code is ExitCode.DONE
    world.main.fails_at = len(world.main.reads)
    report = judge(data, world.evidence(7), policy=world.policy(), connect=world.connect)
    assert isinstance(report.error, MismatchError)
    assert "the file is" in report.error.message


def _evidence(**changes: object) -> Callable[[World], Digests]:
    return lambda world: dataclasses.replace(world.evidence(INDEX), **changes)  # type: ignore[arg-type]


@pytest.mark.fault(
    "H16",
    how="a receipt beside a file with another digest or size",
    then="the file fails, with exit code 10",
)
@pytest.mark.parametrize(
    ("evidence", "code", "steps", "claims"),
    [
        (lambda _: digest_bytes(b"another file", ("sha256", "sm3")), 10, [2], "FPPPP"),
        (lambda world: world.evidence(7), 10, [2], "FPPPP"),
        (_evidence(sha256=bytes(32)), 10, [2], "FPPPP"),
        (_evidence(sm3=bytes(32)), 10, [2], "FPPPP"),
        (_evidence(size=18), 10, [2], "FPPPP"),
        (_evidence(size=0), 10, [2], "FPPPP"),
        (_evidence(sha256=None, size=18), 10, [2], "FPPPP"),
        (_evidence(size=None), 0, [], "PPPPP"),
        (_evidence(sm3=None), 0, [], "PPPPP"),
        (_evidence(sha256=None, size=None), 0, [], "PPPPP"),
    ],
)
def test_a_changed_file_fails_the_file_and_nothing_else(
    evidence: Callable[[World], Digests], code: int, steps: list[int], claims: str
) -> None:
    world = World()
    expect(judged(world, evidence=evidence(world)), code, steps, claims)


def test_a_file_with_no_digest_in_common_with_the_record_cannot_be_checked() -> None:
    world = World()
    record = parse_record(world.records[INDEX])
    only_sm3 = build_record(
        digests=Digests(sha256=None, sm3=record.digests.sm3, size=None),
        name="x",
        media_type=None,
        salt=bytes(32),
        recorded_at=record.recorded_at,
    )
    evidence = dataclasses.replace(world.evidence(INDEX), sm3=None)
    receipt = dataclasses.replace(honest(world), record=only_sm3.encoded)
    expect(judged(world, receipt, evidence=evidence), 10, [2, 3], "?FPFP")
    world.records[INDEX] = only_sm3.encoded
    anchored = World(world.records)
    expect(judged(anchored, evidence=evidence), 20, [2], "?PPPP")
    assert len(judged(anchored, evidence=evidence).proven) == 1


def _with_record(old: bytes, new: bytes) -> Callable[[World], Receipt]:
    def change(world: World) -> Receipt:
        record = world.records[INDEX]
        assert old in record
        return dataclasses.replace(honest(world), record=record.replace(old, new, 1))

    return change


BENT_PATHS: list[Callable[[Path], Path]] = [
    lambda path: (),
    lambda path: path[1:],
    lambda path: path[:-1],
    lambda path: path[::-1],
    lambda path: (*path, Hash32(bytes(32))),
    lambda path: (flip(path[0]), *path[1:]),
    lambda path: (*path[:-1], flip(path[-1])),
]


def _with_path(bend: Callable[[Path], Path]) -> Callable[[World], Receipt]:
    def change(world: World) -> Receipt:
        return re_anchored(honest(world), path=bend(honest(world).anchors[0].path))

    return change


@pytest.mark.parametrize(
    "change",
    [
        _with_record(b'"name":"evidence-6.txt"', b'"name":"evidence-7.txt"'),
        _with_record(b'"recorded_at":"2026', b'"recorded_at":"2025'),
        _with_record(b'"name":', b'"more":0,"name":'),
        lambda world: dataclasses.replace(honest(world), index=5),
        lambda world: dataclasses.replace(honest(world), index=7),
        lambda world: dataclasses.replace(honest(world), index=0),
        lambda world: dataclasses.replace(honest(world), index=SIZE),
        *(_with_path(bend) for bend in BENT_PATHS),
    ],
)
def test_a_record_index_or_path_that_was_changed_leads_to_no_root(
    change: Callable[[World], Receipt],
) -> None:
    world = World()
    report = judged(world, change(world))
    # The anchor itself is genuine: only what ties the record to it is not.
    expect(report, 10, [3], "PFPFP")
    assert report.proven == ()


@pytest.mark.parametrize("bend", BENT_PATHS)
def test_a_promised_path_that_was_changed_leads_to_no_root(bend: Callable[[Path], Path]) -> None:
    world = World()
    honestly = world.promise(INDEX, SIZE)
    promise = dataclasses.replace(honestly, path=bend(honestly.path))
    report = judged(world, dataclasses.replace(world.receipt(INDEX), promise=promise))
    expect(report, 10, [3], "PFPFP")
    assert report.proven == ()


@pytest.mark.parametrize(
    ("steps", "size", "root"),
    [([3, 7], SIZE, hash_of("no root")), ([3, 8], 8, World().tree.root(SIZE))],
)
def test_a_promised_head_that_was_changed_is_not_led_to(
    steps: list[int], size: int, root: Hash32
) -> None:
    world = World()
    promise = dataclasses.replace(world.promise(INDEX, SIZE), head=Head(root=root, size=size))
    report = judged(world, dataclasses.replace(world.receipt(INDEX), promise=promise))
    assert (int(report.exit_code), failing_steps(report), report.proven) == (10, steps, ())


def test_a_digest_changed_in_the_record_to_fit_another_file_leads_to_no_root() -> None:
    world = World()
    old, new = (world.evidence(index) for index in (INDEX, 7))
    record = world.records[INDEX]
    for mine, other in ((old.sha256, new.sha256), (old.sm3, new.sm3)):
        assert mine is not None
        assert other is not None
        record = record.replace(mine.hex().encode(), other.hex().encode())
    receipt = dataclasses.replace(honest(world), record=record)
    expect(judged(world, receipt, evidence=new), 10, [3], "PFPFP")


def test_a_forged_record_hashed_into_a_root_of_its_own_is_not_anchored() -> None:
    world = World()
    record = world.records[INDEX].replace(b"evidence-6.txt", b"evidence-X.txt")
    root = hash_leaf(record)
    forged = Receipt(
        record=record,
        log=world.log,
        index=0,
        promise=None,
        anchors=(
            dataclasses.replace(world.anchor(INDEX, SIZE), head=Head(root=root, size=1), path=()),
        ),
    )
    expect(judged(world, forged), 11, [7], "PFFFF")


@pytest.mark.fault(
    "H12",
    how="a receipt names a root whose slot is empty",
    then="fails; an empty slot is never an anchor",
)
def test_a_receipt_may_not_swap_the_anchors_root_for_an_absent_one() -> None:
    world = World()
    receipt = re_anchored(honest(world), head=Head(root=hash_of("no root"), size=SIZE))
    expect(judged(world, receipt), 10, [3, 7], "PFFFF")


@pytest.mark.parametrize(
    ("steps", "changes"),
    [
        # Leaf 6 of 9 and of 10 have paths of one shape: only the registry tells the sizes apart.
        ([8], {"head": Head(root=World().tree.root(SIZE), size=10)}),
        ([3, 8], {"head": Head(root=World().tree.root(SIZE), size=8)}),
        ([8], {"sequence": 1}),
        ([8], {"sequence": 3}),
        ([8], {"block_number": 19}),
        ([8], {"block_number": 21}),
        ([8], {"timestamp": 1_790_000_239}),
        ([8], {"timestamp": 1_790_000_241}),
        ([8], {"timestamp": 0}),
    ],
)
def test_a_derived_member_the_registry_contradicts_is_a_mismatch(
    steps: list[int], changes: dict[str, object]
) -> None:
    world = World()
    report = judged(world, re_anchored(honest(world), **changes))
    expect(report, 10, steps, "PPFFP" if steps == [8] else "PFFFP")
    assert report.proven == ()


@pytest.mark.parametrize(
    ("change", "code", "claims"),
    [
        (lambda document: document.update(format="anchor-receipt/2"), 22, "?????"),
        (lambda document: document.update(record='{"schema":"evidence-record/2"}'), 22, "?????"),
        (lambda document: document.update(record="{}"), 2, "FFFFF"),
        (lambda document: document.update(record=" " + document["record"]), 2, "FFFFF"),
        (lambda document: document.update(status="verified"), 2, "FFFFF"),
        (lambda document: document.pop("log"), 2, "FFFFF"),
        (lambda document: document.update(index=True), 2, "FFFFF"),
    ],
)
def test_a_receipt_that_cannot_be_read_ends_at_step_1(
    change: Callable[[dict[str, object]], object], code: int, claims: str
) -> None:
    world = World()
    document = json.loads(encode_receipt(honest(world)))
    change(document)
    report = judged(world, json.dumps(document).encode())
    expect(report, code, [1], claims)
    assert ([step.number for step in report.steps], report.record, world.asked) == ([1], None, [])


def test_claims_whose_steps_were_not_made_are_open() -> None:
    report = _Run().report(record=None, unpinned=())
    assert verdicts(report) == "?????"
    assert report.claims[2].reason == "step 1 could not be carried out"


def test_a_step_that_was_not_made_names_the_last_before_it_that_did_not_pass() -> None:
    def fail() -> tuple[bool, Message]:
        raise MismatchError("x")

    run = _Run()
    for number in (1, 4):
        run.step(number, lambda: (True, Message("receipt-not-read")))
    for number in (2, 5):
        run.step(number, fail)
    report = run.report(record=None, unpinned=())
    reasons = {step.number: step.reason for step in report.unmade}
    assert reasons[3] == "step 3 could not be carried out"
    assert reasons[6] == "step 6 could not be carried out, because step 5 did not pass"


def test_while_no_block_is_vouched_for_no_claim_that_passes_speaks_of_a_time() -> None:
    run = _Run()
    for number in (1, 2, 3, 4):
        run.step(number, lambda: (True, "so"))
    report = run.report(record=None, unpinned=())
    passed = {claim.id: claim.title for claim in report.claims if claim.verdict is Verdict.PASS}
    assert passed["C1"] == "the file has the digests that the record states"
    assert not {"C2", "C3", "C4", "C5", "C6"} & passed.keys()
    assert not any(word in title for title in passed.values() for word in ("unchanged", "since"))


# Which claims each step bears on, as docs/verification.md has it.
NEEDED_BY = {
    1: ("C1", "C2", "C3", "C4", "C6"),
    2: ("C1",),
    3: ("C2", "C4"),
    4: ("C2", "C3", "C4", "C6"),
    5: ("C2", "C3", "C4", "C6"),
    6: ("C2", "C3", "C4", "C6"),
    7: ("C2", "C3", "C4", "C6"),
    8: ("C3", "C4"),
    9: ("C6",),
    10: ("C4",),
    11: (),  # C5, of tests/unit/verification/test_earliest_time.py
}


def _made(steps: dict[int, AnchorError | None]) -> dict[str, tuple[Verdict, str]]:
    """Return each claim's verdict and reason after these steps, which ended like this."""
    run = _Run()

    def check(number: int, error: AnchorError | None) -> tuple[bool, str]:
        if error is not None:
            raise error
        return True, f"detail {number}"

    for number, error in steps.items():
        run.step(number, lambda number=number, error=error: check(number, error))  # type: ignore[misc]
    claims = run.report(record=None, unpinned=()).claims
    by_steps = [claim for claim in claims if claim.id not in ("C5", "C7", "C8", "C9")]
    return {claim.id: (claim.verdict, claim.reason) for claim in by_steps}


@pytest.mark.parametrize("number", list(TITLES))
def test_a_step_that_fails_or_is_not_made_bears_on_exactly_the_claims_that_need_it(
    number: int,
) -> None:
    passed: dict[int, AnchorError | None] = dict.fromkeys(TITLES)
    wrong = (Verdict.FAIL, f"step {number}: wrong")
    unknown = (Verdict.CANNOT_TELL, f"step {number}: unknown")
    missing = (Verdict.CANNOT_TELL, f"step {number} could not be carried out")
    for steps, finding in (
        (passed | {number: MismatchError("wrong")}, wrong),
        (passed | {number: CannotCheckError("unknown")}, unknown),
        ({made: error for made, error in passed.items() if made != number}, missing),
    ):
        claims = _made(steps)
        touched = {claim for claim, (verdict, _) in claims.items() if verdict is not Verdict.PASS}
        assert touched == set(NEEDED_BY[number])
        assert {claims[claim] for claim in touched} <= {finding}


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (None, Verdict.PASS),
        (MalformedError("x"), Verdict.FAIL),
        (MismatchError("x"), Verdict.FAIL),
        (NotAnchoredError("x"), Verdict.FAIL),
        (NotTrustedError("x"), Verdict.FAIL),
        # How the verifier was called or set up says nothing about the evidence.
        (UsageError("x"), Verdict.CANNOT_TELL),
        (ConfigError("x"), Verdict.CANNOT_TELL),
        (CannotCheckError("x"), Verdict.CANNOT_TELL),
        (errors.NodeUnreachableError("x"), Verdict.CANNOT_TELL),
        (errors.NodeFaultError("x"), Verdict.CANNOT_TELL),
        (errors.NodeRefusedError("x", code=1, reason="y"), Verdict.CANNOT_TELL),
        (NotFinalError("x"), Verdict.CANNOT_TELL),
        (UnknownVersionError("x"), Verdict.CANNOT_TELL),
        (errors.FundsError("x"), Verdict.CANNOT_TELL),
        (errors.SignerError("x"), Verdict.CANNOT_TELL),
        (errors.ChainGuardError("x"), Verdict.CANNOT_TELL),
        (AnchorError("x"), Verdict.CANNOT_TELL),
    ],
)
def test_only_a_certain_failure_fails_a_step(error: AnchorError | None, verdict: Verdict) -> None:
    assert verdict_of(error) is verdict
    assert Step(number=1, title="x", detail="x", error=error).verdict is verdict


def test_a_verdict_is_one_of_four() -> None:
    assert [verdict.name for verdict in Verdict] == ["PASS", "FAIL", "CANNOT_TELL", "NOT_PRESENT"]


def test_what_a_receipt_says_nothing_about_is_not_claimed() -> None:
    claims = {claim.id: claim for claim in judged(World()).claims}
    assert claims["C5"].verdict is claims["C7"].verdict is Verdict.NOT_PRESENT
    assert claims["C8"].verdict is Verdict.CANNOT_TELL
    assert "anchor audit" in claims["C8"].reason
    assert claims["C9"].verdict is Verdict.PASS
    assert claims["C9"].reason.startswith(
        "sha256 and sm3 of the file, sha256 in the log, keccak256"
    )
    unread = {claim.id: claim for claim in judged(World(), b"{}").claims}
    assert unread["C9"].verdict is Verdict.CANNOT_TELL


@pytest.mark.parametrize(("needed", "reached"), [(1, "rpc"), (2, "quorum")])
@pytest.mark.parametrize("asked", ["rpc", "quorum", "proof"])
def test_less_assurance_than_the_policy_asks_for_is_no_verdict(
    asked: Assurance, needed: int, reached: Assurance
) -> None:
    world = World()
    world.main.needed = needed
    policy = world.policy(dataclasses.replace(world.entry(), assurance=asked))
    report = judged(world, policy=policy)
    if ("rpc", "quorum", "proof").index(reached) >= ("rpc", "quorum", "proof").index(asked):
        expect(report, 0, [], "PPPPP")
        assert [proven.assurance for proven in report.proven] == [reached]
    else:
        expect(report, 20, [5], "P????")
        assert report.proven == ()


@pytest.mark.parametrize(
    ("error", "claims"),
    [
        (UsageError("no URL of chain 31337"), "P????"),
        (ConfigError("chain.rpc is not set"), "P????"),
        (MalformedError("the answer breaks its format"), "PFFFF"),
    ],
)
def test_a_usage_error_on_the_way_to_the_node_ends_with_2_and_fails_no_claim(
    error: UsageError, claims: str
) -> None:
    world = World()

    def connect(*_: object) -> NoReturn:
        raise error

    report = judged(world, connect=connect)
    expect(report, 2, [5], claims)
    assert report.error is error
    assert report.proven == ()


def test_certain_findings_outrank_unknown_ones_and_those_what_is_not_final_yet() -> None:
    order = [
        ExitCode.DONE,
        ExitCode.NOT_FINAL,
        ExitCode.CANNOT_CHECK,
        ExitCode.UNKNOWN_VERSION,
        ExitCode.USAGE,
        ExitCode.NOT_ANCHORED,
        ExitCode.NOT_TRUSTED,
        ExitCode.MISMATCH,
        ExitCode.BUG,
    ]
    for lighter, graver in pairwise(order):
        assert severest_code([lighter, graver, lighter]) is graver
        assert severest_code([graver, lighter]) is graver
    assert severest_code([]) is ExitCode.DONE
    assert severest_code(order[:-1]) is ExitCode.MISMATCH


def test_a_report_ends_with_its_gravest_finding_and_the_earliest_of_its_kind() -> None:
    world = World()
    world.main.fails_at = 0
    report = judged(world, dataclasses.replace(honest(world), index=5), evidence=world.evidence(7))
    expect(report, 10, [2, 3, 5], "FF?F?")
    assert isinstance(report.error, AnchorError)
    assert "sha256 of the file" in report.error.message
    assert [claim.verdict for claim in report.claims][2] is Verdict.CANNOT_TELL


# When the record says that it was made


def _recorded(time: datetime) -> World:
    plain = World()
    records = list(plain.records)
    members = json.loads(records[INDEX])
    members["recorded_at"] = time.isoformat().replace("+00:00", "Z")
    records[INDEX] = encode_canonical(members, subject="the record")
    return World(records)


# The block's time and the 30 s of that world's policy.
BOUND = datetime.fromtimestamp(1_790_000_240 + 30, UTC)


@pytest.mark.parametrize(
    ("later", "code", "said"),
    [
        (-86_400, 0, "the record says it was made 86400 s before that"),
        (0, 0, "the record says it was made 0 s before that"),
        (1, 0, "the record says it was made 1 s after that, within the tolerance"),
        (300, 0, "the record says it was made 300 s after that, within the tolerance"),
        (
            301,
            20,
            "the record says it was made 301 s later than the latest time by the anchor's block",
        ),
        (16 * 365 * 86_400, 20, "s later than the latest time by the anchor's block"),
    ],
)
def test_a_record_that_says_it_was_made_later_than_it_is_proven_is_not_told(
    later: int, code: int, said: str
) -> None:
    world = _recorded(BOUND + timedelta(seconds=later))
    report = judged(world)
    expect(report, code, [10] if code else [], "PPP?P" if code else "PPPPP")
    assert said in report.steps[9].detail
    assert [proven.seconds_since_recorded for proven in report.proven] == [-later] * (not code)


def test_a_fraction_of_a_second_does_not_make_a_record_later() -> None:
    world = _recorded(BOUND + timedelta(seconds=300, milliseconds=999))
    expect(judged(world), 0, [], "PPPPP")


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_a_record_of_any_year_is_compared(year: int) -> None:
    world = _recorded(datetime(year, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC))
    expect(
        judged(world),
        20 if year == 9999 else 0,
        [10] * (year == 9999),
        ("PPP?P" if year == 9999 else "PPPPP"),
    )


def test_the_policy_says_how_much_later_is_tolerated() -> None:
    world = _recorded(BOUND + timedelta(seconds=10))
    for tolerance, code in ((0, 20), (9, 20), (10, 0)):
        entry = dataclasses.replace(world.entry(), recorded_at_tolerance=tolerance)
        assert int(judged(world, policy=world.policy(entry)).exit_code) == code


def test_the_chains_rule_says_how_far_its_times_may_be_off() -> None:
    world = World()
    receipt = world.receipt(INDEX, world.anchor(INDEX, SIZE, SIDE))
    rule = dataclasses.replace(world.entry(SIDE), time_slack=None)
    report = judged(world, receipt, policy=world.policy(rule))
    expect(report, 0, [], "PPPPP")
    assert report.proven[0].existed_by.timestamp() == 1_790_000_240 + 46_800
    assert "the time that the chain's sequencer gives its block plus a slack of 46800 s" in (
        report.steps[9].detail
    )
    report = judged(world, receipt, policy=world.policy(world.entry(SIDE)))
    assert "a slack of 30 s, set by the policy; the chain's own rule allows 46800 s" in (
        report.steps[9].detail
    )
    unlisted = ChainId(42170)
    world.chains[unlisted] = dataclasses.replace(world.main, chain_id=unlisted)
    world.chains[unlisted].code[REGISTRY] = (5, expected_code_hash(unlisted))
    receipt = re_anchored(honest(world), chain_id=unlisted)
    rule = dataclasses.replace(world.entry(unlisted), time_slack=None)
    report = judged(world, receipt, policy=world.policy(rule))
    expect(report, 20, [10], "PPP?P")
    assert "not know how far the block times of chain 42170 may be off" in report.steps[9].detail


# What the record says beside what is checked


def _with_members(**members: object) -> World:
    plain = World()
    records = list(plain.records)
    record = json.loads(records[INDEX]) | members
    records[INDEX] = encode_canonical(record, subject="the record")
    return World(records)


def test_members_that_nothing_checks_are_listed() -> None:
    report = judged(_with_members(verdict="authentic", collected_by="X", a=None))
    expect(report, 0, [], "PPPPP")
    assert report.statements == ("a", "collected_by", "verdict")
    assert judged(World()).statements == ()


def test_a_record_names_its_log_and_is_in_no_other_owners() -> None:
    world = _with_members(log="0x" + World().log.hex())
    report = judged(world)
    expect(report, 0, [], "PPPPP")
    assert report.statements == ()
    theirs = make_log_id(STRANGER, 0)
    report = judged(_with_members(log="0x" + theirs.hex()))
    expect(report, 10, [3], "PFPFP")
    assert report.error is not None
    assert report.error.message.startswith("the record names a log of owner 0x0BaD")
    # A log goes on in its successor, which is the same owner's.
    report = judged(_with_members(log="0x" + make_log_id(OWNER, 3).hex()))
    expect(report, 0, [], "PPPPP")
    assert report.steps[2].detail.endswith(
        "the record names log 3 of the same owner, the receipt names log 0"
    )


def test_each_verdict_says_how_large_the_log_is_and_where_the_leaf_is() -> None:
    world = World()
    report = judged(world)
    assert report.steps[2].detail.startswith("leaf 6 of a log of 9 leaves, ")
    receipt = world.receipt(INDEX, world.anchor(INDEX, SIZE), world.anchor(INDEX, 13, SIDE))
    report = judged(world, receipt)
    assert report.steps[2].detail.startswith("leaf 6 of a log of 9, 13 leaves, ")


def test_the_claim_on_algorithms_says_what_it_does_not_cover() -> None:
    reason = judged(World()).claims[8].reason
    assert "sm3 covers the file only, the log rests on sha256 alone, and no hash was" in reason
