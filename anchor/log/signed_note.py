"""C2SP signed notes with Ed25519: text, a blank line, and one line for each signature.

The format is c2sp.org/signed-note, version 1.0.0: the text a key signs ends in a newline, the last
empty line of the note separates it from the signatures, and a signature line is ``— name base64``
of ``key id ‖ signature``.  Only the signature type 0x01, Ed25519, is signed or verified here;
lines of other keys and types are parsed and ignored, as the specification demands.

One spelling per value: base64 is canonical (RFC 4648 sections 3.5 and 4), hex is lower-case.
Ed25519 signatures are verified with the cofactor, which RFC 8032 section 5.1.7 allows; a verifier
without it also accepts every signature that was made as the RFC requires.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anchor.base.errors import MalformedError, MismatchError, NotTrustedError, UnknownVersionError
from anchor.base.messages.message import Message
from anchor.base.types import parse_hex

# pycryptodome takes longer to load than everything else here, and parsing a note does not need it.
if TYPE_CHECKING:
    from Crypto.PublicKey.ECC import EccKey

# A checkpoint with a hundred post-quantum signatures of 5 kB stays below it.
MAX_NOTE_BYTES = 1_000_000
# The limit of Go's golang.org/x/mod/sumdb/note; the specification asks for at least 16.
MAX_SIGNATURES = 100
# c2sp.org/tlog-cosignature encodes the length of a name or origin in one byte.
MAX_NAME_BYTES = 255
# Fits a name and an ML-DSA-44 key of 1,312 bytes, so that it is refused as unknown, not too long.
MAX_VERIFIER_CHARACTERS = 4096
# An Ed25519 key takes 119 characters, and an RSA key of 16,384 bits about 12,500.
MAX_PRIVATE_KEY_CHARACTERS = 16_384

# The signature type byte of Ed25519 (section "Signature types").
_ED25519 = b"\x01"
_KEY_BYTES = 32
_ID_BYTES = 4

_SEPARATOR = "\n\n"
_PREFIX = "\N{EM DASH} "
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f]")
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\r?\n[^-]+-----END \1-----\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line as it was parsed; nothing about it has been verified."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedNote:
    """A well-formed note's text and signatures, none of which has been verified."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteVerifier:
    """A public key and the name it signs under; `parse_verifier` reads untrusted input.

    Raises:
        MalformedError: The name is not a valid key name, or the key is not 32 bytes long.
    """

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        _check_own_name(self.name)
        if len(self.public_key) != _KEY_BYTES:
            raise MalformedError(Message("public-key-length", size=_KEY_BYTES))

    @property
    def key_id(self) -> bytes:
        """The four bytes that, with the name, identify the key of a signature."""
        named = self.name.encode("utf-8") + b"\n" + _ED25519 + self.public_key
        return hashlib.sha256(named).digest()[:_ID_BYTES]

    def encode(self) -> str:
        """Return the verifier key, ``name+id+key`` (section "Verifier keys")."""
        return f"{self.name}+{self.key_id.hex()}+{_encode_base64(_ED25519 + self.public_key)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKey:
    """A private key and the name it signs under; its ``repr`` does not show the key.

    ``seed`` is the 32 bytes that RFC 8032 section 5.1.5 calls the private key.

    Raises:
        MalformedError: The name is not a valid key name, or the seed is not 32 bytes long.
    """

    name: str
    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _check_own_name(self.name)
        if len(self.seed) != _KEY_BYTES:
            raise MalformedError(Message("private-key-length", size=_KEY_BYTES))

    def verifier(self) -> NoteVerifier:
        """Return the public half, to be given to those who verify this key's signatures."""
        public_key = _load_private(self.seed).public_key().export_key(format="raw")
        return NoteVerifier(name=self.name, public_key=public_key)


def generate_key(
    name: str, *, random_bytes: Callable[[int], bytes] = secrets.token_bytes
) -> NoteKey:
    """Generate a key that signs as ``name``: one word, by convention a URL without its scheme.

    Raises:
        MalformedError: ``name`` is empty, too long, or holds a space, a plus or a control code.
    """
    return NoteKey(name=name, seed=random_bytes(_KEY_BYTES))


def encode_private_key(key: NoteKey) -> str:
    """Return the key, without its name, as unencrypted PKCS #8 in PEM (RFC 8410 section 7)."""
    return _load_private(key.seed).export_key(format="PEM") + "\n"


