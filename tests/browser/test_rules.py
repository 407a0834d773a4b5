"""The rules of verification in the page: each ends as in the package, and word for word."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import rlp
from support.beacons import judge_named
from support.bent_receipts import Given, header_hashes, honest_receipts
from support.chain_kinds import CHAINS, PAIRS, PROVES_TIME, case_on, receipt_on, world_on
from support.page_script import PageScript, as_on_the_page, run_page_script, without_advice
from support.tries import keccak256
from support.world import MAIN, OWNER, REGISTRY, SIDE, STRANGER, World, judged

from anchor.base.messages.message import Message, translate
from anchor.base.types import Address, Anchor, ChainId, Hash32, make_log_id
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import CHAINS as LISTED
from anchor.ethereum.known_chains import KIND_SENTENCES, ChainKind
from anchor.receipt.format import Receipt, ReceiptAnchor, encode_receipt
from anchor.receipt.state_proof import SuccessorProof, Takeover
from anchor.registry.artifact import expected_code_hash
from anchor.registry.storage import anchor_slot, encode_anchor, successor_slot
from anchor.verification.pinning import encode_policy
from anchor.verification.policy import TrustPolicy
from anchor.verification.report_json import describe_report
from anchor.verification.verifier import judge

pytestmark = pytest.mark.release

NEXT = make_log_id(OWNER, 1)
OTHER = Hash32(b"\x5a" * 32)
UNKNOWN_STANDING = Message("anchor-standing-unknown")


@pytest.fixture(scope="module")
def script() -> Iterator[PageScript]:
    with run_page_script() as running:
        yield running


@pytest.fixture
def here() -> World:
    return World()


class Bench:
    """The page's script and the package's verifier, over the same receipt."""

    def __init__(self, script: PageScript, here: World) -> None:
        self.script, self.here = script, here

    def judge(
        self,
        receipt: Receipt | bytes,
        *,
        policy: TrustPolicy | None = None,
        named: Collection[bytes] = (),
        chain_ids: Collection[int] = (),
        accept: bool = False,
    ) -> dict[str, Any]:
        """Return the page's document, which is the package's."""
        data = receipt if isinstance(receipt, bytes) else encode_receipt(receipt)
        evidence = self.here.evidence(6)
        report = judge(
            data,
            evidence,
            policy=policy,
            connect=None,
            block_hashes=[Hash32(block) for block in named],
            chain_ids=[ChainId(number) for number in chain_ids],
            accept_unpinned=accept,
        )
        page = self.script.judge_evidence(
            data,
            evidence,
            policy=policy and encode_policy(policy.entries).decode(),
            block_hashes=["0x" + block.hex() for block in named],
            chain_ids=chain_ids,
            accept_unpinned=accept,
        )
        (ours,) = page["files"]
        theirs = as_on_the_page(describe_report("file", report).model_dump())
        for document in (ours, theirs):
            if document["exit_code"] == 2:  # how exactly the form is broken, each says itself
                del document["steps"], document["problem"]
        assert ours["exit_code"] == theirs["exit_code"] == page["exit_code"]
        assert without_hints(ours) == without_hints(theirs)
        return page

    def code(self, *arguments: Any, **options: Any) -> int:
        return int(self.judge(*arguments, **options)["exit_code"])


def without_hints(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out advice, and reasons of claims that quote a malformed document."""
    without_advice(document)
    if "steps" not in document:
        for claim in document["claims"]:
            claim["reason"] = ""
    return document


@pytest.fixture
def bench(script: PageScript, here: World) -> Bench:
    return Bench(script, here)


def proven(here: World, chain_id: ChainId = MAIN) -> ReceiptAnchor:
    return here.prove(here.anchor(6, 9, chain_id))


def block_of(anchor: ReceiptAnchor) -> bytes:
    assert anchor.state is not None
    return keccak256(anchor.state.header)


