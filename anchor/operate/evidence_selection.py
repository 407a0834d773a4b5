"""Selection of the pieces of evidence that an operator wants to erase or hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from anchor.base.digests import Digests
from anchor.base.errors import AnchorError, UsageError
from anchor.base.messages.message import Message
from anchor.evidence.record import parse_record
from anchor.store.api_keys import has_keys
from anchor.store.erasures import (
    Piece,
    find_by_digests,
    find_by_ids,
    find_by_leaves,
    find_by_source,
    find_by_tenant,
    load_records,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Pieces as the operator names them; each member adds to the others.

    ``ids`` are those that the service returns for submissions, ``sources`` absolute paths.
    """

    ids: Sequence[bytes] = ()
    digests: Sequence[Digests] = ()
    sources: Sequence[str] = ()
    leaves: Sequence[bytes] = ()
    tenant: str | None = None

    @property
    def is_empty(self) -> bool:
        """Return whether no piece is named."""
        named = (*self.ids, *self.digests, *self.sources, *self.leaves)
        return not named and self.tenant is None


def find_pieces(connection: Connection, wanted: Selection) -> list[Piece]:
    """Return the selected pieces, each once, in order of acceptance.

    Pieces with equal records have equal leaves, which cannot be distinguished later: all of them
    are selected, whoever submitted them.
    """
    pieces: list[Piece] = []
    for id in wanted.ids:
        pieces += _require_some(
            find_by_ids(connection, [id]), Message("evidence-id-named", id=id.hex())
        )
    for digests in wanted.digests:
        digest = digests.sha256 or digests.sm3 or b""
        pieces += _require_some(
            find_by_digests(connection, digests), Message("digest-named", digest=digest.hex())
        )
    for source in wanted.sources:
        pieces += _require_some(
            find_by_source(connection, source), Message("path-named", path=source)
        )
    for leaf in wanted.leaves:
        pieces += _require_some(
            find_by_leaves(connection, [leaf]), Message("leaf-named", leaf=leaf.hex())
        )
    if wanted.tenant is not None:
        pieces += _require_some(
            find_by_tenant(connection, wanted.tenant), Message("tenant-named", tenant=wanted.tenant)
        )
    by_id = {piece.id: piece for piece in pieces}
    leaves = {piece.leaf for piece in pieces}
    by_id |= {piece.id: piece for piece in find_by_leaves(connection, leaves)}
    return [by_id[id] for id in sorted(by_id)]


def load_names(
    connection: Connection, pieces: Sequence[Piece]
) -> Iterator[tuple[Piece, str | None]]:
    """Yield each piece with the name in its record, or None if the record is lost or erased."""
    for piece, record in load_records(connection, pieces):
        yield piece, None if record is None else _find_name(record)


def is_tenant(connection: Connection, name: str) -> bool:
    """Return whether a tenant has keys, or only evidence, as after a restore without keys."""
    return has_keys(connection, name) or bool(find_by_tenant(connection, name))


def _find_name(record: bytes) -> str | None:
    try:
        return parse_record(record).name
    except AnchorError:
        return None


def _require_some(pieces: list[Piece], named: Message) -> list[Piece]:
    if not pieces:
        raise UsageError(
            Message("evidence-selection-empty", selector=named),
            hint=Message("evidence-selection-empty-hint"),
        )
    return pieces
