"""A world with notices about its records."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any

from support.custodies import encode
from support.world import MAIN, SIDE, SIZE, World, judged

from anchor.base.canonical import encode_canonical
from anchor.base.digests import SHA256, SM3, Digests, digest_bytes
from anchor.base.types import ChainId
from anchor.evidence.record_notice import name_notice, read_notice
from anchor.receipt.format import Receipt, encode_receipt
from anchor.verification.notice_claim import GivenNotice, apply_notices
from anchor.verification.report import Report

# The leaves of the records a, b and c, and of the notices about a and b.
A, B, C = 1, 2, 3
OF_A, OF_B = 4, 5


def make_record(
    subject: bytes, replacement: bytes | None, digests: Digests | None = None, /, **changes: Any
) -> bytes:
    """Return the record of a notice, with these members changed, or left out if None.

    ``digests`` are the record's, if they are not to be the notice's.
    """
    members = {
        "subject": subject.hex(),
        "replacement": None if replacement is None else replacement.hex(),
        "reason": "缺页",
        "at": "2026-09-21T14:00:08Z",
        "actor": "Li",
    } | changes
    members = {name: value for name, value in members.items() if value is not None}
    encoded = encode_canonical(members, subject="notice")
    kind = "withdraws" if "replacement" not in members else "supersedes"
    digests = digests or digest_bytes(encoded, (SHA256, SM3))
    return encode(digests, name_notice(subject), {"kind": kind, "notice": members})


class Notices:
    """A world in which b supersedes a, and b is withdrawn."""

    def __init__(
        self,
        digests: Digests | None = None,
        *,
        chain_ids: Sequence[ChainId] = (MAIN, SIDE),
        **changes: Any,
    ) -> None:
        records = list(World().records)
        a, b = (hashlib.sha256(records[index]).digest() for index in (A, B))
        records[OF_A] = make_record(a, b, digests, **changes)
        records[OF_B] = make_record(b, None)
        self.world = World(records, chain_ids)

    def receipt(self, index: int) -> Receipt:
        """Return the receipt of a record, with a state proof."""
        return self.world.receipt(index, self.world.prove(self.world.anchor(index, SIZE)))

    def give(
        self, index: int, receipt: Receipt | None = None, *, is_demanded: bool = False, **how: Any
    ) -> GivenNotice:
        """Return the notice of a leaf; ``how`` are changes of its verification."""
        receipt = receipt or self.receipt(index)
        notice = read_notice(self.world.records[index])
        assert notice is not None
        return GivenNotice(
            name=f"notice-{index}",
            notice=notice,
            log=receipt.log,
            is_demanded=is_demanded,
            judge=partial(
                judged, self.world, encode_receipt(receipt), evidence=notice.digests, **how
            ),
        )

    def judge(
        self, index: int, given: Sequence[GivenNotice], *, is_log_at_hand: bool = False, **how: Any
    ) -> Report:
        """Return the report on a record with these notices."""
        receipt = self.receipt(index)
        evidence = how.pop("evidence", self.world.evidence(index))
        report = judged(self.world, encode_receipt(receipt), evidence=evidence, **how)
        return apply_notices(
            report,
            receipt,
            lambda record: [each for each in given if each.notice.subject == record],
            is_log_at_hand=is_log_at_hand,
        )
