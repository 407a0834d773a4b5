"""Where receipts go: beside the evidence, or into a folder by name."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from anchor.digest import Digests
from anchor.errors import UsageError
from anchor.filenames import RECEIPT_SUFFIX
from anchor.pipeline.gathering import source_of
from anchor.receipt import Receipt
from anchor.store.evidence import StoredEvidence, find_by_digest, find_by_source

# File systems take names of 255 bytes; the suffix and a counter need some of them.
_MAX_PART_BYTES = 200


class ReceiptFolder:
    """Gives each evidence name a file of its own below one folder.

    Names come from whoever recorded the evidence: parts that would lead out of the folder are
    written as plain names, and a second evidence of the same name gets its leaf index appended.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[Path] = set()

    def place(self, name: str, receipt: Receipt) -> Path:
        """Return the file for ``receipt`` of the evidence called ``name``."""
        parts = [_safe_part(part) for part in name.split("/") if part not in ("", ".")]
        path = self._folder.joinpath(*parts or ["unnamed"])
        if path in self._taken:
            path = path.with_name(f"{path.name}.{receipt.index}")
        self._taken.add(path)
        return path.with_name(path.name + RECEIPT_SUFFIX)


def find_evidence(
    connection: Connection, file: Path, digests: Digests, *, or_changed: bool = False
) -> StoredEvidence:
    """Return the newest evidence that is ``file``, or else that has its digests.

    ``or_changed`` takes what was last recorded of a file whose digests are not in the log any more,
    so that a verification can say what differs.

    Raises:
        UsageError: nothing in this project's log has these digests.
    """
    here = source_of(file)
    found = find_by_digest(connection, digests)
    if not found and or_changed:
        found = find_by_source(connection, here)
    if not found:
        raise UsageError(
            f"{file} is not in this project's log, with this content",
            hint="add it with `anchor add`, or look for its receipt: `anchor verify --receipt`",
        )
    return next((item for item in reversed(found) if item.source == here), found[-1])


def _safe_part(part: str) -> str:
    cleaned = "".join("_" if character in "\0\\" else character for character in part)
    if cleaned == "..":
        return "__"
    while len(cleaned.encode("utf-8")) > _MAX_PART_BYTES:
        cleaned = cleaned[:-1]
    return cleaned