@pytest.mark.parametrize("kind", CHAINS)
def test_a_time_is_shown_as_proven_by_the_kind_of_its_chain(
    script: PageScript, kind: ChainKind
) -> None:
    case = case_on(kind)
    shown = script.list_shown(case.data, case.given)
    assert shown == {each.id: each.verdict.value for each in judge_named(case).shown_claims}
    assert [shown["C4"], shown["C5"]] == ["pass" if PROVES_TIME[kind] else "cannot tell"] * 2
    (file,) = script.judge(case.data, case.given)["files"]
    assert {claim["id"]: claim["verdict"] for claim in file["claims"]}["C4"] == "pass"


@pytest.mark.parametrize("kinds", PAIRS)
def test_of_two_chains_one_whose_times_count_suffices(
    script: PageScript, kinds: tuple[ChainKind, ChainKind]
) -> None:
    for order in (kinds, kinds[::-1]):
        here = world_on(*order)
        data = encode_receipt(receipt_on(here))
        policy = here.policy(*map(here.entry, here.chains))
        given = Given(6, policy, header_hashes(json.loads(data)))
        shown = script.list_shown(data, given)
        is_proven = any(PROVES_TIME[kind] for kind in order)
        assert shown["C4"] == ("pass" if is_proven else "cannot tell")
        (file,) = script.judge(data, given)["files"]
        report = judged(
            here,
            data,
            policy=policy,
            block_hashes=[Hash32(each) for each in given.block_hashes],
            offline=True,
        )
        assert shown == {each.id: each.verdict.value for each in report.shown_claims}
        ours, theirs = file["claims"], describe_report("file", report).model_dump()["claims"]
        assert ours == as_on_the_page({"claims": theirs})["claims"]


def step(page: dict[str, Any], number: int) -> str:
    return next(s["detail"] for s in page["files"][0]["steps"] if s["number"] == number)


# ------------------------------------------------------------------------------------------------
# Chains.


def test_the_table_of_chains_and_its_words_are_the_packages(script: PageScript) -> None:
    for chain in LISTED:
        assert script.ask("chain", id=chain.id) == {
            "name": [chain.name, translate(chain.name, "zh")],
            "kind": chain.kind,
            "genesis": chain.genesis and chain.genesis.hex(),
            "slack": chain.time_slack,
            "sequenced": chain.is_sequenced,
            "tested": chain.tested,
            "code": expected_code_hash(chain.id).hex(),
        }
    assert script.ask("chain", id=31338) is None
    for kind, sentence in KIND_SENTENCES.items():
        assert script.ask("kind", kind=kind) == [sentence, translate(sentence, "zh")]


def test_a_policys_other_genesis_of_a_listed_chain_is_not_trusted(
    bench: Bench, here: World
) -> None:
    anchor = proven(here, SIDE)
    given = {"named": [block_of(anchor)]}
    right = here.entry(SIDE)
    wrong = dataclasses.replace(right, genesis=OTHER)
    receipt = here.receipt(6, anchor)
    assert bench.code(receipt, policy=here.policy(right), **given) == 0
    page = bench.judge(receipt, policy=here.policy(wrong), **given)
    assert page["exit_code"] == 12
    assert "OP Mainnet" in step(page, 4)
    # A chain that the release lists without one is the policy's to pin.
    main = proven(here)
    policy = here.policy(dataclasses.replace(here.entry(), genesis=OTHER))
    assert bench.code(here.receipt(6, main), policy=policy, named=[block_of(main)]) == 0


@pytest.mark.parametrize(
    ("chain_id", "chain_ids", "accept", "code"),
    [
        (SIDE, (), False, 20),
        (SIDE, (), True, 0),
        (SIDE, (10,), False, 20),
        (SIDE, (10,), True, 0),
        (SIDE, (1,), True, 12),
        (MAIN, (), True, 20),
        (MAIN, (31337,), False, 20),
        (MAIN, (31337,), True, 0),
        (MAIN, (10,), True, 12),
    ],
)
def test_without_a_policy_a_chain_counts_as_it_is_named_and_accepted(
    bench: Bench,
    here: World,
    chain_id: ChainId,
    chain_ids: tuple[int, ...],
    accept: bool,
    code: int,
) -> None:
    anchor = proven(here, chain_id)
    page = bench.judge(
        here.receipt(6, anchor), named=[block_of(anchor)], chain_ids=chain_ids, accept=accept
    )
    assert page["exit_code"] == code
    assert page["files"][0]["unpinned"]


