"""Verification, one lie at a time in what is handed over: evidence, receipt, policy.

``tests/test_verify_chain.py`` has the lies of the node.  Each case states the exit code, the steps
that do not pass, and the verdicts of C1 C2 C3 C4 C6 (P passed, F failed, ? cannot tell).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from anchor.digest import Digests, digest_bytes
from anchor.errors import AnchorError, ExitCode, MismatchError
from anchor.merkle import hash_leaf
from anchor.receipt import Receipt, ReceiptAnchor, encode_receipt
from anchor.record import build_record, parse_record
from anchor.trust import TrustedOperator, TrustEntry, TrustPolicy
from anchor.types import ChainId, Hash32, Head, make_log_id
from anchor.verdict import ProvenAnchor, Report, Verdict, gravest_code
from anchor.verify import TITLES, judge, verify
from tests.support.world import (
    KEYS,
    MAIN,
    OWNER,
    REGISTRY,
    SIDE,
    STRANGER,
    World,
    failing_steps,
    hash_of,
    verdicts,
)

INDEX, SIZE = 6, 9

PINNED = object()


def judged(
    world: World,
    receipt: Receipt | bytes | None = None,
    *,
    evidence: Digests | None = None,
    policy: TrustPolicy | object | None = PINNED,
) -> Report:
    if receipt is None:
        receipt = honest(world)
    if policy is PINNED:
        policy = world.policy()
    assert policy is None or isinstance(policy, TrustPolicy)
    return judge(
        receipt if isinstance(receipt, bytes) else encode_receipt(receipt),
        evidence or world.evidence(INDEX),
        policy=policy,
        connect=world.connect,
    )


def honest(world: World) -> Receipt:
    return world.receipt(INDEX, world.anchor(INDEX, SIZE))


def expect(report: Report, code: int, steps: list[int], claims: str) -> None:
    assert (int(report.exit_code), failing_steps(report), verdicts(report)) == (code, steps, claims)
    if code:
        # Nothing is called proven about a record that is not in the log, or of a denied anchor.
        assert report.error is not None
        assert report.error.message == next(
            step.detail for step in report.steps if step.error is report.error
        )
        assert not report.proven or not {3, 4, 5, 6, 7, 8, 9} & set(steps) or len(report.steps) > 10


def re_anchored(receipt: Receipt, **changes: object) -> Receipt:
    """Change members of the receipt's only anchor."""
    anchor = dataclasses.replace(receipt.anchors[0], **changes)  # type: ignore[arg-type]
    return dataclasses.replace(receipt, anchors=(anchor,))


def flip(node: Hash32) -> Hash32:
    return Hash32(bytes([node[0] ^ 1]) + node[1:])


def test_an_honest_receipt_passes_every_step_once_and_every_claim() -> None:
    world = World()
    report = judged(world)
    expect(report, 0, [], "PPPPP")
    assert [step.number for step in report.steps] == list(TITLES) == list(range(1, 11))
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
            anchor=world.stored(world.main, SIZE),
            submitter=KEYS[1],
            final_block_number=40,
            final_block_hash=final.hash,
            existed_by=datetime.fromtimestamp(1_790_000_000 + 12 * 20 + 30, UTC),
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
    report = judged(
        world, world.receipt(2, world.anchor(2, 4)), evidence=world.evidence(2)
    )
    expect(report, 0, [], "PPPPP")
    assert report.proven[0].submitter == OWNER
    assert world.main.reads.count("storage") == 1


def test_verify_returns_the_report_or_raises_the_gravest_finding() -> None:
    world = World()
    data = encode_receipt(honest(world))
    report = verify(data, world.evidence(6), policy=world.policy(), connect=world.connect)
    assert report.exit_code is ExitCode.DONE
    del world.chains[MAIN]
    with pytest.raises(MismatchError, match="the file is"):
        verify(data, world.evidence(7), policy=world.policy(), connect=world.connect)


def _evidence(**changes: object) -> Callable[[World], Digests]:
    return lambda world: dataclasses.replace(world.evidence(INDEX), **changes)  # type: ignore[arg-type]


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
    world.records[INDEX] = only_sm3.encoded
    world.tree = _single(only_sm3.encoded, world)
    receipt = dataclasses.replace(honest(World()), record=only_sm3.encoded)
    evidence = dataclasses.replace(world.evidence(INDEX), sm3=None)
    report = judged(world, receipt, evidence=evidence)
    assert failing_steps(report) == [2, 3]
    assert verdicts(report) == "?FPFP"


