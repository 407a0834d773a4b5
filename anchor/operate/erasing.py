"""Erasure of evidence: all but its leaf and its place is deleted, and a statement is recorded.

One transaction deletes the rows' content and accepts the statement as evidence: both or neither.
The statement's file comes next, before the erasure is acknowledged: a restore from an older backup
needs it.  The steps of ``clean_up`` follow, and can be repeated any number of times, until no trace
is left on disk: receipts, the side file, and the database's own files.  After a crash in between,
a running daemon does the rest, or the next ``anchor erase`` or ``anchor run``.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.evidence.erasure_statement import (
    MAX_PIECES,
    ErasedPiece,
    ErasureStatement,
    build_record,
)
from anchor.evidence.record import SALT_BYTES, source_of
from anchor.operate.acceptance import prepare_record
from anchor.operate.erasure_cleanup import remove_receipts, write_statements
from anchor.operate.evidence_selection import Selection, find_pieces, load_names
from anchor.operate.key_audit_trail import record_key_event
from anchor.project.config import Config
from anchor.project.files import sidecar_path
from anchor.project.project import OpenProject
from anchor.store.columns import ERASED, NewEvidence
from anchor.store.erasures import Piece, erase_rows, load_erasures, lock_holds
from anchor.store.evidence_insertion import insert_evidence
from anchor.store.legal_holds import CASE, find_held

# Shorter names are not searched for in the reason: they are part of many words.
_TELLING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureOrder:
    """Why evidence is erased: a legal basis out of ``BASES``, and the operator's own wording.

    ``is_own_wording``: the reason was written by somebody, and might quote a name.
    """

    basis: str
    by: str
    reason: str
    is_own_wording: bool = True


Step = Callable[[Connection, Sequence[Piece]], None]
"""A step of the erasing transaction; what it raises leaves everything as it was."""


def erase(
    project: OpenProject, wanted: Selection, order: ErasureOrder, step: Step | None = None
) -> list[Piece]:
    """Erase the content of the selected evidence, record a statement of it, and return the pieces.

    Pieces that were erased before are left out.  ``step`` is given the others before they are
    erased.  ``clean_up`` has to follow, here or in the daemon.

    Raises:
        UsageError: A piece is held, is the statement of an erasure, or is not stored; or the reason
            quotes the name of a piece.
        StorageError: The evidence is erased, but its statement could not be written yet.
    """

    def work(connection: Connection) -> tuple[list[Piece], list[bytes]]:
        lock_holds(connection)
        matching = find_pieces(connection, wanted)
        check_erasable(connection, matching)
        pieces = [piece for piece in matching if piece.source != ERASED]
        if not pieces:
            return [], []
        if step is not None:
            step(connection, pieces)
        if order.is_own_wording:
            _check_reason(connection, pieces, order.reason)
        erased_at = utc_now()
        record_key_event(
            project.config, "evidence-erased", at=erased_at, pieces=len(pieces), basis=order.basis
        )
        statements = _make_statements(project.config, pieces, order, erased_at)
        # A crash here: only receipts are gone, which can be written again.
        remove_receipts(_find_sidecars(pieces), {piece.leaf for piece in pieces}, None)
        said = [(statement.leaf, erased_at) for statement, part in statements for _ in part]
        erase_rows(connection, pieces, said)
        insert_evidence(connection, [statement for statement, _ in statements])
        return pieces, [statement.record for statement, _ in statements]

    pieces, records = project.database.write_with_retry(work)
    # A crash here: nobody was told, and `clean_up` writes the files from the records.
    write_statements(project.config, records)
    return pieces


def check_erasable(connection: Connection, pieces: Sequence[Piece]) -> None:
    """Check that ``pieces`` may be erased.

    Raises:
        UsageError: A piece is held, or is the statement of an erasure.
    """
    held = find_held(connection, pieces)
    if held is not None:
        piece, hold = held
        scope = (
            Message("tenant-named", tenant=hold.tenant)
            if hold.tenant
            else Message("leaf-named", leaf=piece.leaf.hex())
        )
        raise UsageError(
            Message(
                "erasure-refused-by-hold", scope=scope, name=hold.name, placed_at=hold.placed_at
            ),
            hint=Message("erasure-refused-by-case-hint")
            if hold.name.startswith(CASE)
            else Message("erasure-refused-by-hold-hint", name=shlex.quote(hold.name)),
        )
    statements = {erasure.statement for erasure in load_erasures(connection)}
    for piece in pieces:
        if piece.leaf in statements:
            raise UsageError(
                Message("erasure-of-statement-refused", leaf=piece.leaf.hex()),
                hint=Message("erasure-of-statement-hint"),
            )


def _check_reason(connection: Connection, pieces: Sequence[Piece], reason: str) -> None:
    told = reason.casefold()
    for _, name in load_names(connection, pieces):
        if name is not None and len(name) >= _TELLING and name.casefold() in told:
            raise UsageError(
                Message("erasure-reason-names-evidence"),
                hint=Message("erasure-reason-hint"),
            )


def _make_statements(
    config: Config, pieces: Sequence[Piece], order: ErasureOrder, erased_at: str
) -> list[tuple[NewEvidence, Sequence[Piece]]]:
    """Return the evidence of each statement, with the pieces that the statement names."""
    made: list[tuple[NewEvidence, Sequence[Piece]]] = []
    mark = "".join(character for character in erased_at if character.isalnum())
    rest = iter(pieces)
    while part := list(islice(rest, MAX_PIECES)):
        statement = ErasureStatement(
            log=config.log,
            erased_at=erased_at,
            basis=order.basis,
            by=order.by,
            reason=order.reason,
            pieces=[ErasedPiece(leaf=piece.leaf, index=piece.leaf_index) for piece in part],
        )
        name = f"erasure-{mark}-{part[0].leaf.hex()[:16]}.json"
        salt = secrets.token_bytes(SALT_BYTES)
        record = build_record(statement, name=name, salt=salt, algorithms=config.digests)
        source = source_of(config.erasures / name)
        made.append((prepare_record(record, source, b"", erased_at), part))
    return made


def _find_sidecars(pieces: Sequence[Piece]) -> Iterator[Path]:
    """Yield the paths of receipts beside the files that the evidence came from."""
    for piece in pieces:
        if piece.source.startswith("/"):
            yield sidecar_path(Path(piece.source))
