"""The TLS certificates that a server presented to the browser."""

from __future__ import annotations

import base64
import hashlib
import ssl
import warnings
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import verification

from anchor.base.system.clock import format_time
from anchor.collection.machine_environment import clean_text


def describe_chain(chain: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return what each certificate (DER) of a chain states, the server's own first."""
    return [_describe(certificate) for certificate in chain]


def _describe(data: bytes) -> dict[str, Any]:
    members: dict[str, Any] = {"sha256": hashlib.sha256(data).hexdigest()}
    try:
        certificate = x509.load_der_x509_certificate(data)
        return members | {
            "subject": clean_text(certificate.subject.rfc4514_string()),
            "issuer": clean_text(certificate.issuer.rfc4514_string()),
            "serial": f"{certificate.serial_number:x}",
            "not_before": format_time(certificate.not_valid_before_utc),
            "not_after": format_time(certificate.not_valid_after_utc),
            "names": _list_names(certificate),
            "scts": _list_timestamps(certificate),
        }
    except ValueError as error:
        return members | {"unreadable": clean_text(str(error))}


def _list_names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [clean_text(str(name.value)) for name in extension.value]


def _list_timestamps(certificate: x509.Certificate) -> list[dict[str, str]]:
    """Return the signed certificate timestamps (RFC 6962) that the certificate embeds."""
    try:
        extension = certificate.extensions.get_extension_for_class(
            x509.PrecertificateSignedCertificateTimestamps
        )
    except x509.ExtensionNotFound:
        return []
    return [
        {"log": each.log_id.hex(), "timestamp": f"{each.timestamp.isoformat()}Z"}
        for each in extension.value
    ]


def encode_pem(certificate: bytes) -> str:
    """Return a certificate (DER) as PEM."""
    return ssl.DER_cert_to_PEM_cert(certificate)


def hash_public_key(certificate: bytes) -> str:
    """Return the SHA-256 of a certificate's public key (SPKI), in base64; the input is PEM."""
    key = x509.load_pem_x509_certificate(certificate).public_key()
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(encoded).digest()).decode("ascii")


def is_trusted(chain: Sequence[bytes], host: str, at: float, *, roots: Sequence[bytes]) -> bool:
    """Return whether a chain is that of a server of this name at a Unix time, under these roots."""
    try:
        subject: x509.DNSName | x509.IPAddress = x509.IPAddress(ip_address(host))
    except ValueError:
        subject = x509.DNSName(host)
    try:
        policy = verification.PolicyBuilder().store(verification.Store(_load(roots)))
        verifier = policy.time(datetime.fromtimestamp(at, UTC)).build_server_verifier(subject)
        verifier.verify(x509.load_der_x509_certificate(chain[0]), _load(chain[1:]))
    except (ValueError, verification.VerificationError):
        return False
    return True


def _load(certificates: Sequence[bytes]) -> list[x509.Certificate]:
    """Return those that can be read."""
    loaded = []
    for data in certificates:
        with warnings.catch_warnings(), suppress(ValueError):
            warnings.simplefilter("ignore")  # serial numbers of old roots
            loaded.append(x509.load_der_x509_certificate(data))
    return loaded
