"""Places in lists that are ordered by a time and an id, so that they can be read page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Column, Select, tuple_


@dataclass(frozen=True, slots=True)
class ListPosition:
    """The place of a row, which keeps its meaning when that row is gone."""

    time: str
    id: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the position that ``str`` wrote."""
        time, _, id = text.partition("/")
        return cls(time, id)

    def __str__(self) -> str:
        return f"{self.time}/{self.id}"


def order_by_time(
    query: Select[Any],
    time: Column[str],
    id: Column[str],
    *,
    after: ListPosition | None,
    limit: int | None,
) -> Select[Any]:
    """Return the query for up to ``limit`` rows, oldest first, that follow ``after``."""
    if after is not None:
        query = query.where(tuple_(time, id) > tuple_(after.time, after.id))
    return query.order_by(time, id).limit(limit)
