"""Issue of certificates from a verification's results and the issuer's statements, nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version

from anchor.base.errors import AnchorError, NotFinalError, SupersededError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import format_time
from anchor.base.types import Address, ChainId, Hash32, Head, log_owner
from anchor.certificate import labels
from anchor.certificate.account_blocks import describe_account
from anchor.certificate.custody_blocks import list_custody
from anchor.certificate.model import (
    FORMAT,
    Bilingual,
    CaptureEntry,
    Certificate,
    Checks,
    Evidence,
    Path,
    Policy,
    RecordPlace,
    ReliedOn,
    Stated,
    SubmitterEntry,
    Verification,
    VerifiedAnchor,
    bilingual,
    encode_transaction,
    numbered,
)
from anchor.certificate.notice_blocks import list_notices
from anchor.certificate.qr import encode_payload
from anchor.certificate.shell_commands import build_checks, build_path
from anchor.certificate.signature_blocks import describe_signatures
from anchor.certificate.statements import Details
from anchor.certificate.time_format import Moment, format_seconds, format_utc
from anchor.certificate.timestamp_blocks import list_timestamps
from anchor.chain.anchoring_transaction import ShownTransaction
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import find_chain, proves_time
from anchor.evidence.record import Record
from anchor.evidence.record_submitter import read_submitter
from anchor.log.merkle import hash_leaf
from anchor.project.policy_sources import PolicyFile
from anchor.receipt.format import Receipt, parse_receipt
from anchor.verification.collection_account import CustodyReceipt
from anchor.verification.policy import TrustPolicy
from anchor.verification.report import Claim, ProvenAnchor, Report, Step, Verdict
from anchor.verification.report_json import (
    ClaimDocument,
    StepDocument,
)
from anchor.verification.steps import VerificationTarget
from anchor.verification.targets import list_targets

# How far the issuer's clock may be behind the chain's time.
_CLOCK_SLACK = timedelta(minutes=15)
# The title of a step, and what it is where no file was compared.
_OF_DIGEST: Mapping[str, Message] = {
    Message("step-file-matches"): Message("step-digest-matches"),
}
# Titles where the trust policy and not the nodes decides what is final.
_BY_POLICY: Mapping[Message, Message] = {
    Message("step-root-anchored"): Message("certificate-step-final-by-policy"),
    Message("claim-anchor-final"): Message("certificate-claim-final-by-policy"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """The basis of a verification: the trust policy, its sources, the nodes asked.

    ``has_file`` is whether the evidence's bytes were read, or only a digest was given.
    ``transactions`` are those of the proven anchors, where nodes show them.
    """

    policy: TrustPolicy | None
    policies: tuple[PolicyFile, ...]
    nodes: tuple[str, ...]
    has_file: bool = True
    transactions: Mapping[ProvenAnchor, ShownTransaction] = field(default_factory=dict)


def issue_certificate(
    data: bytes,
    report: Report,
    *,
    details: Details,
    basis: Basis,
    moment: Moment,
    draft: bool,
    custody: Sequence[CustodyReceipt] = (),
    capture: CaptureEntry | None = None,
) -> Certificate:
    """Return the certificate for the receipt ``data`` and its verification ``report``.

    ``custody`` are the events on which the report has a verdict, and ``capture`` what the bag of a
    web capture adds to the record.

    Raises:
        NotFinalError: The anchor is not final, and no draft was requested.
        AnchorError: The verification did not pass, which rules out a draft as well.
        UsageError: The moment of issue is before the certified times.
    """
    # What the operator withdrew is certified as such: the evidence is what it was.
    is_superseded = isinstance(report.error, SupersededError)
    _check_outcome(report.evidence_error if is_superseded else report.error, draft=draft)
    receipt = parse_receipt(data)
    record = report.record
    assert record is not None, "a receipt that could not be read has an error"
    anchors, path, checks = _trace(receipt, record, report, basis)
    if report.proven:
        _check_moment(moment, min(proven.anchor.timestamp for proven in report.proven))
    place = _place(receipt)
    leading = anchors[0] if anchors else None
    exhibit = details.find_exhibit(record.digests)
    return numbered(
        Certificate(
            format=FORMAT,
            certificate_no=exhibit.certificate_no or "",
            draft=draft,
            issued_at=format_utc(moment.at),
            clock=moment.clock,
            statement=bilingual(_statement(basis, leading, is_draft=draft)),
            evidence=_evidence(record, basis),
            place=place,
            path=path,
            anchors=anchors,
            verification=_verification(report, basis, moment),
            stated=Stated(
                case_reference=details.case_reference,
                case=details.case,
                issuer=details.issuer,
                depositor=details.depositor,
                submitter=details.submitter,
                platform=details.platform,
                exhibits_stated_by=details.exhibits_stated_by,
                exhibit=exhibit,
            ),
            submitter=_submitter(record),
            account=None if report.account is None else describe_account(report.account),
            capture=capture,
            trusted_timestamp=list_timestamps(report.timestamps) or None,
            custody=list_custody(data, custody) if custody else None,
            signatures=describe_signatures(report.signatures),
            notices=list_notices(report),
            checks=checks,
            qr_text=encode_payload(
                place,
                leading,
                path.root,
                draft=draft,
                address=exhibit.record_address,
            ),
            not_proven=_both(labels.list_not_proven(report.not_proven)),
            assumptions=_both(
                labels.list_assumptions(
                    leading,
                    is_pinned=basis.policy is not None,
                    has_depositor=_submitter(record) is not None,
                )
            ),
        )
    )


def _trace(
    receipt: Receipt, record: Record, report: Report, basis: Basis
) -> tuple[list[VerifiedAnchor], Path, Checks]:
    """Return the anchors, the path to the first one's root, and the commands that recheck it."""
    # The anchor that proves most comes first: a private chain can show any earlier time.
    proven_anchors = sorted(
        report.proven,
        key=lambda proven: (
            proven is not report.leading,
            proven.anchor.timestamp,
            proven.chain_id,
        ),
    )
    targets = _targets(receipt, basis.policy) if proven_anchors else {}
    first = proven_anchors[0] if proven_anchors else None
    head, siblings = _head_of(receipt, first)
    path = build_path(receipt, hash_leaf(receipt.record), head, siblings)
    checked = None
    if first is not None:
        checked = _place_of(receipt, first), first, targets[_key(first)].code_hash
    anchors = [
        _anchor(proven, targets[_key(proven)], basis.transactions.get(proven))
        for proven in proven_anchors
    ]
    return anchors, path, build_checks(receipt, record, path, checked)


