"""The list of exhibits (证据目录) in a bag, as JSON and as a page in Chinese and English.

What the submitting party states, and what the program found when it packed, are apart everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from anchor.base.canonical import JsonValue
from anchor.base.messages.message import Message, translate
from anchor.base.types import ChainId
from anchor.base.units import format_stored_time
from anchor.ethereum.known_chains import find_chain, proves_time
from anchor.evidence.group_lines import list_statements
from anchor.evidence.group_reading import read_groups
from anchor.evidence.record_submitter import describe_speaker, read_submitter

FORMAT = "anchor-exhibits/1"

Statements = Mapping[str, str | None]
"""Statements by the names that the case's file gives them; None: not provided."""

_CASE = {
    "court": Message("exhibits-court"),
    "case_reference": Message("certificate-case-reference"),
    "submitted_by": Message("exhibits-submitter"),
    "submitted_at": Message("exhibits-submitted-at"),
}
_STATED = {
    "exhibit_no": Message("certificate-exhibit-number"),
    "category": Message("certificate-exhibit-category"),
    "title": Message("certificate-exhibit-title"),
    "content_summary": Message("certificate-exhibit-summary"),
    "purpose_of_proof": Message("certificate-fact-to-prove"),
    "origin": Message("certificate-evidence-origin"),
}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;width:100%;margin:0 0 1.5em}"
    "th,td{border:1px solid #999;padding:.3em .6em;text-align:left;vertical-align:top}"
    "th{width:14em;font-weight:normal;background:#f3f3f3}"
    "td{overflow-wrap:anywhere}h2{font-size:1.1em}caption{text-align:left;font-weight:bold}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExhibitEntry:
    """One exhibit: its files in the bag, what the party states, and what was found.

    ``name`` and ``recorded_at`` are those of ``record``, which nothing verified.  ``anchored`` has
    the members ``chain_id``, ``block_number``, ``log``, ``index``, ``existed_no_later_than`` and,
    if the receipt proves it, ``made_no_earlier_than``.
    """

    original: str
    receipt: str
    name: str
    recorded_at: str
    size: int
    sha256: str
    sm3: str
    anchored: Mapping[str, str | int]
    stated: Statements
    record: bytes


def encode_exhibits(case: Statements, exhibits: Sequence[ExhibitEntry]) -> bytes:
    """Return the list as JSON; ``docs/bag.md`` has its members."""
    document = {
        "format": FORMAT,
        "stated": {name: case.get(name) for name in _CASE},
        "exhibits": [
            {
                "number": number,
                "original": exhibit.original,
                "receipt": exhibit.receipt,
                "stated": dict(exhibit.stated),
                "recorded": {"name": exhibit.name, "recorded_at": exhibit.recorded_at},
                "submitter": _encode_submitter(exhibit.record),
                "stated_in_record": read_statements(exhibit.record),
                "verified_when_packed": {
                    "size": exhibit.size,
                    "sha256": exhibit.sha256,
                    "sm3": exhibit.sm3,
                    **exhibit.anchored,
                },
            }
            for number, exhibit in enumerate(exhibits, 1)
        ],
    }
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode("utf-8")


def _encode_submitter(record: bytes) -> Mapping[str, JsonValue] | None:
    submitter = read_submitter(record)
    return None if submitter is None else submitter.members()


def render_exhibits(case: Statements, exhibits: Sequence[ExhibitEntry]) -> bytes:
    """Return the list as an HTML page without scripts, in Chinese and English."""
    rows = [(label, show_statement(case.get(name))) for name, label in _CASE.items()]
    return render_list(
        render_table(Message("exhibits-stated-by-party"), rows),
        f"<p>{say_both(Message('exhibits-note'))}</p>\n",
        *(_render_exhibit(number, exhibit) for number, exhibit in enumerate(exhibits, 1)),
    )


