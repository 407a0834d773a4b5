"""Levels of a tenant's daily quota about which its owners are told."""

from __future__ import annotations

from typing import Final

LEVELS: Final = (100, 80)
"""In per cent of the quota, the highest first."""


def find_level(before: int, after: int, quota: int) -> int | None:
    """Return the highest level that was not reached ``before`` and is ``after``; None without."""
    return next((each for each in LEVELS if 100 * before < each * quota <= 100 * after), None)