def _single(_: bytes, world: World) -> object:
    return world.tree


def _with_record(old: bytes, new: bytes) -> Callable[[World], Receipt]:
    def change(world: World) -> Receipt:
        record = world.records[INDEX]
        assert old in record
        return dataclasses.replace(honest(world), record=record.replace(old, new, 1))

    return change


@pytest.mark.parametrize(
    "change",
    [
        _with_record(b'"name":"evidence-6.txt"', b'"name":"evidence-7.txt"'),
        _with_record(b'"recorded_at":"2026', b'"recorded_at":"2025'),
        _with_record(b'"salt":"', b'"more":0,"salt":"'),
        lambda world: dataclasses.replace(honest(world), index=5),
        lambda world: dataclasses.replace(honest(world), index=7),
        lambda world: dataclasses.replace(honest(world), index=0),
        lambda world: dataclasses.replace(honest(world), index=SIZE),
        lambda world: dataclasses.replace(honest(world), path=honest(world).path[1:]),
        lambda world: dataclasses.replace(honest(world), path=()),
        lambda world: dataclasses.replace(
            honest(world), path=(flip(honest(world).path[0]), *honest(world).path[1:])
        ),
        lambda world: dataclasses.replace(
            honest(world), head=Head(root=flip(world.tree.root(SIZE)), size=SIZE)
        ),
        lambda world: dataclasses.replace(
            honest(world), head=Head(root=world.tree.root(SIZE), size=8)
        ),
        lambda world: re_anchored(honest(world), path=honest(world).path[:-1]),
        lambda world: re_anchored(honest(world), path=honest(world).path[::-1]),
        lambda world: re_anchored(honest(world), path=(*honest(world).path, bytes(32))),
        lambda world: re_anchored(
            honest(world), path=(*honest(world).path[:-1], flip(honest(world).path[-1]))
        ),
    ],
)
def test_a_record_index_path_or_head_that_was_changed_leads_to_no_root(
    change: Callable[[World], Receipt],
) -> None:
    world = World()
    report = judged(world, change(world))
    # The anchor itself is genuine: only what ties the record to it is not.
    expect(report, 10, [3], "PFPFP")
    assert report.proven == ()


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
        head=Head(root=root, size=1),
        path=(),
        anchors=(
            dataclasses.replace(world.anchor(INDEX, SIZE), head=Head(root=root, size=1), path=()),
        ),
    )
    expect(judged(world, forged), 11, [7], "PPFFF")


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


def test_the_heads_size_is_a_promise_that_no_verdict_rests_on_once_there_is_an_anchor() -> None:
    world = World()
    receipt = dataclasses.replace(honest(world), head=Head(root=world.tree.root(SIZE), size=10))
    expect(judged(world, receipt), 0, [], "PPPPP")
    assert judged(world, receipt) == judged(world)


def _moved(**changes: object) -> Callable[[World], Receipt]:
    return lambda world: re_anchored(honest(world), **changes)


def _in_log(owner: bytes, number: int) -> Callable[[World], Receipt]:
    return lambda world: dataclasses.replace(
        honest(world), log=make_log_id(type(OWNER)(owner), number)  # type: ignore[call-overload]
    )


@pytest.mark.parametrize(
    ("change", "unpinned"),
    [
        (_moved(registry=STRANGER), (12, [6], "PPFFF")),
        (_moved(chain_id=SIDE), (0, [], "PPPPP")),
        (_moved(chain_id=ChainId(999)), (20, [5], "PP???")),
        (_in_log(STRANGER, 0), (11, [7], "PPFFF")),
        (_in_log(OWNER, 1), (11, [7], "PPFFF")),
        (_in_log(OWNER, 2**96 - 1), (11, [7], "PPFFF")),
    ],
)
def test_a_receipt_of_another_place_than_pinned_is_not_trusted(
    change: Callable[[World], Receipt], unpinned: tuple[int, list[int], str]
) -> None:
    world = World()
    report = judged(world, change(world))
    expect(report, 12, [4], "PPFFF")
    assert (world.asked, report.proven) == ([], ())
    expect(judged(world, change(world), policy=None), *unpinned)


def test_a_root_of_one_log_says_nothing_about_the_owners_other_log() -> None:
    world = World()
    entry = dataclasses.replace(world.entry(), logs=(0, 5))
    receipt = dataclasses.replace(honest(world), log=world.other_log)
    expect(judged(world, receipt, policy=world.policy(entry)), 11, [7], "PPFFF")
    expect(judged(world, policy=world.policy(entry)), 0, [], "PPPPP")


