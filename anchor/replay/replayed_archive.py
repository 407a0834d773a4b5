"""The archive of a capture for a replay: its WARC files, copied out of the verified WACZ."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import BinaryIO

from anchor.bag.bag_format import MANIFEST, PAYLOAD
from anchor.bag.bag_zip import open_entry
from anchor.bag.zip_directory import read_at_in, read_directory
from anchor.bag.zip_entry import STORED
from anchor.base.digests import CHUNK_BYTES
from anchor.base.errors import MalformedError, MismatchError, UnknownVersionError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.os_errors import explain_os_error
from anchor.comparison.capture_bag import CaptureBag

ARCHIVE = "capture.wacz"
# More than captures have; each is a file to be indexed.
_MOST_WARCS = 100
_FOLDER = "archive/"


def extract_warcs(capture: CaptureBag, folder: Path) -> list[Path]:
    """Copy the WARC files of a capture into ``folder``, under names of our own.

    Raises:
        MalformedError: The archive is not a WACZ file with WARC files stored as they are.
    """
    name = PAYLOAD + ARCHIVE
    if capture.measure(ARCHIVE) is None:
        raise UsageError(Message("replay-without-archive", path=capture.path, name=name))
    copy = folder / ARCHIVE
    try:
        with capture.bag.source.open(name) as source, copy.open("xb") as target:
            digest = _copy(source, target)
        # The file may have been replaced since the bag was verified; the copy cannot be.
        if digest != capture.bag.payload[name].sha256:
            raise MismatchError(Message("bag-digest-differs", name=name, list=MANIFEST))
        try:
            return _unpack(copy, folder)
        except (MalformedError, UnknownVersionError) as error:
            raise MalformedError(Message("replay-archive-damaged", name=name)) from error
        finally:
            copy.unlink()
    except OSError as error:
        raise explain_os_error(
            Message("file-unwritable", path=folder), error, is_named=False
        ) from error


def _copy(source: BinaryIO, target: BinaryIO) -> bytes:
    digest = hashlib.sha256()
    while chunk := source.read(CHUNK_BYTES):
        digest.update(chunk)
        target.write(chunk)
    return digest.digest()


def _unpack(archive: Path, folder: Path) -> list[Path]:
    warcs: list[Path] = []
    with archive.open("rb") as packed:
        read_at = read_at_in(packed.fileno())
        files, _ = read_directory(read_at, archive.stat().st_size, may_be_streamed=True)
        entries = [entry for entry in files if entry.name.startswith(_FOLDER)]
        # Stored as they are, and side by side, they cannot be larger than the archive.
        is_plain = all(entry.method == STORED for entry in entries)
        if not 0 < len(entries) <= _MOST_WARCS or not is_plain:
            raise MalformedError(Message("replay-archive-damaged", name=PAYLOAD + ARCHIVE))
        for number, entry in enumerate(entries, 1):
            suffix = ".warc.gz" if entry.name.endswith(".gz") else ".warc"
            path = folder / f"capture-{number:03}{suffix}"
            with open_entry(read_at, entry, entry.name) as source, path.open("xb") as target:
                shutil.copyfileobj(source, target)
            warcs.append(path)
    return warcs
