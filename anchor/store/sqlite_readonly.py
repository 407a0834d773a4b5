"""A SQLite store on read-only media, such as a sealed backup or an expert's write-blocked copy.

SQLite in WAL mode keeps a write-ahead log and shared memory beside the file, and creates both if
they are missing.  If no file can be created, the existing ones decide how the store is opened
(https://www.sqlite.org/wal.html#readonly):

- log and shared memory: SQLite reads both as they are;
- a log alone, which holds commits: the two files are copied to a private folder and read there;
- no log, or an empty one: the file is complete, and is opened as one that never changes.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path

from anchor.base.messages.message import Message
from anchor.base.system.os_errors import explain_os_error
from anchor.store.location import has_write_ahead_log


@dataclass(frozen=True, slots=True)
class ReadOnlySource:
    """The way to open a store on read-only media; ``read_only_note`` explains it to the user."""

    uri: str
    read_only_note: Message
    copy: tempfile.TemporaryDirectory[str] | None = None

    def connect(self) -> sqlite3.Connection:
        """Open a connection that cannot write."""
        return sqlite3.connect(self.uri, uri=True, check_same_thread=False)

    def release(self) -> None:
        """Remove the private copy, if one was made."""
        if self.copy is not None:
            self.copy.cleanup()


def is_on_read_only_media(path: Path) -> bool:
    """Return whether the file system that holds ``path`` takes no file.

    After an error that aborted its journal, ext4 refuses to, though it is mounted for writing.
    """
    try:
        if os.statvfs(path).f_flag & os.ST_RDONLY:
            return True
        # A file without a name: nothing of it can be seen or stays.
        os.close(os.open(path.parent, os.O_TMPFILE | os.O_RDWR, 0o600))
    except OSError as error:
        return error.errno == errno.EROFS
    return False


def choose_source(path: Path) -> ReadOnlySource:
    """Return how to open the store at ``path``, on read-only media."""
    log, shared = (path.with_name(f"{path.name}{end}") for end in ("-wal", "-shm"))
    has_log = has_write_ahead_log(path)
    where = Message("store-on-read-only-media", path=path)
    if has_log and shared.exists():
        return ReadOnlySource(
            _uri(path, "mode=ro"), Message("store-read-only-with-log", detail=where)
        )
    if has_log:
        copy = _copy(path, log)
        read_only_note = Message("store-read-only-copied", detail=where, folder=copy.name)
        return ReadOnlySource(_uri(Path(copy.name, path.name), "mode=rw"), read_only_note, copy)
    return ReadOnlySource(
        _uri(path, "mode=ro&immutable=1"), Message("store-read-only-as-is", detail=where)
    )


def _uri(path: Path, options: str) -> str:
    return f"{path.absolute().as_uri()}?{options}"


def _copy(*files: Path) -> tempfile.TemporaryDirectory[str]:
    """Copy files to a new temporary folder that only this user can read."""
    folder = tempfile.TemporaryDirectory(prefix="anchor-read-only-")
    try:
        for file in files:
            shutil.copyfile(file, Path(folder.name, file.name))
    except OSError as error:
        folder.cleanup()
        failure = Message("store-read-only-copy-failed", path=files[0], folder=folder.name)
        raise explain_os_error(failure, error, is_named=False) from error
    return folder
