"""Runs: up to 1,024 pieces of evidence with consecutive indices, stored as columns.

A column holds one value for each piece, back to back, and is None if no piece needs it; where only
some pieces need it, the others have zeros or an empty text.  What many pieces have in common (the
log, the media type, which digests there are) is stored once, as a *kind*.  A record is not stored
if ``encode_record`` makes the same bytes from the columns; any other record is kept as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, pairwise
from struct import Struct, error, pack, unpack_from
from typing import NamedTuple, Protocol

from anchor.base.digests import Digests
from anchor.base.errors import AnchorError, ChainGuardError
from anchor.base.messages.message import Message
from anchor.base.types import Hash32, LogId
from anchor.evidence.record import encode_record
from anchor.log.batch_sha256 import IS_NATIVE
from anchor.log.merkle import hash_leaf
from anchor.store import evidence_kinds
from anchor.store.evidence_kinds import KEPT, LOST, MADE, Kind, KindValues, encode_kinds
from anchor.store.record_parts import (
    format_milliseconds,
    name_by_digest,
    parse_milliseconds,
    read_not_before,
    split_record,
)

if IS_NATIVE:
    from anchor import _sha256

MOST_PIECES = 1_024
"""The most pieces in a run: a damaged page of the database loses a run, an erasure rewrites it."""

ERASED = "(erased)"
"""The source of erased evidence, which is neither a path nor a tenant's."""

HASH = 32
HALF = 16
# With more kinds, pieces share less: records are then kept, and prefixes of sources not used.
_MOST_PREFIXES = 64
_MOST_KINDS = 128
_MOST_INDICES = 1 << 48
_LENGTH = Struct("<H")
_NUMBER = Struct("<q")


class NewEvidence(NamedTuple):
    """One piece of evidence to accept.  Submissions with the same ``identity`` become one piece."""

    identity: bytes
    source: str
    sha256: bytes | None
    sm3: bytes | None
    record: bytes
    leaf: Hash32
    accepted_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRow:
    """One complete piece of evidence; ``record`` and the digests are None if they are lost.

    ``is_stored`` is whether the row came from a store, which knows its tenant.
    """

    identity: bytes
    source: str
    sha256: bytes | None
    sm3: bytes | None
    record: bytes | None
    leaf: Hash32
    accepted_at: str
    is_stored: bool = True


class Row(Protocol):
    """A piece of evidence that a run can hold."""

    @property
    def identity(self) -> bytes: ...
    @property
    def source(self) -> str: ...
    @property
    def sha256(self) -> bytes | None: ...
    @property
    def sm3(self) -> bytes | None: ...
    @property
    def record(self) -> bytes | None: ...
    @property
    def leaf(self) -> Hash32: ...
    @property
    def accepted_at(self) -> str: ...


_ERASED_KIND = Kind(evidence_kinds.ERASED)


