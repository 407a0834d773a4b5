"""What a certificate says is what was verified, what was stated, and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from support.beacons import (
    EARLIEST,
    prove_block,
    without_beacon,
)
from support.certificates import (
    MOMENT,
    POLICY_SHA256,
    Issued,
    all_details,
    issue,
)
from support.chain_kinds import world_on
from support.world import (
    INDEX,
    KEYS,
    MAIN,
    REGISTRY,
    SIDE,
    SIZE,
    World,
    hash_of,
    re_anchored,
)

from anchor.base.canonical import encode_canonical, parse_canonical
from anchor.base.errors import AnchorError, ExitCode, UsageError
from anchor.base.messages.message import Message
from anchor.certificate.front_page import build_front
from anchor.certificate.labels import (
    ABANDONED_SINCE,
    AGE_OF_EVIDENCE,
    AGREES,
    UNCHANGED,
    describe_network,
)
from anchor.certificate.layout import Fields
from anchor.certificate.model import Bilingual, Certificate, bilingual, encode_certificate
from anchor.certificate.statements import Details
from anchor.certificate.time_format import Moment
from anchor.ethereum.header import parse_header
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import KIND_SENTENCES
from anchor.log.merkle import hash_leaf
from anchor.receipt.format import Receipt

EPOCH = 1_790_000_000


def proven(world: World) -> Receipt:
    return world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE)))


def front_lines(certificate: Certificate) -> list[str]:
    blocks = [block for block in build_front(certificate).blocks if isinstance(block, Fields)]
    return [line for block in blocks for row in block.rows for line in row.value.lines]


def test_the_json_is_canonical_and_of_its_schema(issued: Issued) -> None:
    encoded = encode_certificate(issued.certificate)
    parse_canonical(encoded, subject="the certificate", max_bytes=1 << 20)
    assert Certificate.model_validate_json(encoded, strict=True) == issued.certificate


def test_the_bracket_of_time_is_there_where_the_receipt_proves_it() -> None:
    here = world_on("main")
    receipt = here.receipt(INDEX, prove_block(here))
    found = issue(here, receipt).certificate
    (anchor,) = found.anchors
    assert anchor.made_no_earlier_than == EARLIEST
    assert anchor.existed_no_later_than == "2026-09-21T14:17:50Z"
    assert bilingual(AGE_OF_EVIDENCE) in found.not_proven
    (claim,) = [claim for claim in found.verification.claims if claim.id == "C5"]
    assert claim.verdict == "pass"
    rows = [row for block in build_front(found).blocks if isinstance(block, Fields)
            for row in block.rows]  # fmt: skip
    (row,) = [row for row in rows if row.label == bilingual(Message("certificate-bracket"))]
    assert row.value.lines[0].startswith("北京时间 2026-09-21 22:14:26（2026-09-21 14:14:26 UTC）")
    assert row.value.lines[1].startswith("北京时间 2026-09-21 22:17:50（2026-09-21 14:17:50 UTC）")
    bare = issue(here, here.receipt(INDEX, without_beacon(prove_block(here)))).certificate
    assert bare.anchors[0].made_no_earlier_than is None
    assert bilingual(AGE_OF_EVIDENCE) not in bare.not_proven


def test_every_verified_value_is_there(issued: Issued) -> None:
    found, world = issued.certificate, issued.world
    digests = world.evidence(INDEX)
    assert digests.sha256 is not None
    assert digests.sm3 is not None
    assert found.evidence.sha256 == digests.sha256.hex()
    assert found.evidence.sm3 == digests.sm3.hex()
    assert found.evidence.size == digests.size
    assert found.place.record_sha256 == hashlib.sha256(issued.receipt.record).hexdigest()
    assert found.place.leaf == hash_leaf(issued.receipt.record).hex()
    assert (found.place.index, found.path.size) == (INDEX, SIZE)
    (anchor,) = found.anchors
    assert anchor.chain == f"eip155:{MAIN}"
    assert anchor.genesis == "0x" + world.main.block(0).hash.hex()
    assert anchor.registry == format_address(REGISTRY)
    assert anchor.root == world.tree.root(SIZE).hex() == found.path.root
    assert (anchor.size, anchor.sequence, anchor.block_number) == (SIZE, 2, 20)
    assert anchor.anchored_at == "2026-09-21T14:17:20Z"
    assert anchor.existed_no_later_than == "2026-09-21T14:17:50Z"
    assert anchor.submitter == format_address(KEYS[1])
    assert anchor.relied_on.number == 40
    assert anchor.relied_on.hash == "0x" + world.main.block(40).hash.hex()
    assert (anchor.assurance, anchor.finality) == ("proof", "observed")
    assert [policy.sha256 for policy in found.verification.policies] == [POLICY_SHA256]
    assert found.verification.retrieved_at == found.issued_at == "2026-10-01T08:00:00Z"
    assert found.statement == bilingual(AGREES)
    assert not found.draft
    assert found.clock == "given"


def test_the_claims_and_steps_are_those_of_the_report_in_both_languages(issued: Issued) -> None:
    found = issued.certificate.verification
    claims = [(item.id, item.title, item.verdict, item.reason) for item in found.claims]
    assert claims == [
        (item.id, bilingual(item.title), item.verdict.value, bilingual(item.reason))
        for item in issued.report.shown_claims
    ]
    # On a development chain a block's time is none that is proven.
    assert claims[3][2] == "cannot tell"
    assert claims[3][3].en.startswith("by the chain's own clock, which proves no actual time: ")
    steps = [(item.number, item.title, item.verdict, item.detail) for item in found.steps]
    assert steps == [
        *(
            (step.number, bilingual(step.title), step.shown_verdict.value, bilingual(step.detail))
            for step in issued.report.steps
        ),
        *(
            (step.number, bilingual(step.title), step.verdict.value, bilingual(step.reason))
            for step in issued.report.unmade
        ),
    ]
    assert [number for number, *_ in steps] == list(range(1, 12))
    assert steps[-1][2] == "not present"
    assert found.claims[0].reason == Bilingual(zh="sha256 与 sm3 一致", en="sha256 and sm3 equal")


def test_no_hint_of_the_receipt_reaches_the_certificate() -> None:
    world = World()
    receipt = proven(world)
    hints = receipt.anchors[0].hints
    assert hints is not None
    text = encode_certificate(issue(world, receipt).certificate).decode()
    assert hints.tx_hash.hex() not in text
    assert hints.block_hash.hex() not in text


def test_what_the_record_keeps_secret_stays_out(issued: Issued) -> None:
    record = json.loads(issued.receipt.record)
    assert record["salt"] not in encode_certificate(issued.certificate).decode()


def test_what_is_not_stated_is_null_and_what_nothing_records_is_always() -> None:
    world = World()
    found = issue(world, proven(world), details=Details()).certificate
    exhibit = found.stated.exhibit
    assert set(exhibit.model_dump(exclude={"external_deposits"}).values()) == {None}
    assert exhibit.external_deposits == []
    assert set(found.stated.platform.model_dump().values()) == {None}
    encoded = json.loads(encode_certificate(found))
    for member in ("account", "trusted_timestamp", "custody"):
        assert encoded[member] is None


def test_the_number_is_of_the_content_unless_the_issuer_names_one(issued: Issued) -> None:
    unnumbered = issued.certificate.model_copy(update={"certificate_no": ""})
    digest = hashlib.sha256(encode_certificate(unnumbered)).hexdigest()
    assert issued.certificate.certificate_no == f"AC-{digest[:16].upper()}"
    world = World()
    sha256 = world.evidence(INDEX).sha256
    assert sha256 is not None
    from anchor.certificate.statements import parse_details

    text = (
        all_details(sha256)
        .decode()
        .replace("exhibit_no =", 'certificate_no = "Nr. 1"\nexhibit_no =')
    )
    details = parse_details(text.encode(), is_json=False)
    assert issue(world, proven(world), details=details).certificate.certificate_no == "Nr. 1"


@pytest.mark.parametrize(
    ("needed", "with_state", "named", "level"),
    [
        (1, False, False, ("rpc", "observed")),
        (2, False, False, ("quorum", "observed")),
        (1, True, False, ("rpc", "observed")),
        (2, True, False, ("proof", "observed")),
        (2, True, True, ("asserted", "asserted")),
    ],
)
def test_the_assurance_is_the_reports_and_its_weakness_is_an_assumption(
    needed: int, with_state: bool, named: bool, level: tuple[str, str]
) -> None:
    world = World()
    world.main.needed = needed
    receipt = proven(world) if with_state else world.receipt(INDEX, world.anchor(INDEX, SIZE))
    state = receipt.anchors[0].state
    hashes = {parse_header(state.header).hash} if named and state is not None else set()
    found = issue(world, receipt, block_hashes=hashes, offline=named).certificate
    (anchor,) = found.anchors
    assert (anchor.assurance, anchor.finality) == level
    sentence = {
        "rpc": "According to one node",
        "quorum": "According to several nodes that agree",
        "asserted": "the issuer asserts",
        "proof": "several nodes agree",
    }[anchor.assurance]
    assert any(sentence in item.en for item in found.assumptions)
    assert (found.verification.retrieved_at is None) == named


@pytest.mark.parametrize("needed", [1, 2])
def test_the_policys_rule_of_finality_is_not_called_the_nodes_word(needed: int) -> None:
    world = World()
    world.main.needed = needed
    policy = world.policy(dataclasses.replace(world.entry(), finality=0))
    by_rule = issue(world, proven(world), policy=policy).certificate
    by_nodes = issue(world, proven(world)).certificate
    for found, count in ((by_rule, 0), (by_nodes, None)):
        (anchor,) = found.anchors
        assert anchor.final_after_blocks == count
        front = "\n".join(front_lines(found))
        assert ("依出证人的信任策略（finality = 0），入块即" in front) == (count is not None)
        assert ("据节点，已最终确定" in front) == (count is None)
        assert any("did not confirm finality" in item.en for item in found.assumptions) == (
            count is not None
        )
        assert any("finality several nodes agree" in item.en for item in found.assumptions) == (
            count is None and needed == 2
        )
        assert "其后至少有 0 个区块" not in front
        checked = found.verification
        titles = [step.title.zh for step in checked.steps if step.number == 7]
        titles += [claim.title.zh for claim in checked.claims if claim.id == "C3"]
        assert len(titles) == 2
        for title in titles:
            assert ("依信任策略视为最终确定（节点未确认）" in title) == (count is not None)
            assert ("已最终确定" in title) == (count is None)


def test_without_a_policy_the_certificate_says_what_was_pinned_by_nobody() -> None:
    world = World()
    found = issue(world, proven(world), is_pinned=False).certificate
    assert found.verification.policies == []
    assert found.verification.unpinned
    assert found.anchors[0].genesis is None
    assert any("No trust policy" in item.en for item in found.assumptions)


def test_a_chain_of_no_value_is_said_to_be_one(issued: Issued) -> None:
    sentence = f"The chain is {KIND_SENTENCES['development']}."
    assert issued.certificate.anchors[0].kind == "development"
    assert sentence in [item.en for item in issued.certificate.assumptions]
    world = World()
    receipt = world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE, SIDE)))
    found = issue(world, receipt, policy=world.policy(world.entry(SIDE))).certificate
    assert found.anchors[0].kind == "main"
    assert found.statement == bilingual(UNCHANGED)
    assert found.anchors[0].network == describe_network(SIDE)
    assert not any("The chain is" in item.en for item in found.assumptions)


def test_the_certificate_says_what_the_record_states_and_what_is_left_open() -> None:
    plain = World()
    members = json.loads(plain.records[INDEX]) | {"verdict": "authentic"}
    records = list(plain.records)
    records[INDEX] = encode_canonical(members, subject="the record")
    world = World(records)
    receipt = proven(world)
    state = receipt.anchors[0].state
    assert state is not None
    found = issue(
        world, receipt, block_hashes={parse_header(state.header).hash}, offline=True
    ).certificate
    assert found.evidence.statements == ["verdict"]
    assert bilingual(ABANDONED_SINCE) in found.not_proven
    assert found.anchors[0].seconds_since_recorded == 1_064
    # Nodes know whether the owner stands by it.
    assert bilingual(ABANDONED_SINCE) not in issue(world, receipt).certificate.not_proven


def test_a_chain_of_ones_own_does_not_lead_however_old_its_times_are() -> None:
    world = World()
    receipt = world.receipt(
        INDEX, world.prove(world.anchor(INDEX, SIZE)), world.prove(world.anchor(INDEX, 13, SIDE))
    )
    policy = world.policy(world.entry(MAIN), world.entry(SIDE))
    found = issue(world, receipt, policy=policy).certificate
    assert [anchor.kind for anchor in found.anchors] == ["main", "development"]


def test_the_certificate_is_about_the_earliest_of_several_anchors() -> None:
    world = World()
    receipt = world.receipt(
        INDEX, world.prove(world.anchor(INDEX, 13)), world.prove(world.anchor(INDEX, SIZE, SIDE))
    )
    policy = world.policy(world.entry(MAIN), world.entry(SIDE))
    found = issue(world, receipt, policy=policy).certificate
    assert [anchor.chain for anchor in found.anchors] == [f"eip155:{SIDE}", f"eip155:{MAIN}"]
    assert found.path.root == found.anchors[0].root == world.tree.root(SIZE).hex()
    assert any("anchors[1].state" in check.command for check in found.checks.commands)


def test_a_promise_that_was_kept_is_certified_by_what_nodes_say() -> None:
    world = World()
    found = issue(world, world.receipt(INDEX)).certificate
    assert found.anchors[0].root == found.path.root
    assert not any(".state" in check.command for check in found.checks.commands)


FAILURES = {
    "altered path": (
        lambda w, r: re_anchored(r, path=tuple(reversed(r.anchors[0].path))),
        ExitCode.MISMATCH,
    ),
    "altered time": (lambda w, r: re_anchored(r, timestamp=EPOCH), ExitCode.MISMATCH),
    "another log": (
        lambda w, r: dataclasses.replace(r, log=w.other_log),
        ExitCode.NOT_TRUSTED,
    ),
    "a root that is not there": (
        lambda w, r: w.rewrite(None) or world_without_state(r),
        ExitCode.NOT_ANCHORED,
    ),
    "a node that is down": (
        lambda w, r: setattr(w.main, "fails_at", 0) or world_without_state(r),
        ExitCode.CANNOT_CHECK,
    ),
}


def world_without_state(receipt: Receipt) -> Receipt:
    return re_anchored(receipt, state=None)


@pytest.mark.parametrize("draft", [False, True])
@pytest.mark.parametrize("what", FAILURES)
def test_what_does_not_verify_gets_no_certificate_and_no_draft(what: str, draft: bool) -> None:
    world = World()
    spoil, code = FAILURES[what]
    receipt = spoil(world, proven(world))  # type: ignore[no-untyped-call]
    with pytest.raises(AnchorError) as caught:
        issue(world, receipt, draft=draft)
    assert caught.value.exit_code is code


def test_what_is_not_final_gets_a_draft_only() -> None:
    world = World()
    world.main.final = 15
    receipt = world.receipt(INDEX, world.anchor(INDEX, SIZE))
    with pytest.raises(AnchorError, match="not certified") as caught:
        issue(world, receipt)
    assert caught.value.exit_code is ExitCode.NOT_FINAL
    assert "--draft" in (caught.value.hint or "")
    found = issue(world, receipt, draft=True).certificate
    assert found.draft
    assert found.anchors == []
    assert "DRAFT" in found.qr_text
    assert "not final" in found.statement.en
    assert UNCHANGED not in found.statement.en


def test_a_draft_of_what_is_final_says_draft_and_not_unchanged(issued: Issued) -> None:
    found = issue(issued.world, issued.receipt, draft=True).certificate
    assert found.draft
    assert found.anchors
    assert "draft" in found.statement.en
    assert "unchanged" not in found.statement.en


def test_no_certificate_is_older_than_what_it_certifies() -> None:
    world = World()
    anchored = datetime.fromtimestamp(EPOCH + 240, UTC)
    close = Moment(at=anchored - timedelta(minutes=14), clock="given")
    assert issue(world, proven(world), moment=close).certificate.issued_at < "2026-09-21T14:17:20Z"
    early = Moment(at=anchored - timedelta(minutes=16), clock="given")
    with pytest.raises(UsageError, match="before the anchoring time that it certifies"):
        issue(world, proven(world), moment=early)


def test_only_the_fixed_sentences_speak_of_truth(issued: Issued) -> None:
    """The words may deny and delimit; nothing claims them."""
    encoded = json.loads(encode_certificate(issued.certificate))
    allowed = {
        bilingual(AGREES).zh,
        bilingual(AGREES).en,
        *(text for item in issued.certificate.not_proven for text in (item.zh, item.en)),
    }

    def texts(value: object) -> list[str]:
        if isinstance(value, dict):
            return [text for member in value.values() for text in texts(member)]
        if isinstance(value, list):
            return [text for member in value for text in texts(member)]
        return [value] if isinstance(value, str) else []

    for text in set(texts(encoded)) - allowed:
        assert "真实" not in text, text
        assert "authentic" not in text.lower(), text
        assert " true" not in text.lower(), text


def test_the_moment_is_the_one_given(issued: Issued) -> None:
    at = MOMENT.at + timedelta(days=1)
    machine = issue(issued.world, issued.receipt, moment=Moment(at=at, clock="machine")).certificate
    assert machine.clock == "machine"
    assert machine.issued_at == "2026-10-02T08:00:00Z"
    assert machine.certificate_no != issued.certificate.certificate_no


def test_a_receipts_other_block_hash_is_not_taken_for_the_block_relied_on() -> None:
    world = World()
    receipt = proven(world)
    hints = receipt.anchors[0].hints
    assert hints is not None
    bent = re_anchored(receipt, hints=dataclasses.replace(hints, block_hash=hash_of("a lie")))
    found = issue(world, bent).certificate
    assert found.anchors[0].relied_on.hash == "0x" + world.main.block(40).hash.hex()