def _place(receipt: Receipt) -> RecordPlace:
    return RecordPlace(
        number=receipt.number,
        record_sha256=hashlib.sha256(receipt.record).hexdigest(),
        leaf=hash_leaf(receipt.record).hex(),
        log="0x" + receipt.log.hex(),
        owner=format_address(log_owner(receipt.log)),
        index=receipt.index,
    )


def _check_outcome(error: AnchorError | None, *, draft: bool) -> None:
    if isinstance(error, NotFinalError):
        if draft:
            return
        hint = Message("certificate-not-final-hint")
        raise NotFinalError(
            Message("certificate-not-issued", reason=error.message), hint=hint
        ) from error
    if error is not None:
        raise error


def _check_moment(moment: Moment, anchored: int) -> None:
    if moment.at.timestamp() + _CLOCK_SLACK.total_seconds() < anchored:
        raise UsageError(
            Message(
                "certificate-dated-before-anchor",
                issued_at=format_utc(moment.at),
                anchored_at=format_seconds(anchored),
            ),
            hint=Message("certificate-clock-hint"),
        )


_Key = tuple[ChainId, Address, Hash32]


def _key(proven: ProvenAnchor) -> _Key:
    return proven.chain_id, proven.registry, proven.root


def _targets(receipt: Receipt, policy: TrustPolicy | None) -> dict[_Key, VerificationTarget]:
    targets = list_targets(receipt, policy)
    return {(target.chain_id, target.registry, target.head.root): target for target in targets}


def _head_of(receipt: Receipt, proven: ProvenAnchor | None) -> tuple[Head, tuple[Hash32, ...]]:
    """Return the head that the certificate covers, and the record's path to it."""
    if receipt.promise is not None:
        return receipt.promise.head, receipt.promise.path
    anchor = receipt.anchors[0 if proven is None else _place_of(receipt, proven) or 0]
    return anchor.head, anchor.path


def _place_of(receipt: Receipt, proven: ProvenAnchor) -> int | None:
    """Return the index of the proven anchor in the receipt; None for a promise kept since."""
    places = [(anchor.chain_id, anchor.registry, anchor.head.root) for anchor in receipt.anchors]
    return places.index(_key(proven)) if places else None


def _statement(basis: Basis, leading: VerifiedAnchor | None, *, is_draft: bool) -> Message:
    if leading is None:
        return labels.NOT_FINAL
    if is_draft:
        return labels.DRAFT
    if proves_time(leading.kind):
        return labels.UNCHANGED if basis.has_file else labels.DIGEST_UNCHANGED
    return labels.AGREES if basis.has_file else labels.DIGEST_AGREES


def _submitter(record: Record) -> SubmitterEntry | None:
    named = read_submitter(record.encoded)
    return None if named is None else SubmitterEntry(account=named.account, actor=named.actor)


