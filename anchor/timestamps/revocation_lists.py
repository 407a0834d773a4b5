"""Revocation lists (RFC 5280) of the certificates behind a token, judged as of the token's time.

A list counts only if the issuer of the certificate signed it, and says nothing if it cannot be
used: then revocation is "not judged".  Of a revoked certificate RFC 3161, section 4, says which
tokens stand: before the revocation those of one that was merely replaced or no longer used, and
none if the list states no reason.  Whoever has a stolen key can also backdate tokens, so that
those from before the invalidity date cannot be told.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from anchor.base.errors import CannotCheckError, NotTrustedError
from anchor.base.messages.message import Message, join
from anchor.base.system.clock import format_time
from anchor.timestamps.token_envelope import reading

if TYPE_CHECKING:
    from cryptography import x509

# The lists of large authorities take some megabytes, and some tokens name several lists.
MAX_LISTS_BYTES = 1 << 25
_PEM = re.compile(r"-----BEGIN X509 CRL-----\s+([A-Za-z0-9+/=\s]+)-----END X509 CRL-----", re.ASCII)
# RFC 3161, section 4, point 1: with these reasons earlier tokens remain valid.
_EARLIER_STAND = ("unspecified", "affiliationChanged", "superseded", "cessationOfOperation")
_COMPROMISED = ("keyCompromise", "cACompromise", "aACompromise")
_ON_HOLD = "certificateHold"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Status:
    """What the lists say of one certificate; ``is_judged`` is False if none of them can be used."""

    is_judged: bool
    text: Message


def check_revocation(
    signer: x509.Certificate,
    others: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    lists: bytes,
    existed_by: datetime,
) -> Message:
    """Return what the lists (PEM) say of a token's certificates at the time ``existed_by``.

    ``others`` are untrusted certificates that may lead from the signer's to one of ``roots``.

    Raises:
        NotTrustedError: A certificate was revoked, so that the token does not stand.
        CannotCheckError: One was revoked, and the token may have been made before or after that.
    """
    chain = _find_chain(signer, others, roots, set())
    if len(chain) < 2:
        return _not_judged(Message("revocation-no-issuer")).text
    try:
        parsed = list(_parse_lists(lists))
    except CannotCheckError as error:
        return _not_judged(error.message).text
    statuses = [
        _judge(certificate, issuer, parsed, existed_by) for certificate, issuer in pairwise(chain)
    ]
    return next((each for each in statuses if not each.is_judged), statuses[0]).text


def _find_chain(
    certificate: x509.Certificate,
    others: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    seen: set[x509.Certificate],
) -> tuple[x509.Certificate, ...]:
    """Return the certificate and its issuers up to a root; empty if none of the roots is reached.

    ``seen`` have been tried, so that certificates which issued each other end.
    """
    if certificate in roots:
        return (certificate,)
    seen.add(certificate)
    for issuer in (*roots, *others):
        if issuer not in seen and _issued(issuer, certificate):
            above = _find_chain(issuer, others, roots, seen)
            if above:
                return (certificate, *above)
    return ()


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _parse_lists(data: bytes) -> Iterator[x509.CertificateRevocationList]:
    """Yield the lists of a PEM text, each once."""
    from cryptography import x509

    if len(data) > MAX_LISTS_BYTES:
        raise CannotCheckError(Message("revocation-lists-too-long", limit=MAX_LISTS_BYTES))
    blocks = dict.fromkeys(_PEM.findall(data.decode("ascii", "replace")))
    if not blocks:
        raise CannotCheckError(Message("revocation-no-list"))
    for block in blocks:
        try:
            with reading():
                crl = x509.load_der_x509_crl(b64decode("".join(block.split()), validate=True))
                # The library decodes its parts when they are read.
                if not crl.last_update_utc.tzinfo or crl.issuer is None:
                    raise ValueError("no issuer or no time")
        except (binascii.Error, CannotCheckError) as error:
            raise CannotCheckError(Message("revocation-list-unreadable")) from error
        yield crl


def _judge(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    lists: Sequence[x509.CertificateRevocationList],
    existed_by: datetime,
) -> _Status:
    """Return what the lists of a certificate's issuer say of it; the newest list goes first."""
    refusals: list[Message] = []
    covering: x509.CertificateRevocationList | None = None
    own = [each for each in lists if each.issuer == issuer.subject]
    for crl in sorted(own, key=lambda each: each.last_update_utc, reverse=True):
        try:
            with reading():
                _check_usable(crl, certificate, issuer)
                entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
                reason, since = _read_entry(entry) if entry is not None else (None, None)
                if entry is None:
                    _check_covers(crl, certificate, existed_by)
        except CannotCheckError as error:
            refusals.append(error.message)
            continue
        if entry is None:
            covering = covering or crl
        elif reason != _ON_HOLD or covering is None:  # a newer list may end a hold, nothing else
            return _judge_entry(entry, reason, since, existed_by)
    if covering is not None:
        time = format_time(covering.last_update_utc)
        return _Status(is_judged=True, text=Message("timestamp-not-revoked", time=time))
    return _not_judged(join(dict.fromkeys(refusals)) if own else Message("revocation-no-list"))


