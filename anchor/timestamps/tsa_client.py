"""Asking a timestamping authority for a token over a checkpoint (RFC 3161, 3.4: HTTP)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests

from anchor.base.errors import AnchorError, CannotCheckError
from anchor.base.messages.message import Message
from anchor.base.system.http import BadResponse, BoundedSession, format_failure, read_retry_after
from anchor.timestamps.timestamp_token import (
    MAX_TOKEN_BYTES,
    check_imprint,
    check_library,
    parse_answer,
)
from anchor.timestamps.token_envelope import reading

if TYPE_CHECKING:
    from cryptography import x509
    from rfc3161_client import SignedData

TIMEOUT = 20.0
"""Seconds for one exchange, from the first byte to the last."""

_REQUEST_TYPE = "application/timestamp-query"
# The lists of large authorities take some megabytes.
_MAX_CRL_BYTES = 1 << 24
_MAX_CRLS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedTimestamp:
    """A token as issued: its bytes, and the certificates in it as PEM."""

    token: bytes
    certificates: bytes


def request_timestamp(url: str, checkpoint: bytes) -> IssuedTimestamp:
    """Return a new token over a checkpoint, with this request's imprint and nonce.

    Its signature is not verified.
    """
    check_library()
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    # Without the explicit algorithm the library would send a SHA-512.
    builder = TimestampRequestBuilder().data(checkpoint).hash_algorithm(HashAlgorithm.SHA256)
    request = builder.nonce(nonce=True).cert_request(cert_request=True).build()
    session = BoundedSession(timeout=TIMEOUT, max_bytes=MAX_TOKEN_BYTES, is_json=False)
    headers = {"Content-Type": _REQUEST_TYPE}
    with session:
        answer = _exchange(session, "POST", url, data=request.as_bytes(), headers=headers)
    parsed = parse_answer(answer)
    if parsed.status != 0:
        raise CannotCheckError(Message("tsa-refused", status=parsed.status))
    try:
        check_imprint(parsed, checkpoint)
    except AnchorError as error:
        raise CannotCheckError(Message("tsa-answer-wrong", reason=error.message)) from error
    if parsed.tst_info.nonce != request.nonce:
        raise CannotCheckError(Message("tsa-answer-wrong", reason=Message("tsa-nonce-differs")))
    pem = b"".join(_encode_pem(each) for each in _load_certificates(parsed.signed_data))
    return IssuedTimestamp(token=parsed.time_stamp_token(), certificates=pem)


def fetch_revocation_lists(certificates: bytes) -> bytes:
    """Return the revocation lists that the certificates (PEM) name and that can be read, as PEM.

    Whether they are good, ``verify_timestamp`` judges.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    lists = []
    urls = dict.fromkeys(
        url
        for certificate in x509.load_pem_x509_certificates(certificates)
        for url in _list_distribution_points(certificate)
    )
    with BoundedSession(timeout=TIMEOUT, max_bytes=_MAX_CRL_BYTES, is_json=False) as session:
        for url in list(urls)[:_MAX_CRLS]:
            try:
                data = _exchange(session, "GET", url)
                with reading():
                    lists.append(x509.load_der_x509_crl(data).public_bytes(Encoding.PEM))
            except CannotCheckError:
                continue  # nobody else's list would prove anything either
    return b"".join(lists)


def _exchange(session: BoundedSession, method: str, url: str, **named: object) -> bytes:
    try:
        response = session.request(method, url, **named)
    except BadResponse as error:
        raise CannotCheckError(Message("tsa-answer-wrong", reason=str(error))) from error
    except (requests.RequestException, ValueError) as error:
        raise CannotCheckError(Message("tsa-no-answer", reason=format_failure(error))) from error
    if response.status_code != 200:
        raise CannotCheckError(
            Message("tsa-http-status", status=response.status_code),
            retry_after=read_retry_after(response),
        )
    content: bytes = response.content
    return content


def _load_certificates(signed_data: SignedData) -> list[x509.Certificate]:
    from cryptography import x509

    with reading():
        return [x509.load_der_x509_certificate(each) for each in sorted(signed_data.certificates)]


def _encode_pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _list_distribution_points(certificate: x509.Certificate) -> Iterator[str]:
    from cryptography import x509

    try:
        with reading():
            extensions = certificate.extensions
            points = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, CannotCheckError):
        return
    for point in points:
        for name in point.full_name or ():
            if isinstance(name, x509.UniformResourceIdentifier) and name.value.startswith(
                ("http://", "https://")
            ):
                yield name.value
