"""RFC 3161 tokens over signed checkpoints, verified by nothing but the bytes and the roots given.

A token is verified in this order (docs/timestamps.md):

1. rfc3161-client is 1.0.9 or later: earlier ones trust the root certificates inside a token.
2. The token is the DER encoding of CMS signed data.
3. Its imprint is by SHA-256.
4. Its imprint is that of the checkpoint.
5. The signer's certificate is in it, once, and the signer's digest is of the SHA-2 family.
6. The signature, and the chain of certificates to a root that the verifier named, as of the token's
   own time; the signer's certificate is for timestamping only, and is the one that the signature
   covers (RFC 3161, 2.4.1): another one of the same key may be valid at another time.
7. No revocation list given says that one of these certificates was revoked, in a way in which the
   token does not stand.  Without a list that can be used, that is not judged.

Certificates in the token are never trusted by themselves.  "Cannot tell" is an error of its own:
what this program cannot read or check may be a good token all the same.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import metadata
from typing import TYPE_CHECKING

from anchor.base.errors import (
    AnchorError,
    CannotCheckError,
    MalformedError,
    MismatchError,
    NotTrustedError,
    UnknownVersionError,
)
from anchor.base.messages.message import Message, join
from anchor.timestamps.revocation_lists import check_revocation
from anchor.timestamps.token_envelope import (
    StatedSigner,
    is_signed_data,
    read_signer,
    reading,
    wrap_token,
)
from anchor.timestamps.trusted_tsa import TrustedTsa

if TYPE_CHECKING:
    from cryptography import x509
    from rfc3161_client import TimeStampResponse

# A token with a chain of four certificates takes about 8 KB.
MAX_TOKEN_BYTES = 1 << 17

_PACKAGE = "rfc3161-client"
_LEAST_VERSION = (1, 0, 9)
_VERSION = re.compile(r"([0-9]+)\.([0-9]+)\.([0-9]+)")
_SHA256_OID = "2.16.840.1.101.3.4.2.1"
# By which a signer may sign, and name its certificate; RFC 3161's first form names it by SHA-1.
_DIGESTS = {
    bytes.fromhex("608648016503040201"): hashlib.sha256,
    bytes.fromhex("608648016503040202"): hashlib.sha384,
    bytes.fromhex("608648016503040203"): hashlib.sha512,
}
_NAMING = _DIGESTS | {bytes.fromhex("2b0e03021a"): hashlib.sha1}
# OpenSSL's words, as the library passes them on: the chain is verified before the signature.
_CHAIN_FAILED = "certificate verify error"
_SIGNATURE_FAILED = ("digest failure", "signature failure")
_CHAIN_REASON = re.compile(r"Verify error: ?([A-Za-z0-9 ,()'-]{1,80})")
_PURPOSE = "EKU"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedTimestamp:
    """What a token proves: the checkpoint existed no later than ``time`` plus ``accuracy``.

    ``tsa`` is the name that the policy gives the authority, and ``roots`` are its certificates
    there, in DER: the chain ends at one of them.  ``accuracy`` is None if the token does not state
    it.  ``revocation`` says what the revocation lists say of its certificates, or that this was
    not judged.
    """

    tsa: str
    roots: tuple[bytes, ...]
    time: datetime
    accuracy: timedelta | None
    serial: int
    revocation: Message

    @property
    def existed_by(self) -> datetime:
        """Return the time no later than which the checkpoint existed, rounded up to a millisecond.

        Such times are shown with milliseconds.
        """
        return _add_accuracy(self.time, self.accuracy)


def verify_timestamp(
    data: bytes,
    checkpoint: bytes,
    authorities: Sequence[TrustedTsa],
    *,
    revocation_lists: bytes = b"",
) -> VerifiedTimestamp:
    """Verify a token over a checkpoint's bytes; return what it proves.

    ``revocation_lists`` are lists (CRL) in PEM, which count if the certificates' issuers signed
    them.

    Raises:
        UnknownVersionError: The imprint is by another algorithm than SHA-256, or the signature by
            one that is not of SHA-2.
        NotTrustedError: No root in ``authorities`` stands behind the token, or a certificate of it
            was revoked.
        CannotCheckError: The token cannot be checked here, or ``authorities`` is empty.
    """
    parsed = read_token(data)
    check_imprint(parsed, checkpoint)
    if not authorities:
        raise CannotCheckError(
            Message("timestamp-no-tsa-trusted"), hint=Message("timestamp-no-tsa-trusted-hint")
        )
    certificates = _find_signer(parsed)
    with reading():
        stated = read_signer(data)
    if stated.algorithm not in _DIGESTS:
        raise UnknownVersionError(Message("timestamp-digest-algorithm"))
    refusals: list[AnchorError] = []
    for authority in authorities:
        try:
            _verify_chain(parsed, checkpoint, authority)
        except NotTrustedError as error:
            refusals.append(error)
        else:
            _check_signed_certificate(stated, certificates[0])
            with reading():
                return _describe(parsed, authority, certificates, revocation_lists)
    names = join([authority.name for authority in authorities])
    reasons = join(dict.fromkeys(error.message for error in refusals), "semicolon")
    raise NotTrustedError(Message("timestamp-tsa-unknown", names=names, reasons=reasons))


def read_token(data: bytes) -> TimeStampResponse:
    """Parse a token as the answer that granted it."""
    check_library()
    if len(data) > MAX_TOKEN_BYTES:
        raise MalformedError(Message("timestamp-too-long", limit=MAX_TOKEN_BYTES))
    if not is_signed_data(data):
        raise MalformedError(Message("timestamp-not-token"))
    return parse_answer(wrap_token(data))


def parse_answer(data: bytes) -> TimeStampResponse:
    """Parse a TSA's answer (TimeStampResp) whose token is signed data."""
    from rfc3161_client import decode_timestamp_response

    with reading():
        parsed = decode_timestamp_response(data)
        # The library decodes its parts when they are read.
        if not (parsed.tst_info.gen_time.tzinfo and parsed.tst_info.message_imprint.message):
            raise ValueError("no time or no imprint")
    return parsed


