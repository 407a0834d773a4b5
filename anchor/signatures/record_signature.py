"""Detached signatures over a record's exact bytes, whoever made them (docs/signatures.md).

A signature is judged in two parts: whether it is one of this record, by the key or certificate that
it names; and whether the verifier's policy names that signer.  The first is a fact, the second the
verifier's own choice.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from anchor.base.errors import (
    CannotCheckError,
    MalformedError,
    NotTrustedError,
)
from anchor.base.messages.message import Message, join
from anchor.signatures.cms_signature import (
    SignerCertificate,
    check_cms_chain,
    check_cms_signature,
    list_chain_options,
)
from anchor.signatures.cms_structure import is_signed_data
from anchor.signatures.ssh_signature import (
    MARK,
    NAMESPACE,
    SshSignature,
    check_ssh_key,
    check_ssh_signature,
)
from anchor.signatures.trusted_signer import TrustedSigner

# One with a chain of four certificates takes about 8 KB, with timestamps some more.
MAX_SIGNATURE_BYTES = 1 << 17

SignatureKind = Literal["sshsig", "cades"]
SUFFIXES: dict[SignatureKind, str] = {"sshsig": ".sshsig", "cades": ".p7s"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSignature:
    """A signature that is one of the record's bytes, and the key or certificate that it is by."""

    data: bytes
    record: bytes
    by: SshSignature | SignerCertificate

    @property
    def kind(self) -> SignatureKind:
        """Return the signature's form."""
        return "sshsig" if isinstance(self.by, SshSignature) else "cades"

    @property
    def fingerprint(self) -> str:
        """Return the key's fingerprint as OpenSSH prints it, or the certificate's SHA-256."""
        return self.by.fingerprint


def check_signature(data: bytes, record: bytes) -> RecordSignature:
    """Verify that a signature is one of the record's bytes, by whomever.

    Raises:
        MismatchError: It is of another record or for another purpose, or was altered.
    """
    if len(data) > MAX_SIGNATURE_BYTES:
        raise MalformedError(Message("signature-too-long", limit=MAX_SIGNATURE_BYTES))
    if is_ssh_signature(data):
        return RecordSignature(data=data, record=record, by=check_ssh_signature(data, record))
    if is_signed_data(data):
        return RecordSignature(data=data, record=record, by=check_cms_signature(data, record))
    raise MalformedError(Message("signature-form-unknown"))


def is_ssh_signature(data: bytes) -> bool:
    """Return whether the bytes begin like an armoured SSH signature."""
    return data.startswith(MARK)


def identify_signer(
    signature: RecordSignature, signers: Sequence[TrustedSigner], at: datetime | None
) -> str:
    """Return the name that the policy gives the signer.

    ``at`` is the time as of which a certificate has to be valid: that by which the record existed.

    Raises:
        NotTrustedError: A certificate has the subject of a signer, and does not pass.
        CannotCheckError: No signer of the policy made it, no time is proven, or a program is
            missing or cannot tell.
    """
    by = signature.by
    if isinstance(by, SshSignature):
        for signer in signers:
            if signer.ssh_key == by.key:
                check_ssh_key(signature.data, signature.record, by.key)
                return signer.name
    else:
        named = [signer for signer in signers if signer.subject == by.subject]
        if named:
            return _find_issued(signature, by, named, at)
    raise CannotCheckError(
        Message("signature-key-unknown", fingerprint=signature.fingerprint),
        hint=Message("signature-key-unknown-hint"),
    )


def _find_issued(
    signature: RecordSignature,
    certificate: SignerCertificate,
    signers: Sequence[TrustedSigner],
    at: datetime | None,
) -> str:
    """Return the name of the signer below one of whose roots the certificate is."""
    if at is None:
        raise CannotCheckError(Message("signature-time-unproven"))
    fingerprint = certificate.fingerprint
    if not certificate.since <= at <= certificate.until:
        raise NotTrustedError(
            Message(
                "signature-certificate-not-valid",
                fingerprint=fingerprint,
                since=_spell(certificate.since),
                until=_spell(certificate.until),
                time=_spell(at),
            )
        )
    if not certificate.is_for_signatures:
        raise NotTrustedError(Message("signature-certificate-usage", fingerprint=fingerprint))
    reasons: list[Message] = []
    for signer in signers:
        try:
            check_cms_chain(signature.data, signature.record, signer.roots, at)
        except NotTrustedError as error:
            reasons.append(error.message)
        else:
            return signer.name
    raise NotTrustedError(
        Message(
            "signature-certificate-untrusted",
            fingerprint=fingerprint,
            reasons=join(dict.fromkeys(reasons), "semicolon"),
        )
    )


def _spell(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def format_verification(
    kind: SignatureKind, signature: str, record: str, at: datetime | None = None
) -> str:
    """Return the command by which OpenSSH or OpenSSL verifies a signature.

    Words in capitals stand for the verifier's own: the signer's name and key, or root certificates.
    ``record`` is the name of the file with the record's bytes.
    """
    if kind == "sshsig":
        words = ["ssh-keygen", "-Y", "verify", "-f", "ALLOWED_SIGNERS", "-I", "SIGNER"]
        words += ["-n", NAMESPACE, "-s", signature]
        return f"{shlex.join(words)} < {shlex.quote(record)}"
    words = ["openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER"]
    words += ["-in", signature, "-content", record, "-out", "/dev/null"]
    return shlex.join([*words, *list_chain_options("ROOTS.pem", at)])