def test_each_anchor_is_chosen_by_itself_and_the_gravest_counts(bench: Bench, here: World) -> None:
    main, side = proven(here), proven(here, SIDE)
    both = [block_of(main), block_of(side)]
    foreign = dataclasses.replace(main, registry=Address(b"\x77" * 20))
    unlisted = dataclasses.replace(main, chain_id=ChainId(31338))
    assert side.state is not None
    bent = dataclasses.replace(
        side,
        state=dataclasses.replace(
            side.state, storage_proof=(b"\xc0" + side.state.storage_proof[0][1:],)
        ),
    )
    options: dict[str, Any] = {"named": both, "chain_ids": (31337, 10), "accept": True}
    assert bench.code(here.receipt(6, main, side), **options) == 0
    assert bench.code(here.receipt(6, foreign, side), **options) == 12
    assert bench.code(here.receipt(6, foreign, bent), **options) == 10
    options["chain_ids"] = (31338, 10)
    assert bench.code(here.receipt(6, unlisted, side), **options) == 20
    # What is not named is left aside, whatever it is.
    options["chain_ids"] = (10,)
    assert bench.code(here.receipt(6, foreign, side), **options) == 0
    assert bench.code(here.receipt(6, unlisted, side), **options) == 0


def test_named_chains_narrow_a_policy_as_well(bench: Bench, here: World) -> None:
    main, side = proven(here), proven(here, SIDE)
    receipt = here.receipt(6, main, side)
    policy = here.policy(here.entry(), here.entry(SIDE))
    one = [block_of(side)]
    assert bench.code(receipt, policy=policy, named=one) == 20
    assert bench.code(receipt, policy=policy, named=one, chain_ids=(10,)) == 0
    assert bench.code(receipt, policy=policy, named=one, chain_ids=(1,)) == 12
    assert bench.code(here.receipt(6), policy=policy, chain_ids=(1,)) == 12
    assert bench.code(here.receipt(6), policy=policy, chain_ids=(10,)) == 20


def test_a_promise_without_a_policy_is_open_and_not_only_not_final(
    bench: Bench, here: World
) -> None:
    assert bench.code(here.receipt(6)) == 20
    assert bench.code(here.receipt(6), accept=True) == 21


# ------------------------------------------------------------------------------------------------
# Assurance and time.


@pytest.mark.parametrize(
    ("wanted", "by", "code", "reached"),
    [
        ("rpc", "typed", 0, "asserted"),
        ("quorum", "typed", 0, "asserted"),
        ("asserted", "typed", 0, "asserted"),
        ("proof", "typed", 20, None),
        ("proof", "policy", 0, "proof"),
        ("rpc", "both", 0, "proof"),
    ],
)
def test_a_typed_block_hash_is_worth_less_than_the_policys(
    bench: Bench, here: World, wanted: Any, by: str, code: int, reached: str | None
) -> None:
    anchor = proven(here)
    block = Hash32(block_of(anchor))
    entry = dataclasses.replace(
        here.entry(), assurance=wanted, block_hashes=() if by == "typed" else (block,)
    )
    named = [] if by == "policy" else [block]
    page = bench.judge(here.receipt(6, anchor), policy=here.policy(entry), named=named)
    assert page["exit_code"] == code
    anchors = page["files"][0]["anchors"]
    assert [found["assurance"] for found in anchors] == ([reached] if reached else [])


@pytest.mark.parametrize("by", ["typed", "policy", "both"])
def test_a_named_hash_of_no_such_block_tells_nothing(bench: Bench, here: World, by: str) -> None:
    anchor = proven(here)
    other = Hash32(bytes([17]) * 32)
    entry = dataclasses.replace(here.entry(), block_hashes=() if by == "typed" else (other,))
    named = [] if by == "policy" else [other]
    page = bench.judge(here.receipt(6, anchor), policy=here.policy(entry), named=named)
    assert page["exit_code"] == 20
    detail = page["files"][0]["steps"][-1]["detail"]
    assert "0x" + other.hex() in detail
    assert block_of(anchor).hex() in detail
    named.append(Hash32(block_of(anchor)))
    assert bench.code(here.receipt(6, anchor), policy=here.policy(entry), named=named) == 0