@dataclass(frozen=True, kw_only=True)
class Run:
    """The columns of a run; numbers are little-endian.

    ``leaves``, ``sha256``, ``sm3`` and ``salts`` have 32 bytes a piece, ``starts`` and ``tails``
    (the halves of identities) 16, ``kinds`` one, ``times`` (milliseconds since 1970; None if all
    are ``accepted_at``) and ``sizes`` eight.  ``names``, ``sources`` and ``records`` are the
    lengths of all texts, two bytes each, and then the texts.  ``record_bytes`` is the length of all
    records, ``erased`` and ``lost`` count the pieces that have none.
    """

    first: int
    pieces: int
    accepted_at: str
    record_bytes: int
    erased: int
    lost: int
    shared: bytes
    leaves: bytes
    kinds: bytes
    times: bytes | None
    sha256: bytes | None
    sm3: bytes | None
    starts: bytes | None
    tails: bytes | None
    salts: bytes | None
    sizes: bytes | None
    names: bytes | None
    sources: bytes | None
    records: bytes | None

    @property
    def end(self) -> int:
        """Return the index after its last piece."""
        return self.first + self.pieces

    def check(self) -> None:
        """Check that the columns fit each other."""
        try:
            is_whole = self._is_whole()
        except (ValueError, TypeError, IndexError, error):
            is_whole = False
        if not is_whole:
            raise ChainGuardError(
                Message("evidence-run-damaged", first=self.first, last=self.end - 1),
                hint=Message("store-altered-hint"),
            )

    def _is_whole(self) -> bool:
        n = self.pieces
        fixed = (
            (self.leaves, HASH), (self.kinds, 1), (self.times, 8), (self.sha256, HASH),
            (self.sm3, HASH), (self.starts, HALF), (self.tails, HALF), (self.salts, HASH),
            (self.sizes, 8),
        )  # fmt: skip
        texts = (self.names, self.sources, self.records)
        str.encode(self.accepted_at)  # UnicodeEncodeError, a ValueError, if it is not text
        return (
            0 < n <= MOST_PIECES
            and 0 <= self.first <= _MOST_INDICES - n
            and all(column is None or _measure(column) == n * width for column, width in fixed)
            and all(
                column is None or _measure_texts(column, n) == _measure(column) for column in texts
            )
            and all(map(self._has_columns, set(self.kinds)))
        )

    def _has_columns(self, code: int) -> bool:
        """Return whether the columns that a kind needs are there."""
        kind = self._kinds[code]
        needed = (
            (kind.has_sha256, self.sha256),
            (kind.has_sm3, self.sm3),
            (kind.has_start, self.starts),
            (kind.content != evidence_kinds.ERASED, self.tails),
            (kind.content == MADE, self.salts),
            (kind.has_size, self.sizes),
        )
        return all(column is not None for is_needed, column in needed if is_needed)

    def leaf(self, at: int) -> Hash32:
        """Return the leaf of the piece in place ``at`` of the run, from 0, as below."""
        return Hash32(self.leaves[at * HASH : at * HASH + HASH])

    def row(self, at: int) -> EvidenceRow:
        """Return a piece with everything that is stored of it."""
        return self._row(at, self.record(at))

    def rows(self) -> list[EvidenceRow]:
        """Return all pieces."""
        return [self._row(at, record) for at, record in enumerate(self.all_records())]

    def _row(self, at: int, record: bytes | None) -> EvidenceRow:
        return EvidenceRow(
            identity=self.identity(at),
            source=self.source(at),
            sha256=self.digest(at),
            sm3=self.sm3_digest(at),
            record=record,
            leaf=self.leaf(at),
            accepted_at=self.time(at),
        )

    def is_erased(self, at: int) -> bool:
        """Return whether only the leaf of a piece is left."""
        return self._kind(at).content == evidence_kinds.ERASED

    def is_lost(self, at: int) -> bool:
        """Return whether the record of a piece is missing though it was not erased."""
        return self._kind(at).content == LOST

    def has_record(self, at: int) -> bool:
        """Return whether the record of a piece is stored."""
        return self._kind(at).content in (MADE, KEPT)

    def has_digest(self, at: int) -> bool:
        """Return whether a digest of a piece is stored."""
        kind = self._kind(at)
        return kind.has_sha256 or kind.has_sm3

    def digest(self, at: int) -> bytes | None:
        """Return the SHA-256 of a piece, if it has one."""
        return _cut(self.sha256, at, HASH) if self._kind(at).has_sha256 else None

    def sm3_digest(self, at: int) -> bytes | None:
        """Return the SM3 digest of a piece, if it has one."""
        return _cut(self.sm3, at, HASH) if self._kind(at).has_sm3 else None

    def identity(self, at: int) -> bytes:
        """Return the identity of a piece; that of an erased one says nothing about it."""
        kind = self._kind(at)
        if kind.content == evidence_kinds.ERASED:
            leaf = self.leaf(at)
            return hashlib.sha256(b"erased" + (self.first + at).to_bytes(8, "big") + leaf).digest()
        if kind.has_start:
            start = _cut(self.starts, at, HALF)
        else:
            start = _cut(self.sha256 if kind.has_sha256 else self.sm3, at, HASH)[:HALF]
        return start + _cut(self.tails, at, HALF)

    def source(self, at: int) -> str:
        """Return the source of a piece."""
        kind = self._kind(at)
        if kind.content == evidence_kinds.ERASED:
            return ERASED
        if kind.prefix is None:
            return self._sources[at].decode(errors="replace")
        try:
            return kind.prefix + self._name(at, kind)
        except UnicodeDecodeError:  # damage
            return kind.prefix + self._names[at].decode(errors="replace")

    def is_named_by_digest(self, at: int) -> bool:
        """Return whether a piece has no name of its own."""
        return self._kind(at).is_named_by_digest

    def time(self, at: int) -> str:
        """Return when a piece was accepted."""
        kind = self._kind(at)
        if kind.accepted_at is not None:
            return kind.accepted_at
        if self.times is None:
            return self.accepted_at
        return format_milliseconds(_NUMBER.unpack_from(self.times, at * 8)[0])

    def record(self, at: int) -> bytes | None:
        """Return the record of a piece; None if it is lost or erased.

        It is empty if no record can have what is in the columns, which is damage.
        """
        kind = self._kind(at)
        if kind.content == KEPT:
            return self._records[at]
        if kind.content != MADE:
            return None
        try:
            return self.make_record(at)
        except (AnchorError, UnicodeDecodeError):
            return b""

    def make_record(self, at: int) -> bytes:
        """Return the record of a piece from the columns."""
        kind = self._kind(at)
        size = _NUMBER.unpack_from(self.sizes or b"", at * 8)[0] if kind.has_size else None
        return encode_record(
            digests=Digests(sha256=self.digest(at), sm3=self.sm3_digest(at), size=size),
            name=self._name(at, kind),
            media_type=kind.media_type,
            salt=_cut(self.salts, at, HASH),
            recorded_at=self.time(at),
            log=None if kind.log is None else LogId(bytes.fromhex(kind.log)),
            not_before=None if kind.not_before is None else read_not_before(kind.not_before),
        )

    def all_records(self) -> list[bytes | None]:
        """Return the records of all pieces, as ``record`` does."""
        if IS_NATIVE:
            return _sha256.make_records(self.native_columns)
        return [self.record(at) for at in range(self.pieces)]

    def kept_record(self, at: int) -> bytes | None:
        """Return the record of a piece if it is kept as it is."""
        return self._records[at] if self._kind(at).content == KEPT else None

    def entries(self) -> bytes:
        """Return the entries of fingerprints by which the pieces are found: identity and index.

        They have 38 bytes each, the index six of them, big-endian; erased pieces have none.
        """
        if IS_NATIVE:
            return _sha256.list_entries(self.native_columns)
        return b"".join(
            self.identity(at) + (self.first + at).to_bytes(6, "big")
            for at in range(self.pieces)
            if not self.is_erased(at)
        )

    def record_entries(self, key_size: int) -> bytes:
        """Return the entries of fingerprints by which the records are found.

        They are the first ``key_size`` bytes of the record's SHA-256, and the index.  Pieces
        without a record have none, nor have those whose columns make none, which is damage.
        """
        if IS_NATIVE:
            return _sha256.list_record_entries(self.native_columns, key_size)
        return b"".join(
            hashlib.sha256(record).digest()[:key_size] + (self.first + at).to_bytes(6, "big")
            for at, record in enumerate(self.all_records())
            if record
        )

    def identities(self, *, with_leaves: bool = False) -> bytes:
        """Return the identities of the pieces back to back, each after its leaf if asked for.

        They have 32 bytes each; erased pieces have none.
        """
        if IS_NATIVE:
            return _sha256.list_identities(self.native_columns, with_leaves)
        return b"".join(
            (self.leaf(at) if with_leaves else b"") + self.identity(at)
            for at in range(self.pieces)
            if not self.is_erased(at)
        )

    def find_false_leaves(self) -> list[int]:
        """Return the places of the pieces whose record does not hash to their leaf."""
        if IS_NATIVE:
            return _sha256.find_false_leaves(self.native_columns)
        false = []
        for at in range(self.pieces):
            record = self.record(at)
            if record is not None and (not record or hash_leaf(record) != self.leaf(at)):
                false.append(at)
        return false

    def replace(self, changed: Mapping[int, Row]) -> Run:
        """Return the run with other pieces in the places of ``changed``."""
        rows: list[Row] = [*self.rows()]
        for at, row in changed.items():
            rows[at] = row
        return pack_run(self.first, rows)

    def _kind(self, at: int) -> Kind:
        return self._kinds[self.kinds[at]]

    def _name(self, at: int, kind: Kind) -> str:
        if not kind.is_named_by_digest:
            return self._names[at].decode()
        return name_by_digest(self.digest(at), self.sm3_digest(at))

    @cached_property
    def _kinds(self) -> tuple[Kind, ...]:
        return evidence_kinds.parse_kinds(self.shared)

    @cached_property
    def native_columns(self) -> tuple[object, ...]:
        """The columns as the native code takes them."""
        return (
            self.first, self.pieces, evidence_kinds.describe_kinds(self.shared),
            self.accepted_at.encode(), self.leaves, self.kinds, self.times, self.sha256, self.sm3,
            self.starts, self.tails, self.salts, self.sizes, self.names, self.records,
        )  # fmt: skip

    @cached_property
    def _names(self) -> list[bytes]:
        return split_texts(self.names, self.pieces)

    @cached_property
    def _sources(self) -> list[bytes]:
        return split_texts(self.sources, self.pieces)

    @cached_property
    def _records(self) -> list[bytes]:
        return split_texts(self.records, self.pieces)


