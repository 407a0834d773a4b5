"""A case of the test vectors: what a verifier is given, and what it has to find."""

from __future__ import annotations

from typing import Any

Case = dict[str, Any]


def squeeze(text: str, filler: str, times: int) -> tuple[str, Case]:
    """Return the text without a long run of a character, and what puts it back."""
    at = text.index(filler * times)
    return text[:at] + text[at + times :], {"at": at, "text": filler, "times": times}


def fill(case: Case, name: str) -> str:
    """Return a text of the case with what puts it back."""
    text: str = case[name]
    if "padding" not in case:
        return text
    padding = case["padding"]
    run: str = padding["text"] * padding["times"]
    return text[: padding["at"]] + run + text[padding["at"] :]


def valid(name: str, **fields: object) -> Case:
    return {"name": name, "result": "valid", **fields}


def invalid(name: str, rule: str, **fields: object) -> Case:
    return {"name": name, "result": "invalid", "rule": rule, **fields}


def unknown(name: str, rule: str, **fields: object) -> Case:
    """A case of which nothing can be told: neither valid nor invalid."""
    return {"name": name, "result": "unknown", "rule": rule, **fields}
