"""A world with custody events of one of its records."""

from __future__ import annotations

import hashlib
from typing import Any

from support.certificates import MOMENT
from support.group_examples import FULL
from support.world import SIZE, World, judged

from anchor.base.canonical import encode_canonical
from anchor.base.digests import SHA256, SM3, Digests, digest_bytes
from anchor.certificate.issue import Basis, issue_certificate
from anchor.certificate.model import Certificate
from anchor.certificate.statements import Details
from anchor.evidence.custody_event import name_event
from anchor.evidence.group_reading import read_custody_event
from anchor.evidence.record import encode_record
from anchor.receipt.format import Receipt, encode_receipt
from anchor.verification.collection_account import CustodyReceipt, apply_custody
from anchor.verification.report import Report

AT = 2
COMPLETE = {
    **FULL,
    "collection": {**FULL["collection"], "operators": [{"name": "a"}, {"name": "b"}]},
    "platform": {"software": "anchor-evidence", "version": "1"},
}


def encode(digests: Digests, name: str, statements: dict[str, Any]) -> bytes:
    return encode_record(
        digests=digests,
        name=name,
        media_type=None,
        salt=bytes(32),
        recorded_at="2026-09-21T14:00:06Z",
        statements=statements,
    )


def encode_events(subject: bytes, evidence: Digests, count: int, **changes: Any) -> list[bytes]:
    """Return the records of up to three events, each after the one before."""
    records: list[bytes] = []
    for number in range(count):
        members = {
            "subject": subject.hex(),
            "previous_event": hashlib.sha256(records[-1]).hexdigest() if records else None,
            "event": ("collect", "transfer", "copy")[number],
            "at": f"2026-09-21T14:00:0{number}Z",
            "actor": "x",
            "digest_after": (evidence.sha256 or b"").hex(),
        } | changes.get(f"event_{number}", {})
        kept = {name: value for name, value in members.items() if value is not None}
        canonical = encode_canonical(kept, subject="the event")
        records.append(
            encode(
                digest_bytes(canonical, (SHA256, SM3)),
                name_event(subject),
                {"kind": "custody-event", "custody": kept},
            )
        )
    return records


class Custody:
    """A world whose record 2 has three custody events, at leaves 3 to 5."""

    def __init__(self, statements: dict[str, Any] | None = None, **changes: Any) -> None:
        plain = World()
        evidence = plain.evidence(AT)
        records = list(plain.records)
        records[AT] = encode(evidence, "x", COMPLETE if statements is None else statements)
        self.subject = hashlib.sha256(records[AT]).digest()
        records[AT + 1 : AT + 4] = encode_events(self.subject, evidence, 3, **changes)
        self.world = World(records)

    def receipt(self, index: int) -> Receipt:
        world = self.world
        return world.receipt(index, world.prove(world.anchor(index, SIZE)))

    def event(self, number: int, receipt: Receipt | None = None) -> CustodyReceipt:
        receipt = receipt or self.receipt(AT + 1 + number)
        event = read_custody_event(receipt.record)
        digests = self.world.evidence(AT) if event is None else event.digests()
        report = judged(self.world, encode_receipt(receipt), evidence=digests)
        return CustodyReceipt(receipt=receipt, report=report)

    def judge(self, *events: CustodyReceipt) -> Report:
        receipt = self.receipt(AT)
        evidence = self.world.evidence(AT)
        report = judged(self.world, encode_receipt(receipt), evidence=evidence)
        return apply_custody(report, receipt, events)


def all_events(custody: Custody) -> list[CustodyReceipt]:
    return [custody.event(number) for number in range(3)]


def certify(custody: Custody, events: list[CustodyReceipt]) -> Certificate:
    """Return the certificate of the evidence with these events."""
    return issue_certificate(
        encode_receipt(custody.receipt(AT)),
        custody.judge(*events),
        details=Details(),
        basis=Basis(policy=custody.world.policy(), policies=(), nodes=()),
        moment=MOMENT,
        draft=False,
        custody=events,
    )