def check_library() -> None:
    """Check that the library is present and trusts no certificates inside tokens.

    Raises:
        CannotCheckError: It is missing, or older than 1.0.9.
    """
    try:
        stated = metadata.version(_PACKAGE)
    except metadata.PackageNotFoundError:
        raise CannotCheckError(
            Message("timestamp-library-missing"), hint=Message("timestamp-library-hint")
        ) from None
    match = _VERSION.match(stated)
    if match is None or tuple(map(int, match.groups())) < _LEAST_VERSION:
        raise CannotCheckError(
            Message("timestamp-library-old", version=stated), hint=Message("timestamp-library-hint")
        )


def check_imprint(parsed: TimeStampResponse, checkpoint: bytes) -> None:
    """Check that a token is over a checkpoint's SHA-256: first the algorithm, then the bytes."""
    imprint = parsed.tst_info.message_imprint
    algorithm = imprint.hash_algorithm.dotted_string
    if algorithm != _SHA256_OID:
        raise UnknownVersionError(Message("timestamp-imprint-algorithm", algorithm=algorithm))
    expected = hashlib.sha256(checkpoint).digest()
    if imprint.message != expected:
        raise MismatchError(
            Message("timestamp-imprint-differs"), expected=expected, actual=imprint.message
        )


def format_command(token: str, checkpoint: str, parsed: TimeStampResponse | None) -> str:
    """Return the command by which OpenSSL verifies a token; ROOTS.pem stands for its roots.

    The time is the token's own, because OpenSSL otherwise demands that the certificates are valid
    today.
    """
    words = ["openssl", "ts", "-verify", "-data", checkpoint, "-in", token, "-token_in"]
    if parsed is not None:
        words += ["-attime", str(int(parsed.tst_info.gen_time.timestamp()))]
    return shlex.join([*words, "-CAfile", "ROOTS.pem"])


