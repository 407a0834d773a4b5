"""How many examples a test tries: all in the second lane, fewer in the first.

``HYPOTHESIS_PROFILE=release``, which ``scripts/test --all`` sets, chooses all.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import TypeVar

from hypothesis import settings

T = TypeVar("T")
ORDINARY = 50
IS_RELEASE = os.environ.get("HYPOTHESIS_PROFILE") == "release"


def examples(number: int, ordinary: int = ORDINARY) -> int:
    """Return how many of a test's ``number`` examples to try in this lane."""
    return number if IS_RELEASE else min(number, ordinary)


def some(values: Collection[T], turn: int, count: int = 3) -> Sequence[T]:
    """Return all values; in the first lane ``count`` of them, at each turn others."""
    ordered = list(values)
    if IS_RELEASE:
        return ordered
    return [ordered[(turn * count + step) % len(ordered)] for step in range(count)]


def load_profile() -> None:
    """Let tests that name no number of examples take the lane's; none has a deadline."""
    settings.register_profile("lane", max_examples=examples(100), deadline=None)
    settings.load_profile("lane")
