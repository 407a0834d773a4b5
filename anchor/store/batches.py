"""Splitting of rows into batches for lookups and writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def in_batches(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """Yield the items in lists of ``most``, the last of which may be shorter."""
    rest = iter(items)
    while batch := list(islice(rest, most)):
        yield batch
