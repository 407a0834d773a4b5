"""CAdES-BES: detached CMS signatures with certificates, which OpenSSL makes and verifies.

A signature is verified in two parts: that it is one of the record's bytes, by the key of the
certificate inside it; and that a chain leads from this certificate to a root that the verifier
named, as of a time that the verifier gives.  Certificates in it are never trusted by themselves.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from anchor.base.errors import (
    CannotCheckError,
    MalformedError,
    MismatchError,
    NotTrustedError,
    SignerError,
    UnknownVersionError,
)
from anchor.base.messages.message import Message
from anchor.base.system.programs import find_program, run_at_terminal, run_program
from anchor.signatures.cms_structure import SHA256_OID, is_signed_data, read_cms
from anchor.timestamps.trusted_tsa import encode_roots

_PROGRAM = "openssl"
_SIGNATURE, _RECORD, _SIGNER, _ROOTS = "signature.p7s", "record.json", "signer.pem", "roots.pem"
# In lower case; "CMS Verification failure" precedes every complaint.
_WRONG = ("digest failure", "verification failure")
# RFC 5035: the certificate that was signed is told by its digest.
_SWAPPED = "ESS routines"
_NO_CERTIFICATE = "signer certificate not found"
# "Verify error: certificate has expired" and the like, at the end of a line.
_CHAIN_REASON = re.compile(r"Verify error: ?([A-Za-z0-9 ,()'-]{1,80})")
_FACTS = re.compile(
    r"subject=(?P<subject>[^\n]*)\nnotBefore=(?P<since>[^\n]+)\nnotAfter=(?P<until>[^\n]+)\n"
    r"sha256 Fingerprint=(?P<fingerprint>[0-9A-F:]+)\n(?P<usage>.*)",
    re.DOTALL,
)
_USAGE = "X509v3 Key Usage"
_SIGNING = ("Digital Signature", "Non Repudiation")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerCertificate:
    """A signer's certificate: its SHA-256, its subject in the form of RFC 2253, and its validity.

    ``is_for_signatures``: it does not limit the key's usage, or to signatures among others.
    """

    fingerprint: str
    subject: str
    since: datetime
    until: datetime
    is_for_signatures: bool


def check_cms_signature(data: bytes, record: bytes) -> SignerCertificate:
    """Verify that a signature is one of the record's bytes; return its signer's certificate.

    Whose it is remains open: no chain is verified.

    Raises:
        UnknownVersionError: Its digest is by another algorithm than SHA-256.
    """
    if not is_signed_data(data):
        raise MalformedError(Message("signature-not-cms"))
    stated = read_cms(data)
    if stated.algorithm != SHA256_OID:
        raise UnknownVersionError(Message("signature-digest-algorithm"))
    expected = hashlib.sha256(record).digest()
    if stated.message_digest != expected:
        raise MismatchError(
            Message("signature-wrong"), expected=expected, actual=stated.message_digest
        )
    with tempfile.TemporaryDirectory(prefix="anchor-verify-") as name:
        folder = Path(name)
        _write(folder, data, record)
        # -cades, which compares the certificate with the one that was signed, needs a chain: it
        # ends at the certificate itself here.
        _run_verify(folder, ["-noverify", "-signer", _SIGNER])
        anchored = ["-cades", "-CAfile", _SIGNER, "-partial_chain", "-no_check_time"]
        _run_verify(folder, [*anchored, "-purpose", "any", "-no-CApath", "-no-CAstore"])
        return _read_certificate(folder)


def check_cms_chain(data: bytes, record: bytes, roots: Sequence[bytes], at: datetime) -> None:
    """Verify the chain from the signer's certificate to one of these roots (DER) as of a time."""
    with tempfile.TemporaryDirectory(prefix="anchor-verify-") as name:
        folder = Path(name)
        _write(folder, data, record)
        (folder / _ROOTS).write_text(encode_roots(roots))
        _run_verify(folder, ["-cades", *list_chain_options(_ROOTS, at)])


