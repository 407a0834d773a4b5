"""Text that people enter: bounded, and without characters that hide or turn other text."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from anchor.base.messages.message import Message

# Control, format (which reverses the direction of text), surrogate, private and unassigned.
_UNFIT: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRule:
    """What a text may be: at most so many characters, one line or several."""

    most: int
    is_required: bool = False
    is_line: bool = True


def is_fit(char: str) -> bool:
    """Return whether a character can be shown: a space, or neither control nor format character."""
    return char.isspace() or unicodedata.category(char) not in _UNFIT


def clean_text(text: str) -> str:
    """Return a text in NFC, without spaces around it, and with one kind of line end."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def find_text_fault(text: str, rule: TextRule) -> Message | None:
    """Return what is wrong with a cleaned text, or None."""
    if not text:
        return Message("entry-missing") if rule.is_required else None
    if len(text) > rule.most:
        return Message("entry-too-long", limit=rule.most)
    if rule.is_line and any(char.isspace() and char != " " for char in text):
        return Message("entry-not-one-line")
    return None if all(map(is_fit, text)) else Message("entry-unfit")


def find_text_faults(texts: Mapping[str, str], rules: Mapping[str, TextRule]) -> dict[str, Message]:
    """Return what is wrong with texts, by the names under which their rules stand."""
    faults = {name: find_text_fault(text, rules[name]) for name, text in texts.items()}
    return {name: fault for name, fault in faults.items() if fault is not None}
