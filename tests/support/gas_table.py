"""Carries the gas figures from the test that measures them to the end of pytest's output."""

from __future__ import annotations

import pytest

# Name, gas used, and the ceiling where there is one.
GAS_TABLE = pytest.StashKey[list[tuple[str, int, int | None]]]()


def format_gas_table(rows: list[tuple[str, int, int | None]]) -> list[str]:
    width = max(len(name) for name, _, _ in rows)
    lines = [f"{'call':{width}}  {'gas':>9}  {'ceiling':>9}"]
    for name, gas, ceiling in rows:
        limit = "none" if ceiling is None else f"{ceiling:,}"
        lines.append(f"{name:{width}}  {gas:>9,}  {limit:>9}")
    return lines
