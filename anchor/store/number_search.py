"""What has a number that is printed anywhere: evidence, a certificate, or a head of the log.

All of these numbers have an index in the store.  A hash may be of several kinds, and several
records may have one number: every match is returned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from sqlalchemy import Connection

from anchor.base.digests import Digests
from anchor.base.errors import AnchorError, MalformedError, UnknownVersionError
from anchor.base.types import Block, ChainId, Hash32, Head, Stage
from anchor.ethereum.header import parse_header
from anchor.evidence.not_before import NotBefore
from anchor.evidence.printed_number import NumberKind, PrintedNumber
from anchor.evidence.record import parse_record
from anchor.store import fingerprints
from anchor.store.certificates import IssuedCertificate, find_certificates_by_number
from anchor.store.columns import Run
from anchor.store.evidence import find_indices_of
from anchor.store.fingerprint_pages import About
from anchor.store.heads import (
    AnchoredHead,
    find_anchored,
    find_covering_anchor,
    find_head,
)
from anchor.store.kept_proofs import load_proof
from anchor.store.record_index import MOST_UNINDEXED, find_leaves, find_records
from anchor.store.runs import load_pieces
from anchor.store.statistics import find_head_above
from anchor.store.tx_journal import find_submitted_size, find_transaction_head

_OF_THE_LOG = (NumberKind.ROOT, NumberKind.TRANSACTION)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedItem:
    """What has a number: a piece of evidence, or of a root or transaction the log's head.

    ``index`` is the piece's place in the log, None for a head, and if only the certificate is left
    of erased evidence; ``head`` is the first that holds it, None before the seal.  The times are
    the operator's own, in UTC (RFC 3339).  ``not_before`` is the block that the record names;
    ``certificate`` has the number, if it is a certificate's.
    """

    kind: NumberKind
    index: int | None
    stage: Stage
    is_erased: bool
    accepted_at: str | None
    sealed_at: str | None
    head: Head | None
    anchored: AnchoredHead | None
    not_before: NotBefore | None = None
    certificate: IssuedCertificate | None = None


def find_numbered(
    connection: Connection,
    chain_id: ChainId,
    number: PrintedNumber,
    most: int | None = MOST_UNINDEXED,
    limit: int | None = None,
) -> list[NumberedItem]:
    """Return everything that has this number, or ``limit`` of it, by its kind and place in the log.

    ``most`` is as for ``find_records``.

    Raises:
        CannotCheckError: Too many pieces are not in the index yet to tell.
    """
    return list(islice(_find_all(connection, chain_id, number, most), limit))


def find_all_numbered(
    connection: Connection, chain_id: ChainId, numbers: Iterable[PrintedNumber], limit: int
) -> dict[PrintedNumber, list[NumberedItem]]:
    """Return up to ``limit`` of what has each of these numbers, as ``find_numbered`` does.

    Raises:
        CannotCheckError: Too many pieces are not in the index yet to tell.
    """
    return {each: find_numbered(connection, chain_id, each, limit=limit) for each in numbers}


def find_named_block(
    connection: Connection, chain_id: ChainId, match: NumberedItem
) -> Block | None:
    """Return the block that a piece's record names; None if its header was not kept.

    The header has the named hash.  That its block belongs to the chain is shown by the receipt.
    """
    named, anchored = match.not_before, match.anchored
    if named is None or anchored is None or named.chain_id != chain_id:
        return None
    proof = load_proof(connection, chain_id, anchored.head.size, named)
    if proof is None or proof.beacon is None:
        return None
    try:
        header = parse_header(proof.beacon.header)
    except AnchorError:  # damage
        return None
    if (header.hash, header.number) != (named.block_hash, named.block_number):
        return None
    return Block(number=header.number, hash=header.hash, timestamp=header.timestamp)


def find_numbered_indices(
    connection: Connection, number: PrintedNumber, most: int | None = MOST_UNINDEXED
) -> list[int]:
    """Return the indices of the pieces that have this number, of every tenant, in order.

    ``most`` is as for ``find_records``.

    Raises:
        CannotCheckError: Too many pieces are not in the index yet to tell.
    """
    of_others = (*_OF_THE_LOG, NumberKind.CERTIFICATE)
    kinds = (kind for kind in number.kinds if kind not in of_others)
    return sorted(
        {index for kind in kinds for index in _find_indices(connection, kind, number.value, most)}
    )


def _find_all(
    connection: Connection, chain_id: ChainId, number: PrintedNumber, most: int | None
) -> Iterator[NumberedItem]:
    for kind in number.kinds:
        if kind in _OF_THE_LOG:
            yield from _find_heads(connection, chain_id, kind, Hash32(number.value))
            continue
        if kind is NumberKind.CERTIFICATE:
            yield from _find_certified(connection, chain_id, number.value.decode())
            continue
        indices = _find_indices(connection, kind, number.value, most)
        for index, run, at in load_pieces(connection, indices):
            yield _describe_piece(connection, chain_id, kind, index, run, at)


def _find_indices(
    connection: Connection, kind: NumberKind, value: bytes, most: int | None
) -> Iterable[int]:
    match kind:
        case NumberKind.NUMBER | NumberKind.RECORD:
            return find_records(connection, value, most)
        case NumberKind.LEAF:
            return find_leaves(connection, value, most)
        case NumberKind.SHA256:
            return find_indices_of(connection, Digests(sha256=value, sm3=None, size=None))
        case NumberKind.SM3:
            return find_indices_of(connection, Digests(sha256=None, sm3=value, size=None))
        case _:
            return fingerprints.find(connection, About.IDENTITY, [value]).get(value, [])


def _find_certified(
    connection: Connection, chain_id: ChainId, number: str
) -> Iterator[NumberedItem]:
    for certificate in find_certificates_by_number(connection, number):
        kind, identity = NumberKind.CERTIFICATE, certificate.identity
        if identity is None:
            # It was issued when the anchor was final; nothing tells any more of which evidence.
            yield NumberedItem(
                kind=kind,
                index=None,
                stage=Stage.ANCHORED,
                is_erased=True,
                accepted_at=None,
                sealed_at=None,
                head=None,
                anchored=None,
                certificate=certificate,
            )
            continue
        indices = fingerprints.find(connection, About.IDENTITY, [identity]).get(identity, [])
        for index, run, at in load_pieces(connection, indices):
            piece = _describe_piece(connection, chain_id, kind, index, run, at)
            yield replace(piece, certificate=certificate)


def _describe_piece(
    connection: Connection, chain_id: ChainId, kind: NumberKind, index: int, run: Run, at: int
) -> NumberedItem:
    sealed = find_head_above(connection, index)
    anchored = None if sealed is None else find_covering_anchor(connection, chain_id, index)
    return NumberedItem(
        kind=kind,
        index=index,
        stage=_find_stage(connection, chain_id, index, sealed is not None, anchored),
        is_erased=run.is_erased(at),
        accepted_at=run.time(at),
        sealed_at=None if sealed is None else sealed.sealed_at,
        head=None if sealed is None else sealed.head,
        anchored=anchored,
        not_before=_read_not_before(run.record(at)),
    )


def _read_not_before(record: bytes | None) -> NotBefore | None:
    try:
        return None if record is None else parse_record(record).not_before
    except (MalformedError, UnknownVersionError):  # damage, which `anchor audit` reports
        return None


def _find_heads(
    connection: Connection, chain_id: ChainId, kind: NumberKind, value: Hash32
) -> Iterator[NumberedItem]:
    if kind is NumberKind.ROOT:
        head = find_head(connection, value)
    else:
        head = find_transaction_head(connection, chain_id, value)
    sealed = None if head is None else find_head_above(connection, head.size - 1)
    if head is None or sealed is None:
        return
    anchored = find_anchored(connection, chain_id, head)
    if kind is NumberKind.ROOT:
        anchored = anchored or find_covering_anchor(connection, chain_id, head.size - 1)
    elif anchored is not None and anchored.tx_hash != value:
        return  # it was replaced by another one with its nonce, or anchors nothing any more
    yield NumberedItem(
        kind=kind,
        index=None,
        stage=_find_stage(connection, chain_id, head.size - 1, True, anchored),
        is_erased=False,
        accepted_at=None,
        sealed_at=sealed.sealed_at,
        head=head,
        anchored=anchored,
    )


def _find_stage(
    connection: Connection,
    chain_id: ChainId,
    index: int,
    is_sealed: bool,
    anchored: AnchoredHead | None,
) -> Stage:
    if anchored is not None:
        return Stage.ANCHORED if anchored.final else Stage.INCLUDED
    if not is_sealed:
        return Stage.ACCEPTED
    submitted = find_submitted_size(connection, chain_id)
    return Stage.SUBMITTED if submitted is not None and index < submitted else Stage.SEALED
