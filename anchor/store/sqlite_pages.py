"""Rows of a damaged SQLite file, read from its pages where SQLite cannot read them.

A long row continues on overflow pages, each of which begins with the number of the next one
(https://www.sqlite.org/fileformat2.html).  SQLite cannot read past a damaged one.  Here, the rest
is found among the overflow pages that no other page names, so that only a part of the row is false.
The caller has to check whatever is read in this way.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

Value: TypeAlias = bytes | str | int | None

_INTERIOR, _LEAF = 5, 13
_NAMED, _FREE = 1, 2
# The widths of integers by serial type; 7 is a float, which no table of the store has.
_WIDTHS = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)


class TablePages:
    """The pages of one table; its root page and the way down to a row must be intact."""

    def __init__(self, path: Path, root: int) -> None:
        """Open a file without a write-ahead log; ``root`` is the number of the root page."""
        self._file = path.open("rb")
        header = self._file.read(100)
        size = int.from_bytes(header[16:18], "big")
        self._size = 65_536 if size == 1 else size
        self._usable = self._size - header[20]
        self._count = path.stat().st_size // self._size
        self._cells = dict(self._find_cells(root))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def read_row(self, number: int, filling: int) -> list[Value] | None:
        """Return the values of a row; None if it is not found.

        Damaged pages are read as if each byte were ``filling``. What depends on them differs
        between two readings with different fillings.
        """
        if number not in self._cells:
            return None
        page, place = self._cells[number]
        with suppress(IndexError):
            return _parse_row(self._read_payload(page, place, bytes([filling]) * self._size))
        return None

    def _find_cells(self, root: int) -> Iterator[tuple[int, tuple[int, int]]]:
        """Yield each row's number, with the page and the offset of its cell."""
        pages, seen = [root], set()
        while pages:
            number = pages.pop()
            if number in seen:
                continue
            seen.add(number)
            page = self._read(number)
            if page[0] == _INTERIOR:
                pages += (_read_number(page, place) for place in (8, *_list_places(page, 12)))
            for place in _list_places(page, 8) if page[0] == _LEAF else ():
                with suppress(IndexError):
                    yield _read_varint(page, _read_varint(page, place)[1])[0], (number, place)

    def _read(self, number: int) -> bytes:
        """Return a page; zeros if the file has no such page."""
        self._file.seek(
            (number - 1) * self._size if 0 < number <= self._count else self._count * self._size
        )
        return self._file.read(self._size).ljust(self._size, b"\0")

    def _read_payload(self, number: int, place: int, filling: bytes) -> bytes:
        page = self._read(number)
        size, at = _read_varint(page, place)
        _, at = _read_varint(page, at)
        local = self._measure_local(size)
        parts = [page[at : at + local]]
        rest = min(size, self._count * self._size) - local
        number = _read_number(page, at + local)
        while rest > 0:
            page = self._read(number)
            following = _read_number(page, 0)
            width = self._usable - 4
            # The last page names no other.
            is_intact = 0 < following <= self._count if rest > width else following == 0
            parts.append((page if is_intact and any(page) else filling)[4 : self._usable][:rest])
            rest -= width
            number = following if is_intact else self._guess_next(number, -(-rest // width))
        return b"".join(parts)

    def _guess_next(self, damaged: int, length: int) -> int:
        """Return the page after a damaged one, from which ``length`` pages make up the rest."""
        heads = [head for head, pages in self._orphans.items() if pages == length]
        heads = heads or list(self._orphans)
        return heads[0] if len(heads) == 1 else damaged + 1

    @cached_property
    def _orphans(self) -> dict[int, int]:
        """The overflow pages that no page names, with the number of pages from each to the end."""
        named = bytearray(self._count + 1)
        for number in self._list_free_pages():
            named[number] = _FREE
        following = array("L", bytes(8 * (self._count + 1)))
        overflow = bytearray(self._count + 1)
        for number in range(2, self._count + 1):
            page = self._read(number)
            if named[number] == _FREE:
                continue
            if page[0] == _LEAF:
                names = list(self._list_first_overflows(page))
            elif page[0] == 0 and any(page):
                # The number of a page: no file of the store has 2 ** 24 pages of this kind.
                overflow[number] = 1
                names = [_read_number(page, 0)]
                following[number] = names[0] if names[0] <= self._count else 0
            else:
                names = []
            for name in names:
                if 0 < name <= self._count and named[name] != _FREE:
                    named[name] = _NAMED
        heads = [
            number
            for number, is_overflow in enumerate(overflow)
            if is_overflow and not named[number]
        ]
        return {head: self._measure_chain(head, following) for head in heads}

    def _measure_chain(self, head: int, following: Sequence[int]) -> int:
        length, number = 1, following[head]
        while number and length <= self._count:
            length, number = length + 1, following[number]
        return length

    def _list_free_pages(self) -> Iterator[int]:
        """Yield the pages in the list of free ones, which begins in the file's header."""
        trunk = _read_number(self._read(1), 32)
        for _ in range(self._count):
            if not 0 < trunk <= self._count:
                return
            yield trunk
            page = self._read(trunk)
            count = min(_read_number(page, 4), self._usable // 4 - 2)
            leaves = (_read_number(page, 8 + 4 * place) for place in range(count))
            yield from (leaf for leaf in leaves if 0 < leaf <= self._count)
            trunk = _read_number(page, 0)

    def _list_first_overflows(self, page: bytes) -> Iterator[int]:
        """Yield the first overflow page of each long row in a leaf page."""
        for place in _list_places(page, 8):
            with suppress(IndexError):
                size, at = _read_varint(page, place)
                local = self._measure_local(size)
                if local < size:
                    yield _read_number(page, _read_varint(page, at)[1] + local)

    def _measure_local(self, size: int) -> int:
        """Return how many bytes of a payload are in the cell itself."""
        most, least = self._usable - 35, (self._usable - 12) * 32 // 255 - 23
        if size <= most:
            return size
        local = least + (size - least) % (self._usable - 4)
        return local if local <= most else least


def _parse_row(payload: bytes) -> list[Value]:
    end, at = _read_varint(payload, 0)
    values: list[Value] = []
    place = end
    while at < end:
        kind, at = _read_varint(payload, at)
        width = (kind - 12) // 2 if kind >= 12 else _WIDTHS[kind]
        part = payload[place : place + width]
        place += width
        if kind >= 12:
            values.append(part.decode(errors="replace") if kind % 2 else part)
        elif kind == 0:
            values.append(None)
        else:
            values.append(int.from_bytes(part, "big", signed=True) if width else kind - 8)
    return values


def _list_places(page: bytes, start: int) -> list[int]:
    """Return the offsets of a page's cells, which are listed from ``start`` on."""
    end = min(start + 2 * int.from_bytes(page[3:5], "big"), len(page))
    return [int.from_bytes(page[at : at + 2], "big") for at in range(start, end, 2)]


def _read_number(page: bytes, at: int) -> int:
    return int.from_bytes(page[at : at + 4], "big")


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of one to nine bytes, and where the next one begins."""
    number = 0
    for place in range(at, at + 8):
        number = number << 7 | data[place] & 0x7F
        if data[place] < 0x80:
            return number, place + 1
    return number << 8 | data[at + 8], at + 9