def _entry(**changes: object) -> Callable[[World], TrustEntry]:
    return lambda world: dataclasses.replace(world.entry(), **changes)  # type: ignore[arg-type]


def _operator(operator_id: int, first: int, last: int | None) -> TrustedOperator:
    return TrustedOperator(id=operator_id, from_block=first, until_block=last)


@pytest.mark.parametrize(
    ("entry", "code", "steps", "claims"),
    [
        (_entry(genesis=hash_of("other")), 12, [5], "PPFFF"),
        (_entry(code_hash=hash_of("other")), 12, [6], "PPFFF"),
        (_entry(operators=()), 12, [9], "PPPPF"),
        (_entry(operators=(_operator(0, 0, None), _operator(2, 0, None))), 12, [9], "PPPPF"),
        (_entry(operators=(_operator(1, 0, 19),)), 12, [9], "PPPPF"),
        (_entry(operators=(_operator(1, 21, None),)), 12, [9], "PPPPF"),
        (_entry(operators=(_operator(1, 20, 20),)), 0, [], "PPPPP"),
        (_entry(operators=(_operator(1, 0, 5), _operator(1, 20, None))), 0, [], "PPPPP"),
        (_entry(operators=None), 0, [], "PPPPP"),
        (_entry(owner=STRANGER), 12, [4], "PPFFF"),
        (_entry(logs=(1, 2)), 12, [4], "PPFFF"),
        (_entry(registry=STRANGER), 12, [4], "PPFFF"),
        (_entry(chain_id=SIDE), 12, [4], "PPFFF"),
        (_entry(time_slack=10**12), 20, [10], "PPP?P"),
    ],
)
def test_what_the_policy_pins_decides(
    entry: Callable[[World], TrustEntry], code: int, steps: list[int], claims: str
) -> None:
    world = World()
    report = judged(world, policy=world.policy(entry(world)))
    expect(report, code, steps, claims)
    assert len(report.proven) == (0 if code else 1)


def test_the_slack_of_the_policy_is_added_to_the_blocks_time() -> None:
    world = World()
    for slack in (0, 12, 86_400):
        entry = dataclasses.replace(world.entry(), time_slack=slack)
        proven = judged(world, policy=world.policy(entry)).proven[0]
        assert proven.existed_by.timestamp() == 1_790_000_240 + slack


def test_without_a_policy_everything_taken_from_the_receipt_is_listed() -> None:
    world = World()
    report = judged(world, policy=None)
    expect(report, 0, [], "PPPPP")
    assert report.unpinned == (
        "the log's owner 0xA11ce00000000000000000000000000000000001",
        "chain 31337 and registry 0x5E61000000000000000000000000000000000003",
    )
    assert world.asked == [(MAIN, ())]
    assert "genesis" not in world.main.reads
    assert report.proven[0].existed_by.timestamp() == 1_790_000_240 + 12
    assert "no trust policy" in report.steps[3].detail


def _hints(change: Callable[[ReceiptAnchor], object]) -> Callable[[World], Receipt]:
    return lambda world: re_anchored(honest(world), hints=change(honest(world).anchors[0]))


@pytest.mark.parametrize("field", ["tx_hash", "block_hash"])
@pytest.mark.parametrize("pinned", [True, False])
def test_hints_reach_no_verdict(field: str, pinned: bool) -> None:
    world = World()
    policy = world.policy() if pinned else None
    hints = honest(world).anchors[0].hints
    assert hints is not None
    altered = dataclasses.replace(hints, **{field: Hash32(bytes(32))})
    expected = judged(world, policy=policy)
    assert judged(world, re_anchored(honest(world), hints=altered), policy=policy) == expected
    assert judged(world, re_anchored(honest(world), hints=None), policy=policy) == expected


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
        assert gravest_code([lighter, graver, lighter]) is graver
        assert gravest_code([graver, lighter]) is graver
    assert gravest_code([]) is ExitCode.DONE
    assert gravest_code(order[:-1]) is ExitCode.MISMATCH


def test_a_report_ends_with_its_gravest_finding_and_the_earliest_of_its_kind() -> None:
    world = World()
    del world.chains[MAIN]
    report = judged(world, dataclasses.replace(honest(world), index=5), evidence=world.evidence(7))
    expect(report, 10, [2, 3, 5], "FF?F?")
    assert isinstance(report.error, AnchorError)
    assert "sha256 of the file" in report.error.message
    assert [claim.verdict for claim in report.claims][2] is Verdict.CANNOT_TELL