def render_list(*parts: str) -> bytes:
    """Return a list of exhibits as an HTML page without scripts; ``parts`` are its HTML."""
    title = say_both(Message("exhibits-title"))
    head = (
        '<!DOCTYPE html>\n<html lang="zh-Hans">\n<meta charset="utf-8">\n',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n',
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n<h1>{title}</h1>\n",
    )
    return "".join((*head, *parts, "</html>\n")).encode("utf-8")


def _render_exhibit(number: int, exhibit: ExhibitEntry) -> str:
    anchored = exhibit.anchored
    stated = [(label, show_statement(exhibit.stated.get(name))) for name, label in _STATED.items()]
    recorded = [
        (Message("certificate-file-name"), escape(spell_name(exhibit.name))),
        (Message("certificate-recorded-claimed"), show_time(exhibit.recorded_at)),
    ]
    verified = [
        (Message("exhibits-original"), escape(exhibit.original)),
        (Message("exhibits-receipt"), escape(exhibit.receipt)),
        (Message("exhibits-size"), str(exhibit.size)),
        ("SHA-256", exhibit.sha256),
        ("SM3", exhibit.sm3),
        _bracket(anchored),
        (
            Message("exhibits-block"),
            say_both(
                Message(
                    "exhibits-block-of-chain",
                    block=anchored["block_number"],
                    chain=anchored["chain_id"],
                )
            ),
        ),
        (Message("exhibits-log"), f"{anchored['log']} · {anchored['index']}"),
    ]
    return (
        f"<h2>{number}. {escape(exhibit.original.rpartition('/')[2])}</h2>\n"
        + render_table(Message("exhibits-stated-by-party"), stated)
        + render_statements(exhibit.record)
        + render_table(Message("exhibits-recorded"), recorded)
        + render_table(Message("exhibits-verified-when-packed"), verified)
    )


def read_statements(record: bytes) -> Mapping[str, JsonValue]:
    """Return what the bytes of a record state of the collection, by group."""
    return read_groups(record).list_values("stated")


def render_statements(record: bytes | None, name: str | None = None) -> str:
    """Return a table of what a record states, and whose it is; empty if it states nothing.

    ``name`` is that of the submitter whom the record names, as far as it is known.
    """
    lines = [] if record is None else list_statements(record)
    if record is None or not lines:
        return ""
    rows = [(line.label, say_both(line.value or Message("check-nothing-found"))) for line in lines]
    return render_table(describe_speaker(read_submitter(record), name), rows)


def _bracket(anchored: Mapping[str, str | int]) -> tuple[Message, str]:
    """Return the row of the times between which the record was made."""
    latest = show_time(str(anchored["existed_no_later_than"]))
    chain = find_chain(ChainId(int(anchored["chain_id"])))
    if not proves_time(chain.kind):
        return Message("certificate-bound-not-proven"), latest
    if "made_no_earlier_than" not in anchored:
        return Message("exhibits-existed-by"), latest
    earliest = show_time(str(anchored["made_no_earlier_than"]))
    return Message("certificate-bracket"), f"{earliest} · {latest}"


def render_table(caption: Message, rows: Sequence[tuple[Message | str, str]]) -> str:
    """Return a table of labels and HTML values, in Chinese and English."""
    lines = "".join(
        f"<tr><th>{say_both(label)}</th><td>{value}</td></tr>\n" for label, value in rows
    )
    return f"<table>\n<caption>{say_both(caption)}</caption>\n{lines}</table>\n"


def say_both(text: Message | str) -> str:
    """Return a text as HTML in Chinese and English, or once if they are the same."""
    chinese = translate(text, "zh")
    return escape(text if chinese == text else f"{chinese} / {text}")


def show_time(text: str) -> str:
    """Return a time (RFC 3339) as HTML: in Beijing time and in UTC."""
    return escape(translate(format_stored_time(text), "zh"))


def spell_name(name: str) -> str:
    """Return a foreign name with what hides or turns characters spelled out."""
    return "".join(letter if letter.isprintable() else f"\\u{{{ord(letter):x}}}" for letter in name)


def show_statement(statement: str | None) -> str:
    """Return a statement as HTML, or that none was made."""
    return say_both(Message("certificate-not-provided")) if statement is None else escape(statement)