def _both(messages: Iterable[Message]) -> list[Bilingual]:
    return [bilingual(message) for message in messages]


def _evidence(record: Record, basis: Basis) -> Evidence:
    digests = record.digests
    return Evidence(
        compared="file" if basis.has_file else "digest",
        name=record.name,
        media_type=record.media_type,
        size=digests.size,
        sha256=None if digests.sha256 is None else digests.sha256.hex(),
        sm3=None if digests.sm3 is None else digests.sm3.hex(),
        recorded_at=format_time(record.recorded_at),
        statements=list(record.statements),
    )


def _anchor(
    proven: ProvenAnchor, target: VerificationTarget, shown: ShownTransaction | None
) -> VerifiedAnchor:
    return VerifiedAnchor(
        chain=f"eip155:{proven.chain_id}",
        network=labels.describe_network(proven.chain_id),
        kind=find_chain(proven.chain_id).kind,
        genesis=None if target.genesis is None else "0x" + target.genesis.hex(),
        registry=format_address(proven.registry),
        code_hash="0x" + target.code_hash.hex(),
        root=proven.root.hex(),
        size=proven.anchor.size,
        sequence=proven.anchor.sequence,
        block_number=proven.anchor.block_number,
        anchored_at=format_seconds(proven.anchor.timestamp),
        made_no_earlier_than=None if proven.not_before is None else format_utc(proven.not_before),
        existed_no_later_than=format_utc(proven.existed_by),
        seconds_since_recorded=proven.seconds_since_recorded,
        submitter=format_address(proven.submitter),
        # 72 bits: more than a JSON number holds.
        operator_id=str(proven.anchor.operator_id),
        relied_on=ReliedOn(
            number=proven.final_block_number, hash="0x" + proven.final_block_hash.hex()
        ),
        transaction=None if shown is None else encode_transaction(shown),
        assurance=proven.assurance,
        finality="asserted" if proven.is_asserted else "observed",
        final_after_blocks=proven.final_after,
    )


def _title(title: Message, basis: Basis, report: Report) -> Bilingual:
    """Return a title, which claims no file where there was a digest only, nor finality of nodes."""
    if any(proven.final_after is not None for proven in report.proven):
        title = _BY_POLICY.get(title, title)
    return bilingual(title if basis.has_file else _OF_DIGEST.get(title, title))


def _step(step: Step, basis: Basis, report: Report) -> StepDocument[Bilingual]:
    """Return a step; where only a digest was given, no file was compared in step 2."""
    is_unmade = step.title in _OF_DIGEST and not basis.has_file and step.verdict is Verdict.PASS
    return StepDocument[Bilingual](
        number=step.number,
        title=_title(step.title, basis, report),
        verdict=(Verdict.NOT_PRESENT if is_unmade else step.shown_verdict).value,
        detail=bilingual(step.detail),
    )


def _claim(claim: Claim, basis: Basis, report: Report) -> ClaimDocument[Bilingual]:
    """Return a claim as people read it; a digest alone passes no C1."""
    verdict, reason = claim.verdict, claim.reason
    if claim.id == "C1" and verdict is Verdict.PASS and not basis.has_file:
        verdict = Verdict.NOT_PRESENT
        reason = Message("certificate-file-not-compared", detail=reason)
    if claim.id == "C7" and report.account is not None:
        reason = Message("certificate-account-shown", reason=reason)
    return ClaimDocument[Bilingual](
        id=claim.id,
        title=_title(claim.title, basis, report),
        verdict=verdict.value,
        reason=bilingual(reason),
    )


def _steps(report: Report, basis: Basis) -> list[StepDocument[Bilingual]]:
    """Return all eleven steps; one that was not made has the reason as its detail."""
    made = [_step(step, basis, report) for step in report.steps]
    unmade = [
        StepDocument[Bilingual](
            number=step.number,
            title=_title(step.title, basis, report),
            verdict=step.verdict.value,
            detail=bilingual(step.reason),
        )
        for step in report.unmade
    ]
    return sorted(made + unmade, key=lambda step: step.number)


def _verification(report: Report, basis: Basis, moment: Moment) -> Verification:
    return Verification(
        verified_at=format_utc(moment.at),
        retrieved_at=format_utc(moment.at) if basis.nodes else None,
        verifier=f"anchor-evidence {version('anchor-evidence')}",
        policies=[
            Policy(name=file.path.name, sha256=file.sha256, source=file.source)
            for file in basis.policies
        ],
        unpinned=_both(report.unpinned),
        notes=_both(report.notes),
        nodes=list(basis.nodes),
        steps=_steps(report, basis),
        claims=[_claim(claim, basis, report) for claim in report.shown_claims],
    )
