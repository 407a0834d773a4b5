"""A record in the form in which Tencent BTOE takes a digest (API v20210514): one JSON object.

The file is for the user to submit; nothing is sent.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from anchor.canonical import JsonValue
from anchor.errors import UsageError
from anchor.evidence.record import parse_record
from anchor.messages.message import Message
from anchor.receipt.format import Receipt

Algorithm = Literal["sm3", "sha256"]
# BTOE's HashType.
HASH_TYPES: dict[Algorithm, int] = {"sm3": 0, "sha256": 1}


def build_btoe(
    receipt: Receipt, *, algorithm: Algorithm = "sm3", business_id: str | None = None
) -> dict[str, JsonValue]:
    """Return the object; ``business_id`` is the record's SHA-256 unless it is given.

    Raises:
        UsageError: The record holds no digest of this algorithm.
    """
    record = parse_record(receipt.record)
    digest = {"sm3": record.digests.sm3, "sha256": record.digests.sha256}[algorithm]
    if digest is None:
        raise UsageError(Message("btoe-digest-missing", algorithm=algorithm))
    record_sha256 = hashlib.sha256(receipt.record).hexdigest()
    return {
        "evidenceName": record.name,
        "hashType": HASH_TYPES[algorithm],
        "evidenceHash": digest.hex(),
        "businessId": record_sha256 if business_id is None else business_id,
        "description": f"evidence-record/1 sha256:{record_sha256} log 0x{receipt.log.hex()} "
        f"leaf {receipt.index}",
    }
