"""The TLS certificates that a server presented to the browser."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from cryptography import x509

from anchor.collection.machine_environment import clean_text
from anchor.system.clock import format_time


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