def timed(here: World, later: int, fraction: str = "") -> Receipt:
    """A receipt whose record was made so many seconds after what the main chain proves (12 s)."""
    bound = here.main.block(20).timestamp + 12
    record = json.loads(here.records[6])
    time = datetime.fromtimestamp(bound + later, UTC)
    record["recorded_at"] = f"{time:%Y-%m-%dT%H:%M:%S}{fraction}Z"
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    again = World([*here.records[:6], text.encode(), *here.records[7:]])
    here.__dict__.update(again.__dict__)
    return here.receipt(6, proven(here))


@pytest.mark.parametrize(
    ("later", "changes", "code"),
    [
        (-86_400, {}, 0),
        (0, {}, 0),
        (300, {}, 0),
        (301, {}, 20),
        (18, {"time_slack": 30}, 0),
        (18, {"time_slack": 30, "recorded_at_tolerance": 0}, 0),
        (19, {"time_slack": 30, "recorded_at_tolerance": 0}, 20),
        (1, {"recorded_at_tolerance": 0}, 20),
        (-12, {"time_slack": 0}, 0),
        (86_400, {"recorded_at_tolerance": 86_400}, 0),
    ],
)
def test_a_record_of_a_later_time_than_is_proven_cannot_be_told_about(
    bench: Bench, here: World, later: int, changes: dict[str, int], code: int
) -> None:
    receipt = timed(here, later, ".999")
    entry = dataclasses.replace(here.entry(), **{"time_slack": None, **changes})  # type: ignore[arg-type]
    named = [block_of(receipt.anchors[0])]
    page = bench.judge(receipt, policy=here.policy(entry), named=named)
    assert page["exit_code"] == code
    if "time_slack" in changes and changes["time_slack"] < 12:
        assert Message("time-slack-by-policy", detail="", rule=12) in step(page, 10)


def test_how_far_a_chains_times_may_be_off_is_its_own_rule_or_open(
    bench: Bench, here: World
) -> None:
    anchor = proven(here, SIDE)
    page = bench.judge(here.receipt(6, anchor), named=[block_of(anchor)], accept=True)
    assert "46800 s" in step(page, 10)
    assert Message("time-of-sequencer") in step(page, 10)
    # On a chain without a rule a policy has to say it.
    unlisted = ChainId(31338)
    here.chains[MAIN].code[REGISTRY] = (5, expected_code_hash(unlisted))
    moved = dataclasses.replace(proven(here), chain_id=unlisted)
    entry = dataclasses.replace(
        here.entry(), chain_id=unlisted, code_hash=expected_code_hash(unlisted), time_slack=None
    )
    for slack, code in ((None, 20), (5, 0)):
        policy = here.policy(dataclasses.replace(entry, time_slack=slack))
        receipt = here.receipt(6, moved)
        assert bench.code(receipt, policy=policy, named=[block_of(moved)]) == code


# ------------------------------------------------------------------------------------------------
# The log's owner.


def succeed(here: World, size: int, *, sequence: int = 1, block: int = 33) -> None:
    """Let the owner close the log and go on in the next one from the anchor of that size."""
    first = Anchor(
        size=size,
        sequence=sequence,
        block_number=block,
        timestamp=here.main.block(block).timestamp,
        operator_id=0,
    )
    here.main.store(successor_slot(here.log), bytes(NEXT), block=block)
    slot = anchor_slot(NEXT, here.tree.root(size))
    here.main.store(slot, encode_anchor(first), block=block)


