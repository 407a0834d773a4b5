"""The answers to the lines of a bulk submission, as JSON lines."""

from __future__ import annotations

import json

from anchor.base.types import Stage
from anchor.service.bulk_runs import format_accepted
from anchor.service.problems import Problem

LINES = "application/x-ndjson"


class LineAnswers:
    """Answers as JSON lines; the last one has the counts, or the reason why it is the last one."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def accept(self, number: int, identities: bytes, copies: int | None) -> None:
        """Answer new pieces, the first of which was in line ``number``."""
        tail = b"}\n" if copies is None else b',"copies":%d}\n' % copies
        self._parts.append(format_accepted(number, identities, tail))

    def know(self, number: int, identity: bytes, state: Stage, copies: int | None) -> None:
        """Answer a piece that was stored before."""
        members = {"line": number, "id": identity.hex(), "state": state.value, "known": True}
        self._add(members if copies is None else members | {"copies": copies})

    def refuse(self, number: int, problem: Problem) -> None:
        """Answer a line with an error."""
        self._add({"line": number, "problem": problem.members()})

    def end(self, counts: dict[str, int]) -> None:
        """Add the end: everything is answered."""
        self._add(counts)

    def fail(self, problem: Problem) -> None:
        """Add the end: lines without an answer were not stored."""
        self._add({"problem": problem.members()})

    def take(self) -> bytes:
        """Return what is to be sent next."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data

    def _add(self, members: object) -> None:
        self._parts.append(_encode(members) + b"\n")


def _encode(members: object) -> bytes:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
