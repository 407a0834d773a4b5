"""Signatures of the record: members of the certificate, and their table on its pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath

from anchor.base.messages.message import Message
from anchor.certificate.foreign_text import show_text
from anchor.certificate.layout import Block, JudgedStatement, JudgedTable, Notes
from anchor.certificate.model import Bilingual, SignatureEntry, bilingual
from anchor.evidence.statement_text import MAX_CHARACTERS
from anchor.verification.report import SignatureFinding, Verdict, verdict_message, verdict_of


def describe_signatures(findings: Sequence[SignatureFinding]) -> list[SignatureEntry] | None:
    """Return the signatures as members of the certificate; None if there are none."""
    return [
        SignatureEntry(
            file=PurePath(finding.name).name,
            kind=finding.kind,
            verdict=verdict_of(finding.error).value,
            signer=finding.signer,
            fingerprint=finding.fingerprint,
            detail=bilingual(finding.detail),
        )
        for finding in findings
    ] or None


def build_signatures(entries: Sequence[SignatureEntry] | None) -> Iterator[Block]:
    """Yield the table of the signatures, and what they do not prove."""
    if not entries:
        return
    yield JudgedTable(
        title=bilingual(Message("certificate-signatures-title")),
        rows=tuple(_build_row(number, entry) for number, entry in enumerate(entries, 1)),
    )
    remark = bilingual(Message("certificate-signatures-remark"))
    yield Notes(title=None, items=(remark,), is_list=False)


def _build_row(number: int, entry: SignatureEntry) -> JudgedStatement:
    name = show_text(entry.file, MAX_CHARACTERS)
    return JudgedStatement(
        id=f"S{number}",
        title=Bilingual(zh=name, en=name),
        verdict=entry.verdict,
        verdict_words=bilingual(verdict_message(Verdict(entry.verdict))),
        reason=Bilingual(
            zh=show_text(entry.detail.zh, MAX_CHARACTERS),
            en=show_text(entry.detail.en, MAX_CHARACTERS),
        ),
    )
