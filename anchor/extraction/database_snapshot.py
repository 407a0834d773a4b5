"""What an extract needs of a database: one snapshot, in which queries run one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from anchor.extraction.extract_column import ExtractColumn, Value

Row: TypeAlias = Sequence[Value]
# Rows are fetched in runs of about this size, whatever their length.
_RUN_BYTES = 4 << 20
_MOST_ROWS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """The columns of a query, and its rows in the order in which the database returns them."""

    columns: Sequence[ExtractColumn]
    rows: Iterator[Row]


class DatabaseSnapshot(Protocol):
    """A transaction that writes nothing, and sees the database of one moment."""

    def describe(self) -> Mapping[str, str]:
        """Return what the database said of itself and of the transaction, by name."""
        ...

    def read_clock(self) -> str | None:
        """Return the time of the database's clock; None if it has none of its own."""
        ...

    def run(self, statement: str) -> AbstractContextManager[QueryResult]:
        """Run a statement that returns rows.

        Raises:
            UsageError: The database refuses the statement, or it returns no columns.
            CannotCheckError: The connection is lost.
        """
        ...

    def check_end(self) -> None:
        """Check that the transaction is still the one that was described."""
        ...


def fetch_rows(fetch: Callable[[int], Sequence[Row]]) -> Iterator[Row]:
    """Yield rows in runs of a bounded size, so that long rows do not fill the memory."""
    count = 1
    while rows := fetch(count):
        yield from rows
        size = sum(len(value) for row in rows for value in row if isinstance(value, (str, bytes)))
        most = _RUN_BYTES * len(rows) // (size + 1)
        count = max(1, min(4 * count, most, _MOST_ROWS))
