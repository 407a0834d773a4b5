"""Bags named on the command line of ``anchor verify``: recognising and opening them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

from anchor.bag.bag_folder import BagFolder
from anchor.bag.bag_format import (
    BAGIT,
    FORMAT,
    FORMAT_LABEL,
    INFO,
    MANIFEST,
    MAX_LIST_BYTES,
    POLICY,
    is_covered,
)
from anchor.bag.bag_validation import PackedExhibit, ValidBag, validate_bag
from anchor.bag.bag_zip import BagZip, is_bag_zip
from anchor.bag.recorded_files import check_captures, check_recorded_files, lists_files
from anchor.base.digests import Digests
from anchor.base.errors import AnchorError, MalformedError, UsageError
from anchor.base.messages.message import Message
from anchor.cli.input_files import (
    is_folder,
    is_regular_file,
    names_bundle,
    read_bounded,
    read_receipt,
)
from anchor.project.files import sidecar_path
from anchor.receipt.format import MAX_RECEIPT_BYTES, Receipt, parse_receipt

ShowProgress = Callable[[int], AbstractContextManager[Callable[[int, int], None]]]
"""Shows how far the reading of so many bytes has come; yields a count of files and bytes."""

Load = Callable[[], tuple[bytes | Receipt, Digests]]
FindReceipt = Callable[[Path, Digests], bytes | Receipt]
"""Returns the receipt of a bag that is evidence, by its path and the digests of its manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedBag:
    """A valid bag and its path."""

    path: Path
    bag: ValidBag

    @property
    def policy(self) -> bytes | None:
        """Return the SHA-256 of the trust policy in the bag, which is not used; None without."""
        return self.bag.tags.get(POLICY)

    @property
    def party(self) -> str | None:
        """Return who packed the bag, as it states itself."""
        return self.bag.info.get("Source-Organization")

    @property
    def enclosures(self) -> int:
        """Return the number of files that no receipt covers."""
        sizes = self.bag.source.sizes
        return len(sizes) - 2 * len(self.bag.exhibits) - sum(map(is_covered, sizes))

    def load(self, exhibit: PackedExhibit) -> tuple[bytes, Digests]:
        """Return an exhibit's receipt, and the digests of its original.

        Raises:
            MismatchError: The original is the manifest of a capture in the bag that differs.
        """
        data = self.bag.read(exhibit.receipt, MAX_RECEIPT_BYTES)
        if exhibit.captures:
            check_captures(self.bag, exhibit, parse_receipt(data).record)
        return data, exhibit.digests


def names_bag(path: Path) -> bool:
    """Return whether ``path`` is a bag: a folder with ``bagit.txt``, or a ZIP file of one.

    A ZIP file with a receipt beside it is evidence itself.
    """
    if is_folder(path):
        return is_regular_file(path / BAGIT)
    if is_regular_file(sidecar_path(path)):
        return False
    try:
        return is_bag_zip(path)
    except MalformedError:
        return path.suffix.lower() == ".zip"  # one that is damaged
    except (OSError, UsageError):
        return False


def names_bag_zip(path: Path, receipt: Path) -> bool:
    """Return whether ``path`` is a ZIP file of the bag whose manifest the receipt is about.

    With the receipt of another record, a ZIP file is evidence itself.
    """
    try:
        if not lists_files(parse_receipt(read_receipt(receipt)).record):
            return False
        return path.suffix.lower() == ".zip" or read_bounded(path, 2) == b"PK"
    except AnchorError:
        return False


def names_many(path: Path) -> bool:
    """Return whether ``path`` is a folder, a bundle or a bag, which stand for all their files."""
    return is_folder(path) or names_bundle(path) or names_bag(path)


def names_evidence_bag(path: Path) -> bool:
    """Return whether ``path`` is a folder that is one piece of evidence, such as a web capture.

    A damaged bag counts as one unless it says that it is a bag of receipts.
    """
    if not is_folder(path) or not is_regular_file(path / BAGIT):
        return False
    try:
        info = read_bounded(path / INFO, MAX_LIST_BYTES)
    except UsageError:
        return True
    return f"{FORMAT_LABEL}: {FORMAT}\n".encode() not in info


def list_bag(
    path: Path,
    show_progress: ShowProgress | None,
    on_open: Callable[[OpenedBag], None],
    find_receipt: FindReceipt,
    *,
    receipt: Path | None = None,
) -> Iterator[tuple[str, Load]]:
    """Validate a bag, and yield each original's name and a function that reads its receipt.

    If the bag is not valid, its own path is yielded, and the function raises the error.  Of a bag
    that is one piece of evidence, its manifest is yielded; ``find_receipt`` returns its receipt.
    Only of such a bag may ``receipt`` be named.
    """
    try:
        opened = _open_bag(path, show_progress)
    except AnchorError as error:
        yield str(path), partial(_raise, error)
        return
    if opened.bag.is_evidence:
        yield str(path / MANIFEST), partial(_load_evidence, opened, find_receipt)
        return
    if receipt is not None:
        yield str(path), partial(_raise, UsageError(Message("bag-has-own-receipts", path=path)))
        return
    on_open(opened)
    for exhibit in opened.bag.exhibits:
        yield str(path / exhibit.original), partial(opened.load, exhibit)


def load_evidence_bag(
    path: Path, show_progress: ShowProgress | None, find_receipt: FindReceipt
) -> tuple[bytes | Receipt, Digests, ValidBag]:
    """Return the receipt of a bag that is one piece of evidence, its manifest's digests, and it.

    Raises:
        AnchorError: The bag is not valid, has receipts of its own, or is not what the record lists.
    """
    opened = _open_bag(path, show_progress)
    if not opened.bag.is_evidence:
        raise UsageError(Message("bag-has-own-receipts", path=path))
    return (*_load_evidence(opened, find_receipt), opened.bag)


def _load_evidence(opened: OpenedBag, find_receipt: FindReceipt) -> tuple[bytes | Receipt, Digests]:
    """Return the receipt of a bag that is evidence, and the digests of its manifest."""
    digests = opened.bag.manifest
    path = opened.path
    if path.suffix.lower() == ".zip" and not is_folder(path):
        path = path.with_suffix("")  # beside the folder that it was made of
    given = find_receipt(path, digests)
    receipt = given if isinstance(given, Receipt) else parse_receipt(given)
    check_recorded_files(receipt.record, opened.bag.payload)
    return given, digests


def _open_bag(path: Path, show_progress: ShowProgress | None) -> OpenedBag:
    source = BagFolder(path) if is_folder(path) else BagZip(path)
    if show_progress is None:
        return OpenedBag(path=path, bag=validate_bag(source))
    with show_progress(sum(source.sizes.values())) as count:
        return OpenedBag(path=path, bag=validate_bag(source, on_read=partial(count, 0)))


def _raise(error: AnchorError) -> NoReturn:
    raise error
