"""The answers to a list of numbers as a table of words, and as the same table in CSV and JSON."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Literal

from anchor.ethereum.known_chains import find_chain
from anchor.messages.catalogue import Language
from anchor.messages.message import Message, translate
from anchor.project.config import Config
from anchor.service.number_batch import NumberRow
from anchor.service.pages.number_facts import describe_match
from anchor.store.number_search import NumberedItem
from anchor.system.clock import format_unix_time

# With these a spreadsheet takes a cell for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberLine:
    """A line of the table; a number with several matches has several.

    ``remark`` says why a line is no number, or that there are more matches.
    """

    tone: Literal["pass", "fail", "unknown"]
    line: int
    number: str
    verdict: Message
    remark: Message | None = None
    state: str = ""
    latest: str = ""
    accepted: str = ""
    block: int | None = None
    sequence: int | None = None
    root: str = ""


_COLUMNS = tuple(field.name for field in fields(NumberLine) if field.name != "tone")


def list_lines(rows: Iterable[NumberRow], config: Config) -> list[NumberLine]:
    """Return the table's lines, in the order of the list."""
    return [line for row in rows for line in _describe(row, config)]


def write_csv(lines: Iterable[NumberLine], language: Language) -> bytes:
    """Return the table as CSV (RFC 4180, UTF-8 with its mark), in which no cell is a formula."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for line in lines:
        writer.writerow([_spell(getattr(line, name), language) for name in _COLUMNS])
    return text.getvalue().encode("utf-8-sig")


def make_download(media_type: str, data: bytes) -> str:
    """Return an address that holds a whole file, which costs no other look-up."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def neutralise(cell: str) -> str:
    """Return a cell's text so that no spreadsheet takes it for a formula."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell


def _spell(value: object, language: Language) -> str:
    if value is None:
        return ""
    return neutralise(translate(value, language) if isinstance(value, Message) else str(value))


def _spell_time(time: str) -> str:
    """Return a time in UTC for the files, to the second; a page names it for its reader."""
    return time and f"{time[:19].replace('T', ' ')}Z"


def _describe(row: NumberRow, config: Config) -> Iterator[NumberLine]:
    if not row.matches:
        is_number = row.fault is None
        yield NumberLine(
            tone="unknown",
            line=row.line,
            number=row.text,
            verdict=Message("number-verdict-unknown")
            if is_number
            else Message("batch-verdict-no-number"),
            remark=row.fault,
        )
    for place, match in enumerate(row.matches, start=1):
        is_last = place == len(row.matches)
        yield _describe_match(row, match, config, row.more and is_last)


def _describe_match(row: NumberRow, match: NumberedItem, config: Config, more: bool) -> NumberLine:
    card = describe_match(match, config, None)
    anchored = match.anchored
    slack = find_chain(config.chain_id).time_slack or 0
    return NumberLine(
        tone=card.tone,
        line=row.line,
        number=row.text,
        verdict=card.verdict,
        remark=Message("batch-more-matches") if more else next(iter(card.remarks), None),
        state=match.stage.value,
        latest=""
        if anchored is None
        else _spell_time(format_unix_time(anchored.timestamp + slack)),
        accepted=_spell_time(match.accepted_at or ""),
        block=None if anchored is None else anchored.block_number,
        sequence=None if anchored is None else anchored.sequence,
        root="" if anchored is None else anchored.head.root.hex(),
    )
