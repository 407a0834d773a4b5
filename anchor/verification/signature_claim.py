"""Detached signatures beside the claims: who signed the record, by the names of the policy.

No claim of the nine rests on a signature, and none is weakened by the lack of one.  A certificate
has to be valid at the time by which the record existed; when it was signed, nothing proves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from anchor.base.errors import AnchorError
from anchor.signatures.record_signature import (
    SignatureKind,
    check_signature,
    format_verification,
    identify_signer,
    is_ssh_signature,
)
from anchor.signatures.trusted_signer import TrustedSigner
from anchor.verification.report import Report, SignatureFinding


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenSignature:
    """A signature's bytes, and the names that it and the record's bytes have for the reader.

    ``is_demanded``: the user named it, so that "cannot tell" is an error of the whole report.
    """

    name: str
    data: bytes
    record_name: str
    is_demanded: bool


def apply_signatures(
    report: Report, given: Sequence[GivenSignature], signers: Sequence[TrustedSigner]
) -> Report:
    """Return the report with a finding for each signature; a report without a record has none."""
    if report.record is None or not given:
        return report
    record, at = report.record.encoded, report.existed_by
    findings = tuple(judge_signature(each, record, signers, at) for each in given)
    return replace(report, signatures=(*report.signatures, *findings))


def judge_signature(
    given: GivenSignature, record: bytes, signers: Sequence[TrustedSigner], at: datetime | None
) -> SignatureFinding:
    """Verify one signature over the record's bytes; an error is recorded, not raised."""
    kind: SignatureKind = "sshsig" if is_ssh_signature(given.data) else "cades"
    finding = SignatureFinding(
        name=given.name,
        kind=kind,
        is_demanded=given.is_demanded,
        command=format_verification(kind, given.name, given.record_name, at),
    )
    try:
        signature = check_signature(given.data, record)
        finding = replace(finding, fingerprint=signature.fingerprint)
        return replace(finding, signer=identify_signer(signature, signers, at))
    except AnchorError as error:
        return replace(finding, error=error)
