"""The transactions that a certificate shows: those that the verification's own nodes show."""

from __future__ import annotations

from contextlib import suppress
from itertools import product

from anchor.base.errors import CannotCheckError, NotTrustedError
from anchor.chain.anchoring_transaction import ShownTransaction
from anchor.cli.evidence_inputs import VerificationInputs
from anchor.receipt.format import parse_receipt
from anchor.verification.report import ProvenAnchor, Report
from anchor.verification.steps import check_chain
from anchor.verification.targets import list_targets


def find_transactions(
    inputs: VerificationInputs, receipt: bytes, report: Report
) -> dict[ProvenAnchor, ShownTransaction]:
    """Return the transactions of the report's anchors, where nodes show them.

    Nodes are asked only if the verification of this receipt, the last of ``inputs``, asked some.
    """
    transactions: dict[ProvenAnchor, ShownTransaction] = {}
    if not inputs.nodes.asked_now or not report.proven:
        return transactions
    targets = list_targets(parse_receipt(receipt), inputs.policy)
    for target, proven in product(targets, report.proven):
        place = (proven.chain_id, proven.registry, proven.root)
        if place == (target.chain_id, target.registry, target.head.root):
            with suppress(CannotCheckError, NotTrustedError):
                reader = inputs.nodes.connect(target)
                check_chain(reader, target, proven.assurance)
                shown = reader.find_transaction(proven)
                transactions |= {} if shown is None else {proven: shown}
    return transactions
