"""Receipts of the notices in the packer's own project; it needs the extra ``operator``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from anchor.base.errors import CannotCheckError
from anchor.base.messages.message import Message
from anchor.cli.console import Colour, Output
from anchor.cli.context import project_session
from anchor.evidence.record_notice import RecordNotice
from anchor.operate.proving import Prover, open_prover
from anchor.operate.record_notices import list_notices
from anchor.project.nodes import open_chain
from anchor.receipt.format import encode_receipt, parse_receipt
from anchor.store.evidence import StoredEvidence


def prove_own_notices(
    config: Path, receipts: Sequence[bytes], output: Output, *, is_offline: bool
) -> Iterator[tuple[RecordNotice, Callable[[], bytes]]]:
    """Yield the project's notices about the records in receipts, and what makes their receipts.

    These have state proofs, unless ``is_offline``.
    """
    with project_session(config, only_reads=True) as project:
        known: dict[bytes, tuple[StoredEvidence, RecordNotice]] = {}
        with project.database.read() as connection:
            for receipt in receipts:
                record = hashlib.sha256(parse_receipt(receipt).record).digest()
                try:
                    pairs = list_notices(connection, record)
                except CannotCheckError as error:
                    output.note(error.message, mark=Message("warning-mark"), colour=Colour.YELLOW)
                    continue
                known |= {notice.record: (row, notice) for row, notice in pairs}
        if not known:
            return
        prover = (
            Prover(project)
            if is_offline
            else open_prover(project, lambda: open_chain(project.config, output.note), output.note)
        )
        for row, notice in known.values():
            yield notice, partial(_prove, prover, row)


def _prove(prover: Prover, row: StoredEvidence) -> bytes:
    return encode_receipt(prover.prove(row))
