"""SSHSIG: signatures by SSH keys, which OpenSSH's ``ssh-keygen`` makes and verifies.

The form is OpenSSH's PROTOCOL.sshsig: armoured base64 of the key, the namespace, the hash and the
signature.  Here it is only taken apart; every signature is verified by ``ssh-keygen``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from anchor.base.errors import (
    CannotCheckError,
    MalformedError,
    MismatchError,
    SignerError,
    UnknownVersionError,
)
from anchor.base.messages.message import Message
from anchor.base.system.programs import find_program, run_at_terminal, run_program

NAMESPACE = "anchor-evidence-record"
MARK = b"-----BEGIN SSH SIGNATURE-----"

_PROGRAM = "ssh-keygen"
# ssh-keygen accepts what follows the first block; nothing else may be in the file here.
_ARMOUR = re.compile(
    rb"-----BEGIN SSH SIGNATURE-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END SSH SIGNATURE-----\s*"
)
_MAGIC, _VERSION = b"SSHSIG", 1
_WRONG = "incorrect signature"
# The kinds of signatures that a key of that kind can make; others are left to ssh-keygen.
_MADE_BY = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ssh-rsa": ("rsa-sha2-256", "rsa-sha2-512"),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
}
_PRINCIPAL = "signer"


@dataclass(frozen=True, slots=True, kw_only=True)
class SshSignature:
    """The key that a signature states, as a ``.pub`` file spells it, and the key's fingerprint."""

    key: str
    fingerprint: str


def read_ssh_signature(data: bytes) -> SshSignature:
    """Take an SSHSIG apart; nothing of it is verified.

    Raises:
        MismatchError: It was made for another namespace, or by another kind of key than it states.
    """
    match = _ARMOUR.fullmatch(data)
    if match is None:
        raise MalformedError(Message("signature-armour-broken"))
    try:
        blob = base64.b64decode(b"".join(match[1].split()), validate=True)
        start = len(_MAGIC) + 4
        if blob[: len(_MAGIC)] != _MAGIC:
            raise ValueError("no SSHSIG")
        version = int.from_bytes(blob[len(_MAGIC) : start], "big")
        if version != _VERSION:
            raise UnknownVersionError(Message("signature-version-unknown", version=version))
        key, namespace, _, _, signature = _list_strings(blob[start:])
        (kind, *_), (made, *_) = _list_strings(key), _list_strings(signature)
        shown, named = namespace.decode("utf-8"), kind.decode("ascii")
        form = made.decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise MalformedError(Message("signature-armour-broken")) from error
    if shown != NAMESPACE:
        raise MismatchError(
            Message("signature-namespace-differs", actual=shown[:80], expected=NAMESPACE)
        )
    if form not in _MADE_BY.get(named, (form,)) and form in sum(_MADE_BY.values(), ()):
        raise MismatchError(Message("signature-wrong"))
    fingerprint = base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
    return SshSignature(
        key=f"{named} {base64.b64encode(key).decode()}", fingerprint=f"SHA256:{fingerprint}"
    )


def check_ssh_signature(data: bytes, record: bytes) -> SshSignature:
    """Verify that a signature is one of the record's bytes, by whichever key; return the key.

    Raises:
        MismatchError: It is of other bytes or for another namespace, or was altered.
    """
    parsed = read_ssh_signature(data)
    _verify(data, record, ["check-novalidate"])
    return parsed


def check_ssh_key(data: bytes, record: bytes, key: str) -> None:
    """Verify that a signature of the record is by this key, a signer of the verifier's policy."""
    allowed = f'{_PRINCIPAL} namespaces="{NAMESPACE}" {key}\n'
    _verify(data, record, ["verify", "-f", "allowed_signers", "-I", _PRINCIPAL], allowed)


def make_ssh_signature(record: bytes, key: Path) -> bytes:
    """Sign the record with ``ssh-keygen``, by a key or an agent that holds it."""
    program = find_program(_PROGRAM)
    if program is None:
        raise SignerError(Message("signature-ssh-missing"))
    with tempfile.TemporaryDirectory(prefix="anchor-sign-") as folder:
        file, signature = Path(folder, "record.json"), Path(folder, "record.json.sig")
        file.write_bytes(record)
        words = ["-q", "-Y", "sign", "-f", str(key.absolute()), "-n", NAMESPACE, file.name]
        if not run_at_terminal(program, words, folder=Path(folder)) or not signature.is_file():
            raise SignerError(
                Message("signature-not-made", program=_PROGRAM, path=key),
                hint=Message("signature-not-made-hint"),
            )
        return signature.read_bytes()


def _verify(data: bytes, record: bytes, words: list[str], allowed: str = "") -> None:
    program = find_program(_PROGRAM)
    if program is None:
        raise CannotCheckError(Message("signature-ssh-missing"))
    with tempfile.TemporaryDirectory(prefix="anchor-verify-") as folder:
        Path(folder, "signature").write_bytes(data)
        Path(folder, "allowed_signers").write_text(allowed)
        done = run_program(
            program,
            ["-Y", *words, "-n", NAMESPACE, "-s", "signature"],
            folder=Path(folder),
            data=record,
        )
    if done.code == 0:
        return
    if _WRONG in done.complaint:
        raise MismatchError(Message("signature-wrong"))
    reason = (done.complaint or done.output).strip().partition("\n")[0][:160]
    raise CannotCheckError(Message("signature-not-checked", program=_PROGRAM, reason=reason))


def _list_strings(data: bytes) -> Iterator[bytes]:
    """Yield the strings of RFC 4251 (5), each after four bytes for its length."""
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        if at + 4 > len(data) or end > len(data):
            raise ValueError("cut short")
        yield data[at + 4 : end]
        at = end
