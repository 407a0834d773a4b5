"""A bag that is one piece of evidence, by the record of its manifest; alone or in another bag."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import BinaryIO

from anchor.bag.bag_format import check_names
from anchor.bag.bag_validation import BagSource, PackedExhibit, ValidBag, validate_bag
from anchor.base.digests import Digests
from anchor.base.errors import MalformedError, MismatchError, UnknownVersionError
from anchor.base.messages.message import Message
from anchor.evidence.group_reading import read_groups
from anchor.evidence.record import parse_record
from anchor.evidence.record_groups import BundleItem


def lists_files(record: bytes) -> bool:
    """Return whether a record is that of a manifest: it lists files, or describes the list."""
    parse_record(record)
    groups = read_groups(record).groups
    return groups.items is not None or groups.manifest is not None


def check_recorded_files(record: bytes, payload: Mapping[str, Digests]) -> None:
    """Verify that a bag's payload is what the record of its manifest lists, if it lists files."""
    parse_record(record)
    listed = read_groups(record).groups.items
    if listed is None:
        return
    for entry in listed:
        actual = payload.get(entry.path)
        if actual is None or not _fits(entry, actual):
            raise MismatchError(Message("evidence-bag-differs", name=entry.path))
    names = {entry.path for entry in listed}
    for name in sorted(payload):
        if name not in names:
            raise MismatchError(Message("evidence-bag-differs", name=name))


def _fits(entry: BundleItem, actual: Digests) -> bool:
    stated = (entry.digests.sha256, actual.sha256), (entry.digests.sm3, actual.sm3)
    return entry.size == actual.size and all(
        expected is None or (held is not None and expected == held.hex())
        for expected, held in stated
    )


def check_captures(bag: ValidBag, exhibit: PackedExhibit, record: bytes) -> None:
    """Verify the captures in a bag whose manifest is this original, with its record."""
    parse_record(record)
    for folder in exhibit.captures:
        try:
            capture = validate_bag(_BagWithin(bag.source, folder))
            if not capture.is_evidence:
                raise MismatchError(Message("bag-not-evidence"))
            check_recorded_files(record, capture.payload)
        except (MalformedError, MismatchError, UnknownVersionError) as error:
            raise MismatchError(
                Message("bag-capture-differs", folder=folder, reason=error)
            ) from error


class _BagWithin:
    """The files in a folder of a bag, as those of a bag of their own."""

    def __init__(self, source: BagSource, folder: str) -> None:
        self._source = source
        self._folder = folder
        self.sizes: Mapping[str, int] = {
            name.removeprefix(folder): size
            for name, size in source.sizes.items()
            if name.startswith(folder)
        }
        check_names(self.sizes)

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a file of the folder."""
        return self._source.open(self._folder + name)
