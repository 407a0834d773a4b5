"""Notices beside the verdict on the evidence: whether its record was superseded or withdrawn.

A notice is believed only if its own receipt verifies by the same policy, in a log of the same
owner.  It changes nothing about the evidence, whose steps and claims stay what they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from anchor.base.errors import AnchorError, MismatchError
from anchor.base.messages.message import Message
from anchor.base.types import LogId, log_owner
from anchor.evidence.record_notice import RecordNotice
from anchor.receipt.format import Receipt
from anchor.verification.record_status import NoticeFinding
from anchor.verification.report import STATUS_NOT_PROVEN, Report, Verdict, verdict_of


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenNotice:
    """A notice in a log, with its name for the reader; ``is_demanded``: the user named it.

    ``judge`` returns the report on its receipt, or raises the reason why it has none yet.
    """

    name: str
    notice: RecordNotice
    log: LogId
    is_demanded: bool
    judge: Callable[[], Report]


def apply_notices(
    report: Report,
    receipt: Receipt,
    list_notices: Callable[[bytes], Sequence[GivenNotice]],
    *,
    is_log_at_hand: bool = False,
) -> Report:
    """Return the report with a finding for each notice about the record, or about its successors.

    ``list_notices`` returns the notices about the record with this SHA-256.  ``is_log_at_hand``: it
    knows all of the log, so that a record without a notice stands as far as the log says.
    """
    subject = hashlib.sha256(receipt.record).digest()
    findings: list[NoticeFinding] = []
    reached = [subject]
    for record in reached:
        believed = set()
        judged = []
        for given in list_notices(record):
            if given.notice.record not in believed:
                judged.append(_judge(given, receipt, is_about_record=record == subject))
                if judged[-1].error is None:
                    believed.add(given.notice.record)
        # The same notice may be there twice, once with a receipt that does not verify yet.
        judged = [each for each in judged if not each.error or each.notice.record not in believed]
        following = [each.notice.replacement for each in judged if each.error is None]
        reached += [each for each in dict.fromkeys(following) if each and each not in reached]
        findings += judged
    is_known = is_log_at_hand or any(each.error is None for each in findings)
    left = tuple(each for each in report.not_proven if not is_known or each != STATUS_NOT_PROVEN)
    return replace(report, notices=tuple(findings), not_proven=left)


def _judge(given: GivenNotice, receipt: Receipt, *, is_about_record: bool) -> NoticeFinding:
    finding = NoticeFinding(
        name=given.name,
        notice=given.notice,
        is_about_record=is_about_record,
        is_demanded=given.is_demanded,
    )
    try:
        if log_owner(given.log) != log_owner(receipt.log):
            raise MismatchError(
                Message("notice-of-other-log"), expected=receipt.log, actual=given.log
            )
        report = given.judge()
        if report.error is not None:
            raise report.error
    except AnchorError as error:
        is_open = verdict_of(error) is Verdict.CANNOT_TELL
        return replace(finding, error=error, is_open=is_open)
    leading = report.leading
    if leading is None:
        return finding
    return replace(
        finding,
        existed_by=leading.existed_by,
        block_time=leading.block_time,
        chain_kind=report.kind,
    )
