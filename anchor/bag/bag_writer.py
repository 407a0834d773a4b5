"""Writing a bag, as a folder or a ZIP file: completely or not at all, and over no other file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

from anchor.bag.bag_contents import BagPart, OriginalFile
from anchor.bag.bag_format import TAG_MANIFEST
from anchor.base.digests import CHUNK_BYTES
from anchor.base.errors import MismatchError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import sync_folder
from anchor.base.system.os_errors import explain_os_error
from anchor.base.system.regular_files import open_regular_file

ZIP_SUFFIX = ".zip"
# The earliest time that a ZIP file can state: no clock is read.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX, _REGULAR_FILE = 3, 0o100644 << 16


def check_target(target: Path) -> None:
    """Verify that nothing is at the path of a new bag, and that its folder exists."""
    if os.path.lexists(target):
        raise UsageError(Message("bag-target-exists", path=target), path=target)
    if not target.parent.is_dir():
        raise UsageError(Message("bag-target-folder-missing", path=target.parent), path=target)


def write_bag(
    target: Path, bag: Mapping[str, BagPart], *, on_read: Callable[[int], None] | None = None
) -> None:
    """Write the files of a complete bag to ``target``: a ZIP file if its name says so.

    A crash leaves a temporary file or folder beside the target, and no target.  ``on_read`` is
    called with the number of bytes of each chunk of an original.
    """
    check_target(target)
    temporary = target.with_name(f".anchor-{secrets.token_hex(8)}.tmp")
    try:
        if target.suffix.lower() == ZIP_SUFFIX:
            _write_zip(temporary, bag, on_read)
            # Renaming alone would replace a file that came into being meanwhile.
            target.open("xb").close()
            # A crash here leaves an empty file, which no verifier takes for a bag.
            temporary.replace(target)
        else:
            _write_folder(temporary, bag, on_read)
            temporary.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise explain_os_error(
            Message("file-unwritable", path=target), error, is_named=True
        ) from error
    finally:
        with contextlib.suppress(OSError):
            if temporary.is_dir():
                shutil.rmtree(temporary)
            else:
                temporary.unlink()


def _write_folder(
    folder: Path, bag: Mapping[str, BagPart], on_read: Callable[[int], None] | None
) -> None:
    folder.mkdir()
    for name, part in bag.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            _write_part(file, part, on_read)
            file.flush()
            os.fsync(file.fileno())
    # Their names, too: after a crash no bag lacks some of its files.
    for path in (folder, *filter(Path.is_dir, folder.rglob("*"))):
        sync_folder(path)


def _write_zip(
    path: Path, bag: Mapping[str, BagPart], on_read: Callable[[int], None] | None
) -> None:
    with path.open("xb") as file:
        pack_zip(file, bag, "bag", on_read)
        file.flush()
        os.fsync(file.fileno())


def pack_zip(
    file: IO[bytes],
    parts: Mapping[str, BagPart],
    label: str,
    on_read: Callable[[int], None] | None = None,
) -> None:
    """Write files as one folder in a ZIP file; the same files make the same bytes.

    The folder is named by ``label`` and the list of digests among the files.
    """
    manifest = parts[TAG_MANIFEST]
    assert isinstance(manifest, bytes)
    # Unpacked side by side, two folders do not mix.
    top = f"{label}-{hashlib.sha256(manifest).hexdigest()[:16]}"
    # Not compressed: evidence often is already, and zlib's output differs by version.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, part in parts.items():
            entry = zipfile.ZipInfo(f"{top}/{name}", _ZIP_TIME)
            entry.create_system, entry.external_attr = _UNIX, _REGULAR_FILE
            entry.file_size = len(part) if isinstance(part, bytes) else part.digests.size or 0
            with archive.open(entry, "w") as packed:
                _write_part(packed, part, on_read)


def _write_part(file: IO[bytes], part: BagPart, on_read: Callable[[int], None] | None) -> None:
    if isinstance(part, bytes):
        file.write(part)
        return
    sha256 = hashlib.sha256()
    for chunk in _read_original(part):
        sha256.update(chunk)
        file.write(chunk)
        if on_read is not None:
            on_read(len(chunk))
    if sha256.digest() != part.digests.sha256:
        raise MismatchError(Message("bag-original-changed", path=part.path))


def _read_original(original: OriginalFile) -> Iterator[bytes]:
    try:
        with open(open_regular_file(original.path), "rb") as file:
            # No more than was verified: a file that grows would grow the bag without end.
            left = (original.digests.size or 0) + 1
            while chunk := file.read(min(CHUNK_BYTES, left)):
                left -= len(chunk)
                yield chunk
    except OSError as error:
        raise explain_os_error(
            Message("file-unreadable", path=original.path), error, is_named=True
        ) from error