def with_successor(
    here: World, size: int | None, *, root: Hash32 | None = None
) -> tuple[Receipt, bytes]:
    """The receipt with a proof of who goes on and, where a size is said, of from where."""
    anchor = here.anchor(6, 9)
    taken = root or here.tree.root(size or 9)
    slots = (successor_slot(here.log), anchor_slot(NEXT, taken))
    found, takeover = (state.storage_proof for state in here.main.prove(40, *slots))
    anchor = here.prove(anchor)
    assert anchor.state is not None
    proof = SuccessorProof(
        proof=found, takeover=Takeover(root=taken, proof=takeover) if size or root else None
    )
    anchor = dataclasses.replace(anchor, state=dataclasses.replace(anchor.state, successor=proof))
    return here.receipt(6, anchor), block_of(anchor)


def test_a_proof_that_nobody_goes_on_is_said_and_its_absence_too(bench: Bench, here: World) -> None:
    receipt, block = with_successor(here, None)
    page = bench.judge(receipt, policy=here.policy(), named=[block])
    assert page["exit_code"] == 0
    assert Message("anchor-not-abandoned", block=40) in step(page, 9)
    anchor = proven(here)
    page = bench.judge(here.receipt(6, anchor), policy=here.policy(), named=[block])
    assert page["exit_code"] == 0
    assert page["files"][0]["not_proven"][-1] == UNKNOWN_STANDING


@pytest.mark.parametrize(("size", "code"), [(4, 13), (9, 0), (13, 0)])
def test_an_anchor_larger_than_what_the_successor_took_over_is_abandoned(
    bench: Bench, here: World, size: int, code: int
) -> None:
    succeed(here, size)
    receipt, block = with_successor(here, size)
    page = bench.judge(receipt, policy=here.policy(), named=[block])
    assert page["exit_code"] == code
    verdicts = {claim["id"]: claim["verdict"] for claim in page["files"][0]["claims"]}
    assert verdicts["C6"] == ("fail" if code else "pass")
    assert [verdicts[claim] for claim in ("C1", "C2", "C3", "C4")] == ["pass"] * 4


def test_a_key_that_is_not_proven_hides_no_abandonment(bench: Bench, here: World) -> None:
    succeed(here, 4)
    receipt, block = with_successor(here, 4)
    anchor = receipt.anchors[0]
    assert anchor.state is not None
    bare = dataclasses.replace(anchor, state=dataclasses.replace(anchor.state, operator_proof=()))
    nobody = here.policy(dataclasses.replace(here.entry(), operators=()))
    assert bench.code(here.receipt(6, bare), policy=here.policy(), named=[block]) == 13
    assert bench.code(here.receipt(6, bare), policy=nobody, named=[block]) == 12


def test_a_closed_log_without_the_takeover_is_open_and_one_without_a_log_malformed(
    bench: Bench, here: World
) -> None:
    given = {"policy": here.policy()}
    receipt, block = with_successor(here, 9)  # a takeover, and nobody who took over
    assert bench.code(receipt, named=[block], **given) == 2
    succeed(here, 4)
    receipt, block = with_successor(here, None)
    assert bench.code(receipt, named=[block], **given) == 20
    receipt, block = with_successor(here, None, root=here.tree.root(13))  # of a root not held there
    assert bench.code(receipt, named=[block], **given) == 12


def test_a_takeover_that_is_not_the_successors_first_is_not_trusted(
    bench: Bench, here: World
) -> None:
    succeed(here, 9, sequence=2)
    receipt, block = with_successor(here, 9)
    assert bench.code(receipt, policy=here.policy(), named=[block]) == 12


# ------------------------------------------------------------------------------------------------
# Headers, records, and which of two faults counts.

MORE: dict[str, tuple[list[Any], int, int]] = {
    "21": ([], 0, 0),
    "22, Amsterdam's": ([b"\x01" * 32], 0, 0),
    "23, Amsterdam's": ([b"\x01" * 32, b"\x07"], 0, 0),
    "22 of no sense": ([[b"", [b"\x01"]]], 0, 0),
    "24": ([b"\x01" * 32, b"\x07", []], 0, 1),
    "26": ([b"", b"", b"", [], b"x" * 40], 0, 3),
}


def with_header(here: World, items: list[Any]) -> tuple[bytes, bytes]:
    """The honest receipt, under a header of these items."""
    document = json.loads(encode_receipt(here.receipt(6, proven(here))))
    encoded = rlp.encode(items)
    document["anchors"][0]["state"]["header"] = "0x" + encoded.hex()
    return json.dumps(document).encode(), keccak256(encoded)