def parse_private_key(text: str, *, name: str) -> NoteKey:
    """Parse a key written by `encode_private_key` or ``openssl genpkey -algorithm ed25519``.

    Raises:
        MalformedError: The text is not an unencrypted PKCS #8 key in PEM, or ``name`` is not a
            valid key name.
    """
    from Crypto.PublicKey import ECC

    pem = _PEM.fullmatch(text) if len(text) <= MAX_PRIVATE_KEY_CHARACTERS else None
    if pem is None or pem[1] != "PRIVATE KEY":
        raise MalformedError(
            Message("private-key-format"),
            hint=Message("private-key-format-hint"),
        )
    # From None: the library's error might quote parts of the key.
    try:
        key = ECC.import_key(text)
    except ECC.UnsupportedEccFeature:
        raise UnknownVersionError(Message("private-key-not-ed25519")) from None
    except ValueError:
        raise MalformedError(Message("private-key-damaged")) from None
    if key.curve != "Ed25519":
        raise UnknownVersionError(Message("private-key-not-ed25519"))
    if not key.has_private():
        raise MalformedError(Message("private-key-is-public"))
    return NoteKey(name=name, seed=key.seed)


def parse_verifier(text: str) -> NoteVerifier:
    """Parse a verifier key, ``name+id+key``.

    Raises:
        MalformedError: The text is not a verifier key, the id is not this key's, or the public key
            is unusable.
    """
    # The name cannot contain a plus, but base64 may: only the first two are separators.
    parts = text.split("+", 2) if len(text) <= MAX_VERIFIER_CHARACTERS else []
    if len(parts) != 3:
        raise MalformedError(Message("verifier-key-malformed"))
    name, key_id, encoded = parts
    claimed_id = parse_hex(
        key_id, length=_ID_BYTES, subject=Message("verifier-key-id"), prefix=False
    )
    typed_key = parse_base64(encoded, subject=Message("verifier-key-last-part"))
    if not typed_key:
        raise MalformedError(Message("verifier-key-last-part-empty"))
    # Before the id is compared: other types derive it differently.
    if typed_key[:1] != _ED25519:
        raise UnknownVersionError(Message("verifier-key-type-unknown"))
    verifier = NoteVerifier(name=name, public_key=typed_key[1:])
    if verifier.key_id != claimed_id:
        raise MalformedError(
            Message("verifier-key-id-differs"),
            hint=Message("verifier-key-id-differs-hint"),
        )
    _load_public(verifier.public_key)
    return verifier


def sign_note(text: str, key: NoteKey) -> bytes:
    """Return the note of ``text`` with one signature, by ``key``."""
    from Crypto.Signature import eddsa

    signed = encode_text(text)
    signature = eddsa.new(_load_private(key.seed), "rfc8032").sign(signed)
    identified = _encode_base64(key.verifier().key_id + signature)
    note = signed + f"\n{_PREFIX}{key.name} {identified}\n".encode()
    if len(note) > MAX_NOTE_BYTES:
        raise MalformedError(Message("note-would-be-too-long", limit=MAX_NOTE_BYTES))
    return note


def open_note(note: bytes, verifier: NoteVerifier) -> str:
    """Return the text of ``note``, which the key of ``verifier`` signed.

    1. The note is well-formed.
    2. Every signature under the verifier's name and id is valid for the text; the lines of other
       keys are ignored, even those with only the same name or only the same id.
    3. There is at least one such signature.

    Raises:
        MalformedError: 1 does not hold, or the verifier's public key is unusable.
        MismatchError: 2 does not hold.
        NotTrustedError: 3 does not hold; other keys signed this note.
    """
    from Crypto.Signature import eddsa

    opened = parse_note(note)
    signed = opened.text.encode("utf-8")
    scheme = eddsa.new(_load_public(verifier.public_key), "rfc8032")
    ours = (verifier.name, verifier.key_id)
    is_ours = False
    for line in opened.signatures:
        if (line.name, line.key_id) != ours:
            continue
        try:
            scheme.verify(signed, line.signature)
        except ValueError as error:
            raise MismatchError(
                Message("note-signature-invalid", verifier=_format_verifier(verifier))
            ) from error
        is_ours = True
    if not is_ours:
        raise NotTrustedError(Message("note-not-signed-by", verifier=_format_verifier(verifier)))
    return opened.text