def pack_runs(first: int, rows: Sequence[Row]) -> Iterator[Run]:
    """Yield runs that hold ``rows``, of which the first one has the index ``first``."""
    for start in range(0, len(rows), MOST_PIECES):
        yield pack_run(first + start, rows[start : start + MOST_PIECES])


def pack_run(first: int, rows: Sequence[Row]) -> Run:
    """Return the run of ``rows``, at most ``MOST_PIECES``."""
    packer = _Packer()
    for row in rows:
        packer.add(row)
    return packer.finish(first)


def make_run(
    first: int,
    *,
    kinds: Sequence[Kind],
    codes: bytes,
    salts: bytes,
    accepted_at: str,
    names: bytes | None = None,
    sha256: bytes | None = None,
    sm3: bytes | None = None,
    sizes: bytes | None = None,
    unique: bytes = b"",
) -> Run:
    """Return the run of new pieces with these columns; records and identities are made from them.

    The kinds are ``made`` and have a prefix; ``codes`` has the place among them for each piece.
    Names are in UTF-8, and empty for pieces that their digest names.  All pieces have ``unique``.
    """
    if any(kind.content != MADE or kind.prefix is None or kind.has_start for kind in kinds):
        raise ValueError("not the kinds of new pieces")
    run = Run(
        first=first, pieces=len(codes), accepted_at=accepted_at, record_bytes=0, erased=0, lost=0,
        shared=encode_kinds(kinds), leaves=bytes(HASH * len(codes)), kinds=codes, times=None,
        sha256=sha256, sm3=sm3, starts=None, tails=bytes(HALF * len(codes)), salts=salts,
        sizes=sizes, names=names, sources=None, records=None,
    )  # fmt: skip
    leaves, tails, record_bytes = _complete(run, unique)
    return replace(run, leaves=leaves, tails=tails, record_bytes=record_bytes)


