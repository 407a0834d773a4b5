"""Files for receipts: beside the evidence, or in a folder by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from anchor.base.errors import AnchorError, UnknownVersionError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.regular_files import read_regular_file
from anchor.base.types import LogId
from anchor.evidence.discovery import Discovered, IntakeProblem, Skipped, SourceFile
from anchor.evidence.record import parse_record
from anchor.project.files import (
    BUNDLE_SUFFIX,
    SIGNATURE_NAME,
    evidence_path,
    receipts_file,
    sidecar_path,
)
from anchor.receipt.bundle import load_bundle_log
from anchor.receipt.format import MAX_RECEIPT_BYTES, Receipt, check_receipt_path, parse_receipt


class ReceiptFolder:
    """Gives each evidence name a file of its own below one folder.

    Further evidence of the same name gets its leaf index appended, even if the first one's receipt
    was written by an earlier run.
    """

    def __init__(self, folder: Path, fetch: Callable[[Path], object] = lambda _: None) -> None:
        """Name files in ``folder``; ``fetch`` is called before a file is read or written."""
        self._folder = folder
        self._fetch = fetch
        self._taken: set[Path] = set()

    def place(self, name: str, receipt: Receipt) -> Path:
        """Return the file for ``receipt`` of the evidence called ``name``."""
        path = evidence_path(self._folder, name)
        while path in self._taken or self._is_of_another(sidecar_path(path), receipt):
            path = path.with_name(f"{path.name}.{receipt.index}")
        self._taken.add(path)
        return sidecar_path(path)

    def _is_of_another(self, path: Path, receipt: Receipt) -> bool:
        """Return whether the file holds the receipt of another record of the same log."""
        self._fetch(path)
        try:
            old = check_receipt_path(path, receipt.log)
        except UsageError:
            return False  # writing the receipt reports the error
        return old is not None and old.record != receipt.record

    def save(self, receipt: Receipt, *, durable: bool = True) -> tuple[Path, Receipt]:
        """Write ``receipt`` below the folder; return its path, and the receipt stored now."""
        path = self.place(parse_record(receipt.record).name, receipt)
        return path, receipt.save(path, durable=durable)


def read_receipt(path: Path) -> Receipt | None:
    """Return the receipt in a file; None if the file has no readable receipt."""
    with suppress(AnchorError, OSError):
        return parse_receipt(read_regular_file(path, MAX_RECEIPT_BYTES + 1))
    return None


def skip_receipts(sources: Iterable[Discovered], log: LogId) -> Iterator[Discovered]:
    """Skip the receipts of ``log`` beside their files, bundles of them, and their signatures."""
    for source in sources:
        name = source.path.name if isinstance(source, SourceFile) else ""
        base, signed = receipts_file(Path(name)), SIGNATURE_NAME.fullmatch(name)
        if name.endswith(BUNDLE_SUFFIX) and is_bundle_of(source.path, log):
            yield Skipped(path=source.path, reason=Message("file-is-bundle"))
        elif base is not None and _is_receipt_of(
            source.path.with_name(base.name), source.path, log
        ):
            yield Skipped(path=source.path, reason=Message("file-is-receipt", name=base.name))
        elif signed is not None and _is_receipt_of(
            source.path.with_name(signed[1]), sidecar_path(source.path.with_name(signed[1])), log
        ):
            yield Skipped(path=source.path, reason=Message("file-is-signature", name=signed[1]))
        else:
            yield source


def refuse_taken_places(sources: Iterable[Discovered], log: LogId) -> Iterator[Discovered]:
    """Refuse each file whose receipt's path is taken by anything but a receipt of ``log``.

    This makes sure, before anything is recorded, that every receipt can be written.
    """
    for source in sources:
        if not isinstance(source, SourceFile):
            yield source
            continue
        try:
            check_receipt_path(sidecar_path(source.path), log)
        except UsageError as error:
            yield IntakeProblem(path=source.path, reason=error.message)
            continue
        yield source


def is_bundle_of(path: Path, log: LogId) -> bool:
    """Return whether the file is a bundle of receipts of ``log``."""
    try:
        return load_bundle_log(path) == log
    except (UsageError, UnknownVersionError, OSError):
        return False  # not a bundle of ours, so it is evidence like any other file


def _is_receipt_of(base: Path, path: Path, log: LogId) -> bool:
    try:
        return base.exists() and check_receipt_path(path, log) is not None
    except (UsageError, OSError):
        return False  # not a receipt of ours, so it is evidence like any other file
