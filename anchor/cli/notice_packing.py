"""The notices that ``anchor pack`` puts into a bag: those named, and those of the own project."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anchor.bag.bag_format import NOTICES
from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message
from anchor.cli.bag_packing import VerifiedFile
from anchor.cli.console import Colour, Output
from anchor.cli.evidence_inputs import VerificationInputs
from anchor.cli.notice_inputs import read_named
from anchor.evidence.record_notice import RecordNotice
from anchor.project.files import RECEIPT_SUFFIX
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
    if inputs.choice.config is not None:
        try:
            packed = _prove_own(inputs, inputs.choice.config, files, output) | packed
        except AnchorError as error:
            _warn(output, Message("notice-project-unread", reason=error.message))
    return packed


def _prove_own(
    inputs: VerificationInputs, config: Path, files: Sequence[VerifiedFile], output: Output
) -> dict[str, bytes]:
    # Needs the extra `operator`, which a packer without a project may lack.
    from anchor.cli.own_notice_receipts import prove_own_notices

    packed: dict[str, bytes] = {}
    receipts = [file.receipt for file in files]
    own = prove_own_notices(config, receipts, output, is_offline=inputs.is_offline)
    for notice, prove in own:
        stated = describe_notice(notice)
        try:
            data = prove()
            _check(inputs, notice, data)
        except AnchorError as error:
            _warn(output, Message("pack-notice-left-out", notice=stated, reason=error.message))
        else:
            packed[_name(notice)] = data
            _warn(output, stated)
    return packed


def _warn(output: Output, text: Message) -> None:
    output.note(text, mark=Message("warning-mark"), colour=Colour.YELLOW)


def _check(inputs: VerificationInputs, notice: RecordNotice, data: bytes) -> None:
    error = inputs.judge(data, notice.digests).error
    if error is not None:
        raise error


def _name(notice: RecordNotice) -> str:
    return f"{NOTICES}{notice.record.hex()}{RECEIPT_SUFFIX}"
