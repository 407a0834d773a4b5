"""Timestamps (RFC 3161) beside claim C4: a second clock, which never replaces the chain's bound.

A token proves that the checkpoint, and with it the head's root and size, existed no later than the
token's time.  The receipt proves that its record is in a head; only where both are the same head
does the token's time hold for the record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message, join
from anchor.base.system.clock import format_time
from anchor.log.checkpoint import Checkpoint, log_origin, open_checkpoint
from anchor.timestamps.timestamp_token import format_command, read_token, verify_timestamp
from anchor.timestamps.trusted_tsa import TrustedTsa
from anchor.verification.report import Report, TimestampFinding


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenTimestamp:
    """A token and its checkpoint, with the names that they have for the reader.

    ``revocation_lists`` are those beside the token, in PEM; empty without.  ``is_demanded``: the
    user named it, so that "cannot tell" is an error of the whole report.
    """

    token_name: str
    token: bytes
    checkpoint_name: str
    checkpoint: bytes
    revocation_lists: bytes
    is_demanded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedTimestamp:
    """The verdict on a token by itself, and the checkpoint that it is over, if that can be read."""

    finding: TimestampFinding
    checkpoint: Checkpoint | None


def judge_timestamp(given: GivenTimestamp, authorities: Sequence[TrustedTsa]) -> JudgedTimestamp:
    """Verify one token over its checkpoint; an error is recorded, not raised."""
    names = given.token_name, given.checkpoint_name
    finding = TimestampFinding(
        name=given.token_name,
        is_demanded=given.is_demanded,
        command=format_command(*names, None),
        token_sha256=hashlib.sha256(given.token).digest(),
        checkpoint_sha256=hashlib.sha256(given.checkpoint).digest(),
    )
    checkpoint = None
    try:
        checkpoint = open_checkpoint(given.checkpoint, None)
        finding = replace(finding, head=checkpoint.head)
        finding = replace(finding, command=format_command(*names, read_token(given.token)))
        proven = verify_timestamp(
            given.token,
            given.checkpoint,
            authorities,
            revocation_lists=given.revocation_lists,
        )
    except AnchorError as error:
        return JudgedTimestamp(finding=replace(finding, error=error), checkpoint=checkpoint)
    return JudgedTimestamp(finding=replace(finding, proven=proven), checkpoint=checkpoint)


def apply_timestamps(report: Report, judged: Sequence[JudgedTimestamp]) -> Report:
    """Return the report with a finding for each token, named in the reason of claim C4.

    Tokens that nobody named, such as those in a bag, are left out if they are of other heads.
    """
    findings = [
        replace(each.finding, is_of_receipt=is_of_receipt(each.checkpoint, report))
        for each in judged
    ]
    shown = tuple(each for each in findings if each.is_of_receipt or each.fault or each.is_demanded)
    clauses = [
        Message("claim-timestamp", tsa=each.proven.tsa, time=format_time(each.proven.existed_by))
        for each in shown
        if each.proven is not None and each.is_of_receipt
    ]
    claims = tuple(
        replace(claim, reason=join([claim.reason, *clauses], "semicolon"))
        if claim.id == "C4"
        else claim
        for claim in report.claims
    )
    return replace(report, claims=claims, timestamps=shown)


def is_of_receipt(checkpoint: Checkpoint | None, report: Report) -> bool:
    """Return whether a proven anchor of the receipt is exactly the checkpoint's head."""
    return checkpoint is not None and any(
        checkpoint.origin == log_origin(proven.chain_id, proven.registry, proven.log)
        and checkpoint.head.root == proven.root
        and checkpoint.head.size == proven.anchor.size
        for proven in report.proven
    )
