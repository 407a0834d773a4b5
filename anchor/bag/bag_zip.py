"""A bag in a ZIP file, which is never unpacked: its entries are read as streams."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from anchor.bag.bag_format import BAGIT, check_name, check_names
from anchor.bag.zip_directory import ReadAt, ZipEntry, lists_file, read_at_in, read_directory
from anchor.bag.zip_entry import DEFLATED
from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.base.system.os_errors import explain_os_error
from anchor.base.system.regular_files import open_regular_file

_CHUNK_BYTES = 1 << 18
_MARK = b"PK"


def is_bag_zip(path: Path) -> bool:
    """Return whether a file is the ZIP file of a bag, valid or not: it lists ``bagit.txt``.

    Raises:
        MalformedError: It begins like a ZIP file, and has no readable directory.
    """
    with open(open_regular_file(path), "rb", buffering=0) as file:
        if file.read(len(_MARK)) != _MARK:
            return False
        descriptor = file.fileno()
        return lists_file(read_at_in(descriptor), os.fstat(descriptor).st_size, BAGIT)


class BagZip:
    """The files of the one folder in a ZIP file, which is named or open.

    Raises:
        MalformedError: ``read_directory`` or ``check_names`` refuses, or there is more than one
            folder at the top.
    """

    def __init__(self, path: Path | BinaryIO) -> None:
        self._descriptor = -1
        try:
            self._descriptor = (
                open_regular_file(path) if isinstance(path, Path) else os.dup(path.fileno())
            )
            length = os.fstat(self._descriptor).st_size
            self._read_at = read_at_in(self._descriptor)
            files, folders = read_directory(self._read_at, length)
            self._entries = _strip_top(files, folders)
        except OSError as error:
            raise explain_os_error(
                Message("file-unreadable", path=path), error, is_named=True
            ) from error
        self.sizes: Mapping[str, int] = {name: entry.size for name, entry in self._entries.items()}
        check_names(self.sizes, [name.partition("/")[2] for name in folders if "/" in name])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open an entry: a stream of exactly its size, or an error when it is read."""
        entry = self._entries[name]
        return open_entry(self._read_at, entry, name)


def open_entry(read_at: ReadAt, entry: ZipEntry, name: str) -> BinaryIO:
    """Open an entry of a ZIP file: a stream of exactly its size, or an error when it is read."""
    return io.BufferedReader(_EntryStream(read_at, entry, name))


def _strip_top(files: list[ZipEntry], folders: list[str]) -> dict[str, ZipEntry]:
    """Return the entries by their names below the one folder that holds them all."""
    entries: dict[str, ZipEntry] = {}
    # The folder's name is no part of the files' names: neither counts for the other's length.
    tops = dict.fromkeys(
        name.partition("/")[0] for name in (*folders, *(entry.name for entry in files))
    )
    for top in tops:
        check_name(top)
    for entry in files:
        _, slash, name = entry.name.partition("/")
        if not slash:
            raise MalformedError(Message("zip-top-folder"))
        check_name(name)
        if name in entries:
            raise MalformedError(Message("bag-name-double", name=name, other=name))
        entries[name] = entry
    if len(tops) != 1:
        raise MalformedError(Message("zip-top-folder"))
    return entries


class _EntryStream(io.RawIOBase):
    """The unpacked bytes of one entry."""

    def __init__(self, read_at: ReadAt, entry: ZipEntry, name: str) -> None:
        self._read_at = read_at
        self._entry = entry
        self._name = name
        self._at = entry.start
        self._end = entry.start + entry.packed
        self._left = entry.size
        self._inflater = zlib.decompressobj(-15) if entry.method == DEFLATED else None
        self._waiting = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        data = self._take(len(view)) if self._inflater is None else self._inflate(len(view))
        view[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def _take(self, most: int) -> bytes:
        data = self._read_at(self._at, min(most, self._end - self._at))
        self._at += len(data)
        return data

    def _inflate(self, most: int) -> bytes:
        """Return at least one byte unless the entry is at its end, which must be the declared."""
        inflater = self._inflater
        assert inflater is not None
        try:
            while not inflater.eof:
                self._waiting = self._waiting or self._take(_CHUNK_BYTES)
                was_given = bool(self._waiting)
                data = inflater.decompress(self._waiting, min(most, self._left + 1))
                self._waiting = inflater.unconsumed_tail
                if len(data) > self._left or not (data or was_given or inflater.eof):
                    raise self._refuse()
                if data:
                    return data
        except zlib.error as error:
            raise self._refuse() from error
        if self._left or self._at != self._end or inflater.unused_data:
            raise self._refuse()
        return b""

    def _refuse(self) -> MalformedError:
        return MalformedError(Message("zip-entry-invalid", name=self._name))