def header_of(here: World) -> list[Any]:
    anchor = proven(here)
    assert anchor.state is not None
    return list(rlp.decode(anchor.state.header))


@pytest.mark.parametrize("name", MORE)
def test_a_later_forks_items_are_covered_by_the_hash_and_noted(
    bench: Bench, here: World, name: str
) -> None:
    more, code, unknown = MORE[name]
    items = header_of(here)
    items += [b"\x02" * 32] * (21 - len(items))
    assert len(items) == 21
    receipt, block = with_header(here, items + more)
    page = bench.judge(receipt, policy=here.policy(), named=[block])
    assert page["exit_code"] == code
    notes = {
        count: Message("header-items-unknown", detail="", count=count) for count in range(2, 6)
    } | {1: Message("header-item-unknown", detail="")}
    told = [count for count, note in notes.items() if step(page, 5).endswith(note)]
    assert told == ([unknown] if unknown else [])


@pytest.mark.parametrize("count", [0, 14, 18, 19])
def test_of_a_header_of_no_forks_shape_nothing_can_be_told(
    bench: Bench, here: World, count: int
) -> None:
    receipt, block = with_header(here, (header_of(here) * 2)[:count])
    assert bench.code(receipt, policy=here.policy(), named=[block]) == 22


UNKNOWN = {"digests": {"sha512": "00"}}
DROP = object()
RECORDS: dict[str, tuple[int, dict[str, Any]]] = {
    "unknown digests": (22, UNKNOWN),
    "unknown digests and no size": (2, {**UNKNOWN, "size": None}),
    "unknown digests and a negative size": (2, {**UNKNOWN, "size": -1}),
    "unknown digests and a media type of null": (2, {**UNKNOWN, "media_type": None}),
    "unknown digests and a name of null": (2, {**UNKNOWN, "name": None}),
    "unknown digests and a malformed salt": (2, {**UNKNOWN, "salt": "x"}),
    "unknown digests and no time": (2, {**UNKNOWN, "recorded_at": "today"}),
    "unknown digests and a log of null": (2, {**UNKNOWN, "log": None}),
    "unknown digests and a strange name": (2, {**UNKNOWN, "a b": 1}),
    "digests of null": (2, {"digests": None}),
    "no digests": (2, {"digests": {}}),
    "another schema and no size": (22, {"schema": "evidence-record/2", "size": None}),
    "another schema and a strange name": (22, {"schema": "evidence-record/2", "a b": 1}),
    "no schema": (2, {"schema": DROP}),
    "no schema, unknown digests": (2, {**UNKNOWN, "schema": DROP}),
    "a malformed log": (2, {"log": "0x00"}),
    "a log in capitals": (2, {"log": "0x" + "AB" * 32}),
    "a log without a prefix": (2, {"log": "ab" * 32}),
}


def with_record(here: World, **members: Any) -> tuple[bytes, bytes]:
    """A receipt whose record has these members; it is anchored all the same."""
    record = json.loads(here.records[6]) | members
    record = {name: value for name, value in record.items() if value is not DROP}
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    here.__dict__.update(World([*here.records[:6], text.encode(), *here.records[7:]]).__dict__)
    anchor = proven(here)
    return encode_receipt(here.receipt(6, anchor)), block_of(anchor)


@pytest.mark.parametrize("name", RECORDS)
def test_of_two_faults_in_a_record_the_form_counts_and_the_version_ends_it(
    bench: Bench, here: World, name: str
) -> None:
    code, members = RECORDS[name]
    receipt, block = with_record(here, **members)
    assert bench.code(receipt, policy=here.policy(), named=[block]) == code


