"""Verification as one numbered list; documentation, messages and tests use its numbers.

1.  Parse the receipt and its record strictly.
2.  Recompute the file's digests; they must equal the record's.
3.  Hash the record into its leaf and fold the paths; each must lead to its anchor's root or, before
    there is an anchor, to the promised root.
4.  Chain, registry and log must be the ones the trust policy pins, each anchor by itself.
5.  The node must be on that chain: chain id and genesis block.  Where the receipt proves the
    chain's state, the proof's block must be final: to nodes, or because the verifier names it.
6.  The code at the registry's address must have the pinned hash.
7.  The registry's storage must hold the root for that log in a final block.
8.  The stored size, sequence, block number and time must be those the receipt states.
9.  Who submitted it must be an operator the policy accepts, and the log's owner must stand by it.
10. The record existed no later than the anchor's block time plus the chain's slack, and must not
    say that it was made later.
11. If the record names a block, and the receipt proves that block: the record was made no earlier
    than the block's time less the chain's slack, and must not say that it was made earlier.

Steps 6, 7, 9 and 11 are about one final block, named by its hash: read from nodes, or proven by the
receipt.  ``judge`` runs every possible step and reports claim by claim; ``anchor.verify`` returns
what was proven or raises.  Nothing here does I/O: the chain is a ``ChainView``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from functools import partial
from typing import TypeVar

from anchor.base.digests import SHA256, SM3, Digests
from anchor.base.errors import AnchorError, CannotCheckError
from anchor.base.messages.message import Message, join
from anchor.base.types import Anchor, Assurance, Block, ChainId, Hash32
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import find_chain, proves_time
from anchor.evidence.group_reading import read_groups
from anchor.evidence.record import Record
from anchor.receipt.format import Receipt
from anchor.receipt.state_proof import StateProof
from anchor.verification.abandonment import UNKNOWN
from anchor.verification.collection_account import judge_account
from anchor.verification.earliest_time import check_earliest_time, explain_absence
from anchor.verification.policy import TrustPolicy
from anchor.verification.proof_steps import (
    ProvenBlock,
    Submitter,
    check_block,
    check_proven_anchor,
    check_proven_code,
    check_proven_submitter,
    check_read_submitter,
    list_named,
)
from anchor.verification.report import (
    AGE_NOT_PROVEN,
    NOT_PROVEN,
    Claim,
    ProvenAnchor,
    Report,
    Step,
    UnmadeStep,
    Verdict,
    verdict_of,
)
from anchor.verification.steps import (
    ChainView,
    Connect,
    VerificationTarget,
    assurance_of,
    check_anchored,
    check_chain,
    check_code,
    check_derived,
    check_file,
    check_paths,
    check_time,
    parse_documents,
)
from anchor.verification.targets import (
    choose_target,
    format_unpinned_claims,
    list_candidates,
    unpinned_error,
)

TITLES = {
    1: Message("step-receipt-well-formed"),
    2: Message("step-file-matches"),
    3: Message("step-record-in-log"),
    4: Message("step-registry-trusted"),
    5: Message("step-chain-and-block"),
    6: Message("step-registry-code"),
    7: Message("step-root-anchored"),
    8: Message("step-anchor-as-stated"),
    9: Message("step-submitter-and-owner"),
    10: Message("step-latest-time"),
    11: Message("step-earliest-time"),
}

_EARLIEST_TIME = 11
# The steps without which those after them are not made.
_STOPPING = frozenset({1, 4, 5, 6, 7})


def judge(
    receipt: bytes | Receipt,
    evidence: Digests,
    *,
    policy: TrustPolicy | None,
    connect: Connect | None,
    block_hashes: Collection[Hash32] = (),
    chain_ids: Collection[ChainId] = (),
    accept_unpinned: bool = False,
) -> Report:
    """Run every step that can be run, and report each claim's verdict with its reason.

    ``block_hashes`` are final blocks that the verifier knows from elsewhere.  Where they or the
    policy's are given, one of them has to be the block of the receipt's state proof, whatever nodes
    say.  Without ``connect`` no node is asked.
    ``chain_ids`` are the chains that the verifier names: anchors on others are ignored.  Without a
    ``policy`` step 4 cannot tell whose log this is; ``accept_unpinned`` trusts the receipt.
    """
    run = _Run()
    parsed = run.step(1, lambda: parse_documents(receipt))
    if parsed is None:
        return run.report(record=None, unpinned=())
    document, record = parsed
    run.index = document.index
    run.no_earliest = explain_absence(document, record)
    run.step(2, lambda: check_file(evidence, record))
    is_logged = run.step(3, lambda: check_paths(document, record))
    unpinned = () if policy else format_unpinned_claims(document, chain_ids)
    doubt = None if policy or accept_unpinned else unpinned_error(unpinned)
    for target in _choose_targets(run, document, policy, chain_ids, doubt):
        proof = None if target.anchor is None else target.anchor.state
        if proof is not None:
            _judge_by_proof(run, target, proof, record, connect, block_hashes)
        else:
            _judge_by_nodes(run, target, record, connect, block_hashes)
    if not is_logged:
        run.proven.clear()  # the anchors are valid, but do not cover this record
    return run.report(record=record, unpinned=unpinned)


def _choose_targets(
    run: _Run,
    receipt: Receipt,
    policy: TrustPolicy | None,
    chain_ids: Collection[ChainId],
    doubt: AnchorError | None,
) -> Iterator[VerificationTarget]:
    """Run step 4 for each anchor, before its other steps.

    ``doubt`` is the error that step 4 records if nothing pins the log.
    """
    try:
        candidates = list_candidates(receipt, policy, chain_ids)
    except AnchorError as error:
        # A promise that nothing pins is not kept yet, and, which is graver, nobody's.
        run.fail(4, error if doubt is None or receipt.promise is None else doubt)
        return
    run.notes += candidates.aside
    for candidate in candidates.chosen:
        target = run.step(4, partial(choose_target, candidate, chain_ids), doubt=doubt)
        if target is not None:
            yield target


def _judge_by_proof(
    run: _Run,
    target: VerificationTarget,
    proof: StateProof,
    record: Record,
    connect: Connect | None,
    block_hashes: Collection[Hash32],
) -> None:
    proven = run.step(5, lambda: check_block(proof, target, block_hashes, connect))
    if proven is None:
        return
    storage_root = run.step(6, lambda: check_proven_code(proof, target, proven))
    if storage_root is None:
        return
    stored = run.step(7, lambda: check_proven_anchor(proof, target, proven, storage_root))
    if stored is None:
        return
    _conclude(
        run,
        target,
        stored,
        record,
        proven.block,
        lambda: check_proven_submitter(proof, target, stored, proven, storage_root, connect),
        _earliest_check(run, target, proof, stored, proven, record),
        assurance=proven.assurance,
        is_asserted=proven.is_asserted,
    )


def _earliest_check(
    run: _Run,
    target: VerificationTarget,
    proof: StateProof,
    stored: Anchor,
    proven: ProvenBlock,
    record: Record,
) -> Callable[[], tuple[datetime, Message]] | None:
    """Return the check of step 11; None if the receipt shows no earliest time by this anchor."""
    if run.no_earliest is not None or proof.beacon is None:
        return None
    return lambda: check_earliest_time(proof, target, stored, proven.header, record)


def _judge_by_nodes(
    run: _Run,
    target: VerificationTarget,
    record: Record,
    connect: Connect | None,
    block_hashes: Collection[Hash32],
) -> None:
    view = run.step(5, lambda: _open_view(target, connect))
    if view is None:
        return
    named = list_named(target, block_hashes)
    if named:
        registry = format_address(target.registry)
        chain = target.chain_id
        run.notes.append(
            Message("block-hashes-not-compared", named=named, registry=registry, chain=chain)
        )
    final = run.step(6, lambda: check_code(view, target))
    if final is None:
        return
    stored = run.step(7, lambda: check_anchored(view, target, final))
    if stored is None:
        return
    _conclude(
        run,
        target,
        stored,
        record,
        final,
        lambda: check_read_submitter(view, target, stored, final),
        None,
        assurance=assurance_of(view),
        is_asserted=False,
    )


def _open_view(target: VerificationTarget, connect: Connect | None) -> tuple[ChainView, Message]:
    if connect is None:
        raise CannotCheckError(
            Message("receipt-needs-node"),
            hint=Message("receipt-needs-node-hint"),
        )
    return check_chain(connect(target), target)


def _conclude(
    run: _Run,
    target: VerificationTarget,
    stored: Anchor,
    record: Record,
    final: Block,
    find_submitter: Callable[[], tuple[Submitter, Message]],
    find_earliest: Callable[[], tuple[datetime, Message]] | None,
    *,
    assurance: Assurance,
    is_asserted: bool,
) -> None:
    final_after = None if is_asserted else target.final_after
    if final_after is not None:
        run.finality = Message("finality-by-depth", count=final_after)
    is_as_stated = run.step(8, lambda: check_derived(target, stored))
    submitter = run.step(9, find_submitter)
    is_real = proves_time(find_chain(target.chain_id).kind)
    bound = run.step(10, lambda: check_time(target, stored, record), proves_time=is_real)
    not_before = None
    if find_earliest is not None:
        not_before = run.step(11, find_earliest, proves_time=is_real)
    if not_before is not None:
        run.add_not_proven(AGE_NOT_PROVEN)
    if submitter is not None and submitter.standing is None:
        run.add_not_proven(UNKNOWN)
    if submitter is not None and submitter.note is not None:
        run.notes.append(submitter.note)
    if is_as_stated and submitter is not None and bound is not None:
        run.proven.append(
            ProvenAnchor(
                chain_id=target.chain_id,
                registry=target.registry,
                log=target.log,
                root=target.head.root,
                index=run.index,
                anchor=stored,
                submitter=submitter.key,
                final_block_number=final.number,
                final_block_hash=final.hash,
                not_before=not_before,
                existed_by=bound.existed_by,
                seconds_since_recorded=bound.seconds_since_recorded,
                assurance=assurance,
                is_asserted=is_asserted,
                final_after=final_after,
            )
        )


_Value = TypeVar("_Value")

# Claims without steps follow from the format alone, or cannot be decided from a receipt.
CLAIMS = (
    ("C1", Message("claim-file-matches"), (1, 2)),
    ("C2", Message("claim-record-in-anchored-log"), (1, 3, 4, 5, 6, 7)),
    ("C3", Message("claim-anchor-final"), (1, 4, 5, 6, 7, 8)),
    ("C4", Message("claim-existed-by"), (1, 3, 4, 5, 6, 7, 8, 10)),
    ("C5", Message("claim-made-after"), (1, 4, 5, 11)),
    ("C6", Message("claim-key-accepted"), (1, 4, 5, 6, 7, 9)),
    ("C7", Message("claim-custody-documented"), ()),
    ("C8", Message("claim-log-without-gap"), ()),
    ("C9", Message("claim-algorithms-acceptable"), ()),
)


def _judge_without_steps(claim_id: str, record: Record | None) -> tuple[Verdict, Message]:
    if claim_id == "C7" and record is not None:
        return judge_account(read_groups(record.encoded))
    if claim_id == "C7":
        return Verdict.NOT_PRESENT, Message("record-without-custody-account")
    if claim_id == "C8":
        return (
            Verdict.CANNOT_TELL,
            Message("receipt-shows-own-place"),
        )
    if record is None:
        return Verdict.CANNOT_TELL, Message("receipt-not-read")
    names = ((SHA256, record.digests.sha256), (SM3, record.digests.sm3))
    of_file = join((name for name, digest in names if digest is not None), "and")
    if record.digests.sm3 is None:
        return Verdict.PASS, Message("algorithms-unbroken", algorithms=of_file)
    return Verdict.PASS, Message("algorithms-unbroken-sm3-of-file", algorithms=of_file)


class _Run:
    """The results of one verification, collected step by step."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.proven: list[ProvenAnchor] = []
        self.notes: list[Message] = []
        self.index = 0
        # Why the receipt shows no earliest time, and step 11 is not made; None if it is.
        self.no_earliest: Message | None = Message("record-names-nothing-earlier")
        # Who treats the anchor's block as final, if it is the trust policy and not the nodes.
        self.finality: Message | None = None
        self._not_proven: list[Message] = []

    def step(
        self,
        number: int,
        check: Callable[[], tuple[_Value, Message]],
        *,
        doubt: AnchorError | None = None,
        proves_time: bool = True,
    ) -> _Value | None:
        """Run one check; record its error instead of raising, so that other steps still run.

        ``doubt`` is recorded as the step's error if the check passes: its value is used anyway.
        ``proves_time`` is False for a time of a chain that proves no real time.
        """
        try:
            value, detail = check()
        except AnchorError as error:
            self.fail(number, error)
            return None
        if doubt is not None:
            self.fail(number, doubt)
        else:
            self._add(number, detail, None, proves_time=proves_time)
        return value

    def fail(self, number: int, error: AnchorError) -> None:
        """Record the error of a step."""
        self._add(number, error.message, error)

    def add_not_proven(self, statement: Message) -> None:
        """Record a statement that this verification leaves open, once."""
        if statement not in self._not_proven:
            self._not_proven.append(statement)

    def _add(
        self, number: int, detail: Message, error: AnchorError | None, *, proves_time: bool = True
    ) -> None:
        self.steps.append(
            Step(
                number=number,
                title=TITLES[number],
                detail=detail,
                error=error,
                proves_time=proves_time,
            )
        )

    def report(self, *, record: Record | None, unpinned: tuple[Message, ...]) -> Report:
        return Report(
            record=record,
            steps=tuple(self.steps),
            claims=tuple(self._claim(*claim, record=record) for claim in CLAIMS),
            proven=tuple(self.proven),
            unpinned=unpinned,
            notes=tuple(dict.fromkeys(self.notes)),
            not_proven=(*NOT_PROVEN, *self._not_proven),
            unmade=tuple(self._list_unmade(is_read=record is not None)),
        )

    def _list_unmade(self, *, is_read: bool) -> Iterator[UnmadeStep]:
        made = {step.number for step in self.steps}
        for number, title in TITLES.items():
            if number in made:
                continue
            verdict, reason = Verdict.CANNOT_TELL, self._explain_unmade(number)
            if number == _EARLIEST_TIME and is_read and self.no_earliest is not None:
                verdict, reason = Verdict.NOT_PRESENT, self.no_earliest
            yield UnmadeStep(number=number, title=title, verdict=verdict, reason=reason)

    def _explain_unmade(self, number: int) -> Message:
        """Return why a step was not made: the last step before it without which none is made."""
        failed = [
            step.number
            for step in self.steps
            if step.error is not None and step.number in _STOPPING and step.number < number
        ]
        if not failed:
            return Message("step-not-made", number=number)
        return Message("step-not-made-after", number=number, failed=max(failed))

    def _claim(
        self, claim_id: str, title: Message, needs: tuple[int, ...], *, record: Record | None
    ) -> Claim:
        if claim_id == "C5" and self.no_earliest is not None:
            return Claim(
                id=claim_id, title=title, verdict=Verdict.NOT_PRESENT, reason=self.no_earliest
            )
        if not needs:
            verdict, reason = _judge_without_steps(claim_id, record)
            return Claim(id=claim_id, title=title, verdict=verdict, reason=reason)
        is_real = True
        mine = [step for step in self.steps if step.number in needs]
        wrong = sorted(
            (step for step in mine if step.error is not None),
            key=lambda step: step.verdict is not Verdict.FAIL,
        )
        missing = set(needs) - {step.number for step in mine}
        if wrong:
            verdict, reason = (
                verdict_of(wrong[0].error),
                Message("step-failed", number=wrong[0].number, detail=wrong[0].detail),
            )
        elif missing:
            verdict, reason = Verdict.CANNOT_TELL, self._explain_unmade(min(missing))
        else:
            # Of several anchors, one whose chain proves real time decides.
            decisive = [step for step in mine if step.number == needs[-1]]
            last = ([step for step in decisive if step.proves_time] or decisive)[-1]
            verdict, reason, is_real = Verdict.PASS, last.detail, last.proves_time
            if claim_id == "C3" and self.finality is not None:
                reason = Message("claim-with-finality", detail=reason, finality=self.finality)
        return Claim(id=claim_id, title=title, verdict=verdict, reason=reason, proves_time=is_real)
