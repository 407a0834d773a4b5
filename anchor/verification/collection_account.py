"""Claim C7: what a record says about the collection of its evidence, and what its profile lacks.

Nothing of it is verified but that it is unchanged: the operator states one part, and the program
that made the record observed the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from anchor.base.errors import AnchorError, MalformedError, MismatchError, attribute_error
from anchor.base.messages.message import Message, join
from anchor.base.types import log_owner
from anchor.evidence.collection_profiles import list_lacking
from anchor.evidence.group_reading import CollectionAccount, read_custody_event, read_groups
from anchor.evidence.record import parse_record
from anchor.receipt.format import Receipt
from anchor.verification.custody_chain import CustodyLink, CustodySubject, check_chain
from anchor.verification.report import (
    CustodyFinding,
    Report,
    Verdict,
    severest_error,
    verdict_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyReceipt:
    """The receipt of a custody event and its verification, by the same policy as the subject's."""

    receipt: Receipt
    report: Report


def apply_custody(report: Report, receipt: Receipt, events: Sequence[CustodyReceipt]) -> Report:
    """Return the report with the verdict of claim C7 on these events.

    The claim passes if the events form a chain without a gap, each states a digest, the digests
    meet, and the record holds what its profile demands.  A contradiction, or an event that does
    not verify, is an error of the whole report.
    """
    try:
        chain = _check_events(receipt, events)
    except AnchorError as error:
        finding = CustodyFinding(count=len(events), error=error)
        return _with_claim(report, finding, verdict_of(error), error.message)
    silent = [place for place, link in enumerate(chain, 1) if not _states_digest(link)]
    clauses = list(describe_account(read_groups(receipt.record)))
    clauses.append(
        Message("custody-chain-complete", count=len(chain), time=chain[-1].event.at)
        if chain
        else Message("account-without-custody")
    )
    if silent:
        clauses.append(Message("custody-events-without-digest", numbers=join(map(str, silent))))
    is_passed = chain and not silent and is_complete(receipt.record)
    verdict = Verdict.PASS if is_passed else Verdict.NOT_PRESENT
    finding = CustodyFinding(count=len(events), error=None)
    return _with_claim(report, finding, verdict, join(clauses, "semicolon"))


def _states_digest(link: CustodyLink) -> bool:
    return link.event.digest_before is not None or link.event.digest_after is not None


def _name_event(event: CustodyReceipt) -> Message:
    return Message("custody-event-named", event=hashlib.sha256(event.receipt.record).hexdigest())


def _check_events(receipt: Receipt, events: Sequence[CustodyReceipt]) -> list[CustodyLink]:
    wrong = severest_error(
        [
            attribute_error(each.report.error, _name_event(each))
            for each in events
            if each.report.error is not None
        ]
    )
    if wrong is not None:
        raise wrong
    links = []
    for each in events:
        event = read_custody_event(each.receipt.record)
        if event is None:
            raise MalformedError(Message("custody-receipt-of-other-evidence"))
        if log_owner(each.receipt.log) != log_owner(receipt.log):
            raise MismatchError(
                Message("custody-event-of-other-log"),
                expected=receipt.log,
                actual=each.receipt.log,
            )
        # Leaves of different logs have no common order.
        index = each.receipt.index if each.receipt.log == receipt.log else None
        record = hashlib.sha256(each.receipt.record).digest()
        links.append(CustodyLink(record=record, event=event, index=index))
    subject = CustodySubject(
        record=hashlib.sha256(receipt.record).digest(),
        index=receipt.index,
        digest=parse_record(receipt.record).digests.sha256,
    )
    return check_chain(subject, links)


def _with_claim(
    report: Report, finding: CustodyFinding, verdict: Verdict, reason: Message
) -> Report:
    claims = tuple(
        replace(claim, verdict=verdict, reason=reason) if claim.id == "C7" else claim
        for claim in report.claims
    )
    return replace(report, claims=claims, custody=finding)


def is_complete(record: bytes) -> bool:
    """Return whether a record names a profile and holds all that the profile demands of it."""
    groups = read_groups(record).groups
    lacking = [demand for demand in list_lacking(groups) if demand.level == "must"]
    return groups.profile is not None and not lacking


def judge_account(account: CollectionAccount) -> tuple[Verdict, Message]:
    """Return the verdict on claim C7 for a record without custody events, with the reason."""
    if account.is_empty:
        return Verdict.NOT_PRESENT, Message("record-without-custody-account")
    if not account.groups.members():
        return Verdict.NOT_PRESENT, Message(
            "account-uninterpreted", names=join(account.uninterpreted)
        )
    return Verdict.NOT_PRESENT, join(
        [*describe_account(account), Message("account-without-custody")], "semicolon"
    )


def describe_account(account: CollectionAccount) -> Sequence[Message]:
    """Return what is documented by which profile, and what that profile lacks, as clauses."""
    groups = account.groups
    if groups.profile is None:
        return [Message("account-without-profile")]
    lacking = list_lacking(groups)
    if not lacking:
        return [Message("account-complete", profile=groups.profile)]
    names = join(
        [
            Message("profile-member", member=demand.name, label=demand.member.label)
            for demand in lacking
        ]
    )
    return [Message("account-incomplete", profile=groups.profile, names=names)]