def _complete(run: Run, unique: bytes) -> tuple[bytes, bytes, int]:
    """Return the leaves, the second halves of the identities and the length of all records."""
    if IS_NATIVE:
        completed = _sha256.complete_run(run.native_columns, unique)
        if completed is not None:
            return completed
    try:
        run.check()
    except ChainGuardError as bent:
        raise ValueError("the columns do not fit each other") from bent
    records = [run.make_record(at) for at in range(run.pieces)]
    tails = [
        hash_distinction(run.source(at), run.digest(at), run.sm3_digest(at), unique)
        for at in range(run.pieces)
    ]
    return b"".join(map(hash_leaf, records)), b"".join(tails), sum(map(len, records))


def hash_distinction(source: str, sha256: bytes | None, sm3: bytes | None, unique: bytes) -> bytes:
    """Return the second half of the identity of a submission; a digest's half is the first.

    It is equal for a repeated submission and different for each ``unique``.
    """
    parts = (source.encode("utf-8", "surrogateescape"), sha256 or b"", sm3 or b"", unique)
    # Length-prefixed, so that different tuples never give the same bytes.
    described = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hashlib.sha256(described).digest()[:HALF]


class _Packer:
    """Columns that grow by one piece at a time."""

    def __init__(self) -> None:
        # By the values of a kind: it is cheaper to look up than to make.
        self._codes: dict[KindValues, int] = {}
        self._prefixes: set[str] = set()
        self._accepted_at: str | None = None
        self._milliseconds: int | None = None
        self._cells: list[tuple[int | str | bytes, ...]] = []
        self._record_bytes = 0

    def add(self, row: Row) -> None:
        record, source, accepted_at = row.record, row.source, row.accepted_at
        if accepted_at != self._accepted_at:
            self._accepted_at, self._milliseconds = accepted_at, parse_milliseconds(accepted_at)
        if record is None and source == ERASED:
            self._add_erased(row.leaf, accepted_at)
            return
        identity, sha256, sm3 = row.identity, row.sha256, row.sm3
        parts = None
        if record is not None and len(self._codes) < _MOST_KINDS:
            parts = split_record(record, sha256, sm3, accepted_at)
        digest = sha256 or sm3
        has_start = digest is None or identity[:HALF] != digest[:HALF]
        log = media_type = prefix = size = not_before = None
        name, salt, is_named_by_digest = "", b"", False
        if parts is not None:
            log, media_type, not_before, name, salt, size, is_named_by_digest = parts
            prefix = self._find_prefix(source, name)
        kind = (
            LOST if record is None else KEPT if parts is None else MADE,
            sha256 is not None, sm3 is not None, size is not None, has_start, is_named_by_digest,
            log, media_type, prefix, accepted_at if self._milliseconds is None else None,
            not_before,
        )  # fmt: skip
        self._record_bytes += len(record or b"")
        self._cells.append(
            (
                self._codes.setdefault(kind, len(self._codes)),
                accepted_at,
                self._milliseconds or 0,
                row.leaf,
                sha256 or b"",
                sm3 or b"",
                identity[:HALF] if has_start else b"",
                identity[HALF:],
                salt,
                b"" if size is None else _NUMBER.pack(size),
                b"" if is_named_by_digest else name.encode(),
                source.encode() if prefix is None else b"",
                record if record is not None and parts is None else b"",
            )
        )

    def _find_prefix(self, source: str, name: str) -> str | None:
        """Return what precedes the name in a source, if some other pieces may share it."""
        if not source.endswith(name):
            return None
        prefix = source[: len(source) - len(name)]
        if prefix not in self._prefixes:
            if len(self._prefixes) == _MOST_PREFIXES:
                return None
            self._prefixes.add(prefix)
        return prefix

    def _add_erased(self, leaf: Hash32, accepted_at: str) -> None:
        kind = _ERASED_KIND
        if self._milliseconds is None:
            kind = kind._replace(accepted_at=accepted_at)
        code = self._codes.setdefault(kind, len(self._codes))
        self._cells.append((code, accepted_at, self._milliseconds or 0, leaf, *[b""] * 9))

    def finish(self, first: int) -> Run:
        kinds = [Kind(*values) for values in self._codes]
        (
            codes, accepted_at, milliseconds, leaves, sha256, sm3, starts, tails, salts, sizes,
            names, sources, records,
        ) = zip(*self._cells, strict=True)  # fmt: skip
        contents = [kinds[code].content for code in codes]
        is_one_time = len(set(accepted_at)) == 1
        return Run(
            first=first,
            pieces=len(codes),
            accepted_at=accepted_at[0],
            record_bytes=self._record_bytes,
            erased=contents.count(evidence_kinds.ERASED),
            lost=contents.count(LOST),
            shared=encode_kinds(kinds),
            leaves=b"".join(leaves),
            kinds=bytes(codes),
            times=None if is_one_time else pack(f"<{len(codes)}q", *milliseconds),
            sha256=_join_fixed(sha256),
            sm3=_join_fixed(sm3),
            starts=_join_fixed(starts),
            tails=_join_fixed(tails),
            salts=_join_fixed(salts),
            sizes=_join_fixed(sizes),
            names=join_texts(names),
            sources=join_texts(sources),
            records=join_texts(records),
        )


