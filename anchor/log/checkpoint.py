"""C2SP checkpoints: a log's head as a signed note that other transparency tools read.

The format is c2sp.org/tlog-checkpoint, version 1.0.0: the log's origin, its size and its root, one
line each.  This project's origins name the chain, the registry and the log::

    eip155:<chain id>/<registry, 0x and 40 hex digits>/<log, 0x and 64 hex digits>

A signature proves that the key's holder claims this head, not that the registry holds its root.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.base.types import MAX_LOG_SIZE, Address, ChainId, Hash32, Head, LogId, parse_hex
from anchor.log.signed_note import (
    NoteKey,
    NoteVerifier,
    encode_text,
    open_note,
    parse_base64,
    parse_note,
    sign_note,
)

# As in receipts: the largest integer that JSON carries exactly everywhere.
_MAX_CHAIN_ID = 2**53 - 1
# No leading zeros; sizes and chain ids have at most 16 digits.
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}")
_ORIGIN_SCHEME = "eip155:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The content of a checkpoint: the log's origin and its head.

    Raises:
        MalformedError: The origin is not a valid line of a note, or the head cannot be one of this
            project's logs.
    """

    origin: str
    head: Head

    def __post_init__(self) -> None:
        if not self.origin or "\n" in self.origin:
            raise MalformedError(Message("checkpoint-origin-malformed"))
        if not 0 <= self.head.size <= MAX_LOG_SIZE:
            raise MalformedError(Message("checkpoint-size-range", limit=MAX_LOG_SIZE))
        if len(self.head.root) != 32:
            raise MalformedError(Message("checkpoint-root-length"))
        encode_text(self.origin + "\n")


def encode_checkpoint(checkpoint: Checkpoint) -> str:
    """Return the note text: three lines, without extension lines."""
    root = base64.b64encode(checkpoint.head.root).decode("ascii")
    return f"{checkpoint.origin}\n{checkpoint.head.size}\n{root}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Parse a note's text as a checkpoint; extension lines are ignored.

    Raises:
        MalformedError: The text is not a checkpoint, has an empty extension line, or gives a size
            of 2^48 or more.
    """
    encode_text(text)
    # Only "\n" ends a line: str.splitlines knows ten more characters that do.
    lines = text.split("\n")[:-1]
    if len(lines) < 3:
        raise MalformedError(Message("checkpoint-lines-missing"))
    if "" in lines:
        raise MalformedError(Message("checkpoint-line-empty", line=lines.index("") + 1))
    origin, size, root = lines[:3]
    decoded = parse_base64(root, subject=Message("checkpoint-root"))
    head = Head(root=Hash32(decoded), size=_parse_decimal(size, Message("checkpoint-size")))
    return Checkpoint(origin=origin, head=head)


def sign_checkpoint(checkpoint: Checkpoint, key: NoteKey) -> bytes:
    """Return the signed note of ``checkpoint``.

    The specification requires that the key's name is the origin, and that any two checkpoints
    signed for a log are consistent; the caller must ensure both.
    """
    return sign_note(encode_checkpoint(checkpoint), key)


def open_checkpoint(note: bytes, verifier: NoteVerifier | None) -> Checkpoint:
    """Read a signed checkpoint; the caller compares its origin with the log's.

    Without a ``verifier`` the signature lines must be well-formed, but no signature is verified:
    anybody may have written the checkpoint.

    Raises:
        MismatchError: A signature by the verifier's key is not valid.
        NotTrustedError: The verifier's key did not sign this note.
    """
    text = parse_note(note).text if verifier is None else open_note(note, verifier)
    return parse_checkpoint(text)


def log_origin(chain_id: ChainId, registry: Address, log: LogId) -> str:
    """Return the origin of ``log`` in ``registry`` on the chain, which is also its key's name."""
    return f"{_ORIGIN_SCHEME}{chain_id}/0x{registry.hex()}/0x{log.hex()}"


def parse_origin(text: str) -> tuple[ChainId, Address, LogId]:
    """Parse an origin that `log_origin` wrote."""
    chain, *rest = text.removeprefix(_ORIGIN_SCHEME).split("/", 3)
    if not text.startswith(_ORIGIN_SCHEME) or len(rest) != 2:
        raise MalformedError(Message("origin-malformed"))
    chain_id = _parse_decimal(chain, Message("origin-chain-id"))
    if not 1 <= chain_id <= _MAX_CHAIN_ID:
        raise MalformedError(Message("origin-chain-id-range", limit=_MAX_CHAIN_ID))
    registry = parse_hex(rest[0], length=20, subject=Message("origin-registry"), prefix=True)
    log = parse_hex(rest[1], length=32, subject=Message("origin-log"), prefix=True)
    return ChainId(chain_id), Address(registry), LogId(log)


def _parse_decimal(text: str, subject: str) -> int:
    if not _DECIMAL.fullmatch(text):
        raise MalformedError(Message("decimal-number-malformed", subject=subject))
    return int(text)
