"""Rules for uploading a copy: tus 1.0 (https://tus.io/protocols/resumable-upload), parts, quota."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from typing import Final, Literal, TypeAlias, get_args

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message

CopyState: TypeAlias = Literal["receiving", "checking", "waiting", "kept", "refused", "deleted"]
"""How far a copy is: its bytes arrive; they are compared; the scanner cannot tell yet; it is kept;
it was refused; or it was deleted, and its objects are next."""

RefusalReason: TypeAlias = Literal["other-bytes", "infected", "damaged"]
"""Why a copy was refused: it is another file, the scanner found something, or what the object
store returns is not what was stored."""
REFUSAL_REASONS: Final[tuple[RefusalReason, ...]] = get_args(RefusalReason)

TUS_VERSION: Final = "1.0.0"
# A part is held in memory twice, as it came and encrypted.
PART_BYTES: Final = 8 << 20
# A part for each 8 MiB, and those that broken connections cut short.
_SPARE_PARTS: Final = 10_000
UPLOAD_SECONDS: Final = 24 * 3_600
"""How long an upload waits for its next byte."""

_LENGTH = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_IDENTITY = re.compile(rb"[0-9a-f]{64}")
_EVIDENCE: Final = "evidence"
# RFC 9110 allows several ranges; one is answered.
_RANGE = re.compile(r"bytes=([0-9]{0,16})-([0-9]{0,16})", re.ASCII)


def parse_length(text: str) -> int:
    """Return the number of bytes in ``Upload-Length`` or ``Upload-Offset``.

    Raises:
        MalformedError: It is not a decimal number without leading zeros, or is too large.
    """
    if not _LENGTH.fullmatch(text):
        raise MalformedError(Message("upload-number-malformed", text=text[:40]))
    return int(text)


def parse_metadata(text: str) -> bytes:
    """Return the identity of the evidence that ``Upload-Metadata`` names as ``evidence``.

    Other keys are left alone: nothing of them is stored.
    """
    for pair in text.split(","):
        name, _, value = pair.strip().partition(" ")
        if name == _EVIDENCE:
            try:
                id = base64.b64decode(value.strip(), validate=True)
            except ValueError:
                break
            if _IDENTITY.fullmatch(id):
                return bytes.fromhex(id.decode("ascii"))
            break
    raise MalformedError(Message("upload-metadata-malformed"))


def most_parts(length: int) -> int:
    """Return in how many parts a copy of so many bytes may arrive."""
    return -(-length // PART_BYTES) + _SPARE_PARTS


def folder_of(tenant: str, id: str) -> str:
    """Return the folder of a copy's objects, which does not name the tenant."""
    return f"{hashlib.sha256(tenant.encode('utf-8')).hexdigest()[:32]}/{id}"


def name_object(number: int) -> str:
    """Return a new name for the object of a part.

    Each attempt has its own, so that no attempt replaces the object of another one.
    """
    return f"{number:06}-{secrets.token_hex(8)}"


def find_range(text: str | None, length: int) -> tuple[int, int] | None:
    """Return the first byte and the end of what ``Range`` asks for; None for everything.

    The range is empty if it cannot be satisfied.
    """
    match = None if text is None else _RANGE.fullmatch(text.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        return max(0, length - int(match[2])), length
    first = int(match[1])
    end = min(int(match[2]) + 1, length) if match[2] else length
    if match[2] and int(match[2]) < first:
        return None
    return (first, end) if first < length else (length, length)
