"""Where receipts go: beside the evidence, or into a folder by name."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path

from anchor.errors import AnchorError, UsageError
from anchor.evidence.record import parse_record
from anchor.project.files import RECEIPT_SUFFIX
from anchor.receipt.format import MAX_RECEIPT_BYTES, Receipt, encode_receipt, parse_receipt
from anchor.system.durable_files import write_file
from anchor.system.os_errors import explain_os_error
from anchor.types import LogId

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
        while path in self._taken:
            path = path.with_name(f"{path.name}.{receipt.index}")
        self._taken.add(path)
        return path.with_name(path.name + RECEIPT_SUFFIX)

    def save(self, receipt: Receipt, *, durable: bool = True) -> tuple[Path, Receipt]:
        """Write ``receipt`` below the folder; return where, and what is there now.

        Raises:
            UsageError: as `save_receipt`.
        """
        path = self.place(parse_record(receipt.record).name, receipt)
        return path, save_receipt(path, receipt, durable=durable)


def check_receipt_path(path: Path, log: LogId) -> Receipt | None:
    """Return the receipt of ``log`` at ``path``; None where there is no file.

    Raises:
        UsageError: Another file is there, which must not be overwritten.
    """
    try:
        # A pipe in the receipt's place must not be waited for; it is no receipt, like a folder.
        is_file = stat.S_ISREG(path.stat().st_mode)
        data = _read_receipt(path) if is_file else b""
    except FileNotFoundError:
        return None
    except OSError as error:
        raise explain_os_error(f"{path} cannot be read", error, is_named=True) from error
    with contextlib.suppress(AnchorError):
        receipt = parse_receipt(data)
        if receipt.log == log:
            return receipt
    raise UsageError(
        f"{path} is there and is no receipt of this log",
        hint="move it away, or write the receipts elsewhere with `anchor prove --out`",
    )


def save_receipt(path: Path, receipt: Receipt, *, durable: bool = True) -> Receipt:
    """Write ``receipt`` unless the file holds a better one of the same record; return the file's.

    Raises:
        UsageError: The file is no receipt of this log, or cannot be written.
    """
    old = check_receipt_path(path, receipt.log)
    if old is not None and old.record == receipt.record and _worth(old) > _worth(receipt):
        return old
    write_file(path, encode_receipt(receipt), durable=durable)
    return receipt


def count_state_proofs(receipt: Receipt) -> int:
    """Return how many of the receipt's anchors have a state proof."""
    return sum(anchor.state is not None for anchor in receipt.anchors)


def _worth(receipt: Receipt) -> tuple[int, int]:
    return len(receipt.anchors), count_state_proofs(receipt)


def _read_receipt(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_RECEIPT_BYTES + 1)


def _safe_part(part: str) -> str:
    cleaned = "".join("_" if character in "\0\\" else character for character in part)
    if cleaned == "..":
        return "__"
    while len(cleaned.encode("utf-8")) > _MAX_PART_BYTES:
        cleaned = cleaned[:-1]
    return cleaned
