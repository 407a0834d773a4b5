"""The notices that ``anchor pack`` puts into a bag: those named, and those of the own project."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from anchor.bag.bag_format import NOTICES
from anchor.cli.bag_packing import VerifiedFile
from anchor.cli.console import Colour, Output
from anchor.cli.context import project_session
from anchor.cli.evidence_inputs import VerificationInputs
from anchor.cli.notice_inputs import read_named
from anchor.errors import AnchorError, CannotCheckError
from anchor.evidence.record_notice import RecordNotice
from anchor.messages.message import Message
from anchor.operate.proving import open_prover
from anchor.operate.record_notices import list_notices
from anchor.project.files import RECEIPT_SUFFIX
from anchor.project.nodes import open_chain
from anchor.project.project import OpenProject
from anchor.receipt.format import encode_receipt, parse_receipt
from anchor.store.evidence import StoredEvidence
from anchor.verification.record_status import describe_notice


def pack_notices(
    inputs: VerificationInputs, files: Sequence[VerifiedFile], named: Sequence[Path], output: Output
) -> dict[str, bytes]:
    """Return the receipts of notices about packed files, by their names in the bag.

    A notice of the own project that does not verify yet is printed, and left out.

    Raises:
        AnchorError: A receipt in ``named`` is not of a notice, or does not verify.
    """
    packed: dict[str, bytes] = {}
    for _, notice, data in read_named(named):
        _check(inputs, notice, data)
        packed[_name(notice)] = data
    config = inputs.choice.config
    if config is not None:
        try:
            with project_session(config, only_reads=True) as project:
                for notice, data in _prove_own(inputs, project, files, output):
                    packed.setdefault(_name(notice), data)
                    _warn(output, describe_notice(notice))
        except AnchorError as error:
            _warn(output, Message("notice-project-unread", reason=error.message))
    return packed


def _prove_own(
    inputs: VerificationInputs, project: OpenProject, files: Sequence[VerifiedFile], output: Output
) -> Iterator[tuple[RecordNotice, bytes]]:
    """Yield the notices in the project's store that verify, each with its receipt."""
    known: dict[bytes, tuple[StoredEvidence, RecordNotice]] = {}
    with project.database.read() as connection:
        for file in files:
            record = hashlib.sha256(parse_receipt(file.receipt).record).digest()
            pairs = list_notices(connection, record)
            known |= {notice.record: (row, notice) for row, notice in pairs}
    prover = None
    for row, notice in known.values():
        try:
            if inputs.is_offline:
                raise CannotCheckError(Message("receipt-needs-node"))
            if prover is None:
                prover = open_prover(
                    project, lambda: open_chain(project.config, output.note), output.note
                )
            data = encode_receipt(prover.prove(row))
            _check(inputs, notice, data)
        except AnchorError as error:
            notice_text = describe_notice(notice)
            _warn(output, Message("pack-notice-left-out", notice=notice_text, reason=error.message))
        else:
            yield notice, data


def _warn(output: Output, text: Message) -> None:
    output.note(text, mark=Message("warning-mark"), colour=Colour.YELLOW)


def _check(inputs: VerificationInputs, notice: RecordNotice, data: bytes) -> None:
    error = inputs.judge(data, notice.digests).error
    if error is not None:
        raise error


def _name(notice: RecordNotice) -> str:
    return f"{NOTICES}{notice.record.hex()}{RECEIPT_SUFFIX}"
