"""Counting the requests that reach nodes, by the phase of the work that made them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import pytest

from anchor.chain.json_rpc import Rpc

# The functions that make up a phase; the innermost one on the stack counts.
PHASES = {
    "plan_dev_project": "create",
    "deploy": "deploy",
    "gather": "add",
    "check_standing": "check",
    "find_seal_limit": "seal",
    "seal": "seal",
    "anchor_newest": "anchor",
    "wait_until_final": "wait",
    "refresh_anchors": "wait",
    "watch_proofs": "proof",
    "prove": "proof",
    "judge": "verify",
}


class RequestCounts:
    """The requests so far: how many of each method there were in each phase."""

    def __init__(self) -> None:
        self.by_phase: dict[str, Counter[str]] = {}

    @property
    def total(self) -> int:
        """Return how many there were."""
        return sum(counts.total() for counts in self.by_phase.values())

    def note(self, method: str) -> None:
        """Count one request of the function that is running."""
        frame: FrameType | None = sys._getframe()
        while frame is not None and frame.f_code.co_name not in PHASES:
            frame = frame.f_back
        phase = "other" if frame is None else PHASES[frame.f_code.co_name]
        self.by_phase.setdefault(phase, Counter())[method] += 1

    def format(self) -> str:
        """Return the counts as lines for people."""
        lines = [
            f"{phase} {counts.total()}: "
            + ", ".join(f"{count} {method}" for method, count in sorted(counts.items()))
            for phase, counts in self.by_phase.items()
        ]
        return "\n".join([*lines, f"together {self.total}"])


def count_requests(monkeypatch: pytest.MonkeyPatch) -> RequestCounts:
    """Count every request of this process over HTTP from now on."""
    counts = RequestCounts()
    send: Callable[..., Any] = Rpc.call

    def call(rpc: Rpc, method: str, params: Sequence[Any] = ()) -> Any:
        counts.note(method)
        return send(rpc, method, params)

    monkeypatch.setattr(Rpc, "call", call)
    return counts
