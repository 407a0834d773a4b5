"""The side file ``acknowledged.log``: the tenant of each acknowledged piece of evidence.

It is stored beside the tiles, is private and never published.  With it, an old backup and the
tiles, ``anchor restore`` can return evidence to its tenants and report what is lost.  It contains
no record, no salt, no name and no whole digest.

Entries are appended and synced before the transaction that stores their rows is committed: every
acknowledged row has an entry, and an entry without a row is a submission that was never committed.
An append that a crash interrupted is truncated by the next append.
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection

from anchor.base.errors import SideFileHeldError, StorageError, WriteRefusedError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import open_private, sync_folder, try_folder
from anchor.base.system.file_lock import wait_for_lock
from anchor.base.system.os_errors import describe_os_error
from anchor.store.acknowledged_log_frames import (
    MAGIC,
    Damage,
    Entry,
    EntryBlock,
    encode_entries,
    ends_whole,
    find_false_end,
    parse_entries,
    walk_frames,
)
from anchor.store.batches import in_batches
from anchor.store.columns import Row, Run
from anchor.store.evidence_kinds import parse_kinds
from anchor.store.file_origins import tenant_of

OnDamage = Callable[[Message], None]

# Seconds to wait for another process's append, and between two tries.
_PATIENCE = 10
_COPIED = 100_000
_NOTED = "anchor_acknowledged"


class SideFile:
    """The side file at ``path``, which the first append creates."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Inode and size after this process's last append: if unchanged, the end needs no new check.
        self._sound: tuple[int, int] | None = None

    def append(self, entries: Iterable[Entry | EntryBlock]) -> None:
        """Append entries and sync them to disk."""
        data = encode_entries(entries)
        if not data:
            return
        with self._translate_errors(), self._locked() as descriptor:
            end = self._find_end(descriptor)
            if end == 0:
                data = MAGIC + data
            try:
                _write_at(descriptor, data, end)
                os.fdatasync(descriptor)
            except OSError:
                # A partly written frame must not remain between two whole frames.
                with suppress(OSError):
                    os.ftruncate(descriptor, end)
                raise
            self._sound = os.fstat(descriptor).st_ino, end + len(data)

    def try_appending(self) -> None:
        """Check that an entry could be appended: the file can be written, and its disk has room.

        The test data goes to another file, because a backup may be copying this one.
        """
        with self._translate_errors():
            if self.path.exists():  # the first entry makes it
                with self._locked() as descriptor:
                    self._find_end(descriptor)
            try_folder(self.path.parent)

    def read_entries(self, on_damage: OnDamage | None = None) -> Iterator[Entry]:
        """Yield every entry, oldest first; yield nothing if the file does not exist.

        A last entry truncated by a crash is skipped. Any other damage is reported to ``on_damage``,
        and reading continues after it.

        Raises:
            StorageError: The file is damaged and ``on_damage`` is None, or the file cannot be read.
        """
        with self._translate_errors():
            try:
                # Non-blocking, because opening a pipe would wait for its writer.
                descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except FileNotFoundError:
                return
            with open(descriptor, "rb") as file:
                self._check_kind(descriptor)
                yield from self._walk(file, on_damage)

    def find_damage(self) -> Iterator[Message]:
        """Yield a message for each part that cannot be read.

        An unfinished last frame is none: an append may be under way, or was interrupted.
        """
        told: list[Message] = []
        for _ in self.read_entries(told.append):
            pass
        yield from told
        with self._translate_errors(), suppress(FileNotFoundError), self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = find_false_end(file, size)
            if start is not None:
                yield Message("side-file-damaged", path=self.path, start=start, end=size)

    def remove_where(
        self, is_unwanted: Callable[[Entry], bool], on_damage: OnDamage | None = None
    ) -> int:
        """Rewrite the file without the entries that ``is_unwanted`` selects; return their number.

        Unreadable parts are removed as well, after they were reported to ``on_damage``.

        Raises:
            StorageError: The file is damaged and ``on_damage`` is None, or the disk is full or
                fails; the file is unchanged.
        """
        if not self.path.exists():
            return 0
        temporary = self.path.with_name(f".anchor-{secrets.token_hex(8)}.tmp")
        removed = 0

        def keep(entries: Iterable[Entry]) -> Iterator[Entry]:
            nonlocal removed
            for entry in entries:
                if is_unwanted(entry):
                    removed += 1
                else:
                    yield entry

        with self._translate_errors(), self._locked() as descriptor:
            try:
                with open(descriptor, "rb", closefd=False) as old:
                    _write_copy(temporary, keep(self._walk(old, on_damage)))
                temporary.replace(self.path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            sync_folder(self.path.parent)
        return removed

    def _walk(self, file: BinaryIO, on_damage: OnDamage | None) -> Iterator[Entry]:
        for part in walk_frames(file, os.fstat(file.fileno()).st_size):
            if not isinstance(part, Damage):
                yield from parse_entries(part)
            elif not part.is_tail or (part.start == 0 and not _is_unfinished(file)):
                told = Message("side-file-damaged", path=self.path, start=part.start, end=part.end)
                if on_damage is None:
                    raise StorageError(told, hint=Message("side-file-damaged-hint"))
                on_damage(told)

    def _find_end(self, descriptor: int) -> int:
        """Return the offset to append at, after truncating an interrupted append."""
        status = os.fstat(descriptor)
        size = status.st_size
        if self._sound == (status.st_ino, size):
            return size
        if size == 0:
            # Without this, a power cut could remove the file's name together with the
            # first entry.
            sync_folder(self.path.parent)
            return 0
        with open(descriptor, "rb", closefd=False) as file:
            if ends_whole(file, size):
                return size
            parts = walk_frames(file, size)
            torn = (part for part in parts if isinstance(part, Damage) and part.is_tail)
            end = next((part.start for part in torn), size)
            is_other = end == 0 and not _is_unfinished(file)
        if is_other:
            raise WriteRefusedError(
                Message("side-file-foreign", path=self.path),
                hint=Message("side-file-foreign-hint"),
            )
        os.ftruncate(descriptor, end)
        return end

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Hold the lock on the file; reopen it if it was replaced while waiting for the lock."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            descriptor = open_private(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
            try:
                self._check_kind(descriptor)
                self._wait_for(descriptor, deadline)
                if _is_at(descriptor, self.path):
                    yield descriptor
                    return
            finally:
                os.close(descriptor)

    def _check_kind(self, descriptor: int) -> None:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise StorageError(
                Message("side-file-not-regular", path=self.path),
                hint=Message("side-file-not-regular-hint"),
            )

    def _wait_for(self, descriptor: int, deadline: float) -> None:
        try:
            wait_for_lock(descriptor, deadline)
        except BlockingIOError as error:
            raise SideFileHeldError(
                Message("side-file-held", path=self.path),
                hint=Message("process-wait-or-stop-hint"),
            ) from error

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise WriteRefusedError(
                Message(
                    "file-read-or-write-failed", path=self.path, reason=describe_os_error(error)
                ),
                hint=Message("side-file-disk-hint"),
            ) from error


def build_entry(piece: Row) -> Entry:
    """Return the side-file entry of a piece of evidence that has no idempotency key."""
    return Entry(piece.leaf, piece.identity, tenant_of(piece.source) or "", None)


def build_block(run: Run) -> EntryBlock:
    """Return the side-file entries of a run of one tenant's new pieces, without their keys."""
    prefix = parse_kinds(run.shared)[0].prefix
    assert prefix is not None, "the kinds of new pieces have one"
    return EntryBlock(tenant_of(prefix) or "", run.identities(with_leaves=True))


def begin_noting(connection: Connection, *, is_kept: bool) -> list[Entry | EntryBlock]:
    """Start recording a transaction's inserted evidence; return the list it is recorded in."""
    entries: list[Entry | EntryBlock] = []
    connection.info[_NOTED] = entries if is_kept else None
    return entries


def noted_entries(connection: Connection) -> list[Entry | EntryBlock] | None:
    """Return the list that records this transaction's inserts; None if there is no side file.

    Raises:
        RuntimeError: The transaction was not begun by `Database.write`.
    """
    try:
        noted: list[Entry | EntryBlock] | None = connection.info[_NOTED]
    except KeyError:
        raise RuntimeError("evidence is taken in by Database.write only") from None
    return noted


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest = rest[written:]
        offset += written


def _write_copy(path: Path, entries: Iterator[Entry]) -> None:
    descriptor = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW)
    with open(descriptor, "wb") as file:
        file.write(MAGIC)
        for part in in_batches(entries, _COPIED):
            file.write(encode_entries(part))
        file.flush()
        os.fsync(file.fileno())


def _is_unfinished(file: BinaryIO) -> bool:
    """Return whether the file begins like an interrupted first append.

    Such a file has a part of ``MAGIC``, or zeros in its place.
    """
    file.seek(0)
    first = file.read(len(MAGIC))
    return not any(first) or MAGIC.startswith(first)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
