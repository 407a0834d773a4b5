"""The file of a party's statements, which certificates and bags take.

It needs nothing of what sets certificates on paper.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.details_toml import MAX_DETAILS_BYTES
from anchor.certificate.statements import Details, is_about, parse_details
from anchor.cli.input_files import read_bounded
from anchor.verification.report import Report


def read_details(path: Path | None) -> Details:
    """Read the file of the issuer's statements; without a file, return empty details."""
    if path is None:
        return Details()
    return parse_details(read_bounded(path, MAX_DETAILS_BYTES + 1), is_json=path.suffix == ".json")


def check_exhibits(details: Details, reports: Iterable[Report]) -> None:
    """Check that every exhibit in the details belongs to one of the verified receipts.

    Raises:
        UsageError: An exhibit does not belong to a receipt, so that its statements would be lost.
    """
    recorded = [report.record.digests for report in reports if report.record is not None]
    for exhibit in details.exhibits:
        if not any(is_about(exhibit.digest, digests) for digests in recorded):
            raise UsageError(
                Message("certificate-exhibit-unmatched", digest=exhibit.digest),
                hint=Message("certificate-exhibit-unmatched-hint"),
            )