def _find_signer(parsed: TimeStampResponse) -> tuple[x509.Certificate, list[x509.Certificate]]:
    """Return the one certificate in the token with the signer's issuer and number; the others.

    The library checks the purpose of one of them, and the signature by another, if there are two.
    """
    from cryptography import x509

    with reading():
        signers = [(each.issuer, each.serial_number) for each in parsed.signed_data.signer_infos]
        certificates = [
            x509.load_der_x509_certificate(each) for each in sorted(parsed.signed_data.certificates)
        ]
        names = [(each.issuer, each.serial_number) for each in certificates]
    if len(signers) != 1:
        raise NotTrustedError(Message("timestamp-signers-several", count=len(signers)))
    match names.count(signers[0]):
        case 0:
            raise CannotCheckError(Message("timestamp-certificate-missing"))
        case 1:
            return certificates.pop(names.index(signers[0])), certificates
        case _:
            raise NotTrustedError(Message("timestamp-certificates-several"))


def _check_signed_certificate(stated: StatedSigner, signer: x509.Certificate) -> None:
    """Check that the signature covers the digest of the certificate that verifies it."""
    from cryptography.hazmat.primitives.serialization import Encoding

    if not stated.certificates:
        raise NotTrustedError(Message("timestamp-certificate-not-signed"))
    certificate = signer.public_bytes(Encoding.DER)
    for algorithm, digest in stated.certificates:
        if algorithm not in _NAMING:
            raise UnknownVersionError(Message("timestamp-digest-algorithm"))
        if _NAMING[algorithm](certificate).digest() != digest:
            raise NotTrustedError(Message("timestamp-certificate-swapped"))


def _verify_chain(parsed: TimeStampResponse, checkpoint: bytes, authority: TrustedTsa) -> None:
    from cryptography import x509
    from rfc3161_client import VerificationError, VerifierBuilder

    try:
        roots = [x509.load_der_x509_certificate(root) for root in authority.roots]
    except ValueError as error:
        raise MalformedError(Message("tsa-root-not-certificate", name=authority.name)) from error
    # Never `intermediates`: the library would trust them like roots.
    verifier = VerifierBuilder(roots=roots).build()
    try:
        with reading():
            verifier.verify(parsed, hashlib.sha256(checkpoint).digest())
    except VerificationError as error:
        raise _explain(str(error)) from error


def _explain(text: str) -> AnchorError:
    if _CHAIN_FAILED in text:
        reason = _CHAIN_REASON.search(text)
        return NotTrustedError(
            Message("timestamp-chain-untrusted", reason=reason[1] if reason else _CHAIN_FAILED)
        )
    if any(words in text for words in _SIGNATURE_FAILED):
        return MismatchError(Message("timestamp-signature-wrong"))
    if _PURPOSE in text:
        return NotTrustedError(Message("timestamp-purpose-wrong"))
    return CannotCheckError(Message("timestamp-not-checked"))


def _describe(
    parsed: TimeStampResponse,
    authority: TrustedTsa,
    certificates: tuple[x509.Certificate, Sequence[x509.Certificate]],
    revocation_lists: bytes,
) -> VerifiedTimestamp:
    from cryptography import x509

    info, accuracy = parsed.tst_info, None
    # The library returns None without the optional member, which its types do not state.
    stated: object = info.accuracy
    if stated is not None:
        accuracy = timedelta(
            seconds=info.accuracy.seconds or 0,
            milliseconds=info.accuracy.millis or 0,
            microseconds=info.accuracy.micros or 0,
        )
    # A sum beyond the year 9999 is an error by itself, which the caller translates.
    existed_by = _add_accuracy(info.gen_time, accuracy)
    if existed_by < info.gen_time:
        raise ValueError("negative accuracy")
    roots = [x509.load_der_x509_certificate(root) for root in authority.roots]
    return VerifiedTimestamp(
        tsa=authority.name,
        roots=authority.roots,
        time=info.gen_time,
        accuracy=accuracy,
        serial=info.serial_number,
        revocation=check_revocation(*certificates, roots, revocation_lists, existed_by),
    )


def _add_accuracy(time: datetime, accuracy: timedelta | None) -> datetime:
    by = time + (accuracy or timedelta())
    return by + timedelta(microseconds=-by.microsecond % 1000)