def list_chain_options(roots: str, at: datetime | None) -> list[str]:
    """Return OpenSSL's options for a chain to the roots in a file, and to no other.

    Purposes of certificates differ by authority, so that any is accepted; the signer's key usage is
    checked apart.  Level 2 wants 112 bits of security, so no RSA key below 2048 bits and no SHA-1.
    """
    options = ["-CAfile", roots, "-no-CApath", "-no-CAstore", "-purpose", "any"]
    options += ["-auth_level", "2"]
    return options if at is None else [*options, "-attime", str(int(at.timestamp()))]


def make_cms_signature(record: bytes, certificates: Sequence[bytes], key: Path) -> bytes:
    """Sign the record with OpenSSL; the first certificate (DER) is the signer's."""
    program = find_program(_PROGRAM)
    if program is None:
        raise SignerError(Message("signature-openssl-missing"))
    with tempfile.TemporaryDirectory(prefix="anchor-sign-") as name:
        folder = Path(name)
        (folder / _RECORD).write_bytes(record)
        (folder / _SIGNER).write_text(encode_roots(certificates[:1]))
        words = ["cms", "-sign", "-cades", "-binary", "-md", "sha256", "-outform", "DER"]
        words += ["-in", _RECORD, "-out", _SIGNATURE, "-signer", _SIGNER]
        words += ["-inkey", str(key.absolute())]
        if len(certificates) > 1:
            (folder / _ROOTS).write_text(encode_roots(certificates[1:]))
            words += ["-certfile", _ROOTS]
        if not run_at_terminal(program, words, folder=folder):
            raise SignerError(
                Message("signature-not-made", program=_PROGRAM, path=key),
                hint=Message("signature-not-made-hint"),
            )
        return (folder / _SIGNATURE).read_bytes()


def _write(folder: Path, data: bytes, record: bytes) -> None:
    (folder / _SIGNATURE).write_bytes(data)
    (folder / _RECORD).write_bytes(record)


def _run(folder: Path, words: list[str]) -> tuple[int, str, str]:
    program = find_program(_PROGRAM)
    if program is None:
        raise CannotCheckError(Message("signature-openssl-missing"))
    done = run_program(program, words, folder=folder)
    return done.code, done.output, done.complaint


def _run_verify(folder: Path, options: list[str]) -> None:
    words = ["cms", "-verify", "-binary", "-inform", "DER", "-in", _SIGNATURE]
    code, _, complaint = _run(folder, [*words, "-content", _RECORD, "-out", "content", *options])
    if code == 0:
        return
    chain = _CHAIN_REASON.search(complaint)
    if chain is not None:
        raise NotTrustedError(Message("timestamp-chain-untrusted", reason=chain[1]))
    if any(text in complaint for text in _WRONG):
        raise MismatchError(Message("signature-wrong"))
    if _SWAPPED in complaint:
        raise MismatchError(Message("signature-certificate-swapped"))
    if _NO_CERTIFICATE in complaint:
        raise CannotCheckError(Message("signature-certificate-missing"))
    reason = " ".join(complaint.split())[-160:]
    raise CannotCheckError(Message("signature-not-checked", program=_PROGRAM, reason=reason))


def _read_certificate(folder: Path) -> SignerCertificate:
    form = ["-nameopt", "RFC2253,utf8,-esc_msb", "-dateopt", "iso_8601"]
    shown = ["-subject", "-startdate", "-enddate", "-fingerprint", "-sha256"]
    words = ["x509", "-in", _SIGNER, "-noout", *form, *shown, "-ext", "keyUsage"]
    code, output, complaint = _run(folder, words)
    facts = _FACTS.fullmatch(output)
    if code != 0 or facts is None:
        reason = " ".join(complaint.split())[-160:]
        raise CannotCheckError(Message("signature-not-checked", program=_PROGRAM, reason=reason))
    try:
        since, until = _parse_time(facts["since"]), _parse_time(facts["until"])
    except ValueError as error:
        reason = str(error)[:160]
        raise CannotCheckError(
            Message("signature-not-checked", program=_PROGRAM, reason=reason)
        ) from error
    usage = facts["usage"]
    return SignerCertificate(
        fingerprint=facts["fingerprint"].replace(":", "").lower(),
        subject=facts["subject"],
        since=since,
        until=until,
        is_for_signatures=_USAGE not in usage or any(each in usage for each in _SIGNING),
    )


def _parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).replace(tzinfo=UTC)
