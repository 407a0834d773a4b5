"""The values of record groups for people: those of a fixed choice in words, others as written."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from anchor.base.canonical import JsonValue
from anchor.base.messages.message import Message, join
from anchor.evidence.group_members import list_members
from anchor.evidence.observed_groups import CheckResult, Environment

CHECK_RESULTS: dict[CheckResult, Message] = {
    "pass": Message("check-result-pass"),
    "fail": Message("check-result-fail"),
    "not_checked": Message("check-result-none"),
}
_WORDS: dict[tuple[str, str], Message] = {
    ("kind", "file"): Message("kind-file"),
    ("kind", "bundle"): Message("kind-bundle"),
    ("kind", "statement"): Message("kind-statement"),
    ("kind", "web-capture"): Message("kind-web-capture"),
    ("kind", "screen-recording"): Message("kind-screen-recording"),
    ("kind", "call-recording"): Message("kind-call-recording"),
    ("kind", "photo"): Message("kind-photo"),
    ("kind", "device-copy"): Message("kind-device-copy"),
    ("kind", "database-extract"): Message("kind-database-extract"),
    ("kind", "custody-event"): Message("kind-custody-event"),
    ("kind", "supersedes"): Message("kind-supersedes"),
    ("kind", "withdraws"): Message("kind-withdraws"),
    ("event", "collect"): Message("custody-name-collect"),
    ("event", "seal"): Message("custody-name-seal"),
    ("event", "copy"): Message("custody-name-copy"),
    ("event", "transfer"): Message("custody-name-transfer"),
    ("event", "access"): Message("custody-name-access"),
    ("event", "analyse"): Message("custody-name-analyse"),
    ("event", "export"): Message("custody-name-export"),
    ("event", "renew"): Message("custody-name-renew"),
    ("event", "erase"): Message("custody-name-erase"),
    ("modifications", "none-declared"): Message("modifications-none-declared"),
    ("reproducible", "yes"): Message("reproducible-yes"),
    ("reproducible", "no"): Message("reproducible-no"),
    ("reproducible", "not_attempted"): Message("reproducible-not-attempted"),
    ("state", "not_asked"): Message("clock-state-not-asked"),
    ("state", "unanswered"): Message("clock-state-unanswered"),
    ("state", "one_answer"): Message("clock-state-one-answer"),
    ("state", "agree"): Message("clock-state-agree"),
    ("state", "disagree"): Message("clock-state-disagree"),
    **{("result", result): words for result, words in CHECK_RESULTS.items()},
}


def spell_value(member: str, value: JsonValue) -> str:
    """Return the value of a group's member, by the last part of its path; empty for no entries."""
    if isinstance(value, list):
        entries = [str(entry) for entry in value]
        if member == "not_observed":
            return _name_members(entries)
        return shlex.join(entries) if member == "argv" else "; ".join(entries)
    text = str(value)
    return _WORDS.get((member, text), text)


def _name_members(names: Sequence[str]) -> str:
    """Return members of the environment by their labels."""
    members = list_members(Environment)
    labels = [members[name].label if name in members else name for name in names]
    return join(labels, "semicolon") if labels else ""
