"""The signature of a WACZ file (https://specs.webrecorder.net/wacz-auth/0.1.0/).

Two forms: by a public key in the file, which says nothing about whose it is, or by the key of a
domain's TLS certificate with a timestamp (RFC 3161) over the signature.  Roots are the verifier's.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from anchor.base.errors import AnchorError, CannotCheckError, MismatchError, NotTrustedError
from anchor.base.messages.message import Message
from anchor.base.system.clock import format_time
from anchor.foreign_capture.capture_findings import (
    CaptureFault,
    StatedCapture,
    parse_stated_time,
)
from anchor.foreign_capture.carried_certificates import (
    check_chain,
    load_chain,
    reading_certificates,
)
from anchor.foreign_capture.foreign_json import get_text
from anchor.timestamps.timestamp_token import (
    MAX_TOKEN_BYTES,
    check_imprint,
    check_library,
    parse_answer,
    verify_timestamp,
)
from anchor.timestamps.trusted_tsa import TrustedTsa

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

# Between the stated time and that of the timestamp (step 7).
_MOST_APART = timedelta(minutes=10)
# Section "Signature Data Format": a signature must not contain any others.
_COMMON = {"hash", "created", "software", "version", "signature"}
_ANONYMOUS = _COMMON | {"publicKey"}
_DOMAIN = _COMMON | {
    "domain", "domainCert", "timeSignature", "timestampCert", "crossSignedCert",
}  # fmt: skip


def judge_signature(
    signed: dict[str, Any], digest: str, stated: StatedCapture, roots: Sequence[bytes]
) -> None:
    """Judge ``signedData``; ``digest`` is what it should sign, and ``roots`` are in DER."""
    finding = stated.find("wacz-signature", Message("foreign-wacz-signature"))
    try:
        is_domain = "domainCert" in signed
        unknown = sorted(set(signed) - (_DOMAIN if is_domain else _ANONYMOUS))
        if unknown:
            raise CaptureFault(Message("foreign-signature-members", names=", ".join(unknown)[:80]))
        if signed.get("hash") != digest:
            raise CaptureFault(Message("foreign-signature-hash"))
        signature = _decode(signed, "signature")
        if is_domain:
            chain = load_chain(_require(signed, "domainCert").encode())
            with reading_certificates():
                key = _public_key(chain[0].public_key())
        else:
            chain, key = [], _load_key(_decode(signed, "publicKey"))
        _verify(key, signature, digest.encode())
    except CaptureFault as fault:
        finding.add_failure(fault.message)
        return
    except CannotCheckError as error:
        finding.add_gap(error.message)
        return
    finding.add_pass()
    if is_domain:
        time = _judge_timestamp(signed, stated, roots)
        _judge_domain(signed, chain, time, stated, roots)
    else:
        stated.find("wacz-signer", Message("foreign-wacz-signer")).add_gap(
            Message("foreign-signer-anonymous")
        )


def _require(signed: dict[str, Any], name: str) -> str:
    text = get_text(signed, name)
    if text is None:
        raise CaptureFault(Message("foreign-signature-member", name=name))
    return text


def _decode(signed: dict[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(_require(signed, name), validate=True)
    except (ValueError, binascii.Error) as error:
        raise CaptureFault(Message("foreign-signature-member", name=name)) from error


def _load_key(data: bytes) -> EllipticCurvePublicKey:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_der_public_key
    except ImportError:
        raise CannotCheckError(Message("foreign-no-cryptography")) from None
    try:
        return _public_key(load_der_public_key(data))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CaptureFault(Message("foreign-signature-member", name="publicKey")) from error


def _public_key(key: object) -> EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(
        key.curve, ec.SECP256R1 | ec.SECP384R1
    ):
        raise CannotCheckError(Message("foreign-signature-key"))
    return key


def _verify(key: EllipticCurvePublicKey, signature: bytes, data: bytes) -> None:
    """Verify ECDSA over SHA-256 or SHA-384; signatures are in DER or IEEE P1363, as browsers do."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    size = (key.curve.key_size + 7) // 8
    if len(signature) == 2 * size:
        r, s = (int.from_bytes(part, "big") for part in (signature[:size], signature[size:]))
        signature = encode_dss_signature(r, s)
    for algorithm in (hashes.SHA256(), hashes.SHA384()):
        try:
            key.verify(signature, data, ec.ECDSA(algorithm))
        except InvalidSignature:
            continue
        return
    raise CaptureFault(Message("foreign-signature-wrong"))


def _judge_timestamp(
    signed: dict[str, Any], stated: StatedCapture, roots: Sequence[bytes]
) -> datetime | None:
    """Judge the timestamp over the signature; return its time if a root stands behind it."""
    finding = stated.find("wacz-timestamp", Message("foreign-wacz-timestamp"))
    if get_text(signed, "timeSignature") is None:
        finding.add_gap(Message("foreign-timestamp-none"))
        return None
    signature = _require(signed, "signature").encode()
    try:
        answer = _decode(signed, "timeSignature")
        if len(answer) > MAX_TOKEN_BYTES:
            raise CaptureFault(Message("foreign-signature-member", name="timeSignature"))
        check_library()
        parsed = parse_answer(answer)
        check_imprint(parsed, signature)
        time = parsed.tst_info.gen_time
        created = parse_stated_time(signed.get("created"))
        if created is None or abs(created - time) > _MOST_APART:
            raise CaptureFault(Message("foreign-timestamp-apart", time=format_time(time)))
        if not roots:
            raise CannotCheckError(Message("foreign-no-roots"))
        authority = TrustedTsa(name="--capture-roots", roots=tuple(roots))
        verified = verify_timestamp(parsed.time_stamp_token(), signature, [authority])
    except (CaptureFault, MismatchError, NotTrustedError) as error:
        finding.add_failure(error.message)
    except AnchorError as error:
        finding.add_gap(error.message)
    else:
        finding.add_pass()
        return verified.time
    return None


def _judge_domain(
    signed: dict[str, Any],
    chain: Sequence[x509.Certificate],
    time: datetime | None,
    stated: StatedCapture,
    roots: Sequence[bytes],
) -> None:
    """Judge the signer's certificates at the time of the timestamp, or else at the stated one."""
    from cryptography import x509
    from cryptography.x509 import verification

    finding = stated.find("wacz-signer", Message("foreign-wacz-signer"))
    at = time or parse_stated_time(signed.get("created"))
    try:
        domain = _require(signed, "domain")
        with reading_certificates():
            check_chain(chain, domain, at)
        if not roots or at is None:
            raise CannotCheckError(Message("foreign-no-roots"))
        store = verification.Store([x509.load_der_x509_certificate(root) for root in roots])
        verifier = (
            verification.PolicyBuilder()
            .store(store)
            .time(at)
            .build_server_verifier(x509.DNSName(domain))
        )
        verifier.verify(chain[0], list(chain[1:]))
    except CaptureFault as fault:
        finding.add_failure(fault.message)
    except CannotCheckError as error:
        finding.add_gap(error.message)
    except (ValueError, verification.VerificationError):
        finding.add_failure(Message("foreign-signer-untrusted", domain=str(signed["domain"])[:80]))
    else:
        finding.add_pass()