def _not_judged(reason: Message) -> _Status:
    return _Status(is_judged=False, text=Message("timestamp-revocation-not-judged", reason=reason))


def _check_usable(
    crl: x509.CertificateRevocationList, certificate: x509.Certificate, issuer: x509.Certificate
) -> None:
    """Check that a list is its issuer's, and that all of it that is critical is known here.

    Raises:
        CannotCheckError: It must not be used for this certificate (RFC 5280, 5.2, 5.3 and 6.3.3).
    """
    from cryptography import x509

    usage = next((each.value for each in issuer.extensions if each.oid == x509.KeyUsage.oid), None)
    may_sign = not isinstance(usage, x509.KeyUsage) or usage.crl_sign
    # RFC 5280 names no other types; the library takes the union of all public keys.
    key: Any = issuer.public_key()
    if not may_sign or not crl.is_signature_valid(key):
        raise CannotCheckError(Message("revocation-list-not-issuers"))
    for extension in crl.extensions:
        if isinstance(extension.value, x509.IssuingDistributionPoint):
            _check_scope(extension.value, certificate)
        elif extension.critical:
            oid = extension.oid.dotted_string
            raise CannotCheckError(Message("revocation-extension-unknown", oid=oid))
    known = (x509.CRLReason, x509.InvalidityDate)
    for entry in crl:
        for each in entry.extensions:
            if each.critical and not isinstance(each.value, known):
                oid = each.oid.dotted_string
                raise CannotCheckError(Message("revocation-extension-unknown", oid=oid))


def _check_scope(scope: x509.IssuingDistributionPoint, certificate: x509.Certificate) -> None:
    """Check that a list with a limited scope covers the certificate."""
    from cryptography import x509

    if scope.indirect_crl:
        raise CannotCheckError(Message("revocation-list-indirect"))
    by_class = {each.oid: each.value for each in certificate.extensions}
    basic = by_class.get(x509.BasicConstraints.oid)
    is_ca = isinstance(basic, x509.BasicConstraints) and basic.ca
    points = by_class.get(x509.CRLDistributionPoints.oid)
    names = [
        name
        for point in (points if isinstance(points, x509.CRLDistributionPoints) else ())
        for name in point.full_name or ()
    ]
    if (
        scope.only_contains_attribute_certs
        or (scope.only_contains_user_certs and is_ca)
        or (scope.only_contains_ca_certs and not is_ca)
        or scope.relative_name is not None
        or (scope.full_name is not None and not set(scope.full_name) & set(names))
    ):
        raise CannotCheckError(Message("revocation-list-not-covering"))


def _check_covers(
    crl: x509.CertificateRevocationList, certificate: x509.Certificate, existed_by: datetime
) -> None:
    """Check that a list without the certificate shows that it was not revoked by ``existed_by``.

    Raises:
        CannotCheckError: It covers some reasons only, or was not in force at that time.
    """
    from cryptography import x509

    for extension in crl.extensions:
        scope = extension.value
        if isinstance(scope, x509.IssuingDistributionPoint) and scope.only_some_reasons:
            raise CannotCheckError(Message("revocation-list-not-covering"))
    begins, ends = crl.last_update_utc, crl.next_update_utc
    # A later list holds earlier revocations until the certificate expires (RFC 5280, 3.3).
    is_later = existed_by <= begins <= certificate.not_valid_after_utc
    if not is_later and not (ends is not None and begins <= existed_by <= ends):
        until = "-" if ends is None else format_time(ends)
        raise CannotCheckError(
            Message("revocation-list-not-in-force", begins=format_time(begins), ends=until)
        )


def _read_entry(entry: x509.RevokedCertificate) -> tuple[str | None, datetime | None]:
    """Return the stated reason of a revocation, and since when the key was invalid."""
    from cryptography import x509

    reason: str | None = None
    since: datetime | None = None
    for extension in entry.extensions:
        if isinstance(extension.value, x509.CRLReason):
            reason = str(extension.value.reason.value)
        elif isinstance(extension.value, x509.InvalidityDate):
            since = extension.value.invalidity_date.replace(tzinfo=UTC)
    return reason, since


def _judge_entry(
    entry: x509.RevokedCertificate,
    reason: str | None,
    since: datetime | None,
    existed_by: datetime,
) -> _Status:
    """Return that a token from before the revocation stands.

    Raises:
        CannotCheckError: The certificate was revoked for a reason that leaves it open.
    """
    revoked = entry.revocation_date_utc
    time = format_time(revoked)
    if reason is None:
        raise NotTrustedError(Message("timestamp-revoked-without-reason", time=time))
    if reason in _COMPROMISED and since is None:
        raise NotTrustedError(Message("timestamp-revoked", time=time, reason=reason))
    if existed_by >= (min(since, revoked) if since is not None else revoked):
        raise NotTrustedError(Message("timestamp-revoked", time=time, reason=reason))
    if reason not in _EARLIER_STAND:
        raise CannotCheckError(Message("timestamp-revoked-open", time=time, reason=reason))
    text = Message("timestamp-revoked-later", time=time, reason=reason)
    return _Status(is_judged=True, text=text)
