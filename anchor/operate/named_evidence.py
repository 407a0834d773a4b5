"""Evidence in the log that a user names: by its file, its receipt, a digest or its id."""

from __future__ import annotations

from pathlib import Path

from anchor.base.digests import Digests, parse_digest
from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.evidence.file_hashing import digest_file
from anchor.evidence.group_reading import read_custody_event
from anchor.evidence.record import parse_record
from anchor.evidence.record_notice import read_notice
from anchor.operate.receipt_files import read_receipt
from anchor.project.files import RECEIPT_SUFFIX
from anchor.project.project import OpenProject
from anchor.store.evidence import StoredEvidence, find_by_digest, find_by_identity

_ID_CHARACTERS = 64
_ALGORITHMS = ("sha256:", "sm3:")


def names_file(named: str) -> bool:
    """Return whether evidence is named by its file."""
    is_other = named.startswith(_ALGORITHMS) or named.endswith(RECEIPT_SUFFIX)
    return not is_other and not _is_id(named)


def find_named(project: OpenProject, named: str) -> StoredEvidence:
    """Return the evidence that ``named`` names; custody events and notices are none.

    ``named`` is a file, a receipt, a digest (``sha256:HEX``, ``sm3:HEX``) or an id.

    Raises:
        UsageError: The log holds no such record, or several, or its record was erased.
    """
    rows = _list_candidates(project, named)
    usable = [row for row in rows if row.record and not _is_about_another(row.record)]
    if not usable and rows:
        raise UsageError(Message("named-evidence-erased", subject=named))
    if not usable:
        raise UsageError(
            Message("named-evidence-unknown", subject=named), hint=Message("evidence-add-hint")
        )
    if len(usable) > 1:
        ids = ", ".join(row.identity.hex() for row in usable[:5])
        raise UsageError(
            Message("named-evidence-ambiguous", subject=named, count=len(usable)),
            hint=Message("named-evidence-ambiguous-hint", ids=ids),
        )
    return usable[0]


def _is_about_another(record: bytes) -> bool:
    return read_custody_event(record) is not None or read_notice(record) is not None


def _is_id(named: str) -> bool:
    return len(named) == _ID_CHARACTERS and all(each in "0123456789abcdef" for each in named)


def _list_candidates(project: OpenProject, named: str) -> list[StoredEvidence]:
    if _is_id(named):
        with project.database.read() as connection:
            row = find_by_identity(connection, bytes.fromhex(named))
        return [] if row is None else [row]
    if named.startswith(_ALGORITHMS):
        return _find_by_digest(project, Digests.bare(*parse_digest(named)))
    path = Path(named)
    if names_file(named):
        return _find_by_digest(project, digest_file(path))
    receipt = read_receipt(path)
    if receipt is None:
        raise UsageError(Message("named-receipt-unreadable", path=path), path=path)
    digests = parse_record(receipt.record).digests
    return [row for row in _find_by_digest(project, digests) if row.record == receipt.record]


def _find_by_digest(project: OpenProject, digests: Digests) -> list[StoredEvidence]:
    with project.database.read() as connection:
        return find_by_digest(connection, digests)