def test_a_record_names_its_log_whose_owner_has_to_be_the_receipts(
    bench: Bench, here: World
) -> None:
    owners = (format_address(STRANGER), format_address(OWNER))
    other = Message("record-log-of-other-owner", named=owners[0], owner=owners[1])
    for log, code, note in (
        (here.log, 0, ""),
        (here.other_log, 0, Message("record-in-successor", detail="", named=5, number=0)),
        (make_log_id(STRANGER, 0), 10, other),
    ):
        receipt, block = with_record(here, log="0x" + log.hex())
        page = bench.judge(receipt, policy=here.policy(), named=[block])
        assert page["exit_code"] == code
        assert note in step(page, 3)


def test_members_that_the_format_does_not_know_are_the_operators_statements(
    bench: Bench, here: World
) -> None:
    receipt, block = with_record(here, verdict="authentic", court={"a": 1})
    page = bench.judge(receipt, policy=here.policy(), named=[block])
    assert page["exit_code"] == 0
    assert page["files"][0]["statements"] == ["court", "verdict"]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"court": "a"}, Message("record-without-custody-account")),
        ({"source": {"origin": "a"}}, Message("account-not-judged-here")),
    ],
)
def test_the_page_does_not_deny_an_account_that_it_does_not_judge(
    script: PageScript, here: World, members: dict[str, Any], reason: Message
) -> None:
    receipt, _ = with_record(here, **members)
    page = script.judge_evidence(receipt, here.evidence(6), policy=None, block_hashes=[])
    (claim,) = [each for each in page["files"][0]["claims"] if each["id"] == "C7"]
    assert (claim["verdict"], claim["reason"]) == ("not present", reason)


RECEIPTS: dict[str, tuple[int, Callable[[dict[str, Any]], Any]]] = {
    **{
        f"{name} of null": (2, lambda document, name=name: document.update({name: None}))
        for name in ("head", "index", "anchors", "record", "log")
    },
    **{
        f"an anchor's {name} of null": (
            2,
            lambda document, name=name: document["anchors"][0].update({name: None}),
        )
        for name in ("hints", "state", "path", "root")
    },
    **{
        f"a state's {name} of null": (
            2,
            lambda document, name=name: document["anchors"][0]["state"].update({name: None}),
        )
        for name in ("operator_proof", "successor", "header")
    },
    "another format, and no index": (
        22,
        lambda document: (document.update(format="anchor-receipt/2"), document.pop("index")),
    ),
    "no format, and no index": (
        2,
        lambda document: (document.pop("format"), document.pop("index")),
    ),
    "no index, and a record of another schema": (
        2,
        lambda document: (document.pop("index"), document.update(record='{"schema":"x"}')),
    ),
    "a successor without a proof": (
        2,
        lambda document: document["anchors"][0]["state"].update(successor={}),
    ),
    "a successor with an empty proof": (
        2,
        lambda document: document["anchors"][0]["state"].update(successor={"proof": []}),
    ),
    "a takeover of null": (
        2,
        lambda document: document["anchors"][0]["state"].update(
            successor={"proof": ["0x80"], "takeover": None}
        ),
    ),
    "a takeover without a root": (
        2,
        lambda document: document["anchors"][0]["state"].update(
            successor={"proof": ["0x80"], "takeover": {"proof": ["0x80"]}}
        ),
    ),
    "a successor with more": (
        2,
        lambda document: document["anchors"][0]["state"].update(
            successor={"proof": ["0x80"], "log": "0x00"}
        ),
    ),
}


@pytest.mark.parametrize("name", RECEIPTS)
def test_nothing_in_a_receipt_is_null_and_its_version_comes_first(
    bench: Bench, here: World, name: str
) -> None:
    code, bend = RECEIPTS[name]
    anchor = proven(here)
    document = json.loads(encode_receipt(here.receipt(6, anchor)))
    bend(document)
    receipt = json.dumps(document).encode()
    assert bench.code(receipt, policy=here.policy(), named=[block_of(anchor)]) == code


def test_many_are_judged_in_one_question(script: PageScript, here: World) -> None:
    cases = [(json.dumps(honest.document).encode(), honest.given) for honest in honest_receipts()]
    codes = script.exit_codes(cases)
    assert codes == [script.judge(receipt, given)["exit_code"] for receipt, given in cases]
    assert codes == [honest.code for honest in honest_receipts()]
