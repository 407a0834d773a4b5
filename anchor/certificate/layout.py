"""The sheets of a certificate and their parts, which HTML and PDF both render."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from anchor.base.messages.message import Message
from anchor.certificate.model import Bilingual, bilingual
from anchor.verification.report_json import VerdictText

Kind = Literal["text", "code", "caution"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value: lines of text or of code.

    ``marks`` says of each line who stated it, without a check; of no line if it is empty.
    """

    kind: Kind
    lines: tuple[str, ...]
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledRow:
    """A label, and its value."""

    label: Bilingual
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """A table of labels and values."""

    title: Bilingual
    rows: tuple[LabelledRow, ...]
    kind: Literal["fields"] = "fields"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedStatement:
    """One judged statement: a claim or a step, and the reason of its verdict."""

    id: str
    title: Bilingual
    verdict: VerdictText
    verdict_words: Bilingual
    reason: Bilingual


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedTable:
    """A table of judged statements."""

    title: Bilingual
    rows: tuple[JudgedStatement, ...]
    kind: Literal["findings"] = "findings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """The result in large type: the verdict, the time, and a sentence that explains them."""

    verdict: VerdictText
    result: Bilingual
    since: str | None
    caution: Bilingual | None
    statement: Bilingual
    kind: Literal["banner"] = "banner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """The QR code beside the space for a seal, and what the marks of statements mean."""

    code: str
    payload: str
    marks: tuple[Bilingual, ...]
    kind: Literal["seal"] = "seal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A picture, and its description in words."""

    title: Bilingual
    svg: str
    caption: Bilingual
    kind: Literal["figure"] = "figure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Shell commands to run, each with the line that it prints."""

    title: Bilingual
    set_up: str
    rows: tuple[tuple[Bilingual, str, str], ...]
    kind: Literal["commands"] = "commands"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """Sentences in both languages."""

    title: Bilingual | None
    items: tuple[Bilingual, ...]
    is_list: bool
    kind: Literal["notes"] = "notes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Screenshot:
    """A picture of points, as the Base64 of a PNG file, and its description in words."""

    title: Bilingual
    png: str
    caption: Bilingual
    kind: Literal["screenshot"] = "screenshot"


Block = Fields | JudgedTable | Banner | Seal | Figure | Screenshot | Commands | Notes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One part of the certificate, which begins on a new page."""

    title: Bilingual
    blocks: Sequence[Block]


Labelled = tuple[Message, Value]
"""A label, and its value."""


def fields(title: Message, rows: Iterable[Labelled]) -> Fields:
    """Return a table of labels and values, with its title."""
    return Fields(
        title=bilingual(title),
        rows=tuple(LabelledRow(label=bilingual(label), value=value) for label, value in rows),
    )


def both(message: Message) -> str:
    """Return a few words in both languages, on one line."""
    words = bilingual(message)
    return f"{words.zh} / {words.en}"


def _show(line: str) -> str:
    return both(line) if isinstance(line, Message) else line


def text(*lines: str) -> Value:
    """Return a value of plain text: this project's words, or numbers."""
    return Value(kind="text", lines=tuple(map(_show, lines)))


def caution(*lines: str) -> Value:
    """Return a value of this project's words that calls for caution."""
    return Value(kind="caution", lines=tuple(map(_show, lines)))


MISSING = caution(Message("certificate-not-provided"))
NOT_RECORDED = caution(Message("certificate-not-recorded"))


def code(*lines: str | None) -> Value:
    """Return a value of hashes or addresses, or "not provided" if all lines are None."""
    given = tuple(line for line in lines if line is not None)
    return Value(kind="code", lines=given) if given else MISSING


def describe(value: object, spell: Callable[[str], str]) -> object:
    """Convert sheets, or a part of them, to JSON values; ``spell`` is applied to every text."""
    if isinstance(value, str):
        return spell(value)
    if isinstance(value, Bilingual):
        return {"zh": spell(value.zh), "en": spell(value.en)}
    if isinstance(value, list | tuple):
        return [describe(element, spell) for element in value]
    if dataclasses.is_dataclass(value):
        names = (field.name for field in dataclasses.fields(value))
        return {name: describe(getattr(value, name), spell) for name in names}
    return value
