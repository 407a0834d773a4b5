"""Erasure statements (``anchor-erasure/1``): which evidence was erased, when, by whom and why.

A statement is canonical JSON (RFC 8785).  It names pieces only by their leaves, which are salted
hashes, and is evidence itself: its record has the statement in the member ``erasure``, and the
digests of the statement's bytes.  ``docs/erasure.md`` describes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from anchor.base.canonical import JsonValue, encode_canonical, parse_canonical
from anchor.base.digests import SHA256, SM3, digest_bytes
from anchor.base.errors import AnchorError, MalformedError, UsageError
from anchor.base.messages.message import Message, join
from anchor.base.types import Hash32, LogId, parse_hex
from anchor.evidence.record import MAX_RECORD_BYTES, SCHEMA, Record, parse_record

FORMAT = "anchor-erasure/1"
MEMBER = "erasure"
"""The record member that holds a statement; only records that the operator creates have it."""
BASES: Final = ("gdpr-17", "pipl-47", "other")
# A piece takes about 100 bytes, and a record has at most 65,535.
MAX_PIECES = 500
# In characters; one takes up to four bytes, or twelve if it has to be escaped.
MAX_WORDS = 1_000

_WHAT = Message("erasure-statement")
_MEMBERS = {"format", "log", "erased_at", "basis", "by", "reason", "pieces"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedPiece:
    """One piece of evidence that was erased; ``index`` is None if it was not sealed yet."""

    leaf: Hash32
    index: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureStatement:
    """What was erased from a log; ``by`` and ``reason`` are in the operator's own wording."""

    log: LogId
    erased_at: str
    basis: str
    by: str
    reason: str
    pieces: Sequence[ErasedPiece]

    @property
    def members(self) -> dict[str, JsonValue]:
        """The statement as a JSON object."""
        pieces: list[JsonValue] = []
        for piece in self.pieces:
            index: dict[str, JsonValue] = {} if piece.index is None else {"index": piece.index}
            pieces.append({**index, "leaf": piece.leaf.hex()})
        return {
            "format": FORMAT,
            "log": f"0x{self.log.hex()}",
            "erased_at": self.erased_at,
            "basis": self.basis,
            "by": self.by,
            "reason": self.reason,
            "pieces": pieces,
        }

    def encode(self) -> bytes:
        """Return the statement's canonical bytes."""
        return encode_canonical(self.members, subject=_WHAT)


def check_words(basis: str, words: dict[str, str]) -> None:
    """Check the basis of a statement and the texts that the operator wrote for it.

    Raises:
        UsageError: The basis is not one of ``BASES``, or one of ``words`` is empty, too long or
            has control characters.
    """
    if basis not in BASES:
        raise UsageError(Message("erasure-basis-unknown", allowed=join(BASES), actual=basis[:80]))
    for name, text in words.items():
        if not 0 < len(text) <= MAX_WORDS or not text.isprintable():
            raise UsageError(Message("text-not-one-line", name=name, limit=MAX_WORDS))


def build_record(
    statement: ErasureStatement, *, name: str, salt: bytes, algorithms: Sequence[str]
) -> Record:
    """Return the evidence record of a statement."""
    data = statement.encode()
    digests = digest_bytes(data, algorithms)
    known = {SHA256: digests.sha256, SM3: digests.sm3}
    value: JsonValue = {
        "schema": SCHEMA,
        "digests": {name: digest.hex() for name, digest in known.items() if digest is not None},
        "size": len(data),
        "name": name,
        "media_type": "application/json",
        "salt": salt.hex(),
        "recorded_at": statement.erased_at,
        "log": f"0x{statement.log.hex()}",
        MEMBER: statement.members,
    }
    return parse_record(encode_canonical(value, subject=Message("erasure-record")))


def parse_statement(data: bytes) -> ErasureStatement:
    """Parse a statement from its file's bytes."""
    return _parse(parse_canonical(data, subject=_WHAT, max_bytes=MAX_RECORD_BYTES))


def find_statement(record: bytes) -> ErasureStatement | None:
    """Return the statement in a record; None for a record of other evidence.

    The statement is accepted only if the record's digests are those of its bytes.
    """
    try:
        parsed = parse_record(record)
        if MEMBER not in parsed.statements:
            return None
        value = parse_canonical(
            record, subject=Message("evidence-record"), max_bytes=MAX_RECORD_BYTES
        )
        statement = _parse(value[MEMBER] if isinstance(value, dict) else None)
    except AnchorError:
        return None
    made = digest_bytes(statement.encode(), (SHA256, SM3))
    stated = parsed.digests
    is_same = stated.sha256 == made.sha256 and stated.sm3 in (None, made.sm3)
    return statement if is_same else None


def _parse(value: JsonValue) -> ErasureStatement:
    if not isinstance(value, dict) or value.get("format") != FORMAT or set(value) != _MEMBERS:
        raise MalformedError(
            Message("erasure-statement-members-wrong", subject=_WHAT, format=FORMAT)
        )
    pieces = value["pieces"]
    if not isinstance(pieces, list) or not 0 < len(pieces) <= MAX_PIECES:
        raise MalformedError(
            Message("erasure-statement-piece-count", subject=_WHAT, limit=MAX_PIECES)
        )
    return ErasureStatement(
        log=LogId(
            parse_hex(
                _text(value, "log"),
                length=32,
                subject=Message("erasure-statement-log"),
                prefix=True,
            )
        ),
        erased_at=_text(value, "erased_at"),
        basis=_text(value, "basis"),
        by=_text(value, "by"),
        reason=_text(value, "reason"),
        pieces=tuple(map(_parse_piece, pieces)),
    )


def _parse_piece(value: JsonValue) -> ErasedPiece:
    if not isinstance(value, dict) or not {"leaf"} <= set(value) <= {"leaf", "index"}:
        raise MalformedError(Message("erasure-statement-piece-malformed", subject=_WHAT))
    index = value.get("index")
    if index is not None and (not isinstance(index, int) or isinstance(index, bool) or index < 0):
        raise MalformedError(Message("erasure-statement-index-invalid", subject=_WHAT))
    leaf = parse_hex(
        _text(value, "leaf"), length=32, subject=Message("erasure-statement-leaf"), prefix=False
    )
    return ErasedPiece(leaf=Hash32(leaf), index=index)


def _text(value: dict[str, JsonValue], member: str) -> str:
    text = value[member]
    if not isinstance(text, str):
        raise MalformedError(
            Message("erasure-statement-member-not-string", subject=_WHAT, member=member)
        )
    return text