def parse_note(note: bytes) -> UnverifiedNote:
    """Parse a note without verifying any signature: anybody may have written its text.

    Raises:
        MalformedError: The bytes are not a signed note, or exceed `MAX_NOTE_BYTES` or
            `MAX_SIGNATURES`.
    """
    if len(note) > MAX_NOTE_BYTES:
        raise MalformedError(Message("note-too-long", limit=MAX_NOTE_BYTES))
    try:
        content = note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError(Message("note-not-utf8", position=error.start)) from None
    # Only "\n" ends a line: str.splitlines knows ten more characters that do.
    head, separator, tail = content.rpartition(_SEPARATOR)
    if not separator:
        raise MalformedError(Message("note-separator-missing"))
    text = head + "\n"
    _check_controls(content, Message("note-subject"))
    *lines, rest = tail.split("\n", MAX_SIGNATURES + 1)
    if not lines or (rest and len(lines) <= MAX_SIGNATURES):
        raise MalformedError(Message("note-end-malformed"))
    if len(lines) > MAX_SIGNATURES:
        raise MalformedError(Message("note-signatures-too-many", limit=MAX_SIGNATURES))
    signatures = tuple(_parse_signature(line, at) for at, line in enumerate(lines, start=1))
    return UnverifiedNote(text=text, signatures=signatures)


def encode_text(text: str) -> bytes:
    """Return the bytes that a signature covers.

    Raises:
        MalformedError: ``text`` does not end with a newline, is not Unicode, is too long, or holds
            a control character other than newline.
    """
    if not text.endswith("\n"):
        raise MalformedError(Message("note-text-newline-missing"))
    _check_controls(text, Message("note-text"))
    encoded = _encode_utf8(text, Message("note-text"))
    if len(encoded) > MAX_NOTE_BYTES:
        raise MalformedError(Message("note-text-too-long", limit=MAX_NOTE_BYTES))
    return encoded


def parse_base64(text: str, *, subject: str) -> bytes:
    """Decode base64 in its one canonical spelling (RFC 4648 section 4).

    Raises:
        MalformedError: Padding is missing, the text contains spaces, or bits are set beyond the
            last byte.
    """
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError:
        raise MalformedError(Message("base64-malformed", subject=subject)) from None
    if _encode_base64(decoded) != text:
        raise MalformedError(Message("base64-not-canonical", subject=subject))
    return decoded


def _parse_signature(line: str, at: int) -> NoteSignature:
    subject = Message("note-signature-line", number=at)
    name, _, encoded = line.removeprefix(_PREFIX).partition(" ")
    if not line.startswith(_PREFIX) or not _is_name(name):
        raise MalformedError(Message("note-signature-line-malformed", subject=subject))
    identified = parse_base64(encoded, subject=Message("note-signature", subject=subject))
    if len(identified) <= _ID_BYTES:
        raise MalformedError(Message("note-signature-missing", subject=subject))
    return NoteSignature(name=name, key_id=identified[:_ID_BYTES], signature=identified[_ID_BYTES:])


def _is_name(name: str) -> bool:
    # str.isspace: Unicode's White_Space, and four control characters that no note may hold.
    return name != "" and "+" not in name and not any(map(str.isspace, name))


def _check_own_name(name: str) -> None:
    if not _is_name(name):
        raise MalformedError(Message("key-name-malformed"))
    _check_controls(name, Message("key-name"))
    if len(_encode_utf8(name, Message("key-name"))) > MAX_NAME_BYTES:
        raise MalformedError(Message("key-name-too-long", limit=MAX_NAME_BYTES))


def _check_controls(text: str, subject: str) -> None:
    if control := _CONTROLS.search(text):
        raise MalformedError(
            Message(
                "text-control-character",
                subject=subject,
                code=ord(control[0]),
                position=control.start(),
            )
        )


def _encode_utf8(text: str, subject: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedError(Message("text-lone-surrogate", subject=subject)) from None


def _encode_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _load_private(seed: bytes) -> EccKey:
    from Crypto.Signature import eddsa

    return eddsa.import_private_key(seed)


def _load_public(public_key: bytes) -> EccKey:
    """Decode a public key; reject those of small order, for which anybody can sign."""
    from Crypto.Signature import eddsa

    try:
        key = eddsa.import_public_key(public_key)
        # The order of the point divides the cofactor, 8.  Of (-0, -1), which is no point (RFC 8032
        # section 5.1.3), the library says so only here.
        has_small_order = (key.pointQ * 8).is_point_at_infinity()
    except ValueError as error:
        raise MalformedError(Message("public-key-not-on-curve")) from error
    if has_small_order:
        raise MalformedError(Message("public-key-small-order"))
    return key


def _format_verifier(verifier: NoteVerifier) -> str:
    return f"{verifier.name}+{verifier.key_id.hex()}"