def _join_fixed(values: Sequence[bytes]) -> bytes | None:
    """Return values of one width back to back, zeros for empty ones; None if all are empty."""
    width = max(map(len, values))
    if width == 0:
        return None
    return b"".join(value or bytes(width) for value in values)


def join_texts(texts: Sequence[bytes]) -> bytes | None:
    """Return the column of these texts; None if all are empty."""
    lengths = [len(text) for text in texts]
    if not any(lengths):
        return None
    return pack(f"<{len(texts)}H", *lengths) + b"".join(texts)


def split_texts(column: bytes | None, count: int) -> list[bytes]:
    """Return the texts of a column."""
    if column is None:
        return [b""] * count
    lengths = unpack_from(f"<{count}H", column)
    ends = list(accumulate(lengths, initial=count * _LENGTH.size))
    return [column[start:end] for start, end in pairwise(ends)]


def _measure(column: bytes) -> int:
    return bytes.__len__(column)  # TypeError for anything else that a database returned


def _measure_texts(column: bytes, count: int) -> int:
    lengths = unpack_from(f"<{count}H", column)
    return count * _LENGTH.size + int(sum(lengths))


def _cut(column: bytes | None, at: int, width: int) -> bytes:
    return b"" if column is None else column[at * width : (at + 1) * width]
