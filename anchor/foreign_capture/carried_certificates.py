"""The TLS certificates that a capture carries, as PEM: what they say of their host and time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from anchor.base.errors import CannotCheckError
from anchor.base.messages.message import Message
from anchor.base.system.clock import format_time
from anchor.foreign_capture.capture_findings import CaptureFault, CaptureFinding

if TYPE_CHECKING:
    from cryptography import x509

MAX_PEM_BYTES = 1 << 16
PEM_MARK = b"-----BEGIN CERTIFICATE-----"


def judge_certificates(
    finding: CaptureFinding, pem: bytes, host: str, time: datetime | None
) -> None:
    """Check that a chain is for ``host``, valid at ``time``, and in order.

    Whether its last certificate is to be trusted is not checked.
    """
    try:
        chain = load_chain(pem)
        with reading_certificates():
            check_chain(chain, host, time)
    except CaptureFault as fault:
        finding.add_failure(fault.message)
    except CannotCheckError as error:
        finding.add_gap(error.message)
    else:
        finding.add_pass(len(chain))


@contextmanager
def reading_certificates() -> Iterator[None]:
    """Translate what the library raises for parts of certificates, which it reads late."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        yield
    except (
        ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ) as error:  # fmt: skip
        raise CaptureFault(Message("foreign-certificate-unreadable")) from error


def load_chain(pem: bytes) -> list[x509.Certificate]:
    """Return the certificates of a PEM text, in their order."""
    try:
        from cryptography import x509
    except ImportError:
        raise CannotCheckError(Message("foreign-no-cryptography")) from None
    with reading_certificates():
        return x509.load_pem_x509_certificates(pem)


def check_chain(chain: Sequence[x509.Certificate], host: str, time: datetime | None) -> None:
    """Check that a chain is for a host, valid at a time, and in order."""
    names = list_names(chain[0])
    if not any(_covers(name, host) for name in names):
        raise CaptureFault(
            Message("foreign-certificate-host", host=host[:200], names=", ".join(names)[:200])
        )
    for certificate in chain:
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if time is not None and not start <= time <= end:
            raise CaptureFault(
                Message(
                    "foreign-certificate-time",
                    host=host[:200],
                    time=format_time(time),
                    start=format_time(start),
                    end=format_time(end),
                )
            )
    for certificate, issuer in pairwise(chain):
        if not _is_issued_by(certificate, issuer):
            raise CaptureFault(Message("foreign-certificate-chain", host=host[:200]))


def list_names(certificate: x509.Certificate) -> list[str]:
    """Return the DNS names of a certificate; without any, its common names."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        subjects = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return [str(each.value) for each in subjects]
    return extension.value.get_values_for_type(x509.DNSName)


def _covers(name: str, host: str) -> bool:
    """Return whether a certificate's name is the host's; ``*`` stands for its first label."""
    name, host = name.lower(), host.lower()
    if name.startswith("*."):
        return host.partition(".")[2] == name[2:]
    return name == host


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
