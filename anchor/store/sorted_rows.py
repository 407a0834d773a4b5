"""Rows of one width, back to back in a buffer and sorted bytewise.

``anchor._sha256`` (``anchor/native/``) does the work; an installation built without a C compiler
lacks that module and uses Python, which gives the same results and is some twenty times slower.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

from anchor.log.batch_sha256 import IS_NATIVE, Buffer

if IS_NATIVE:
    from anchor import _sha256

NUMBER_SIZE = 6
"""The size of the numbers that ``number_rows`` appends, in bytes."""

_MAX_NUMBER = 1 << 8 * NUMBER_SIZE


def sort_rows(rows: Buffer, width: int) -> bytes:
    """Return the rows of ``width`` bytes in order, repeated ones as often as they occur.

    Raises:
        ValueError: ``width`` is not positive, or ``rows`` is not a whole number of rows.
    """
    if IS_NATIVE:
        return _sha256.sort_rows(rows, width)
    return _sort_rows(rows, width)


def merge_rows(
    parts: Sequence[Buffer], width: int, *, after: Buffer = b"", until: Buffer | None = None
) -> bytes:
    """Merge sorted rows; return each distinct row once.

    With bounds, only the rows greater than ``after`` and not greater than ``until`` are returned.
    Bounds are compared as strings of bytes and may be shorter or longer than a row.

    Raises:
        ValueError: ``width`` is not positive, or a part is not a whole number of rows.
    """
    if IS_NATIVE:
        return _sha256.merge_rows(parts, width, after, until)
    return _merge_rows(parts, width, after, until)


def search_rows(needles: Buffer, needle_width: int, rows: Buffer, width: int, prefix: int) -> bytes:
    """Return the rows whose first ``prefix`` bytes are also the first bytes of a needle.

    Both ``needles``, of ``needle_width`` bytes each, and ``rows`` are sorted.

    Raises:
        ValueError: A width is not positive, either buffer is not a whole number of rows, or
            ``prefix`` is not 1 … the smaller width.
    """
    if IS_NATIVE:
        return _sha256.search_rows(needles, needle_width, rows, width, prefix)
    return _search_rows(needles, needle_width, rows, width, prefix)


def number_rows(rows: Buffer, width: int, first: int) -> bytes:
    """Append to each row its number, counted from ``first``, in six bytes, big-endian.

    Raises:
        ValueError: ``width`` is not positive, or ``rows`` is not a whole number of rows.
        OverflowError: A number would be negative, or have more than six bytes.
    """
    if IS_NATIVE:
        return _sha256.number_rows(rows, width, first)
    return _number_rows(rows, width, first)


def split_rows(rows: Buffer, width: int) -> list[bytes]:
    """Return the rows as a list.

    Raises:
        ValueError: ``width`` is not positive, or ``rows`` is not a whole number of rows.
    """
    view = memoryview(rows)
    if not view.c_contiguous:
        raise BufferError("the bytes are not in one piece")
    if width < 1:
        raise ValueError("a row has at least one byte")
    if view.nbytes % width:
        raise ValueError(f"{view.nbytes} bytes are no whole number of rows of {width}")
    return [row for (row,) in Struct(f"{width}s").iter_unpack(view.cast("B"))]


# The fallback in Python.


def _sort_rows(rows: Buffer, width: int) -> bytes:
    return b"".join(sorted(split_rows(rows, width)))


def _merge_rows(parts: Sequence[Buffer], width: int, after: Buffer, until: Buffer | None) -> bytes:
    low = bytes(after)
    high = None if until is None else bytes(until)
    if width < 1:
        raise ValueError("a row has at least one byte")
    merged = {row for part in parts for row in split_rows(part, width) if row > low}
    return b"".join(sorted(row for row in merged if high is None or row <= high))


def _search_rows(
    needles: Buffer, needle_width: int, rows: Buffer, width: int, prefix: int
) -> bytes:
    split_needles = split_rows(needles, needle_width)
    split = split_rows(rows, width)
    if not 1 <= prefix <= min(needle_width, width):
        raise ValueError("the compared bytes are part of both rows")
    wanted = {needle[:prefix] for needle in split_needles}
    return b"".join(row for row in split if row[:prefix] in wanted)


def _number_rows(rows: Buffer, width: int, first: int) -> bytes:
    split = split_rows(rows, width)
    if not 0 <= first <= _MAX_NUMBER - len(split):
        raise OverflowError("a number has six bytes")
    return b"".join(
        row + number.to_bytes(NUMBER_SIZE, "big") for number, row in enumerate(split, first)
    )
