"""Whose statements a certificate prints, and the mark beside each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from anchor.base.messages.message import Message
from anchor.certificate.foreign_text import show_text
from anchor.certificate.layout import MISSING, Value
from anchor.certificate.model import Bilingual, Certificate, bilingual
from anchor.evidence.statement_text import MAX_CHARACTERS

Speaker = Literal["issuer", "case", "depositor", "record"]
"""The issuer; the depositor in a case at the service, or in the record; or the record alone."""

SPEAKERS: Mapping[Speaker, tuple[str, Message]] = {
    "issuer": ("※", Message("certificate-stated-mark")),
    "case": ("＃", Message("certificate-case-mark")),
    "depositor": ("＊", Message("certificate-depositor-mark")),
    "record": ("◇", Message("certificate-record-mark")),
}


def name_exhibit_speaker(certificate: Certificate) -> Speaker:
    """Return who stated the case and the exhibit."""
    return "case" if certificate.stated.exhibits_stated_by == "depositor" else "issuer"


def name_record_speaker(certificate: Certificate) -> Speaker:
    """Return who stated what the record says of the collection."""
    return "record" if certificate.submitter is None else "depositor"


def list_marks(certificate: Certificate) -> Iterator[Bilingual]:
    """Yield each mark that the certificate uses, with its meaning."""
    used: list[Speaker] = ["issuer"]
    if certificate.stated.exhibits_stated_by == "depositor":
        used.append("case")
    if certificate.account is not None and certificate.account.stated:
        used.append(name_record_speaker(certificate))
    for speaker in used:
        mark, meaning = SPEAKERS[speaker]
        words = bilingual(meaning)
        yield Bilingual(zh=f"{mark} {words.zh}", en=words.en)


def show_statements(
    *statements: tuple[str | None, Speaker], most: int = MAX_CHARACTERS, missing: Value = MISSING
) -> Value:
    """Return statements with the marks of who made them, equal ones once; ``missing`` if none."""
    marks: dict[str, str] = {}
    for statement, speaker in statements:
        if statement is not None:
            shown, mark = show_text(statement, most), SPEAKERS[speaker][0]
            if mark not in marks.setdefault(shown, ""):
                marks[shown] += mark
    if not marks:
        return missing
    return Value(kind="text", lines=tuple(marks), marks=tuple(marks.values()))
